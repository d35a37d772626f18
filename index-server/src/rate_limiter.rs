//! Token buckets for many clients. Pure: the time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::limits::RequestRate;

/// Maximum number of clients tracked at once; further clients have to wait.
const MAX_CLIENTS: usize = 1 << 16;

/// The wait when the table is full, and the minimum interval between two sweeps of it.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// When each client's debt will be paid off. Clients that are not in the table have none.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    clear_at: HashMap<K, Instant>,
    last_swept: Option<Instant>,
    cost: Duration,
    credit: Duration,
}

impl<K: Copy + Eq + Hash> RateLimiter<K> {
    /// Creates a limiter with the same rate for all clients; a rate of 0 means unlimited.
    pub(crate) fn new(RequestRate { per_second, burst }: RequestRate) -> Self {
        let cost = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { clear_at: HashMap::new(), last_swept: None, cost, credit: cost.saturating_mul(burst) }
    }

    /// Counts a request of a client; returns how long to wait if it exceeds the rate.
    pub(crate) fn try_acquire(&mut self, now: Instant, client: K) -> Result<(), Duration> {
        if self.cost.is_zero() {
            return Ok(());
        }
        self.admit(now, client, self.cost)?;
        self.charge(now, client, self.cost);
        Ok(())
    }

    /// Returns how long a client has to wait if a request of this cost exceeds its credit.
    fn admit(&mut self, now: Instant, client: K, cost: Duration) -> Result<(), Duration> {
        // A new client needs a free slot, possibly after a sweep.
        if !self.clear_at.contains_key(&client) && self.clear_at.len() >= MAX_CLIENTS {
            self.sweep(now);
            if self.clear_at.len() >= MAX_CLIENTS {
                return Err(SWEEP_INTERVAL);
            }
        }
        let owed = self.clear_at.get(&client).map(|clear_at| clear_at.saturating_duration_since(now));
        let debt = owed.unwrap_or_default().saturating_add(cost);
        if debt > self.credit { Err(debt.saturating_sub(self.credit)) } else { Ok(()) }
    }

    /// Adds a cost to a client's debt; ignored if the table is full and does not contain the client.
    fn charge(&mut self, now: Instant, client: K, cost: Duration) {
        if cost.is_zero() || (self.clear_at.len() >= MAX_CLIENTS && !self.clear_at.contains_key(&client)) {
            return;
        }
        let clear_at = self.clear_at.entry(client).or_insert(now);
        if let Some(new_clear_at) = (*clear_at).max(now).checked_add(cost) {
            *clear_at = new_clear_at;
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.last_swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_INTERVAL) {
            self.last_swept = Some(now);
            self.clear_at.retain(|_, clear_at| *clear_at > now);
        }
    }
}

/// The credit of a time budget: what accrues in this time.
const TIME_CREDIT: Duration = Duration::from_secs(10);

/// Budgets of processor time for many clients. The cost of a request is known only afterwards, so a client that exceeds its
/// budget waits before its next request.
#[derive(Debug)]
pub(crate) struct TimeBudgets<K> {
    debts: RateLimiter<K>,
    per_second: u32,
}

impl<K: Copy + Eq + Hash> TimeBudgets<K> {
    /// Creates budgets of this many milliseconds per second; 0 means unlimited.
    pub(crate) fn new(per_second: u32) -> Self {
        let debts = RateLimiter {
            clear_at: HashMap::new(),
            last_swept: None,
            cost: Duration::ZERO,
            credit: TIME_CREDIT,
        };
        Self { debts, per_second }
    }

    /// Returns how long a client that has used up its budget has to wait.
    pub(crate) fn admit(&mut self, now: Instant, client: K) -> Result<(), Duration> {
        if self.per_second == 0 { Ok(()) } else { self.debts.admit(now, client, Duration::ZERO) }
    }

    /// Charges a client for the time of a request.
    pub(crate) fn charge(&mut self, now: Instant, client: K, cpu_time: Duration) {
        // Scale to wall-clock time: a millisecond of cost takes as long as accruing a millisecond of budget.
        if let Some(cost) = cpu_time.saturating_mul(1000).checked_div(self.per_second) {
            self.debts.charge(now, client, cost);
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
        assert_eq!((unlimited.admit(now, 1), unlimited.debts.clear_at.len()), (Ok(()), 0));
    }

    #[test]
    fn excess_debts_are_not_kept() {
        let (now, many) = (Instant::now(), u32::try_from(MAX_CLIENTS).unwrap());
        let mut budgets = TimeBudgets::new(1);
        (0..=many).for_each(|client| budgets.charge(now, client, Duration::from_millis(1)));
        assert_eq!(budgets.debts.clear_at.len(), MAX_CLIENTS);
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
        assert!(rates.clear_at.is_empty());
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
        assert_eq!(rates.clear_at.len(), 1);
    }
}
