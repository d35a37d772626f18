//! How many connections there may be, altogether and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::Limits;

/// Counts connections.
#[derive(Debug)]
pub(super) struct Admission {
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
pub(super) struct Permit {
    counts: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let (most, most_per_address) = (limits.connections, limits.connections_per_address);
        Self { counts: Arc::default(), most, most_per_address }
    }

    /// Lets a connection in, if there is room.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Permit> {
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

/// Returns what an address counts as: nothing for this machine, and its network for an IPv6 host, which has as many
/// addresses as it likes.
fn counted(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    let counted = match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        IpAddr::V4(_) => address,
    };
    (!address.is_loopback()).then_some(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, connections_per_address: usize) -> Admission {
        Admission::new(&Limits { connections, connections_per_address, ..Limits::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn there_is_room_for_so_many_and_again_when_one_has_gone() {
        let admission = admission(2, 9);
        let one = admission.admit(ip("127.0.0.1"));
        let two = admission.admit(ip("192.0.2.1"));
        assert!(one.is_some() && two.is_some() && admission.admit(ip("192.0.2.2")).is_none());
        drop(one);
        assert!(admission.admit(ip("192.0.2.2")).is_some());
    }

    #[test]
    fn one_address_does_not_take_all_the_room_unless_it_is_this_machine() {
        let admission = admission(100, 2);
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
