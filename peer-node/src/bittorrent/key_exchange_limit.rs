use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::address_group::address_group;
use protocol::rate_limiter::RateLimit;

use crate::rate_limiter::AddressRateLimiter;
use crate::transport::AddressCounts;

/// Key exchanges per address. The limit bounds the CPU time that one address can consume.
const PER_ADDRESS: RateLimit = RateLimit { interval: Duration::from_millis(250), burst: 32 };

/// Key exchanges per loopback address.
const PER_LOOPBACK_ADDRESS: RateLimit = RateLimit { interval: Duration::from_millis(5), burst: 400 };

/// Key exchanges of all addresses together.
const ALL_ADDRESSES: RateLimit = RateLimit { interval: Duration::from_millis(2), burst: 500 };

/// Concurrent key exchanges per address, and per loopback address.
const MAX_CONCURRENT: usize = 16;
const MAX_CONCURRENT_LOOPBACK: usize = 128;

/// Limits incoming key exchanges. IPv6 addresses count per network (/64).
#[derive(Debug, Clone)]
pub(super) struct KeyExchangeLimit {
    counts: Arc<Mutex<KeyExchangeCounts>>,
}

#[derive(Debug)]
struct KeyExchangeCounts {
    remote: AddressRateLimiter,
    loopback: AddressRateLimiter,
    /// Exchanges in progress, per address; bounded by the number of connections.
    running: AddressCounts,
}

/// A key exchange in progress; released on drop.
#[derive(Debug)]
pub(super) struct KeyExchangePermit {
    from: IpAddr,
    counts: Arc<Mutex<KeyExchangeCounts>>,
}

impl KeyExchangeLimit {
    pub(super) fn new() -> Self {
        let (others, here) = (
            AddressRateLimiter::new(PER_ADDRESS, ALL_ADDRESSES),
            AddressRateLimiter::new(PER_LOOPBACK_ADDRESS, ALL_ADDRESSES),
        );
        Self {
            counts: Arc::new(Mutex::new(KeyExchangeCounts {
                remote: others,
                loopback: here,
                running: AddressCounts::default(),
            })),
        }
    }

    /// Admits a new key exchange of an address, or returns none if a limit is reached.
    pub(super) fn begin(&self, from: IpAddr, now: Instant) -> Option<KeyExchangePermit> {
        let (from, is_loopback) = (address_group(from), from.is_loopback());
        let mut table = self.counts.lock();
        if table.running.of(from) >= if is_loopback { MAX_CONCURRENT_LOOPBACK } else { MAX_CONCURRENT } {
            return None;
        }
        let gate = if is_loopback { &mut table.loopback } else { &mut table.remote };
        if !gate.admit(from, now) {
            return None;
        }
        table.running.add(from);
        Some(KeyExchangePermit { from, counts: Arc::clone(&self.counts) })
    }
}

impl Drop for KeyExchangePermit {
    fn drop(&mut self) {
        self.counts.lock().running.remove(self.from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn concurrent_exchanges_per_address_are_limited() {
        let (limit, now) = (KeyExchangeLimit::new(), Instant::now());
        let mut running: Vec<KeyExchangePermit> = std::iter::from_fn(|| limit.begin(FAR, now)).collect();
        assert_eq!(running.len(), MAX_CONCURRENT);
        assert!(limit.begin([10, 0, 0, 2].into(), now).is_some(), "others are not affected");
        running.pop();
        assert!(limit.begin(FAR, now).is_some());
        drop(running);
        assert!(limit.counts.lock().running.total() == 0);
    }

    #[test]
    fn an_address_gets_a_burst_and_then_a_steady_rate() {
        let (limit, now) = (KeyExchangeLimit::new(), Instant::now());
        let count = |now| (0..1000).filter(|_| limit.begin(FAR, now).is_some()).count();
        assert_eq!(count(now), 32);
        assert_eq!(count(now + Duration::from_secs(1)), 4);
        let here = IpAddr::from([127, 0, 0, 1]);
        assert_eq!((0..1000).filter(|_| limit.begin(here, now).is_some()).count(), 400);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let (limit, now) = (KeyExchangeLimit::new(), Instant::now());
        let from = |host| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]);
        let running: Vec<KeyExchangePermit> =
            (0..100).filter_map(|host| limit.begin(from(host), now)).collect();
        assert_eq!(running.len(), MAX_CONCURRENT);
    }
}
