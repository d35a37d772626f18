//! Rate limits per address and in total. The limiter has no clock: callers pass the current time.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocol::address_group::address_group;
use protocol::rate_limiter::{KeyedBuckets, RateBucket, RateLimit};

/// Maximum number of addresses that are tracked separately.
const MAX_ADDRESSES: usize = 1024;

/// Shortest interval between two removals of idle addresses.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Limits events per address and in total. Its table is bounded, so spoofed addresses cannot exhaust memory.
#[derive(Debug)]
pub(crate) struct AddressRateLimiter {
    per_address: RateLimit,
    total: RateLimit,
    clients: KeyedBuckets<IpAddr>,
    all_clients: RateBucket,
}

impl AddressRateLimiter {
    pub(crate) fn new(per_address: RateLimit, total: RateLimit) -> Self {
        let clients = KeyedBuckets::new(MAX_ADDRESSES, SWEEP_INTERVAL);
        Self { per_address, total, clients, all_clients: RateBucket::default() }
    }

    /// Counts an event. Returns true if it is within the limits. The addresses of one IPv6 network count as one.
    pub(crate) fn admit(&mut self, from: IpAddr, now: Instant) -> bool {
        let from = address_group(from);
        let (cost, credit) = (self.per_address.interval, self.per_address.credit());
        // An event counts against the address only if it is within the total, too.
        let is_admitted = self.clients.check(from, cost, credit, now).is_ok()
            && self.all_clients.try_take(self.total, now).is_ok();
        if is_admitted {
            self.clients.charge(from, cost, now);
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_ADDRESS: RateLimit = RateLimit { interval: Duration::from_millis(100), burst: 5 };
    const TOTAL: RateLimit = RateLimit { interval: Duration::from_millis(10), burst: 50 };

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn one_address_has_a_burst_and_then_a_rate() {
        let (mut limiter, now) = (AddressRateLimiter::new(PER_ADDRESS, TOTAL), Instant::now());
        assert_eq!((0..100).filter(|_| limiter.admit(address(1), now)).count(), 5);
        assert!(limiter.admit(address(2), now), "other addresses are not affected");
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| limiter.admit(address(1), later)).count(), 5);
        let admitted =
            (0..1000).filter(|tick| limiter.admit(address(1), later + Duration::from_millis(*tick)));
        assert_eq!(admitted.count(), 9);
    }

    #[test]
    fn spoofed_addresses_neither_fill_memory_nor_exceed_the_rate() {
        let (mut limiter, start) = (AddressRateLimiter::new(PER_ADDRESS, TOTAL), Instant::now());
        let admitted = (0..100_000).filter(|number| {
            limiter.admit(address(*number), start + Duration::from_micros(u64::from(*number) * 10))
        });
        let admitted = admitted.count();
        assert!((100..=151).contains(&admitted), "{admitted} in a second");
        assert!(limiter.clients.len() <= MAX_ADDRESSES);
        assert!(limiter.admit(address(1), start + Duration::from_secs(3)));
    }
}
