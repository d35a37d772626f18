//! Keeps clients that misbehave by the thousand from filling the log.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many lines pass in a second.
const MAX_LINES_PER_SECOND: u32 = 10;

/// Lets a few lines pass in each second, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<ThrottleWindow>);

#[derive(Debug, Default)]
struct ThrottleWindow {
    started: Option<Instant>,
    passed: u32,
    suppressed: u32,
}

impl LogThrottle {
    /// Says whether a line passes; if so, how many did not since the last one that did.
    pub(crate) fn admit(&self, now: Instant) -> Option<u32> {
        let mut second = self.0.lock();
        let is_over = |begun| now.saturating_duration_since(begun) >= Duration::from_secs(1);
        if second.started.is_none_or(is_over) {
            second.started = Some(now);
            second.passed = 0;
        }
        if second.passed >= MAX_LINES_PER_SECOND {
            second.suppressed = second.suppressed.saturating_add(1);
            return None;
        }
        second.passed += 1;
        Some(std::mem::take(&mut second.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_the_rate_are_counted_not_logged() {
        let (gate, now) = (LogThrottle::default(), Instant::now());
        let passed = (0..100).filter(|_| gate.admit(now).is_some()).count();
        assert_eq!(passed, 10);
        let later = now + Duration::from_secs(1);
        assert_eq!((gate.admit(later), gate.admit(later)), (Some(90), Some(0)));
    }
}
