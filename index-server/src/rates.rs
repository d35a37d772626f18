//! How many requests each of many may make: a token bucket for everybody who asks. Pure: the time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::limits::RequestRate;

/// So many who ask are kept apart; when more ask at once, the others wait.
const MOST: usize = 1 << 16;

/// How long to wait when there are too many, and the pause between two looks for those that need not be kept.
const CROWDED: Duration = Duration::from_secs(1);

/// When each will have made up for its requests, each of which costs the same time. Who is not in here has.
#[derive(Debug)]
pub(crate) struct Rates<K> {
    clear_at: HashMap<K, Instant>,
    swept: Option<Instant>,
    cost: Duration,
    credit: Duration,
}

impl<K: Copy + Eq + Hash> Rates<K> {
    /// Grants everybody the same rate; one of 0 a second is no limit.
    pub(crate) fn new(RequestRate { per_second, burst }: RequestRate) -> Self {
        let cost = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { clear_at: HashMap::new(), swept: None, cost, credit: cost.saturating_mul(burst) }
    }

    /// Counts a request of somebody, or says how long to wait with it.
    pub(crate) fn pass(&mut self, now: Instant, who: K) -> Result<(), Duration> {
        if self.cost.is_zero() {
            return Ok(());
        }
        if !self.clear_at.contains_key(&who) && self.clear_at.len() >= MOST {
            self.sweep(now);
            if self.clear_at.len() >= MOST {
                return Err(CROWDED);
            }
        }
        let clear_at = self.clear_at.entry(who).or_insert(now);
        let paid = (*clear_at).max(now) + self.cost;
        let debt = paid.saturating_duration_since(now);
        if debt > self.credit {
            return Err(debt.saturating_sub(self.credit));
        }
        *clear_at = paid;
        Ok(())
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= CROWDED) {
            self.swept = Some(now);
            self.clear_at.retain(|_, clear_at| *clear_at > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let mut rates = Rates::new(RequestRate { per_second: 10, burst: 5 });
        let now = Instant::now();
        let passed = |rates: &mut Rates<u32>, now| (0..100).filter(|_| rates.pass(now, 1).is_ok()).count();
        assert_eq!(passed(&mut rates, now), 5);
        assert_eq!(rates.pass(now, 1), Err(Duration::from_millis(100)));
        assert_eq!(rates.pass(now, 2), Ok(()));
        assert_eq!(passed(&mut rates, now + Duration::from_millis(200)), 2);
        assert_eq!(passed(&mut rates, now + Duration::from_mins(1)), 5);
    }

    #[test]
    fn no_rate_is_no_limit_and_nobody_is_remembered() {
        let mut rates = Rates::new(RequestRate { per_second: 0, burst: 0 });
        let now = Instant::now();
        assert!((0..10_000).all(|_| rates.pass(now, 1).is_ok()));
        assert!(rates.clear_at.is_empty());
    }

    #[test]
    fn those_who_are_remembered_are_bounded_and_those_that_have_paid_make_room() {
        let mut rates = Rates::new(RequestRate { per_second: 1, burst: 5 });
        let now = Instant::now();
        let many = u32::try_from(MOST).unwrap();
        for number in 0..many {
            assert_eq!(rates.pass(now, number), Ok(()));
        }
        assert_eq!(rates.pass(now, many), Err(CROWDED));
        assert_eq!(rates.pass(now, 0), Ok(()));
        let later = now + Duration::from_secs(2);
        assert_eq!(rates.pass(later, many), Ok(()));
        assert_eq!(rates.clear_at.len(), 1);
    }
}
