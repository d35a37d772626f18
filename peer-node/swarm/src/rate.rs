use std::time::{Duration, Instant};

const SLOT_LENGTH: Duration = Duration::from_millis(250);
const SLOTS: usize = 12;

/// Number of slots that are complete: all but the current one.
const COMPLETE_SLOTS: u32 = 11;

const _: () = assert!(SLOTS == COMPLETE_SLOTS as usize + 1);

/// Measures a flow in bytes per second over the last three seconds.
#[derive(Debug, Clone)]
pub struct RateMeter {
    started: Instant,
    slots: [u64; SLOTS],
    current: u64,
}

impl RateMeter {
    /// Starts measuring.
    pub const fn new(now: Instant) -> Self {
        Self { started: now, slots: [0; SLOTS], current: 0 }
    }

    /// Adds transferred bytes.
    pub fn add(&mut self, bytes: u64, now: Instant) {
        self.advance(now);
        if let Some(slot) = self.slot(self.current) {
            *slot = slot.saturating_add(bytes);
        }
    }

    /// Returns the rate in bytes per second.
    pub fn rate(&self, now: Instant) -> f64 {
        // On a copy, so that reading a rate does not need a mutable meter.
        let mut meter = self.clone();
        meter.advance(now);
        let bytes: u64 = meter.slots.iter().sum();
        let window =
            now.saturating_duration_since(self.started).min(SLOT_LENGTH * COMPLETE_SLOTS).max(SLOT_LENGTH);
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
        let bytes = bytes as f64;
        bytes / window.as_secs_f64()
    }

    fn slot(&mut self, number: u64) -> Option<&mut u64> {
        usize::try_from(number).ok().and_then(|number| self.slots.get_mut(number % SLOTS))
    }

    /// Clears the slots that have expired.
    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started).as_millis() / SLOT_LENGTH.as_millis();
        let number = u64::try_from(elapsed).unwrap_or(u64::MAX);
        // After a long pause all slots are stale, and each is cleared once.
        for stale in (self.current.saturating_add(1)..=number).take(self.slots.len()) {
            if let Some(slot) = self.slot(stale) {
                *slot = 0;
            }
        }
        self.current = self.current.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_measured_and_forgotten() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        for step in 0..100 {
            meter.add(1_000, start + Duration::from_millis(step * 100));
        }
        let rate = meter.rate(start + Duration::from_millis(9_950));
        assert!((9_000.0..11_000.0).contains(&rate), "{rate}");
        assert!(meter.rate(start + Duration::from_secs(20)) < 1.0);
    }
}
