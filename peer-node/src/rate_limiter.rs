//! Rate limits for events of one kind ([`RateLimit`]), or per address and in total ([`AddressRateLimiter`]). The limiters have
//! no clock: callers pass the current time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Maximum number of addresses that are tracked separately.
const MAX_ADDRESSES: usize = 1024;

/// Shortest interval between two removals of idle addresses.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// A long-term rate and a burst size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    /// Time between two events at the long-term rate.
    pub(crate) interval: Duration,
    /// Number of events that may happen at once.
    pub(crate) burst: u32,
}

/// Limits events per address and in total. Its table is bounded, so spoofed addresses cannot exhaust memory.
#[derive(Debug)]
pub(crate) struct AddressRateLimiter {
    per_address: RateLimit,
    total: RateLimit,
    /// When the budget of each address will be full again.
    full_at: HashMap<IpAddr, Instant>,
    total_full_at: Option<Instant>,
    swept_at: Option<Instant>,
}

impl AddressRateLimiter {
    pub(crate) fn new(per_address: RateLimit, total: RateLimit) -> Self {
        Self { per_address, total, full_at: HashMap::new(), total_full_at: None, swept_at: None }
    }

    /// Counts an event. Returns true if it is within the limits.
    pub(crate) fn admit(&mut self, from: IpAddr, now: Instant) -> bool {
        if !self.full_at.contains_key(&from) && self.full_at.len() >= MAX_ADDRESSES {
            if self.swept_at.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP_INTERVAL) {
                return false;
            }
            self.swept_at = Some(now);
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let Some(full_at) = self.per_address.spend(self.full_at.get(&from).copied(), now) else {
            return false;
        };
        let Some(total_full_at) = self.total.spend(self.total_full_at, now) else { return false };
        self.full_at.insert(from, full_at);
        self.total_full_at = Some(total_full_at);
        true
    }
}

impl RateLimit {
    /// Takes one event from a budget that would be full again at `full_at` (GCRA). Returns when it will be full after the
    /// event, or `None` if the budget does not allow the event.
    pub(crate) fn spend(self, full_at: Option<Instant>, now: Instant) -> Option<Instant> {
        let full_at = full_at.map_or(now, |full_at| full_at.max(now)) + self.interval;
        (full_at.saturating_duration_since(now) <= self.interval * self.burst).then_some(full_at)
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
        assert!(limiter.full_at.len() <= MAX_ADDRESSES);
        assert!(limiter.admit(address(1), start + Duration::from_secs(3)));
    }
}
