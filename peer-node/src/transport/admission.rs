use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::household::household;
use protocol::limits::MAX_CONNECTIONS_PER_LINK;

use super::address_limits::AddressLimits;
use super::log_refusal;

/// For so many places there is one for a further connection of a link, which takes no other.
const FURTHER_SHARE: usize = 2;

/// The most further connections to and from one address, of all its links: as many as two links can have.
const MAX_FURTHER_PER_ADDRESS: usize = 2 * (MAX_CONNECTIONS_PER_LINK - 1);

/// Of so many places there is one for an address that has none, unless something else is asked for.
const NEWCOMERS_SHARE: usize = 2;

/// One place in so many is kept for connections that we open ourselves: others cannot take all of them.
const OUR_SHARE: usize = 8;

/// Counts the connections of a node, so that nobody takes all of them.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    most: usize,
    limits: AddressLimits,
    counts: Arc<Mutex<Counts>>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no place for anybody.
    #[error("too many connections")]
    Full,
    /// The address has as many as it may have.
    #[error("too many connections from this address")]
    AddressFull,
    /// What is left is for addresses that have no connection.
    #[error("the other connections are reserved for addresses without one")]
    Reserved,
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
    /// Lets in so many connections at most, whoever opens them, and of each address as many as its limits allow.
    pub(crate) fn new(most: usize, limits: AddressLimits) -> Self {
        Self { most, limits, counts: Arc::default() }
    }

    /// Returns how many connections there may be.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Gives a place to a connection from that address, if there is one.
    pub(crate) fn admit(&self, from: IpAddr) -> Result<Ticket, Refusal> {
        let (sharer, from) = (self.limits.sharer(from), household(from));
        let mut counts = self.counts.lock();
        let here = counts.accepted.get(&from).copied().unwrap_or(0);
        if let Some(refusal) = self.refusal(counts.all, sharer.map(|_| here)) {
            return Err(refusal);
        }
        counts.all += 1;
        counts.accepted.insert(from, here + 1);
        Ok(Ticket { holder: Holder::Caller(from), counts: Arc::clone(&self.counts) })
    }

    /// Admits a connection as [`Admission::admit`] does, and logs a refusal with its reason.
    pub(crate) fn admit_or_log(&self, from: SocketAddr) -> Option<Ticket> {
        self.admit(from.ip()).inspect_err(|reason| log_refusal(from, reason)).ok()
    }

    /// Returns why a further connection is refused where there are so many: in all, and of its address unless that is exempt.
    fn refusal(&self, all: usize, here: Option<usize>) -> Option<Refusal> {
        let for_callers = self.most - self.most / OUR_SHARE;
        let reserved = self.limits.reserved.unwrap_or(self.most / NEWCOMERS_SHARE);
        if all >= for_callers {
            return Some(Refusal::Full);
        }
        let here = here.filter(|here| *here > 0)?;
        if self.limits.connections.is_some_and(|most| here >= most.get()) {
            return Some(Refusal::AddressFull);
        }
        (all >= for_callers.saturating_sub(reserved)).then_some(Refusal::Reserved)
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
        let (is_limited, address) = (self.limits.sharer(address).is_some(), household(address));
        let mut counts = self.counts.lock();
        let there = counts.further_of.get(&address).copied().unwrap_or(0);
        let is_too_many = there >= MAX_FURTHER_PER_ADDRESS && is_limited;
        if counts.further >= self.most / FURTHER_SHARE || is_too_many {
            return None;
        }
        counts.further += 1;
        counts.further_of.insert(address, there + 1);
        Some(Ticket { holder: Holder::Link(address), counts: Arc::clone(&self.counts) })
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
mod tests;
