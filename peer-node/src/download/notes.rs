use std::time::{Duration, Instant};

/// How long the record of a part may be behind what is verified.
const AFTER: Duration = Duration::from_secs(1);

/// By how many bytes it may be behind: so much is fetched anew after a crash.
const MOST: u64 = 8 << 20;

/// Says when the record of a part is written: never twice at once, and not after every piece.
#[derive(Debug)]
pub(crate) struct Notes {
    /// How many bytes are verified that the record does not know of.
    behind: u64,
    is_writing: bool,
    last: Instant,
}

impl Notes {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { behind: 0, is_writing: false, last: now }
    }

    /// Takes in that so many bytes more are verified.
    pub(crate) const fn verified(&mut self, bytes: u64) {
        self.behind += bytes;
    }

    /// Says whether the record is far enough behind to be written.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.behind >= MOST || now.saturating_duration_since(self.last) >= AFTER
    }

    /// Says whether there is something to write and nothing being written, which it then takes to be begun.
    pub(crate) const fn begin(&mut self, now: Instant) -> bool {
        if self.is_writing || self.behind == 0 {
            return false;
        }
        *self = Self { behind: 0, is_writing: true, last: now };
        true
    }

    /// Notes that the record is written.
    pub(crate) const fn ended(&mut self) {
        self.is_writing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_after_some_time_or_some_bytes_and_not_twice_at_once() {
        let now = Instant::now();
        let mut notes = Notes::new(now);
        assert!(!notes.is_due(now) && !notes.begin(now + AFTER));
        notes.verified(1);
        assert!(!notes.is_due(now) && notes.is_due(now + AFTER));
        notes.verified(MOST);
        assert!(notes.is_due(now) && notes.begin(now));
        notes.verified(MOST);
        assert!(!notes.begin(now));
        notes.ended();
        assert!(notes.begin(now));
    }
}
