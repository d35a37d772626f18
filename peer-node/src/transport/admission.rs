use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::address_group::address_group;
use protocol::limits::MAX_CONNECTIONS_PER_LINK;

use super::address_limits::AddressLimits;
use super::log_refusal;

/// For so many places there is one for a further connection of a link, which takes no other.
const FURTHER_DIVISOR: usize = 2;

/// The most further connections to and from one address, of all its links: as many as two links can have.
const MAX_FURTHER_PER_ADDRESS_GROUP: usize = 2 * (MAX_CONNECTIONS_PER_LINK - 1);

/// Of so many places there is one for an address that has none, unless something else is asked for.
const NEWCOMERS_DIVISOR: usize = 2;

/// One place in so many is kept for connections that we open ourselves: others cannot take all of them.
const OUTGOING_DIVISOR: usize = 8;

/// Counts the connections of a node, so that nobody takes all of them.
#[derive(Debug, Clone)]
pub(crate) struct PeerAdmission {
    max_connections: usize,
    limits: AddressLimits,
    counts: Arc<Mutex<ConnectionCounts>>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdmissionRefusal {
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
struct ConnectionCounts {
    total: usize,
    further: usize,
    accepted: HashMap<IpAddr, usize>,
    further_by_address: HashMap<IpAddr, usize>,
}

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub struct AdmissionPermit {
    holder: PermitHolder,
    counts: Arc<Mutex<ConnectionCounts>>,
}

/// Whose place it is.
#[derive(Debug, Clone, Copy)]
enum PermitHolder {
    /// Ours: we have opened the connection.
    Outgoing,
    /// That of whoever opened the connection from there; see [`address_group`].
    Incoming(IpAddr),
    /// That of a link to this address, which has a place already.
    Further(IpAddr),
}

impl PeerAdmission {
    /// Lets in so many connections at most, whoever opens them, and of each address as many as its limits allow.
    pub(crate) fn new(most: usize, limits: AddressLimits) -> Self {
        Self { max_connections: most, limits, counts: Arc::default() }
    }

    /// Returns how many connections there may be.
    pub(crate) const fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Gives a place to a connection from that address, if there is one.
    pub(crate) fn admit(&self, from: IpAddr) -> Result<AdmissionPermit, AdmissionRefusal> {
        let (sharer, from) = (self.limits.address_group(from), address_group(from));
        let mut counts = self.counts.lock();
        let here = counts.accepted.get(&from).copied().unwrap_or(0);
        if let Some(refusal) = self.refusal(counts.total, sharer.map(|_| here)) {
            return Err(refusal);
        }
        counts.total += 1;
        counts.accepted.insert(from, here + 1);
        Ok(AdmissionPermit { holder: PermitHolder::Incoming(from), counts: Arc::clone(&self.counts) })
    }

    /// Admits a connection as [`PeerAdmission::admit`] does, and logs a refusal with its reason.
    pub(crate) fn admit_or_log(&self, from: SocketAddr) -> Option<AdmissionPermit> {
        self.admit(from.ip()).inspect_err(|reason| log_refusal(from, reason)).ok()
    }

    /// Returns why a further connection is refused where there are so many: in all, and of its address unless that is exempt.
    fn refusal(&self, all: usize, here: Option<usize>) -> Option<AdmissionRefusal> {
        let for_callers = self.max_connections - self.max_connections / OUTGOING_DIVISOR;
        let reserved = self.limits.reserved.unwrap_or(self.max_connections / NEWCOMERS_DIVISOR);
        if all >= for_callers {
            return Some(AdmissionRefusal::Full);
        }
        let here = here.filter(|here| *here > 0)?;
        if self.limits.connections.is_some_and(|most| here >= most.get()) {
            return Some(AdmissionRefusal::AddressFull);
        }
        (all >= for_callers.saturating_sub(reserved)).then_some(AdmissionRefusal::Reserved)
    }

    /// Gives a place to a connection that we open, if there is one.
    pub(crate) fn admit_outgoing(&self) -> Option<AdmissionPermit> {
        let mut counts = self.counts.lock();
        if counts.total >= self.max_connections {
            return None;
        }
        counts.total += 1;
        Some(AdmissionPermit { holder: PermitHolder::Outgoing, counts: Arc::clone(&self.counts) })
    }

    /// Returns a place for a further connection of a link to this address, if there is one. A link has one place in every other limit, however many
    /// connections it has.
    pub(crate) fn admit_further(&self, address: IpAddr) -> Option<AdmissionPermit> {
        let (is_limited, address) = (self.limits.address_group(address).is_some(), address_group(address));
        let mut counts = self.counts.lock();
        let there = counts.further_by_address.get(&address).copied().unwrap_or(0);
        let is_too_many = there >= MAX_FURTHER_PER_ADDRESS_GROUP && is_limited;
        if counts.further >= self.max_connections / FURTHER_DIVISOR || is_too_many {
            return None;
        }
        counts.further += 1;
        counts.further_by_address.insert(address, there + 1);
        Some(AdmissionPermit { holder: PermitHolder::Further(address), counts: Arc::clone(&self.counts) })
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        match self.holder {
            PermitHolder::Outgoing => counts.total -= 1,
            PermitHolder::Incoming(from) => {
                counts.total -= 1;
                release(&mut counts.accepted, from);
            }
            PermitHolder::Further(address) => {
                counts.further -= 1;
                release(&mut counts.further_by_address, address);
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
