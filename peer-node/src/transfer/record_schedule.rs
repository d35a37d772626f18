use std::time::{Duration, Instant};

/// Maximum age of unrecorded pieces.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Maximum number of unrecorded bytes; this many are fetched again after a crash.
const MAX_UNRECORDED: u64 = 8 << 20;

/// Decides when the record of a part file is written: one write at a time, and not after every piece.
#[derive(Debug)]
pub(crate) struct RecordSchedule {
    /// Number of verified bytes that are not in the record yet.
    unrecorded: u64,
    /// Number of bytes that the write in progress adds to the record.
    writing: Option<u64>,
    last_write: Instant,
}

impl RecordSchedule {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { unrecorded: 0, writing: None, last_write: now }
    }

    /// Adds to the number of verified bytes.
    pub(crate) const fn add_verified(&mut self, bytes: u64) {
        self.unrecorded += bytes;
    }

    /// Returns true if the record is far enough behind to be written.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.unrecorded >= MAX_UNRECORDED || now.saturating_duration_since(self.last_write) >= MAX_AGE
    }

    /// Returns when the record will be due, if there is something to record and no write in progress.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let is_waiting = self.unrecorded > 0 && self.writing.is_none();
        is_waiting.then(|| self.last_write + MAX_AGE)
    }

    /// Starts a write if there is something to record and no write in progress. Returns true if it was started.
    pub(crate) const fn begin(&mut self, now: Instant) -> bool {
        if self.writing.is_some() || self.unrecorded == 0 {
            return false;
        }
        *self = Self { unrecorded: 0, writing: Some(self.unrecorded), last_write: now };
        true
    }

    /// Ends the write. If it failed, its bytes are still unrecorded, and another write will be due.
    pub(crate) const fn finished(&mut self, is_written: bool) {
        debug_assert!(self.writing.is_some(), "no write is in progress");
        if let Some(bytes) = self.writing.take()
            && !is_written
        {
            self.unrecorded += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_written_after_time_or_bytes_one_at_a_time() {
        let now = Instant::now();
        let mut schedule = RecordSchedule::new(now);
        assert!(!schedule.is_due(now) && !schedule.begin(now + MAX_AGE));
        schedule.add_verified(1);
        assert!(!schedule.is_due(now) && schedule.is_due(now + MAX_AGE));
        schedule.add_verified(MAX_UNRECORDED);
        assert!(schedule.is_due(now) && schedule.begin(now));
        schedule.add_verified(MAX_UNRECORDED);
        assert!(!schedule.begin(now));
        schedule.finished(true);
        assert!(schedule.begin(now));
    }

    #[test]
    fn failed_write_is_repeated() {
        let now = Instant::now();
        let mut schedule = RecordSchedule::new(now);
        schedule.add_verified(1);
        assert!(schedule.begin(now));
        schedule.finished(false);
        assert_eq!(schedule.deadline(), Some(now + MAX_AGE));
        assert!(schedule.begin(now + MAX_AGE));
        schedule.finished(true);
        assert_eq!((schedule.deadline(), schedule.begin(now + MAX_AGE)), (None, false));
    }
}
