//! Limits the number of connections and their memory, in total and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::address_group::address_group;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::IndexLimits;

/// The unit in which bytes are counted.
const UNIT: usize = 1 << 10;

/// Admits connections within the limits.
#[derive(Debug)]
pub(crate) struct ClientAdmission {
    counts: Arc<Mutex<AdmissionCounts>>,
    limits: AdmissionLimits,
    bytes: Arc<Semaphore>,
}

/// The limits of admission.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdmissionLimits {
    /// Maximum number of connections.
    pub(crate) connections: usize,
    /// Maximum number of connections per address.
    pub(crate) connections_per_address: usize,
    /// Maximum bytes of long messages in memory, in total and per address.
    pub(crate) bytes: (usize, usize),
    /// Whether loopback addresses are limited like others.
    pub(crate) limit_loopback: bool,
}

impl AdmissionLimits {
    /// Derives the limits from those of the index.
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

/// The usage of one address.
#[derive(Debug)]
struct AddressCounts {
    connections: usize,
    bytes: Arc<Semaphore>,
}

/// The permit for one connection; returned when dropped.
#[derive(Debug)]
pub(crate) struct ClientPermit {
    counts: Arc<Mutex<AdmissionCounts>>,
    address: Option<IpAddr>,
    allowance: MemoryAllowance,
}

/// A connection's share of the memory for long messages.
#[derive(Debug, Clone)]
pub(crate) struct MemoryAllowance {
    total: Arc<Semaphore>,
    per_address: Option<Arc<Semaphore>>,
}

/// The permit to keep a long message in memory; returned when dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit(
    #[expect(dead_code, reason = "held until dropped")] [Option<OwnedSemaphorePermit>; 2],
);

impl ClientAdmission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        Self { counts: Arc::default(), limits, bytes: semaphore_for(limits.bytes.0) }
    }

    /// Admits a connection if the limits allow it.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<ClientPermit> {
        let address = self.limited_address(address);
        let mut counts = self.counts.lock();
        if counts.total >= self.limits.connections {
            return None;
        }
        let per_address = match address {
            None => None,
            Some(address) => {
                let fresh = || AddressCounts { connections: 0, bytes: semaphore_for(self.limits.bytes.1) };
                let at_address = counts.by_address.entry(address).or_insert_with(fresh);
                if at_address.connections >= self.limits.connections_per_address {
                    return None;
                }
                at_address.connections += 1;
                Some(Arc::clone(&at_address.bytes))
            }
        };
        counts.total += 1;
        let allowance = MemoryAllowance { total: Arc::clone(&self.bytes), per_address };
        Some(ClientPermit { counts: Arc::clone(&self.counts), address, allowance })
    }

    /// Returns the address group to limit; `None` for loopback if that is exempt.
    fn limited_address(&self, address: IpAddr) -> Option<IpAddr> {
        let counts = self.limits.limit_loopback || !address.to_canonical().is_loopback();
        counts.then_some(address_group(address))
    }
}

impl ClientPermit {
    /// Returns the connection's share of memory for long messages.
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
            Some(at_address) if at_address.connections > 1 => at_address.connections -= 1,
            _ => drop(counts.by_address.remove(&address)),
        }
    }
}

impl MemoryAllowance {
    /// Waits until `bytes` bytes may be in memory. Cancel safe.
    pub(crate) async fn reserve(&self, bytes: usize) -> MemoryPermit {
        // All tasks acquire in this order, which prevents deadlocks. Neither semaphore is ever closed.
        let per_address = match &self.per_address {
            Some(semaphore) => Arc::clone(semaphore).acquire_many_owned(unit_count(bytes)).await.ok(),
            None => None,
        };
        MemoryPermit([per_address, Arc::clone(&self.total).acquire_many_owned(unit_count(bytes)).await.ok()])
    }

    /// Reserves memory for `bytes` bytes if it is available now.
    pub(crate) fn try_reserve(&self, bytes: usize) -> Option<MemoryPermit> {
        let per_address = match &self.per_address {
            Some(semaphore) => Some(Arc::clone(semaphore).try_acquire_many_owned(unit_count(bytes)).ok()?),
            None => None,
        };
        Some(MemoryPermit([
            per_address,
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
