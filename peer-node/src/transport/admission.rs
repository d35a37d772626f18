use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::address_group::address_group;
use protocol::limits::MAX_CONNECTIONS_PER_LINK;

use super::address_counts::AddressCounts;
use super::address_limits::AddressLimits;
use super::log_refusal;

/// Divisor for the maximum number of further connections, which are counted separately from other connections.
const FURTHER_DIVISOR: usize = 2;

/// Maximum number of further connections with one address: as many as two links can have.
const MAX_FURTHER_PER_ADDRESS_GROUP: usize = 2 * (MAX_CONNECTIONS_PER_LINK - 1);

/// Divisor for the default share of connections that is reserved for addresses without one.
const NEWCOMERS_DIVISOR: usize = 2;

/// Divisor for the share of connections that incoming ones cannot use.
const OUTGOING_DIVISOR: usize = 8;

/// Limits the connections of a node, so that no address can use them all up.
#[derive(Debug, Clone)]
pub(crate) struct PeerAdmission {
    max_connections: usize,
    limits: AddressLimits,
    counts: Arc<Mutex<ConnectionCounts>>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdmissionRefusal {
    /// All connections are in use.
    #[error("too many connections")]
    Full,
    /// The address has reached its limit.
    #[error("too many connections from this address")]
    AddressFull,
    /// The remaining connections are reserved for addresses without one.
    #[error("the other connections are reserved for addresses without one")]
    Reserved,
}

#[derive(Debug, Default)]
struct ConnectionCounts {
    /// Connections that we opened.
    outgoing: usize,
    /// Connections that others opened.
    accepted: AddressCounts,
    further: AddressCounts,
}

impl ConnectionCounts {
    /// Returns the number of connections, without the further ones of links.
    const fn total(&self) -> usize {
        self.outgoing + self.accepted.total()
    }
}

/// Permission for one connection. Dropping it releases the permission.
#[derive(Debug)]
pub(crate) struct AdmissionPermit {
    holder: PermitHolder,
    counts: Arc<Mutex<ConnectionCounts>>,
}

/// What a permit is counted as.
#[derive(Debug, Clone, Copy)]
enum PermitHolder {
    /// A connection that we opened.
    Outgoing,
    /// A connection that this [`address_group`] opened.
    Incoming(IpAddr),
    /// A further connection of a link with this address group. The link has its own permit.
    Further(IpAddr),
}

impl PeerAdmission {
    /// Creates the limiter for `most` connections in total and `limits` for each address.
    pub(crate) fn new(most: usize, limits: AddressLimits) -> Self {
        Self { max_connections: most, limits, counts: Arc::default() }
    }

    /// Returns the maximum number of connections.
    pub(crate) const fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Admits an incoming connection, or returns the reason for refusing it.
    pub(crate) fn admit(&self, from: IpAddr) -> Result<AdmissionPermit, AdmissionRefusal> {
        let (group, from) = (self.limits.address_group(from), address_group(from));
        let mut counts = self.counts.lock();
        let current = counts.accepted.of(from);
        if let Some(refusal) = self.refusal(counts.total(), group.map(|_| current)) {
            return Err(refusal);
        }
        counts.accepted.add(from);
        debug_assert!(
            counts.total() <= self.max_connections,
            "the limit in total holds for incoming connections"
        );
        Ok(AdmissionPermit { holder: PermitHolder::Incoming(from), counts: Arc::clone(&self.counts) })
    }

    /// Like [`PeerAdmission::admit`], but logs a refusal with its reason.
    pub(crate) fn admit_or_log(&self, from: SocketAddr) -> Option<AdmissionPermit> {
        self.admit(from.ip()).inspect_err(|reason| log_refusal(from, reason)).ok()
    }

    /// Returns the reason to refuse another incoming connection, given the total and the number with its address group
    /// (`None` if the address is exempt).
    fn refusal(&self, all: usize, current: Option<usize>) -> Option<AdmissionRefusal> {
        let incoming = self.max_connections - self.max_connections / OUTGOING_DIVISOR;
        let reserved = self.limits.reserved.unwrap_or(self.max_connections / NEWCOMERS_DIVISOR);
        if all >= incoming {
            return Some(AdmissionRefusal::Full);
        }
        // A first connection of an address may use the reserved share.
        let current = current.filter(|current| *current > 0)?;
        if self.limits.connections.is_some_and(|most| current >= most.get()) {
            return Some(AdmissionRefusal::AddressFull);
        }
        (all >= incoming.saturating_sub(reserved)).then_some(AdmissionRefusal::Reserved)
    }

    /// Admits a connection that we open, if the limit allows.
    pub(crate) fn admit_outgoing(&self) -> Option<AdmissionPermit> {
        let mut counts = self.counts.lock();
        if counts.total() >= self.max_connections {
            return None;
        }
        counts.outgoing += 1;
        Some(AdmissionPermit { holder: PermitHolder::Outgoing, counts: Arc::clone(&self.counts) })
    }

    /// Admits a further connection of a link with this address. Further connections count only here; towards all other
    /// limits a link is one connection.
    pub(crate) fn admit_further(&self, address: IpAddr) -> Option<AdmissionPermit> {
        let (is_limited, address) = (self.limits.address_group(address).is_some(), address_group(address));
        let mut counts = self.counts.lock();
        let is_too_many = counts.further.of(address) >= MAX_FURTHER_PER_ADDRESS_GROUP && is_limited;
        if counts.further.total() >= self.max_connections / FURTHER_DIVISOR || is_too_many {
            return None;
        }
        counts.further.add(address);
        Some(AdmissionPermit { holder: PermitHolder::Further(address), counts: Arc::clone(&self.counts) })
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        match self.holder {
            PermitHolder::Outgoing => counts.outgoing -= 1,
            PermitHolder::Incoming(from) => counts.accepted.remove(from),
            PermitHolder::Further(address) => counts.further.remove(address),
        }
    }
}

#[cfg(test)]
mod tests;
