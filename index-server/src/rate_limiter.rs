//! How many requests each of many may make: a token bucket for everybody who asks. Pure: the time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::limits::RequestRate;

/// So many who ask are kept apart; when more ask at once, the others wait.
const MAX_CLIENTS: usize = 1 << 16;

/// How long to wait when there are too many, and the pause between two looks for those that need not be kept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// When each will have made up for its requests. Who is not in here has.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    clear_at: HashMap<K, Instant>,
    last_swept: Option<Instant>,
    cost: Duration,
    credit: Duration,
}

impl<K: Copy + Eq + Hash> RateLimiter<K> {
    /// Grants everybody the same rate; one of 0 a second is no limit.
    pub(crate) fn new(RequestRate { per_second, burst }: RequestRate) -> Self {
        let cost = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { clear_at: HashMap::new(), last_swept: None, cost, credit: cost.saturating_mul(burst) }
    }

    /// Counts a request of somebody, or says how long to wait with it.
    pub(crate) fn try_acquire(&mut self, now: Instant, who: K) -> Result<(), Duration> {
        if self.cost.is_zero() {
            return Ok(());
        }
        self.admit(now, who, self.cost)?;
        self.charge(now, who, self.cost);
        Ok(())
    }

    /// Returns how long somebody has to wait, if a request of that cost exceeds its credit.
    fn admit(&mut self, now: Instant, who: K, cost: Duration) -> Result<(), Duration> {
        if !self.clear_at.contains_key(&who) && self.clear_at.len() >= MAX_CLIENTS {
            self.sweep(now);
            if self.clear_at.len() >= MAX_CLIENTS {
                return Err(SWEEP_INTERVAL);
            }
        }
        let owed = self.clear_at.get(&who).map(|clear_at| clear_at.saturating_duration_since(now));
        let debt = owed.unwrap_or_default().saturating_add(cost);
        if debt > self.credit { Err(debt.saturating_sub(self.credit)) } else { Ok(()) }
    }

    /// Adds a cost to what somebody has to make up for. Costs of those for whom there is no room are not kept.
    fn charge(&mut self, now: Instant, who: K, cost: Duration) {
        if cost.is_zero() || (self.clear_at.len() >= MAX_CLIENTS && !self.clear_at.contains_key(&who)) {
            return;
        }
        let clear_at = self.clear_at.entry(who).or_insert(now);
        if let Some(paid) = (*clear_at).max(now).checked_add(cost) {
            *clear_at = paid;
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.last_swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_INTERVAL) {
            self.last_swept = Some(now);
            self.clear_at.retain(|_, clear_at| *clear_at > now);
        }
    }
}

/// So much of its budget somebody may use at once: what accrues in this time.
const TIME_CREDIT: Duration = Duration::from_secs(10);

/// How much processor time each of many may use. What a request costs is known when it has been answered, so who exceeds the
/// budget waits before its next one.
#[derive(Debug)]
pub(crate) struct TimeBudgets<K> {
    debts: RateLimiter<K>,
    per_second: u32,
}

impl<K: Copy + Eq + Hash> TimeBudgets<K> {
    /// Grants everybody so many milliseconds a second; 0 is no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let debts = RateLimiter {
            clear_at: HashMap::new(),
            last_swept: None,
            cost: Duration::ZERO,
            credit: TIME_CREDIT,
        };
        Self { debts, per_second }
    }

    /// Returns how long somebody has to wait that has used its budget.
    pub(crate) fn admit(&mut self, now: Instant, who: K) -> Result<(), Duration> {
        if self.per_second == 0 { Ok(()) } else { self.debts.admit(now, who, Duration::ZERO) }
    }

    /// Charges somebody for the time that a request took.
    pub(crate) fn charge(&mut self, now: Instant, who: K, took: Duration) {
        // What takes a millisecond is made up for in the time in which a millisecond accrues.
        if let Some(cost) = took.saturating_mul(1000).checked_div(self.per_second) {
            self.debts.charge(now, who, cost);
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
        assert_eq!(budgets.admit(now, 1), Ok(()), "what accrues in ten seconds is used up exactly");
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
        (0..=many).for_each(|who| budgets.charge(now, who, Duration::from_millis(1)));
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
