//! Rates of requests and budgets of processor time for many clients. Pure: the time is an argument.

use std::hash::Hash;
use std::time::{Duration, Instant};

use protocol::rate_limiter::{KeyedBuckets, RateLimit};

use crate::limits::RequestRate;

/// Maximum number of clients tracked at once; further clients have to wait.
const MAX_CLIENTS: usize = 1 << 16;

/// The wait when the table is full, and the minimum interval between two sweeps of it.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Request rates, the same for all clients.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    clients: KeyedBuckets<K>,
    limit: RateLimit,
}

impl<K: Copy + Eq + Hash> RateLimiter<K> {
    /// Creates a limiter with the same rate for all clients; a rate of 0 means unlimited.
    pub(crate) fn new(RequestRate { per_second, burst }: RequestRate) -> Self {
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        let clients = KeyedBuckets::new(MAX_CLIENTS, SWEEP_INTERVAL);
        Self { clients, limit: RateLimit { interval, burst } }
    }

    /// Counts a request of a client; returns how long to wait if it exceeds the rate.
    pub(crate) fn try_acquire(&mut self, now: Instant, client: K) -> Result<(), Duration> {
        if self.limit.interval.is_zero() { Ok(()) } else { self.clients.try_take(client, self.limit, now) }
    }
}

/// The credit of a time budget: what accrues in this time.
const TIME_CREDIT: Duration = Duration::from_secs(10);

/// Budgets of processor time for many clients. The cost of a request is known only afterwards, so a client that exceeds its
/// budget waits before its next request.
#[derive(Debug)]
pub(crate) struct TimeBudgets<K> {
    clients: KeyedBuckets<K>,
    per_second: u32,
}

impl<K: Copy + Eq + Hash> TimeBudgets<K> {
    /// Creates budgets of this many milliseconds per second; 0 means unlimited.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { clients: KeyedBuckets::new(MAX_CLIENTS, SWEEP_INTERVAL), per_second }
    }

    /// Returns how long a client that has used up its budget has to wait.
    pub(crate) fn admit(&mut self, now: Instant, client: K) -> Result<(), Duration> {
        if self.per_second == 0 {
            Ok(())
        } else {
            self.clients.check(client, Duration::ZERO, TIME_CREDIT, now)
        }
    }

    /// Charges a client for the time of a request.
    pub(crate) fn charge(&mut self, now: Instant, client: K, cpu_time: Duration) {
        // Scale to wall-clock time: a millisecond of cost takes as long as accruing a millisecond of budget.
        if let Some(cost) = cpu_time.saturating_mul(1000).checked_div(self.per_second) {
            self.clients.charge(client, cost, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_budget_accrues_and_zero_is_unlimited() {
        let now = Instant::now();
        let mut budgets = TimeBudgets::new(100);
        budgets.charge(now, 1, Duration::from_secs(1));
        assert_eq!(budgets.admit(now, 1), Ok(()), "the credit of ten seconds is used up exactly");
        budgets.charge(now, 1, Duration::from_millis(20));
        assert_eq!(budgets.admit(now, 1), Err(Duration::from_millis(200)));
        assert_eq!(budgets.admit(now, 2), Ok(()));
        assert_eq!(budgets.admit(now + Duration::from_millis(200), 1), Ok(()));
        let mut unlimited = TimeBudgets::new(0);
        unlimited.charge(now, 1, Duration::from_hours(1));
        assert_eq!((unlimited.admit(now, 1), unlimited.clients.len()), (Ok(()), 0));
    }

    #[test]
    fn excess_debts_are_not_kept() {
        let (now, many) = (Instant::now(), u32::try_from(MAX_CLIENTS).unwrap());
        let mut budgets = TimeBudgets::new(1);
        (0..=many).for_each(|client| budgets.charge(now, client, Duration::from_millis(1)));
        assert_eq!(budgets.clients.len(), MAX_CLIENTS);
        assert_eq!(budgets.admit(now, many), Err(SWEEP_INTERVAL));
        assert_eq!(budgets.admit(now + Duration::from_secs(2), many), Ok(()));
    }

    #[test]
    fn burst_passes_then_the_sustained_rate() {
        let mut rates = RateLimiter::new(RequestRate { per_second: 10, burst: 5 });
        let now = Instant::now();
        let passed = |rates: &mut RateLimiter<u32>, now| {
            (0..100).filter(|_| rates.try_acquire(now, 1).is_ok()).count()
        };
        assert_eq!(passed(&mut rates, now), 5);
        assert_eq!(rates.try_acquire(now, 1), Err(Duration::from_millis(100)));
        assert_eq!(rates.try_acquire(now, 2), Ok(()));
        assert_eq!(passed(&mut rates, now + Duration::from_millis(200)), 2);
        assert_eq!(passed(&mut rates, now + Duration::from_mins(1)), 5);
    }

    #[test]
    fn zero_rate_is_unlimited_and_keeps_no_state() {
        let mut rates = RateLimiter::new(RequestRate { per_second: 0, burst: 0 });
        let now = Instant::now();
        assert!((0..10_000).all(|_| rates.try_acquire(now, 1).is_ok()));
        assert!(rates.clients.is_empty());
    }

    #[test]
    fn client_table_is_bounded_and_swept() {
        let mut rates = RateLimiter::new(RequestRate { per_second: 1, burst: 5 });
        let now = Instant::now();
        let many = u32::try_from(MAX_CLIENTS).unwrap();
        for number in 0..many {
            assert_eq!(rates.try_acquire(now, number), Ok(()));
        }
        assert_eq!(rates.try_acquire(now, many), Err(SWEEP_INTERVAL));
        assert_eq!(rates.try_acquire(now, 0), Ok(()));
        let later = now + Duration::from_secs(2);
        assert_eq!(rates.try_acquire(later, many), Ok(()));
        assert_eq!(rates.clients.len(), 1);
    }
}
