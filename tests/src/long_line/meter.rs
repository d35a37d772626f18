use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::timeliness::Timeliness;

/// What is measured on the lines while they carry packets.
#[derive(Debug, Default)]
pub struct Meter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    watch: Option<Watch>,
    timeliness: Timeliness,
    last: Option<Instant>,
}

/// Waits for bytes of content at a host.
#[derive(Debug)]
struct Watch {
    to: usize,
    senders: Vec<usize>,
    /// Bytes that are still to come before those that count.
    left: usize,
    reached: Option<Instant>,
}

/// What was measured since [`Meter::begin`].
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// When the content began to arrive.
    pub reached: Option<Instant>,
    /// How late packets were delivered.
    pub timeliness: Timeliness,
}

impl Meter {
    /// Begins a measurement: notes when more than `bytes` have arrived at a host from some others.
    pub fn begin(&self, to: usize, senders: Vec<usize>, bytes: usize) {
        let mut state = self.lock();
        state.watch = Some(Watch { to, senders, left: bytes, reached: None });
        state.timeliness = Timeliness::default();
    }

    /// Returns what was measured since then.
    pub fn read(&self) -> Reading {
        let state = self.lock();
        let reached = state.watch.as_ref().and_then(|watch| watch.reached);
        Reading { reached, timeliness: state.timeliness }
    }

    /// Returns for how long nothing has arrived anywhere.
    pub fn quiet(&self) -> Duration {
        self.lock().last.map_or(Duration::MAX, |last| last.elapsed())
    }

    /// Counts a packet that was delivered.
    pub(super) fn count(&self, from: usize, to: usize, bytes: usize, late: Duration) {
        let mut state = self.lock();
        state.timeliness.count(late);
        let now = Instant::now();
        state.last = Some(now);
        let Some(watch) = &mut state.watch else { return };
        if watch.to != to || watch.reached.is_some() || !watch.senders.contains(&from) {
            return;
        }
        match watch.left.checked_sub(bytes) {
            Some(left) => watch.left = left,
            None => watch.reached = Some(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_beyond_those_expected_are_noted() {
        let meter = Meter::default();
        meter.begin(2, vec![1], 1000);
        meter.count(0, 2, 5000, Duration::ZERO);
        meter.count(1, 0, 5000, Duration::ZERO);
        meter.count(1, 2, 1000, Duration::ZERO);
        assert_eq!(meter.read().reached, None);
        meter.count(1, 2, 1, Duration::ZERO);
        assert!(meter.read().reached.is_some());
    }
}
