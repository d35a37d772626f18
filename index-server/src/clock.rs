//! The two clocks that the index uses.

use std::time::{Instant, SystemTime};

/// Reads the time; tests can advance it.
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexClock {
    #[cfg(test)]
    ahead: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl IndexClock {
    /// Returns the monotonic time.
    pub(crate) fn now(&self) -> Instant {
        Instant::now() + std::time::Duration::from_secs(self.ahead())
    }

    /// Returns the seconds since 1970; 0 if the machine's clock is set to an earlier time.
    pub(crate) fn unix(&self) -> u64 {
        SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs().saturating_add(self.ahead()))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests move the clock")]
    const fn ahead(&self) -> u64 {
        0
    }

    #[cfg(test)]
    fn ahead(&self) -> u64 {
        self.ahead.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Advances both clocks.
    #[cfg(test)]
    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.ahead.fetch_add(by.as_secs(), std::sync::atomic::Ordering::Relaxed);
    }
}
