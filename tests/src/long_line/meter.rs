use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::timeliness::Timeliness;

/// Measurements on the lines while they carry packets.
#[derive(Debug, Default)]
pub struct LineMeter(Mutex<MeterState>);

#[derive(Debug, Default)]
struct MeterState {
    content_watch: Option<ContentWatch>,
    timeliness: Timeliness,
    last_arrival: Option<Instant>,
}

/// Waits for content bytes at a host.
#[derive(Debug)]
struct ContentWatch {
    to: usize,
    senders: Vec<usize>,
    /// Bytes still to arrive before those that count.
    bytes_before_content: usize,
    content_started_at: Option<Instant>,
}

/// Measurements since [`LineMeter::begin`].
#[derive(Debug, Clone, Copy)]
pub struct MeterReading {
    /// Time at which the content began to arrive.
    pub content_started_at: Option<Instant>,
    /// Lateness of delivered packets.
    pub timeliness: Timeliness,
}

impl LineMeter {
    /// Begins a measurement, which records the time at which more than `bytes` have arrived at host `to` from
    /// `senders`.
    pub fn begin(&self, to: usize, senders: Vec<usize>, bytes: usize) {
        let mut state = self.lock();
        state.content_watch =
            Some(ContentWatch { to, senders, bytes_before_content: bytes, content_started_at: None });
        state.timeliness = Timeliness::default();
    }

    /// Returns the measurements since [`LineMeter::begin`].
    pub fn read(&self) -> MeterReading {
        let state = self.lock();
        let reached = state.content_watch.as_ref().and_then(|watch| watch.content_started_at);
        MeterReading { content_started_at: reached, timeliness: state.timeliness }
    }

    /// Returns the time since the last delivery on any line.
    pub fn idle_time(&self) -> Duration {
        self.lock().last_arrival.map_or(Duration::MAX, |last| last.elapsed())
    }

    /// Records a delivered packet.
    pub(super) fn record_delivery(&self, from: usize, to: usize, bytes: usize, late: Duration) {
        let mut state = self.lock();
        state.timeliness.record(late);
        let now = Instant::now();
        state.last_arrival = Some(now);
        let Some(watch) = &mut state.content_watch else { return };
        if watch.to != to || watch.content_started_at.is_some() || !watch.senders.contains(&from) {
            return;
        }
        match watch.bytes_before_content.checked_sub(bytes) {
            Some(remaining) => watch.bytes_before_content = remaining,
            None => watch.content_started_at = Some(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, MeterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_after_the_expected_ones_are_timed() {
        let meter = LineMeter::default();
        meter.begin(2, vec![1], 1000);
        meter.record_delivery(0, 2, 5000, Duration::ZERO);
        meter.record_delivery(1, 0, 5000, Duration::ZERO);
        meter.record_delivery(1, 2, 1000, Duration::ZERO);
        assert_eq!(meter.read().content_started_at, None);
        meter.record_delivery(1, 2, 1, Duration::ZERO);
        assert!(meter.read().content_started_at.is_some());
    }
}
