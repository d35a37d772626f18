//! How many bytes to keep asked of one source.

use std::time::Duration;

const SMALLEST: u64 = 1 << 20;
const LARGEST: u64 = 16 << 20;

/// A delay this much over twice the shortest one is put down to the scheduler, not to a queue.
const SLACK: Duration = Duration::from_millis(10);

/// A window of bytes in flight that follows the bandwidth-delay product: it grows with every block that comes without
/// having waited in a queue, which doubles it in each round trip, and shrinks with every block that has waited long.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    window: u64,
    shortest: Option<Duration>,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { window: SMALLEST, shortest: None }
    }

    /// Returns how many bytes may be in flight.
    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// Returns the shortest time that a block took lately.
    pub(super) const fn shortest(&self) -> Option<Duration> {
        self.shortest
    }

    /// Takes in how long a block of so many bytes took from its request on.
    pub(super) fn took(&mut self, delay: Duration, bytes: u64) {
        // The shortest delay is let rise by a hundredth a block, so that a path that became longer is learnt in time.
        let shortest = self.shortest.map_or(delay, |shortest| delay.min(shortest + shortest / 100));
        self.shortest = Some(shortest);
        if delay <= shortest * 2 + SLACK {
            self.window = (self.window + bytes).min(LARGEST);
        } else if delay > shortest * 4 + SLACK {
            self.window = self.window.saturating_sub(bytes).max(SMALLEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 256 << 10;

    /// Runs a link of `rate` bytes per second and `delay`, always kept full, for some blocks; returns the window.
    fn settle(rate: f64, delay: Duration) -> u64 {
        let mut pace = Pace::new();
        for _ in 0..2_000 {
            let queued = Duration::from_secs_f64(pace.window() as f64 / rate);
            let alone = Duration::from_secs_f64(BLOCK as f64 / rate) + delay;
            pace.took(queued.max(alone), BLOCK);
        }
        pace.window()
    }

    #[test]
    fn the_window_covers_the_bandwidth_delay_product() {
        for (rate, millis) in [(10e6, 100), (50e6, 100), (100e6, 20), (1e9, 1)] {
            let window = settle(rate, Duration::from_millis(millis));
            let product = rate * millis as f64 / 1e3;
            assert!(window as f64 >= product.min(LARGEST as f64), "{rate} {millis}: {window}");
        }
    }

    #[test]
    fn a_slow_source_keeps_the_smallest_window() {
        assert!(settle(1e5, Duration::from_millis(1)) <= SMALLEST + 2 * BLOCK);
    }
}
