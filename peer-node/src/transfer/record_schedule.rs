use std::time::{Duration, Instant};

/// How long the record of a part may be behind what is verified.
const MAX_AGE: Duration = Duration::from_secs(1);

/// By how many bytes it may be behind: so much is fetched anew after a crash.
const MAX_UNRECORDED: u64 = 8 << 20;

/// Says when the record of a part is written: never twice at once, and not after every piece.
#[derive(Debug)]
pub(crate) struct RecordSchedule {
    /// How many bytes are verified that the record does not know of.
    unrecorded: u64,
    is_writing: bool,
    last_write: Instant,
}

impl RecordSchedule {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { unrecorded: 0, is_writing: false, last_write: now }
    }

    /// Takes in that so many bytes more are verified.
    pub(crate) const fn add_verified(&mut self, bytes: u64) {
        self.unrecorded += bytes;
    }

    /// Says whether the record is far enough behind to be written.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.unrecorded >= MAX_UNRECORDED || now.saturating_duration_since(self.last_write) >= MAX_AGE
    }

    /// Says whether there is something to write and nothing being written, which it then takes to be begun.
    pub(crate) const fn begin(&mut self, now: Instant) -> bool {
        if self.is_writing || self.unrecorded == 0 {
            return false;
        }
        *self = Self { unrecorded: 0, is_writing: true, last_write: now };
        true
    }

    /// Notes that the record is written.
    pub(crate) const fn finished(&mut self) {
        self.is_writing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_written_after_time_or_bytes_one_at_a_time() {
        let now = Instant::now();
        let mut notes = RecordSchedule::new(now);
        assert!(!notes.is_due(now) && !notes.begin(now + MAX_AGE));
        notes.add_verified(1);
        assert!(!notes.is_due(now) && notes.is_due(now + MAX_AGE));
        notes.add_verified(MAX_UNRECORDED);
        assert!(notes.is_due(now) && notes.begin(now));
        notes.add_verified(MAX_UNRECORDED);
        assert!(!notes.begin(now));
        notes.finished();
        assert!(notes.begin(now));
    }
}
