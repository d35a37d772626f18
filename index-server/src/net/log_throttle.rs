//! Limits the rate of log lines about misbehaving clients.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Maximum number of lines logged per second.
const MAX_LINES_PER_SECOND: u32 = 10;

/// Passes a few lines per second, and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<ThrottleWindow>);

#[derive(Debug, Default)]
struct ThrottleWindow {
    started: Option<Instant>,
    passed: u32,
    suppressed: u32,
}

impl LogThrottle {
    /// Returns `Some` if the line may be logged, with the number of lines suppressed since the last one.
    pub(crate) fn admit(&self, now: Instant) -> Option<u32> {
        let mut window = self.0.lock();
        let is_over = |started| now.saturating_duration_since(started) >= Duration::from_secs(1);
        if window.started.is_none_or(is_over) {
            window.started = Some(now);
            window.passed = 0;
        }
        if window.passed >= MAX_LINES_PER_SECOND {
            window.suppressed = window.suppressed.saturating_add(1);
            return None;
        }
        window.passed += 1;
        Some(std::mem::take(&mut window.suppressed))
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
