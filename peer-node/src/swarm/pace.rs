//! How many bytes to keep asked of one source.

use std::time::Duration;

/// Where a source begins, and the least it is asked for. What waits at a slow source could be asked of others: in a swarm of
/// peers that begin together, all would wait at the one seed for the same pieces.
const SMALLEST: u64 = 512 << 10;

/// Small blocks make it so many of them: 512 KiB of BitTorrent's would lie at a peer of 20 KB/s for 26 seconds, and 64 KiB
/// do for 3.
const FEWEST_BLOCKS: u64 = 4;
const LARGEST: u64 = 16 << 20;

/// A delay this much over half as long again as the shortest one is put down to the scheduler, not to a queue.
const SLACK: Duration = Duration::from_millis(10);

/// After so many late blocks in a row with the smallest window, the path itself has become longer.
const LONGER_PATH: u32 = 32;

/// A window of bytes in flight that follows the bandwidth-delay product: it grows with every block that comes without
/// having waited in a queue, which doubles it in each round trip, and shrinks with every block that has waited long. It
/// shrinks by half of that block: all that is under way will be late as well, and so the window halves. If it shrank by
/// the whole, nothing would be left of it, and a source of 10 MB/s a tenth of a second away would be idle for a third of the
/// time.
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
            self.window = self.window.saturating_sub(bytes / 2).max(self.smallest);
        }
        if self.late >= LONGER_PATH {
            self.shortest = Some(delay);
            self.late = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

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

    /// Plays a source that answers in order for a minute; returns which part of its rate was used in the second half, and
    /// how long its blocks took at the end.
    fn play(rate: f64, delay: Duration, block: u32) -> (f64, Duration) {
        let (sending, minute) = (Duration::from_secs_f64(f64::from(block) / rate), Duration::from_mins(1));
        let (mut pace, mut now, mut busy, mut used) = (Pace::new(block), Duration::ZERO, Duration::ZERO, 0);
        let (mut in_flight, mut took) = (VecDeque::new(), Duration::ZERO);
        while now < minute {
            while in_flight.is_empty() || in_flight.len() as u64 * u64::from(block) < pace.window() {
                busy = busy.max(now + delay / 2) + sending;
                in_flight.push_back((now, busy + delay / 2));
            }
            let (asked, arrives) = in_flight.pop_front().unwrap();
            (now, took) = (arrives, arrives.saturating_sub(asked));
            pace.took(took, block.into());
            used += u32::from(now > minute / 2 && now <= minute);
        }
        (sending.as_secs_f64() * f64::from(used) / (minute / 2).as_secs_f64(), took)
    }

    #[test]
    fn sources_near_and_far_are_kept_busy_and_slow_ones_have_no_long_queue() {
        let (tenth, twentieth) = (Duration::from_millis(100), Duration::from_millis(20));
        for (rate, delay, block, longest) in [
            (2e4, tenth, 16 << 10, 10.0),
            (1e5, tenth, 16 << 10, 1.0),
            (1e6, tenth, 16 << 10, 0.4),
            (1e7, tenth, 16 << 10, 0.4),
            (1e7, tenth, 1 << 20, 0.8),
            (1e8, twentieth, 16 << 10, 0.2),
            (1e8, twentieth, 1 << 20, 0.2),
        ] {
            let (used, took) = play(rate, delay, block);
            assert!(used > 0.98, "{rate} B/s in blocks of {block}: only {used:.2} used");
            assert!(took.as_secs_f64() < longest, "{rate} B/s in blocks of {block}: {took:?}");
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
