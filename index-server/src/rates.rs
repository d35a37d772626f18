//! How many requests an address may make. Pure: the time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::RequestRate;

/// So many addresses are kept apart; when more ask at once, the others wait.
const ADDRESSES: usize = 1 << 16;

/// How long to wait when there are too many addresses, and the pause between two looks for those that need not be kept.
const CROWDED: Duration = Duration::from_secs(1);

/// When each address will have made up for its requests, each of which costs the same time. Who is not in here has.
#[derive(Debug)]
pub(super) struct Rates {
    clear_at: HashMap<IpAddr, Instant>,
    swept: Option<Instant>,
    cost: Duration,
    credit: Duration,
}

impl Rates {
    pub(super) fn new(RequestRate { per_second, burst }: RequestRate) -> Self {
        let cost = Duration::from_secs(1) / per_second.max(1);
        Self { clear_at: HashMap::new(), swept: None, cost, credit: cost.saturating_mul(burst) }
    }

    /// Counts a request of an address, or says how long it has to wait.
    pub(super) fn pass(&mut self, now: Instant, address: IpAddr) -> Result<(), Duration> {
        if !self.clear_at.contains_key(&address) && self.clear_at.len() >= ADDRESSES {
            self.sweep(now);
            if self.clear_at.len() >= ADDRESSES {
                return Err(CROWDED);
            }
        }
        let clear_at = self.clear_at.entry(address).or_insert(now);
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

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let mut rates = Rates::new(RequestRate { per_second: 10, burst: 5 });
        let now = Instant::now();
        let passed =
            |rates: &mut Rates, now| (0..100).filter(|_| rates.pass(now, address(1)).is_ok()).count();
        assert_eq!(passed(&mut rates, now), 5);
        assert_eq!(rates.pass(now, address(1)), Err(Duration::from_millis(100)));
        assert_eq!(rates.pass(now, address(2)), Ok(()));
        assert_eq!(passed(&mut rates, now + Duration::from_millis(200)), 2);
        assert_eq!(passed(&mut rates, now + Duration::from_mins(1)), 5);
    }

    #[test]
    fn the_addresses_are_bounded_and_those_that_have_paid_make_room() {
        let mut rates = Rates::new(RequestRate { per_second: 1, burst: 5 });
        let now = Instant::now();
        let many = u32::try_from(ADDRESSES).unwrap();
        for number in 0..many {
            assert_eq!(rates.pass(now, address(number)), Ok(()));
        }
        assert_eq!(rates.pass(now, address(many)), Err(CROWDED));
        assert_eq!(rates.pass(now, address(0)), Ok(()));
        let later = now + Duration::from_secs(2);
        assert_eq!(rates.pass(later, address(many)), Ok(()));
        assert_eq!(rates.clear_at.len(), 1);
    }
}
