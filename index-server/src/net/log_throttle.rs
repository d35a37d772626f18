//! Limits the rate of log lines about misbehaving clients.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::rate_limiter::{RateBucket, RateLimit};

/// Ten lines per second.
const LINES: RateLimit = RateLimit { interval: Duration::from_millis(100), burst: 10 };

/// Passes a few lines per second, and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<LineCounts>);

#[derive(Debug, Default)]
struct LineCounts {
    passed: RateBucket,
    suppressed: u32,
}

impl LogThrottle {
    /// Returns `Some` if the line may be logged, with the number of lines suppressed since the last one.
    pub(crate) fn admit(&self, now: Instant) -> Option<u32> {
        let mut counts = self.0.lock();
        if counts.passed.try_take(LINES, now).is_err() {
            counts.suppressed = counts.suppressed.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut counts.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_the_rate_are_counted_not_logged() {
        let (throttle, now) = (LogThrottle::default(), Instant::now());
        let passed = (0..100).filter(|_| throttle.admit(now).is_some()).count();
        assert_eq!(passed, 10);
        let later = now + Duration::from_secs(1);
        assert_eq!((throttle.admit(later), throttle.admit(later)), (Some(90), Some(0)));
    }
}
