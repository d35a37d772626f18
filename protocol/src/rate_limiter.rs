//! Rate limits as token buckets. Pure: the time is an argument.
//!
//! A bucket is kept as the moment at which its debt is paid off (GCRA), so that it needs no refill and one number suffices.

mod keyed_buckets;

use std::time::{Duration, Instant};

pub use keyed_buckets::KeyedBuckets;

/// A long-term rate and a burst size.
#[derive(Debug, Clone, Copy)]
pub struct RateLimit {
    /// Time between two events at the long-term rate; zero means unlimited.
    pub interval: Duration,
    /// Number of events that may happen at once.
    pub burst: u32,
}

impl RateLimit {
    /// Returns the debt that a bucket may have after an event.
    pub const fn credit(self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }
}

/// The debt of one client for its events. A new bucket has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateBucket {
    clear_at: Option<Instant>,
}

impl RateBucket {
    /// Counts an event; returns how long to wait, and counts nothing, if it exceeds the limit.
    pub fn try_take(&mut self, limit: RateLimit, now: Instant) -> Result<(), Duration> {
        self.check(limit.interval, limit.credit(), now)?;
        self.charge(limit.interval, now);
        Ok(())
    }

    /// Returns how long the debt takes to be paid off.
    pub fn debt(self, now: Instant) -> Duration {
        self.clear_at.map_or(Duration::ZERO, |clear_at| clear_at.saturating_duration_since(now))
    }

    /// Returns how long to wait until an event of this cost stays within the credit.
    pub fn check(self, cost: Duration, credit: Duration, now: Instant) -> Result<(), Duration> {
        let debt = self.debt(now).saturating_add(cost);
        if debt > credit { Err(debt.saturating_sub(credit)) } else { Ok(()) }
    }

    /// Adds a cost to the debt.
    pub fn charge(&mut self, cost: Duration, now: Instant) {
        let from = self.clear_at.map_or(now, |clear_at| clear_at.max(now));
        // A time that cannot be represented is further away than anyone waits.
        if let Some(clear_at) = from.checked_add(cost) {
            self.clear_at = Some(clear_at);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests need some moment to count from")]

    use proptest::prelude::*;

    use super::*;

    const LIMIT: RateLimit = RateLimit { interval: Duration::from_millis(100), burst: 5 };

    #[test]
    fn burst_passes_then_the_sustained_rate() {
        let (mut bucket, start) = (RateBucket::default(), Instant::now());
        assert_eq!((0..100).filter(|_| bucket.try_take(LIMIT, start).is_ok()).count(), 5);
        assert_eq!(bucket.try_take(LIMIT, start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(200);
        assert_eq!((0..100).filter(|_| bucket.try_take(LIMIT, later).is_ok()).count(), 2);
        assert_eq!(bucket.debt(later), LIMIT.credit());
    }

    #[test]
    fn zero_interval_is_unlimited() {
        let (mut bucket, now) = (RateBucket::default(), Instant::now());
        let unlimited = RateLimit { interval: Duration::ZERO, burst: 0 };
        assert!((0..1000).all(|_| bucket.try_take(unlimited, now).is_ok()));
    }

    proptest! {
        #[test]
        fn events_never_exceed_burst_and_rate(
            interval in 1..1000_u32,
            burst in 0..20_u32,
            pauses in prop::collection::vec(0..2000_u32, 1..200),
        ) {
            let limit = RateLimit { interval: Duration::from_millis(interval.into()), burst };
            let (mut bucket, start) = (RateBucket::default(), Instant::now());
            let (mut now, mut passed) = (start, 0_u32);
            for pause in pauses {
                now += Duration::from_millis(pause.into());
                passed += u32::from(bucket.try_take(limit, now).is_ok());
                let earned = (now - start).as_millis() / u128::from(interval);
                prop_assert!(u128::from(passed) <= u128::from(burst) + earned);
                prop_assert!(bucket.debt(now) <= limit.credit());
            }
        }

        #[test]
        fn event_passes_after_the_returned_wait(interval in 1..1000_u32, burst in 1..20_u32, events in 1..50_u32) {
            let limit = RateLimit { interval: Duration::from_millis(interval.into()), burst };
            let (mut bucket, now) = (RateBucket::default(), Instant::now());
            for _ in 0..events {
                if let Err(wait) = bucket.try_take(limit, now) {
                    prop_assert!(bucket.try_take(limit, now + wait.saturating_sub(Duration::from_nanos(1))).is_err());
                    let mut later = bucket;
                    prop_assert_eq!(later.try_take(limit, now + wait), Ok(()));
                }
            }
        }
    }
}
