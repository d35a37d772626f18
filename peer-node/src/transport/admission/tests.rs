use std::num::NonZeroUsize;

use super::super::address_limits::CONNECTIONS_PER_ADDRESS;
use super::*;

fn admission(most: usize) -> PeerAdmission {
    PeerAdmission::new(most, AddressLimits::default())
}

/// Admits connections from an address until one is refused. Returns the permits and the reason.
fn admit_until_refused(admission: &PeerAdmission, from: IpAddr) -> (Vec<AdmissionPermit>, AdmissionRefusal) {
    let mut permits = Vec::new();
    loop {
        match admission.admit(from) {
            Ok(permit) => permits.push(permit),
            Err(refusal) => return (permits, refusal),
        }
    }
}

#[test]
fn connections_are_bounded_in_total_and_by_address() {
    let admission = admission(80);
    let (far, home): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [127, 0, 0, 1].into());
    let (mut permits, refusal) = admit_until_refused(&admission, far);
    assert_eq!((permits.len(), refusal), (CONNECTIONS_PER_ADDRESS, AdmissionRefusal::AddressFull));
    let (others, refusal) = admit_until_refused(&admission, home);
    permits.extend(others);
    assert_eq!((permits.len(), refusal), (70, AdmissionRefusal::Full));
    permits.extend(std::iter::from_fn(|| admission.admit_outgoing()));
    assert_eq!(permits.len(), 80);
    drop(permits);
    assert!(admission.counts.lock().accepted.total() == 0);
    assert_eq!(std::iter::from_fn(|| admission.admit_outgoing()).collect::<Vec<_>>().len(), 80);
    assert!(admission.admit(far).is_ok());
}

#[test]
fn further_connections_do_not_use_up_other_limits() {
    let admission = admission(80);
    let home = IpAddr::from([127, 0, 0, 1]);
    let further: Vec<AdmissionPermit> = std::iter::from_fn(|| admission.admit_further(home)).collect();
    assert_eq!(further.len(), 40);
    assert_eq!(std::iter::from_fn(|| admission.admit_outgoing()).collect::<Vec<_>>().len(), 80);
    drop(further);
    assert_eq!(admission.counts.lock().further.total(), 0);
    assert!(admission.admit_further(home).is_some());
}

#[test]
fn one_address_cannot_take_all_further_connections() {
    let admission = admission(80);
    let from = |network: u16, host| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
    let further: Vec<AdmissionPermit> =
        (0..40).filter_map(|host| admission.admit_further(from(1, host))).collect();
    assert_eq!(further.len(), MAX_FURTHER_PER_ADDRESS_GROUP);
    assert!(admission.admit_further(from(2, 0)).is_some());
    drop(further);
    assert!(admission.counts.lock().further.total() == 0);
    assert!(admission.admit_further(from(1, 0)).is_some());
}

#[test]
fn ipv6_network_counts_as_one_address() {
    let admission = admission(800);
    let from = |network: u16, host| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
    let permits: Vec<AdmissionPermit> =
        (0..100).filter_map(|host| admission.admit(from(1, host)).ok()).collect();
    assert_eq!(permits.len(), CONNECTIONS_PER_ADDRESS);
    assert!(admission.admit(from(2, 0)).is_ok());
    drop(permits);
    assert!(admission.counts.lock().accepted.total() == 0);
}

#[test]
fn half_of_all_connections_are_reserved_for_newcomers() {
    let admission = admission(80);
    let from = |last| IpAddr::from([192, 0, 2, last]);
    // 70 are available for incoming connections, 40 of them reserved for newcomers.
    let greedy: Vec<_> = (0..3).map(|last| admit_until_refused(&admission, from(last))).collect();
    assert_eq!(greedy.iter().map(|(permits, _)| permits.len()).collect::<Vec<_>>(), [16, 14, 1]);
    assert_eq!(greedy[2].1, AdmissionRefusal::Reserved);
    let newcomers: Vec<AdmissionPermit> =
        (3..=255).map_while(|last| admission.admit(from(last)).ok()).collect();
    assert_eq!(newcomers.len(), 39);
}

#[test]
fn every_limit_by_address_can_be_lifted() {
    let none = AddressLimits { connections: None, reserved: Some(0), ..AddressLimits::default() };
    let (far, local) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([127, 0, 0, 2]));
    assert_eq!(admit_until_refused(&PeerAdmission::new(80, none), far).0.len(), 70);
    let loopback = AddressLimits { includes_loopback: true, ..AddressLimits::default() };
    let few = AddressLimits { connections: NonZeroUsize::new(3), ..loopback };
    let admission = PeerAdmission::new(80, few);
    assert_eq!(admit_until_refused(&admission, local).0.len(), 3);
    assert_eq!(admit_until_refused(&admission, IpAddr::from([127, 0, 0, 3])).0.len(), 3);
}
