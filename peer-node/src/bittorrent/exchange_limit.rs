use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::household::household;

use crate::gate::{Gate, Pace};

/// How often one address may begin a key exchange. Each costs a quarter of a millisecond of computing.
const ONE: Pace = Pace { each: Duration::from_millis(250), burst: 32 };

/// The same for an address of this machine.
const ONE_HERE: Pace = Pace { each: Duration::from_millis(5), burst: 400 };

/// How often all addresses together may.
const ALL: Pace = Pace { each: Duration::from_millis(2), burst: 500 };

/// How many exchanges with one address may be under way at once, and with one of this machine.
const AT_ONCE: usize = 16;
const AT_ONCE_HERE: usize = 128;

/// Bounds the key exchanges that others begin. IPv6 counts by networks (/64).
#[derive(Debug, Clone)]
pub(super) struct ExchangeLimit {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug)]
struct Table {
    others: Gate,
    here: Gate,
    /// The exchanges under way: not more than there are connections.
    running: HashMap<IpAddr, usize>,
}

/// A key exchange under way; over when it is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    from: IpAddr,
    table: Arc<Mutex<Table>>,
}

impl ExchangeLimit {
    pub(super) fn new() -> Self {
        let (others, here) = (Gate::new(ONE, ALL), Gate::new(ONE_HERE, ALL));
        Self { table: Arc::new(Mutex::new(Table { others, here, running: HashMap::new() })) }
    }

    /// Counts an exchange that an address begins, if it may.
    pub(super) fn begin(&self, from: IpAddr, now: Instant) -> Option<Exchange> {
        let (from, is_here) = (household(from), from.is_loopback());
        let mut table = self.table.lock();
        let running = table.running.get(&from).copied().unwrap_or(0);
        if running >= if is_here { AT_ONCE_HERE } else { AT_ONCE } {
            return None;
        }
        let gate = if is_here { &mut table.here } else { &mut table.others };
        if !gate.admits(from, now) {
            return None;
        }
        table.running.insert(from, running + 1);
        Some(Exchange { from, table: Arc::clone(&self.table) })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        if let Some(running) = table.running.get_mut(&self.from) {
            *running -= 1;
            if *running == 0 {
                table.running.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn one_address_has_so_many_exchanges_at_once() {
        let (limit, now) = (ExchangeLimit::new(), Instant::now());
        let mut running: Vec<Exchange> = std::iter::from_fn(|| limit.begin(FAR, now)).collect();
        assert_eq!(running.len(), AT_ONCE);
        assert!(limit.begin([10, 0, 0, 2].into(), now).is_some(), "others are not affected");
        running.pop();
        assert!(limit.begin(FAR, now).is_some());
        drop(running);
        assert!(limit.table.lock().running.is_empty());
    }

    #[test]
    fn one_address_has_a_burst_and_then_a_few_a_second() {
        let (limit, now) = (ExchangeLimit::new(), Instant::now());
        let count = |now| (0..1000).filter(|_| limit.begin(FAR, now).is_some()).count();
        assert_eq!(count(now), 32);
        assert_eq!(count(now + Duration::from_secs(1)), 4);
        let here = IpAddr::from([127, 0, 0, 1]);
        assert_eq!((0..1000).filter(|_| limit.begin(here, now).is_some()).count(), 400);
    }

    #[test]
    fn one_network_of_ipv6_counts_as_one_address() {
        let (limit, now) = (ExchangeLimit::new(), Instant::now());
        let from = |host| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]);
        let running: Vec<Exchange> = (0..100).filter_map(|host| limit.begin(from(host), now)).collect();
        assert_eq!(running.len(), AT_ONCE);
    }
}
