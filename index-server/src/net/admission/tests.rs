use super::*;

const BOUNDS: AdmissionLimits = AdmissionLimits {
    connections: 100,
    connections_per_address: 2,
    bytes: (64 << 10, 16 << 10),
    limit_loopback: false,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn dropped_permit_admits_another_connection() {
    let admission =
        ClientAdmission::new(AdmissionLimits { connections: 2, connections_per_address: 9, ..BOUNDS });
    let one = admission.admit(ip("127.0.0.1"));
    let two = admission.admit(ip("192.0.2.1"));
    assert!(one.is_some() && two.is_some() && admission.admit(ip("192.0.2.2")).is_none());
    drop(one);
    assert!(admission.admit(ip("192.0.2.2")).is_some());
}

#[test]
fn one_address_is_limited_unless_loopback() {
    let admission = ClientAdmission::new(BOUNDS);
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
    assert!(counts.by_address.is_empty() && counts.total == 0);
}

#[test]
fn loopback_is_limited_when_configured() {
    let admission = ClientAdmission::new(AdmissionLimits { limit_loopback: true, ..BOUNDS });
    let held: Vec<_> = (0..3).map(|_| admission.admit(ip("127.0.0.1"))).collect();
    assert_eq!(held.iter().filter(|permit| permit.is_some()).count(), 2);
}

#[tokio::test]
async fn one_address_cannot_use_all_message_memory() {
    let admission = ClientAdmission::new(BOUNDS);
    let permit = |address| admission.admit(ip(address)).unwrap();
    let permits = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "127.0.0.1"].map(permit);
    let [one, same, other, local] = permits.each_ref().map(ClientPermit::allowance);
    let permit = one.reserve(10 << 10).await;
    assert!(same.try_reserve(8 << 10).is_none() && other.try_reserve(8 << 10).is_some());
    drop(permit);
    assert!(same.try_reserve(8 << 10).is_some());
    // The total is limited as well.
    let _held = local.reserve(60 << 10).await;
    assert!(same.try_reserve(8 << 10).is_none());
}
