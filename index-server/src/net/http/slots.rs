//! Slots for HTTP connections, and which connection is evicted when they run out.
//!
//! An idle keep-alive connection costs its client nothing, so a new client is never refused for lack of slots: the connection
//! that has been idle longest is closed instead. Pure apart from the tokens that are cancelled.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::limits::HttpLimits;

/// A logical time that orders all requests and connections.
type Tick = u64;

/// The slots of a service.
#[derive(Debug)]
pub(super) struct ConnectionSlots(Arc<Mutex<SlotTable>>);

/// The slot of a connection; freed when dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    table: Arc<Mutex<SlotTable>>,
    address: IpAddr,
    /// The time of the last use, changed only by the connection itself.
    last_used: AtomicU64,
    evicted: CancellationToken,
}

#[derive(Debug)]
struct SlotTable {
    max: usize,
    max_per_address: usize,
    now: Tick,
    count: usize,
    /// The connections of each address by last use.
    by_address: HashMap<IpAddr, BTreeMap<Tick, CancellationToken>>,
    /// The addresses by number of connections and idle time of the idlest; the last entry is evicted first.
    by_size: BTreeSet<(usize, Reverse<Tick>, IpAddr)>,
}

impl ConnectionSlots {
    pub(super) fn new(limits: &HttpLimits) -> Self {
        Self(Arc::new(Mutex::new(SlotTable {
            max: limits.connections.max(1),
            max_per_address: limits.connections_per_address.max(1),
            now: 0,
            count: 0,
            by_address: HashMap::new(),
            by_size: BTreeSet::new(),
        })))
    }

    /// Assigns a slot to a new connection. Also returns true if that evicted another connection: one of the same address if it
    /// has reached its limit, otherwise one of the address with the most connections.
    pub(super) fn acquire(&self, address: IpAddr) -> (ConnectionSlot, bool) {
        let mut table = self.0.lock();
        let has_evicted = table.evict_if_full(address);
        let (used, closing) = (table.next_tick(), CancellationToken::new());
        table.insert(address, used, closing.clone());
        drop(table);
        (
            ConnectionSlot {
                table: Arc::clone(&self.0),
                address,
                last_used: AtomicU64::new(used),
                evicted: closing,
            },
            has_evicted,
        )
    }
}

impl ConnectionSlot {
    /// Records that the connection is in use.
    pub(super) fn touch(&self) {
        let mut table = self.table.lock();
        // An evicted connection does not get its slot back.
        if let Some(closing) = table.remove(self.address, self.last_used.load(Ordering::Relaxed)) {
            let used = table.next_tick();
            table.insert(self.address, used, closing);
            self.last_used.store(used, Ordering::Relaxed);
        }
    }

    /// Waits until the connection is evicted. Cancel safe.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.table.lock().remove(self.address, *self.last_used.get_mut());
    }
}

impl SlotTable {
    /// Evicts one connection if there is no slot for another one of this address.
    fn evict_if_full(&mut self, address: IpAddr) -> bool {
        let open = self.by_address.get(&address).map_or(0, BTreeMap::len);
        // Behind a proxy or a tunnel all clients have the loopback address.
        let is_address_full = open >= self.max_per_address && !address.is_loopback();
        let from = if is_address_full {
            address
        } else if self.count >= self.max
            && let Some((_, _, largest)) = self.by_size.last()
        {
            *largest
        } else {
            return false;
        };
        let idlest = self.by_address.get(&from).and_then(|open| open.keys().next().copied());
        let closed = idlest.and_then(|idlest| self.remove(from, idlest));
        closed.inspect(CancellationToken::cancel).is_some()
    }

    fn next_tick(&mut self) -> Tick {
        self.now += 1;
        self.now
    }

    fn insert(&mut self, address: IpAddr, used: Tick, closing: CancellationToken) {
        self.by_size.remove(&self.rank_of(address));
        self.by_address.entry(address).or_default().insert(used, closing);
        self.count += 1;
        self.by_size.insert(self.rank_of(address));
    }

