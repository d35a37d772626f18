//! How many connections there may be, altogether and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::socket::network;

/// Counts connections.
#[derive(Debug)]
pub(crate) struct Admission {
    counts: Arc<Mutex<Counts>>,
    most: usize,
    most_per_address: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    counts: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self { counts: Arc::default(), most, most_per_address }
    }

    /// Lets a connection in, if there is room.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Permit> {
        let address = counted(address);
        let mut counts = self.counts.lock();
        let here = address.and_then(|address| counts.by_address.get(&address)).copied().unwrap_or_default();
        if counts.all >= self.most || here >= self.most_per_address {
            return None;
        }
        counts.all += 1;
        if let Some(address) = address {
            counts.by_address.insert(address, here + 1);
        }
        Some(Permit { counts: Arc::clone(&self.counts), address })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        let Some(address) = self.address else { return };
        match counts.by_address.get_mut(&address) {
            Some(here) if *here > 1 => *here -= 1,
            _ => drop(counts.by_address.remove(&address)),
        }
    }
}

/// Returns what an address counts as: nothing for this machine.
fn counted(address: IpAddr) -> Option<IpAddr> {
    (!address.to_canonical().is_loopback()).then_some(network(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn there_is_room_for_so_many_and_again_when_one_has_gone() {
        let admission = Admission::new(2, 9);
        let one = admission.admit(ip("127.0.0.1"));
        let two = admission.admit(ip("192.0.2.1"));
        assert!(one.is_some() && two.is_some() && admission.admit(ip("192.0.2.2")).is_none());
        drop(one);
        assert!(admission.admit(ip("192.0.2.2")).is_some());
    }

    #[test]
    fn one_address_does_not_take_all_the_room_unless_it_is_this_machine() {
        let admission = Admission::new(100, 2);
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
}
