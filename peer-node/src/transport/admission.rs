use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::limits::MAX_CONNECTIONS_PER_LINK;

/// The most connections that one address may open to us, if it is not this machine's own. Of IPv6 it is the network that
/// counts (/64): whoever has one has all its addresses.
const MAX_PER_ADDRESS: usize = 16;

/// For so many places there is one for a further connection of a link, which takes no other.
const FURTHER_SHARE: usize = 2;

/// The most further connections to and from one address, of all its links: as many as two links can have. Addresses count as in
/// [`MAX_PER_ADDRESS`].
const MAX_FURTHER_PER_ADDRESS: usize = 2 * (MAX_CONNECTIONS_PER_LINK - 1);

/// One place in so many is kept for connections that we open ourselves: others cannot take all of them.
const OUR_SHARE: usize = 8;

/// Counts the connections of a node, so that nobody takes all of them.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    most: usize,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    further: usize,
    accepted: HashMap<IpAddr, usize>,
    further_of: HashMap<IpAddr, usize>,
}

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    holder: Holder,
    counts: Arc<Mutex<Counts>>,
}

/// Whose place it is.
#[derive(Debug, Clone, Copy)]
enum Holder {
    /// Ours: we have opened the connection.
    Ours,
    /// That of whoever opened the connection from there; see [`household`].
    Caller(IpAddr),
    /// That of a link to this address, which has a place already.
    Link(IpAddr),
}

impl Admission {
    /// Lets in so many connections at most, whoever opens them.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// Returns how many connections there may be.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Gives a place to a connection from that address, if there is one.
    pub(crate) fn admit(&self, from: IpAddr) -> Option<Ticket> {
        let is_here = from.is_loopback();
        let from = household(from);
        let mut counts = self.counts.lock();
        let here = counts.accepted.get(&from).copied().unwrap_or(0);
        let is_too_many = here >= MAX_PER_ADDRESS && !is_here;
        if counts.all >= self.most - self.most / OUR_SHARE || is_too_many {
            return None;
        }
        counts.all += 1;
        counts.accepted.insert(from, here + 1);
        Some(Ticket { holder: Holder::Caller(from), counts: Arc::clone(&self.counts) })
    }

    /// Gives a place to a connection that we open, if there is one.
    pub(crate) fn dial(&self) -> Option<Ticket> {
        let mut counts = self.counts.lock();
        if counts.all >= self.most {
            return None;
        }
        counts.all += 1;
        Some(Ticket { holder: Holder::Ours, counts: Arc::clone(&self.counts) })
    }

    /// Returns a place for a further connection of a link to this address, if there is one. A link has one place in every other limit, however many
    /// connections it has.
    pub(crate) fn further(&self, address: IpAddr) -> Option<Ticket> {
        let is_here = address.is_loopback();
        let address = household(address);
        let mut counts = self.counts.lock();
        let there = counts.further_of.get(&address).copied().unwrap_or(0);
        let is_too_many = there >= MAX_FURTHER_PER_ADDRESS && !is_here;
        if counts.further >= self.most / FURTHER_SHARE || is_too_many {
            return None;
        }
        counts.further += 1;
        counts.further_of.insert(address, there + 1);
        Some(Ticket { holder: Holder::Link(address), counts: Arc::clone(&self.counts) })
    }
}

/// Returns what stands for all addresses that whoever has this one has as well.
pub(crate) const fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        match self.holder {
            Holder::Ours => counts.all -= 1,
            Holder::Caller(from) => {
                counts.all -= 1;
                release(&mut counts.accepted, from);
            }
            Holder::Link(address) => {
                counts.further -= 1;
                release(&mut counts.further_of, address);
            }
        }
    }
}

/// Counts one connection of an address less.
fn release(counts: &mut HashMap<IpAddr, usize>, address: IpAddr) {
    if let Some(count) = counts.get_mut(&address) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_by_address_and_free_again() {
        let admission = Admission::new(80);
        let (far, home): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [127, 0, 0, 1].into());
        let mut tickets: Vec<Ticket> = std::iter::from_fn(|| admission.admit(far)).collect();
        assert_eq!(tickets.len(), MAX_PER_ADDRESS);
        tickets.extend(std::iter::from_fn(|| admission.admit(home)));
        assert_eq!(tickets.len(), 70);
        tickets.extend(std::iter::from_fn(|| admission.dial()));
        assert_eq!(tickets.len(), 80);
        drop(tickets);
        assert!(admission.counts.lock().accepted.is_empty());
        assert_eq!(std::iter::from_fn(|| admission.dial()).collect::<Vec<_>>().len(), 80);
        assert!(admission.admit(far).is_some());
    }

    #[test]
    fn further_connections_of_links_take_no_place_of_others() {
        let admission = Admission::new(80);
        let home = IpAddr::from([127, 0, 0, 1]);
        let further: Vec<Ticket> = std::iter::from_fn(|| admission.further(home)).collect();
        assert_eq!(further.len(), 40);
        assert_eq!(std::iter::from_fn(|| admission.dial()).collect::<Vec<_>>().len(), 80);
        drop(further);
        assert_eq!(admission.counts.lock().further, 0);
        assert!(admission.further(home).is_some());
    }

    #[test]
    fn one_address_cannot_take_all_further_connections() {
        let admission = Admission::new(80);
        let from = |network: u16, host| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
        let further: Vec<Ticket> = (0..40).filter_map(|host| admission.further(from(1, host))).collect();
        assert_eq!(further.len(), MAX_FURTHER_PER_ADDRESS);
        assert!(admission.further(from(2, 0)).is_some());
        drop(further);
        assert!(admission.counts.lock().further_of.is_empty());
        assert!(admission.further(from(1, 0)).is_some());
    }

    #[test]
    fn one_network_of_ipv6_counts_as_one_address() {
        let admission = Admission::new(800);
        let from = |network: u16, host| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
        let tickets: Vec<Ticket> = (0..100).filter_map(|host| admission.admit(from(1, host))).collect();
        assert_eq!(tickets.len(), MAX_PER_ADDRESS);
        assert!(admission.admit(from(2, 0)).is_some());
        drop(tickets);
        assert!(admission.counts.lock().accepted.is_empty());
    }
}
