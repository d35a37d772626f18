//! Logs refused connections. Anyone can cause such a line, so their rate is limited; otherwise a flood would displace
//! everything else in the log.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Maximum number of logged refusals per period.
const MAX_PER_PERIOD: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);

static REFUSALS: Mutex<RefusalThrottle> =
    Mutex::new(RefusalThrottle { period: None, logged: 0, suppressed: 0 });

/// Logs a refused connection. During a flood most refusals are only counted, and the next line reports their number.
pub(crate) fn log_refusal(from: SocketAddr, reason: impl Display) {
    let Some(suppressed) = REFUSALS.lock().next(Instant::now()) else { return };
    if suppressed > 0 {
        tracing::warn!(%from, %reason, suppressed, "connection refused; earlier refusals were not logged");
    } else {
        tracing::warn!(%from, %reason, "connection refused");
    }
}

/// Logs a refusal that is not the client's fault: it asked for something that this node does not have.
pub(crate) fn log_expected_refusal(from: SocketAddr, reason: impl Display) {
    if let Some(suppressed) = REFUSALS.lock().next(Instant::now()) {
        tracing::info!(%from, %reason, suppressed, "connection refused");
    }
}

/// State of the current period.
#[derive(Debug)]
struct RefusalThrottle {
    period: Option<Instant>,
    logged: u32,
    suppressed: u64,
}

impl RefusalThrottle {
    /// Returns the number of suppressed refusals before this one, or `None` if this one is suppressed too.
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
