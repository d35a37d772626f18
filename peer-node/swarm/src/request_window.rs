//! Decides how many bytes to keep requested from one source.

use std::time::{Duration, Instant};

/// Minimum window of a busy source, so that it does not idle when the network or a processor hesitates. It is small because
/// requests queued at a slow source could go to others; leechers that start together would all wait at the one seed.
const MIN_WINDOW: u64 = 512 << 10;

/// Window before the rate is known: enough for the first round trips of a fast, distant source.
const INITIAL_WINDOW: u64 = 1 << 20;

/// With small blocks, the minimum window is this many blocks, and the initial one twice as many. Otherwise the minimum would
/// occupy a slow BitTorrent peer for too long.
const MIN_BLOCKS: u64 = 4;

/// Maximum window: enough for 1 Gbit/s at a round-trip time of 100 ms.
const MAX_WINDOW: u64 = 16 << 20;

/// Number of round trips at the measured rate that the window covers: one for the data in flight, the others because a lost
/// segment holds back everything behind it for one or two.
const ROUND_TRIPS: u32 = 3;

/// The same while the rate still grows: a sender in slow start doubles it every round trip, and the measurement lags by one.
const INITIAL_ROUND_TRIPS: u32 = 6;

/// Additional time that the window covers, for hesitating processors and disks.
const SLACK: Duration = Duration::from_millis(10);

/// Minimum time over which the rate is measured; otherwise it is a round trip.
const MIN_ROUND: Duration = Duration::from_millis(20);

/// Number of rounds without growth by a quarter after which the rate counts as settled.
const FLAT_ROUNDS: u32 = 3;

/// How long the highest rate is remembered: the longer of a time and a number of round trips.
const RATE_MEMORY: (Duration, u32) = (Duration::from_secs(2), 16);

/// Minimum time that the window covers without a measured round-trip time.
const UNMEASURED_TIME: Duration = Duration::from_millis(300);

/// Minimum time that the window covers for sources with BitTorrent's small blocks. Other clients collect requests and answer
/// them in bursts, Transmission every half second, however short the path is.
const SMALL_BLOCK_TIME: Duration = Duration::from_millis(1200);

/// Upper bound for small windows: four blocks of the BitTorrent dialect. The native dialect has longer blocks.
const MAX_SMALL_BLOCKS: u64 = MIN_BLOCKS * (32 << 10);

const _: () = assert!(MIN_BLOCKS > 0, "a source gets at least one block");
const _: () = assert!(MIN_WINDOW <= INITIAL_WINDOW && INITIAL_WINDOW <= MAX_WINDOW);
const _: () =
    assert!(MAX_SMALL_BLOCKS < MIN_WINDOW, "native sources do not count as sources with small blocks");
const _: () =
    assert!(ROUND_TRIPS <= INITIAL_ROUND_TRIPS, "a settled rate needs no larger margin than a growing one");
const _: () = assert!(UNMEASURED_TIME.as_millis() <= SMALL_BLOCK_TIME.as_millis());
const _: () = assert!(MIN_ROUND.as_millis() < RATE_MEMORY.0.as_millis(), "the memory covers several rounds");

/// A window of bytes in flight: what the source delivers in a few round trips.
///
/// It follows the rate at which bytes arrive, not the time that blocks take. When a lost segment holds blocks back, they take
/// longer and then arrive together, which says nothing about the capacity of the path. The rate is the highest of the last
/// seconds. As the window covers several round trips, it can always grow further.
#[derive(Debug, Clone)]
pub(super) struct RequestWindow {
    min_bytes: u64,
    initial_bytes: u64,
    bytes: u64,
    /// Measured round-trip time of the path.
    rtt: Option<Duration>,
    /// Number of connections, each of which should have blocks to send.
    connections: u64,
    min_block_time: Option<Duration>,
    round: RateRound,
    /// Rounds without growth; the rate is settled after [`FLAT_ROUNDS`].
    flat_rounds: u32,
    best_rate: BestRate,
}

/// The bytes of one measurement.
#[derive(Debug, Clone, Copy)]
struct RateRound {
    begun: Instant,
    bytes: u64,
}

/// The highest rate of the last seconds, in bytes per second.
#[derive(Debug, Clone, Copy)]
struct BestRate {
    begun: Instant,
    current: u64,
    previous: u64,
}

impl RequestWindow {
    pub(super) fn new(block_length: u32, now: Instant) -> Self {
        debug_assert!(block_length > 0, "a block has at least one byte");
        let min_bytes = MIN_BLOCKS * u64::from(block_length);
        Self {
            // Small blocks make small windows: a slow peer must not hold much that others could send.
            min_bytes: MIN_WINDOW.min(min_bytes),
            initial_bytes: INITIAL_WINDOW.min(2 * min_bytes),
            bytes: INITIAL_WINDOW.min(2 * min_bytes),
            rtt: None,
            connections: 1,
            min_block_time: None,
            round: RateRound { begun: now, bytes: 0 },
            flat_rounds: 0,
            best_rate: BestRate { begun: now, current: 0, previous: 0 },
        }
    }

