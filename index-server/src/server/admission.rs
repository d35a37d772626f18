//! How many connections there may be, altogether and from one address, and how much they may have in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::household::household;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;

/// Bytes are counted in these.
const UNIT: usize = 1 << 10;

/// Counts connections.
#[derive(Debug)]
pub(crate) struct Admission {
    counts: Arc<Mutex<Counts>>,
    bounds: Bounds,
    bytes: Arc<Semaphore>,
}

/// What is let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The most connections.
    pub(crate) most: usize,
    /// The most of one address.
    pub(crate) most_per_address: usize,
    /// The most bytes of long messages in memory, of all connections and of those of one address.
    pub(crate) bytes: (usize, usize),
    /// Whether this machine is an address like others.
    pub(crate) loopback_counts: bool,
}

impl Bounds {
    /// Takes them from what the index grants nodes.
    pub(crate) const fn of(limits: &Limits) -> Self {
        let quotas = &limits.quotas;
        Self {
            most: limits.connections,
            most_per_address: limits.connections_per_address,
            bytes: (quotas.bytes_in_flight, quotas.bytes_in_flight_per_address),
            loopback_counts: quotas.loopback_counts,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, Here>,
}

/// What comes from one address.
#[derive(Debug)]
struct Here {
    connections: usize,
    bytes: Arc<Semaphore>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    counts: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
    allowance: Allowance,
}

/// What a connection shares with others: room for long messages.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    all: Arc<Semaphore>,
    here: Option<Arc<Semaphore>>,
}

/// Room for a long message; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room(
    #[expect(dead_code, reason = "held for what its drop does")] [Option<OwnedSemaphorePermit>; 2],
);

impl Admission {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { counts: Arc::default(), bounds, bytes: units(bounds.bytes.0) }
    }

    /// Lets a connection in, if there is room.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Permit> {
        let address = self.counted(address);
        let mut counts = self.counts.lock();
        if counts.all >= self.bounds.most {
            return None;
        }
        let here = match address {
            None => None,
            Some(address) => {
                let fresh = || Here { connections: 0, bytes: units(self.bounds.bytes.1) };
                let here = counts.by_address.entry(address).or_insert_with(fresh);
                if here.connections >= self.bounds.most_per_address {
                    return None;
                }
                here.connections += 1;
                Some(Arc::clone(&here.bytes))
            }
        };
        counts.all += 1;
        let allowance = Allowance { all: Arc::clone(&self.bytes), here };
        Some(Permit { counts: Arc::clone(&self.counts), address, allowance })
    }

    /// Returns what an address counts as: nothing for this machine, unless it is to.
    fn counted(&self, address: IpAddr) -> Option<IpAddr> {
        let counts = self.bounds.loopback_counts || !address.to_canonical().is_loopback();
        counts.then_some(household(address))
    }
}

impl Permit {
    /// Returns what the connection shares with others.
    pub(crate) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        let Some(address) = self.address else { return };
        match counts.by_address.get_mut(&address) {
            Some(here) if here.connections > 1 => here.connections -= 1,
            _ => drop(counts.by_address.remove(&address)),
        }
    }
}

impl Allowance {
    /// Waits for room for so many bytes. Cancel safe.
    pub(crate) async fn room(&self, bytes: usize) -> Room {
        // In this order everywhere, so that nobody waits for somebody who waits. Neither is ever closed.
        let here = match &self.here {
            Some(here) => Arc::clone(here).acquire_many_owned(permits(bytes)).await.ok(),
            None => None,
        };
        Room([here, Arc::clone(&self.all).acquire_many_owned(permits(bytes)).await.ok()])
    }

    /// Takes room for so many bytes, if it is there.
    pub(crate) fn room_now(&self, bytes: usize) -> Option<Room> {
        let here = match &self.here {
            Some(here) => Some(Arc::clone(here).try_acquire_many_owned(permits(bytes)).ok()?),
            None => None,
        };
        Some(Room([here, Some(Arc::clone(&self.all).try_acquire_many_owned(permits(bytes)).ok()?)]))
    }
}

fn units(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS)))
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
