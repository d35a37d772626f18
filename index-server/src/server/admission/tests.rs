use super::*;

const BOUNDS: Bounds =
    Bounds { most: 100, most_per_address: 2, bytes: (64 << 10, 16 << 10), loopback_counts: false };

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn there_is_room_for_so_many_and_again_when_one_has_gone() {
    let admission = Admission::new(Bounds { most: 2, most_per_address: 9, ..BOUNDS });
    let one = admission.admit(ip("127.0.0.1"));
    let two = admission.admit(ip("192.0.2.1"));
    assert!(one.is_some() && two.is_some() && admission.admit(ip("192.0.2.2")).is_none());
    drop(one);
    assert!(admission.admit(ip("192.0.2.2")).is_some());
}

#[test]
fn one_address_does_not_take_all_the_room_unless_it_is_this_machine() {
    let admission = Admission::new(BOUNDS);
    let held: Vec<_> = (0..3).map(|_| admission.admit(ip("192.0.2.1"))).collect();
    assert_eq!(held.iter().filter(|permit| permit.is_some()).count(), 2);
    assert!(admission.admit(ip("::ffff:192.0.2.1")).is_none());
    let network: Vec<_> = (1..4).map(|host| admission.admit(ip(&format!("2001:db8::{host}")))).collect();
    assert_eq!(network.iter().filter(|permit| permit.is_some()).count(), 2);
    assert!(admission.admit(ip("2001:db8:0:1::1")).is_some());
    let local: Vec<_> = (0..50).map(|_| admission.admit(ip("127.0.0.1"))).collect();
    assert!(local.iter().all(Option::is_some));
    drop((held, network));
    assert!(admission.admit(ip("192.0.2.1")).is_some());
    drop(local);
    let counts = admission.counts.lock();
    assert!(counts.by_address.is_empty() && counts.all == 0);
}

#[test]
fn this_machine_is_an_address_like_others_if_it_is_to_be() {
    let admission = Admission::new(Bounds { loopback_counts: true, ..BOUNDS });
    let held: Vec<_> = (0..3).map(|_| admission.admit(ip("127.0.0.1"))).collect();
    assert_eq!(held.iter().filter(|permit| permit.is_some()).count(), 2);
}

#[tokio::test]
async fn long_messages_of_one_address_take_no_more_than_its_share_of_memory() {
    let admission = Admission::new(BOUNDS);
    let permit = |address| admission.admit(ip(address)).unwrap();
    let permits = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "127.0.0.1"].map(permit);
    let [one, same, other, local] = permits.each_ref().map(Permit::allowance);
    let room = one.room(10 << 10).await;
    assert!(same.room_now(8 << 10).is_none() && other.room_now(8 << 10).is_some());
    drop(room);
    assert!(same.room_now(8 << 10).is_some());
    // All together have a limit as well.
    let _most = local.room(60 << 10).await;
    assert!(same.room_now(8 << 10).is_none());
}
