//! The log of connections that were refused. Whoever connects causes one line each time, so that there must be a limit to them:
//! otherwise a flood would drive everything else out of the log.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many refusals are logged in each period.
const MOST: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);

static LINES: Mutex<Lines> = Mutex::new(Lines { period: None, logged: 0, left_out: 0 });

/// Logs that a connection was refused, unless many were just before: those are counted, and the next line says how many.
pub(crate) fn log_refusal(from: SocketAddr, reason: impl Display) {
    let Some(left_out) = LINES.lock().next(Instant::now()) else { return };
    if left_out > 0 {
        tracing::warn!(%from, %reason, left_out, "connection refused, and others before it");
    } else {
        tracing::warn!(%from, %reason, "connection refused");
    }
}

/// Logs the same where nothing is wrong with whoever connected: it wants what is not here.
pub(crate) fn note_refusal(from: SocketAddr, reason: impl Display) {
    if let Some(left_out) = LINES.lock().next(Instant::now()) {
        tracing::info!(%from, %reason, left_out, "connection refused");
    }
}

/// The lines of the present period.
#[derive(Debug)]
struct Lines {
    period: Option<Instant>,
    logged: u32,
    left_out: u64,
}

impl Lines {
    /// Returns how many refusals were left out before this one, if this one is to be logged.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.period.is_none_or(|begun| now.saturating_duration_since(begun) >= PERIOD) {
            (self.period, self.logged) = (Some(now), 0);
        }
        if self.logged == MOST {
            self.left_out += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_a_few_lines_are_logged_and_the_others_counted() {
        let mut lines = Lines { period: None, logged: 0, left_out: 0 };
        let begun = Instant::now();
        let logged = (0..5000).filter(|_| lines.next(begun).is_some()).count();
        assert_eq!(logged, 10);
        assert_eq!(lines.next(begun + PERIOD), Some(4990));
        assert_eq!(lines.next(begun + PERIOD), Some(0));
    }
}