    fn remove(&mut self, address: IpAddr, used: Tick) -> Option<CancellationToken> {
        let size = self.rank_of(address);
        let open = self.by_address.get_mut(&address)?;
        let removed = open.remove(&used)?;
        self.count -= 1;
        self.by_size.remove(&size);
        if open.is_empty() {
            self.by_address.remove(&address);
        } else {
            self.by_size.insert(self.rank_of(address));
        }
        debug_assert_eq!(self.by_size.len(), self.by_address.len());
        Some(removed)
    }

    fn rank_of(&self, address: IpAddr) -> (usize, Reverse<Tick>, IpAddr) {
        let open = self.by_address.get(&address);
        let idlest = open.and_then(|open| open.keys().next().copied());
        (open.map_or(0, BTreeMap::len), Reverse(idlest.unwrap_or(0)), address)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn slots(connections: usize, connections_per_address: usize) -> ConnectionSlots {
        let long = Duration::from_mins(1);
        ConnectionSlots::new(&HttpLimits {
            connections,
            connections_per_address,
            connection_lifetime: long,
            request_timeout: long,
        })
    }

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn is_evicted(slot: &ConnectionSlot) -> bool {
        slot.evicted.is_cancelled()
    }

    #[test]
    fn longest_idle_connection_is_evicted() {
        let slots_in_use = slots(3, 9);
        let [one, two, three] = [1, 1, 1].map(|last| slots_in_use.acquire(ip(last)).0);
        one.touch();
        let (four, has_evicted) = slots_in_use.acquire(ip(1));
        assert!(has_evicted);
        assert_eq!([&one, &two, &three, &four].map(is_evicted), [false, true, false, false]);
        // An evicted connection does not come back with a late request.
        two.touch();
        drop(two);
        let (five, _) = slots_in_use.acquire(ip(1));
        assert_eq!([&one, &three, &four, &five].map(is_evicted), [false, true, false, false]);
    }

    #[test]
    fn address_with_most_connections_loses_one() {
        let slots_in_use = slots(4, 9);
        let (single, _) = slots_in_use.acquire(ip(1));
        let crowd = [2, 2, 2].map(|last| slots_in_use.acquire(ip(last)).0);
        let (other, _) = slots_in_use.acquire(ip(3));
        assert!(!is_evicted(&single) && !is_evicted(&other) && is_evicted(&crowd[0]));
        // Among equals the one idle for longest is evicted.
        single.touch();
        drop(crowd);
        let filling = [4, 5].map(|last| slots_in_use.acquire(ip(last)).0);
        let (_last, _) = slots_in_use.acquire(ip(6));
        assert!(is_evicted(&other) && !is_evicted(&single) && !filling.iter().any(is_evicted));
    }

    #[test]
    fn full_address_evicts_its_own_unless_loopback() {
        let slots_in_use = slots(9, 2);
        let open: Vec<_> = (0..3).map(|_| slots_in_use.acquire(ip(1)).0).collect();
        assert_eq!(open.iter().map(is_evicted).collect::<Vec<_>>(), [true, false, false]);
        let local: Vec<_> = (0..7).map(|_| slots_in_use.acquire([127, 0, 0, 1].into())).collect();
        assert!(local.iter().all(|(slot, has_evicted)| !has_evicted && !is_evicted(slot)));
        assert!(slots_in_use.acquire(ip(2)).1, "all slots are taken");
    }

    proptest! {
        #[test]
        fn slot_limits_are_never_exceeded(steps in prop::collection::vec((0u8..4, 0usize..12), 1..200)) {
            let slots_in_use = slots(6, 3);
            let mut open: Vec<ConnectionSlot> = Vec::new();
            for (step, at) in steps {
                match step {
                    0 if at < open.len() => drop(open.swap_remove(at)),
                    1 if at < open.len() => open[at].touch(),
                    _ => {
                        let (slot, _) = slots_in_use.acquire(ip(u8::try_from(at % 5).unwrap()));
                        prop_assert!(!is_evicted(&slot));
                        open.push(slot);
                    }
                }
                let kept = open.iter().filter(|slot| !is_evicted(slot)).count();
                let table = slots_in_use.0.lock();
                prop_assert_eq!(kept, table.count);
                prop_assert!(kept <= 6 && table.by_address.values().all(|open| open.len() <= 3));
                let sizes: usize = table.by_size.iter().map(|(size, ..)| size).sum();
                prop_assert_eq!(sizes, kept);
            }
        }
    }
}
