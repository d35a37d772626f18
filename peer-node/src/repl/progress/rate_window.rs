//! The rate of many downloads together. Files of a few kilobytes are over before a rate of their own is measured, so the bytes of all
//! of them are counted over some seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time that is looked back.
const WINDOW: Duration = Duration::from_secs(5);

/// The shortest time between two samples, which bounds how many there are.
const STEP: Duration = Duration::from_millis(200);

/// How many bytes there were in the last seconds.
#[derive(Debug, Default)]
pub(crate) struct RateWindow(VecDeque<(Instant, u64)>);

impl RateWindow {
    /// Takes in how many bytes have come in all, and returns the rate in bytes per second.
    #[expect(clippy::cast_precision_loss, reason = "a rate that is shown")]
    pub(crate) fn rate(&mut self, bytes: u64, now: Instant) -> f64 {
        if self.0.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= STEP) {
            self.0.push_back((now, bytes));
        }
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
        let Some((since, before)) = self.0.front() else { return 0.0 };
        let elapsed = now.saturating_duration_since(*since);
        if elapsed < STEP { 0.0 } else { bytes.saturating_sub(*before) as f64 / elapsed.as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_that_of_the_last_seconds() {
        let (mut window, start) = (RateWindow::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(window.rate(0, at(0)).abs() < 1e-9);
        for step in 1..=100 {
            let rate = window.rate(step * 50_000, at(step * 250));
            assert!((rate - 200_000.0).abs() < 1.0, "{rate}");
        }
        assert!(window.0.len() <= 27, "{}", window.0.len());
        assert!(window.rate(5_000_000, at(60_000)).abs() < 1e-9, "nothing came since");
    }
}
