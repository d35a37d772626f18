//! How many bytes to keep asked of one source.

use std::time::Duration;

/// Where a source begins, and the least it is asked for. What waits at a slow source could be asked of others: in a swarm of
/// peers that begin together, all would wait at the one seed for the same pieces.
const SMALLEST: u64 = 512 << 10;

/// With small blocks it is so many of them: 512 KiB would take a peer of 20 KB/s half a minute.
const FEWEST_BLOCKS: u64 = 4;
const LARGEST: u64 = 16 << 20;

/// A delay this much over half as long again as the shortest one is put down to the scheduler, not to a queue.
const SLACK: Duration = Duration::from_millis(10);

/// After so many late blocks in a row with the smallest window, the path itself has become longer.
const LONGER_PATH: u32 = 32;

/// A window of bytes in flight that follows the bandwidth-delay product: it grows with every block that comes without
/// having waited in a queue, which doubles it in each round trip, and shrinks with every block that has waited long.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    smallest: u64,
    window: u64,
    shortest: Option<Duration>,
    late: u32,
}

impl Pace {
    pub(super) fn new(block_length: u32) -> Self {
        let smallest = SMALLEST.min(FEWEST_BLOCKS * u64::from(block_length));
        Self { smallest, window: smallest, shortest: None, late: 0 }
    }

    /// Returns how many bytes may be in flight.
    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// Returns the shortest time that a block took.
    pub(super) const fn shortest(&self) -> Option<Duration> {
        self.shortest
    }

    /// Takes in how long a block of so many bytes took from its request on.
    pub(super) fn took(&mut self, delay: Duration, bytes: u64) {
        let shortest = self.shortest.map_or(delay, |shortest| shortest.min(delay));
        self.shortest = Some(shortest);
        // With two blocks in flight at a slow source, the second takes twice as long: that is queue enough.
        if delay <= shortest * 3 / 2 + SLACK {
            self.window = (self.window + bytes).min(LARGEST);
            self.late = 0;
        } else if delay > shortest * 3 + SLACK {
            self.late = if self.window == self.smallest { self.late + 1 } else { 0 };
            self.window = self.window.saturating_sub(bytes).max(self.smallest);
        }
        if self.late >= LONGER_PATH {
            self.shortest = Some(delay);
            self.late = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 256 << 10;

    /// Runs a link of `rate` bytes per second and `delay`, always kept full, for some blocks; returns the window.
    fn settle(rate: u32, delay: Duration) -> u64 {
        let time_for = |bytes: u64| Duration::from_secs(bytes) / rate;
        let mut pace = Pace::new(1 << 20);
        let alone = time_for(BLOCK) + delay;
        pace.took(alone, BLOCK);
        for _ in 0..2_000 {
            pace.took(time_for(pace.window()).max(alone), BLOCK);
        }
        pace.window()
    }

    #[test]
    fn the_window_covers_the_bandwidth_delay_product() {
        for (rate, millis) in [(10_000_000, 100), (50_000_000, 100), (100_000_000, 20), (1_000_000_000, 1)] {
            let window = settle(rate, Duration::from_millis(millis));
            let product = u64::from(rate) * millis / 1000;
            assert!(window >= product.min(LARGEST), "{rate} {millis}: {window}");
        }
    }

    #[test]
    fn a_path_that_becomes_longer_is_learnt() {
        let mut pace = Pace::new(1 << 20);
        pace.took(Duration::from_millis(2), BLOCK);
        (0..200).for_each(|_| pace.took(Duration::from_millis(300), BLOCK));
        assert!(pace.window() > 8 * BLOCK, "{}", pace.window());
    }

    #[test]
    fn a_slow_source_keeps_the_smallest_window() {
        assert!(settle(100_000, Duration::from_millis(1)) <= SMALLEST + 2 * BLOCK);
    }
}
