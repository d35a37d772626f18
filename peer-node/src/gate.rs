//! How often something may happen: of one kind ([`Pace`]), or from one address and from all together ([`Gate`]). It knows no
//! clock: whoever asks says what time it is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most addresses that are told apart.
const MAX_ADDRESSES: usize = 1024;

/// How often addresses that have been quiet are forgotten, at most.
const SWEEP: Duration = Duration::from_millis(100);

/// How often something may happen, in the long run and at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The time that each occurrence takes off the budget.
    pub(crate) each: Duration,
    /// As many may come at once.
    pub(crate) burst: u32,
}

/// Lets datagrams in: so many from one address, so many from all together. It holds no more than a bounded table, however
/// many addresses are made up.
#[derive(Debug)]
pub(crate) struct Gate {
    one: Pace,
    all: Pace,
    /// When each address's budget will be whole again.
    addresses: HashMap<IpAddr, Instant>,
    together: Option<Instant>,
    swept: Option<Instant>,
}

impl Gate {
    pub(crate) fn new(one: Pace, all: Pace) -> Self {
        Self { one, all, addresses: HashMap::new(), together: None, swept: None }
    }

    /// Counts an occurrence and says whether it may be.
    pub(crate) fn admits(&mut self, from: IpAddr, now: Instant) -> bool {
        if !self.addresses.contains_key(&from) && self.addresses.len() >= MAX_ADDRESSES {
            if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP) {
                return false;
            }
            self.swept = Some(now);
            self.addresses.retain(|_, whole| *whole > now);
            if self.addresses.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let Some(whole) = self.one.spend(self.addresses.get(&from).copied(), now) else { return false };
        let Some(together) = self.all.spend(self.together, now) else { return false };
        self.addresses.insert(from, whole);
        self.together = Some(together);
        true
    }
}

impl Pace {
    /// Returns when a budget will be whole again after one more, if it allows one more; it was to be whole at `whole`.
    pub(crate) fn spend(self, whole: Option<Instant>, now: Instant) -> Option<Instant> {
        let whole = whole.map_or(now, |whole| whole.max(now)) + self.each;
        (whole.saturating_duration_since(now) <= self.each * self.burst).then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Pace = Pace { each: Duration::from_millis(100), burst: 5 };
    const ALL: Pace = Pace { each: Duration::from_millis(10), burst: 50 };

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn one_address_has_a_burst_and_then_a_rate() {
        let (mut gate, now) = (Gate::new(ONE, ALL), Instant::now());
        assert_eq!((0..100).filter(|_| gate.admits(address(1), now)).count(), 5);
        assert!(gate.admits(address(2), now), "another is not affected");
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| gate.admits(address(1), later)).count(), 5);
        let admitted = (0..1000).filter(|tick| gate.admits(address(1), later + Duration::from_millis(*tick)));
        assert_eq!(admitted.count(), 9);
    }

    #[test]
    fn made_up_addresses_fill_no_memory_and_the_rate_holds() {
        let (mut gate, start) = (Gate::new(ONE, ALL), Instant::now());
        let admitted = (0..100_000).filter(|number| {
            gate.admits(address(*number), start + Duration::from_micros(u64::from(*number) * 10))
        });
        let admitted = admitted.count();
        assert!((100..=151).contains(&admitted), "{admitted} in a second");
        assert!(gate.addresses.len() <= MAX_ADDRESSES);
        assert!(gate.admits(address(1), start + Duration::from_secs(3)));
    }
}
