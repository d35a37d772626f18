//! How many connections there may be, altogether and from one address, and how much they may have in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::address_group::address_group;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::IndexLimits;

/// Bytes are counted in these.
const UNIT: usize = 1 << 10;

/// Counts connections.
#[derive(Debug)]
pub(crate) struct ClientAdmission {
    counts: Arc<Mutex<AdmissionCounts>>,
    limits: AdmissionLimits,
    bytes: Arc<Semaphore>,
}

/// What is let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdmissionLimits {
    /// The most connections.
    pub(crate) connections: usize,
    /// The most of one address.
    pub(crate) connections_per_address: usize,
    /// The most bytes of long messages in memory, of all connections and of those of one address.
    pub(crate) bytes: (usize, usize),
    /// Whether this machine is an address like others.
    pub(crate) limit_loopback: bool,
}

impl AdmissionLimits {
    /// Takes them from what the index grants nodes.
    pub(crate) const fn from_limits(limits: &IndexLimits) -> Self {
        let quotas = &limits.quotas;
        Self {
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            bytes: (quotas.bytes_in_flight, quotas.bytes_in_flight_per_address),
            limit_loopback: quotas.limit_loopback,
        }
    }
}

#[derive(Debug, Default)]
struct AdmissionCounts {
    total: usize,
    by_address: HashMap<IpAddr, AddressCounts>,
}

/// What comes from one address.
#[derive(Debug)]
struct AddressCounts {
    connections: usize,
    bytes: Arc<Semaphore>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct ClientPermit {
    counts: Arc<Mutex<AdmissionCounts>>,
    address: Option<IpAddr>,
    allowance: MemoryAllowance,
}

/// What a connection shares with others: room for long messages.
#[derive(Debug, Clone)]
pub(crate) struct MemoryAllowance {
    total: Arc<Semaphore>,
    per_address: Option<Arc<Semaphore>>,
}

/// Room for a long message; given back when dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit(
    #[expect(dead_code, reason = "held for what its drop does")] [Option<OwnedSemaphorePermit>; 2],
);

impl ClientAdmission {
    pub(crate) fn new(bounds: AdmissionLimits) -> Self {
        Self { counts: Arc::default(), limits: bounds, bytes: semaphore_for(bounds.bytes.0) }
    }

    /// Lets a connection in, if there is room.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<ClientPermit> {
        let address = self.limited_address(address);
        let mut counts = self.counts.lock();
        if counts.total >= self.limits.connections {
            return None;
        }
        let here = match address {
            None => None,
            Some(address) => {
                let fresh = || AddressCounts { connections: 0, bytes: semaphore_for(self.limits.bytes.1) };
                let here = counts.by_address.entry(address).or_insert_with(fresh);
                if here.connections >= self.limits.connections_per_address {
                    return None;
                }
                here.connections += 1;
                Some(Arc::clone(&here.bytes))
            }
        };
        counts.total += 1;
        let allowance = MemoryAllowance { total: Arc::clone(&self.bytes), per_address: here };
        Some(ClientPermit { counts: Arc::clone(&self.counts), address, allowance })
    }

    /// Returns what an address counts as: nothing for this machine, unless it is to.
    fn limited_address(&self, address: IpAddr) -> Option<IpAddr> {
        let counts = self.limits.limit_loopback || !address.to_canonical().is_loopback();
        counts.then_some(address_group(address))
    }
}

impl ClientPermit {
    /// Returns what the connection shares with others.
    pub(crate) fn allowance(&self) -> MemoryAllowance {
        self.allowance.clone()
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        counts.total = counts.total.saturating_sub(1);
        let Some(address) = self.address else { return };
        match counts.by_address.get_mut(&address) {
            Some(here) if here.connections > 1 => here.connections -= 1,
            _ => drop(counts.by_address.remove(&address)),
        }
    }
}

impl MemoryAllowance {
    /// Waits for room for so many bytes. Cancel safe.
    pub(crate) async fn reserve(&self, bytes: usize) -> MemoryPermit {
        // In this order everywhere, so that nobody waits for somebody who waits. Neither is ever closed.
        let here = match &self.per_address {
            Some(here) => Arc::clone(here).acquire_many_owned(unit_count(bytes)).await.ok(),
            None => None,
        };
        MemoryPermit([here, Arc::clone(&self.total).acquire_many_owned(unit_count(bytes)).await.ok()])
    }

    /// Takes room for so many bytes, if it is there.
    pub(crate) fn try_reserve(&self, bytes: usize) -> Option<MemoryPermit> {
        let here = match &self.per_address {
            Some(here) => Some(Arc::clone(here).try_acquire_many_owned(unit_count(bytes)).ok()?),
            None => None,
        };
        Some(MemoryPermit([
            here,
            Some(Arc::clone(&self.total).try_acquire_many_owned(unit_count(bytes)).ok()?),
        ]))
    }
}

fn semaphore_for(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS)))
}

fn unit_count(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