    /// Returns the maximum number of bytes in flight.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of the source's connections, bounded by the window.
    pub(super) const fn connections(&self) -> u64 {
        self.connections
    }

    /// Returns the shortest time that a block took.
    pub(super) const fn min_block_time(&self) -> Option<Duration> {
        self.min_block_time
    }

    /// Returns the rate in bytes per second, once it is settled.
    pub(super) fn settled_rate(&self) -> Option<u64> {
        (self.flat_rounds >= FLAT_ROUNDS).then(|| self.best_rate.rate())
    }

    /// Sets the round-trip time of the path and the number of the source's connections.
    pub(super) fn measured(&mut self, rtt: Duration, connections: usize) {
        // Each connection needs blocks of its own, but a source cannot enlarge the window at will by opening many.
        let connections = u64::try_from(connections).unwrap_or(u64::MAX).max(1);
        (self.rtt, self.connections) = (Some(rtt), connections.min(MAX_WINDOW / self.min_bytes.max(1) / 4));
        // Grows at once; it shrinks, if at all, with the next measurement.
        self.bytes = self.bytes.max(self.min_bytes * self.connections);
        debug_assert!(self.bytes <= MAX_WINDOW, "the connections are bounded by the window");
    }

    /// Restarts the measurement because the source was idle, which says nothing about its rate.
    pub(super) const fn restart_round(&mut self, now: Instant) {
        self.round = RateRound { begun: now, bytes: 0 };
    }

    /// Records the time between the request of a block and its arrival.
    pub(super) fn block_took(&mut self, delay: Duration) {
        self.min_block_time = Some(self.min_block_time.map_or(delay, |shortest| shortest.min(delay)));
    }

    /// Records bytes from a busy source.
    pub(super) fn arrived(&mut self, bytes: u64, now: Instant) {
        self.round.bytes += bytes;
        // Shorter measurements would see bursts instead of the rate.
        let elapsed = now.saturating_duration_since(self.round.begun);
        if elapsed < self.rtt().max(MIN_ROUND) {
            return;
        }
        let rate = per_second(self.round.bytes, elapsed);
        // While the rate grows by more than a quarter per round, the window keeps its initial margin.
        if rate > self.best_rate.rate().saturating_mul(5) / 4 {
            self.flat_rounds = 0;
        } else {
            self.flat_rounds = self.flat_rounds.saturating_add(1);
        }
        self.round = RateRound { begun: now, bytes: 0 };
        // A rate is remembered for several rounds: one slow round must not shrink the window of a fast path.
        let memory = RATE_MEMORY.0.max(self.rtt() * RATE_MEMORY.1);
        self.best_rate.update(rate, now, memory);
        self.bytes = self.fitting_window();
    }

    /// Returns the window that fits the measured rate.
    fn fitting_window(&self) -> u64 {
        // While the rate grows, a window that fits it now would hold it back.
        let is_settled = self.flat_rounds >= FLAT_ROUNDS;
        let (rounds, min) = if is_settled {
            (ROUND_TRIPS, self.min_bytes * self.connections)
        } else {
            (INITIAL_ROUND_TRIPS, self.initial_bytes.max(self.min_bytes * self.connections))
        };
        debug_assert!(min <= MAX_WINDOW, "the connections are bounded by the window");
        let mut covered = self.rtt() * rounds + SLACK;
        // Without a measured round trip the estimate may be far too short.
        if self.rtt.is_none() {
            covered = covered.max(UNMEASURED_TIME);
        }
        if self.min_bytes <= MAX_SMALL_BLOCKS {
            covered = covered.max(SMALL_BLOCK_TIME);
        }
        // In 128 bits, since a rate times microseconds may exceed 64.
        let bytes = u128::from(self.best_rate.rate()) * covered.as_micros() / 1_000_000;
        u64::try_from(bytes).unwrap_or(MAX_WINDOW).clamp(min, MAX_WINDOW)
    }

    /// Returns the round-trip time, or the best estimate.
    pub(super) fn rtt(&self) -> Duration {
        self.rtt.or(self.min_block_time).unwrap_or(MIN_ROUND)
    }
}

impl BestRate {
    fn rate(&self) -> u64 {
        self.current.max(self.previous)
    }

    fn update(&mut self, rate: u64, now: Instant, memory: Duration) {
        if now.saturating_duration_since(self.begun) >= memory {
            // Two halves instead of a list of rates: the older half is forgotten as a whole.
            *self = Self { begun: now, current: 0, previous: self.current };
        }
        self.current = self.current.max(rate);
    }
}

fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    let rate = u128::from(bytes) * 1_000_000 / elapsed.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
