//! The log of connections that were refused. Whoever connects causes one line each time, so that there must be a limit to them:
//! otherwise a flood would drive everything else out of the log.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many refusals are logged in each period.
const MAX_PER_PERIOD: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);

static REFUSALS: Mutex<RefusalThrottle> =
    Mutex::new(RefusalThrottle { period: None, logged: 0, suppressed: 0 });

/// Logs that a connection was refused, unless many were just before: those are counted, and the next line says how many.
pub(crate) fn log_refusal(from: SocketAddr, reason: impl Display) {
    let Some(left_out) = REFUSALS.lock().next(Instant::now()) else { return };
    if left_out > 0 {
        tracing::warn!(%from, %reason, left_out, "connection refused, and others before it");
    } else {
        tracing::warn!(%from, %reason, "connection refused");
    }
}

/// Logs the same where nothing is wrong with whoever connected: it wants what is not here.
pub(crate) fn log_expected_refusal(from: SocketAddr, reason: impl Display) {
    if let Some(left_out) = REFUSALS.lock().next(Instant::now()) {
        tracing::info!(%from, %reason, left_out, "connection refused");
    }
}

/// The lines of the present period.
#[derive(Debug)]
struct RefusalThrottle {
    period: Option<Instant>,
    logged: u32,
    suppressed: u64,
}

impl RefusalThrottle {
    /// Returns how many refusals were left out before this one, if this one is to be logged.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.period.is_none_or(|begun| now.saturating_duration_since(begun) >= PERIOD) {
            (self.period, self.logged) = (Some(now), 0);
        }
        if self.logged == MAX_PER_PERIOD {
            self.suppressed += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_logged_in_a_few_lines_and_counted() {
        let mut lines = RefusalThrottle { period: None, logged: 0, suppressed: 0 };
        let begun = Instant::now();
        let logged = (0..5000).filter(|_| lines.next(begun).is_some()).count();
        assert_eq!(logged, 10);
        assert_eq!(lines.next(begun + PERIOD), Some(4990));
        assert_eq!(lines.next(begun + PERIOD), Some(0));
    }
}
