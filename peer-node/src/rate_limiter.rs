//! How often something may happen: of one kind ([`Pace`]), or from one address and from all together ([`Gate`]). It knows no
//! clock: whoever asks says what time it is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most addresses that are told apart.
const MAX_ADDRESSES: usize = 1024;

/// How often addresses that have been quiet are forgotten, at most.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// How often something may happen, in the long run and at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    /// The time that each occurrence takes off the budget.
    pub(crate) interval: Duration,
    /// As many may come at once.
    pub(crate) burst: u32,
}

/// Lets datagrams in: so many from one address, so many from all together. It holds no more than a bounded table, however
/// many addresses are made up.
#[derive(Debug)]
pub(crate) struct AddressRateLimiter {
    per_address: RateLimit,
    total: RateLimit,
    /// When each address's budget will be whole again.
    full_at: HashMap<IpAddr, Instant>,
    total_full_at: Option<Instant>,
    swept_at: Option<Instant>,
}

impl AddressRateLimiter {
    pub(crate) fn new(one: RateLimit, all: RateLimit) -> Self {
        Self { per_address: one, total: all, full_at: HashMap::new(), total_full_at: None, swept_at: None }
    }

    /// Counts an occurrence and says whether it may be.
    pub(crate) fn admit(&mut self, from: IpAddr, now: Instant) -> bool {
        if !self.full_at.contains_key(&from) && self.full_at.len() >= MAX_ADDRESSES {
            if self.swept_at.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP_INTERVAL) {
                return false;
            }
            self.swept_at = Some(now);
            self.full_at.retain(|_, whole| *whole > now);
            if self.full_at.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let Some(whole) = self.per_address.spend(self.full_at.get(&from).copied(), now) else { return false };
        let Some(together) = self.total.spend(self.total_full_at, now) else { return false };
        self.full_at.insert(from, whole);
        self.total_full_at = Some(together);
        true
    }
}

impl RateLimit {
    /// Returns when a budget will be whole again after one more, if it allows one more; it was to be whole at `whole`.
    pub(crate) fn spend(self, whole: Option<Instant>, now: Instant) -> Option<Instant> {
        let whole = whole.map_or(now, |whole| whole.max(now)) + self.interval;
        (whole.saturating_duration_since(now) <= self.interval * self.burst).then_some(whole)
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
        let (mut gate, now) = (AddressRateLimiter::new(PER_ADDRESS, TOTAL), Instant::now());
        assert_eq!((0..100).filter(|_| gate.admit(address(1), now)).count(), 5);
        assert!(gate.admit(address(2), now), "another is not affected");
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| gate.admit(address(1), later)).count(), 5);
        let admitted = (0..1000).filter(|tick| gate.admit(address(1), later + Duration::from_millis(*tick)));
        assert_eq!(admitted.count(), 9);
    }

    #[test]
    fn spoofed_addresses_neither_fill_memory_nor_exceed_the_rate() {
        let (mut gate, start) = (AddressRateLimiter::new(PER_ADDRESS, TOTAL), Instant::now());
        let admitted = (0..100_000).filter(|number| {
            gate.admit(address(*number), start + Duration::from_micros(u64::from(*number) * 10))
        });
        let admitted = admitted.count();
        assert!((100..=151).contains(&admitted), "{admitted} in a second");
        assert!(gate.full_at.len() <= MAX_ADDRESSES);
        assert!(gate.admit(address(1), start + Duration::from_secs(3)));
    }
}
