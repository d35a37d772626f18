//! How many bytes to keep requested from one source.

use std::time::{Duration, Instant};

/// The least that a busy source is asked for, so that it is not idle while the network or a processor hesitates. What waits at a
/// slow source could be asked of others: in a swarm of peers that begin together, all would wait at the one seed for the
/// same pieces.
const MIN_WINDOW: u64 = 512 << 10;

/// What a source is asked for before its rate is known: enough for the first round trips of a fast and distant one.
const INITIAL_WINDOW: u64 = 1 << 20;

/// Small blocks make it so many of them at least, and twice as many at first: 512 KiB of BitTorrent's would lie at a peer of
/// 20 KB/s for 26 seconds, and 64 KiB do for 3.
const MIN_BLOCKS: u64 = 4;

/// The most that one source is asked for. At a round-trip time of 100 ms it suffices for 1 Gbit/s.
const MAX_WINDOW: u64 = 16 << 20;

/// The window covers so many round trips at the measured rate: one for what is on its way, the others because a lost segment
/// holds back whatever comes behind it for one or two.
const ROUND_TRIPS: u32 = 3;

/// The same while the rate still grows: a sender in slow start doubles it in each round trip, and the measurement is one behind.
const INITIAL_ROUND_TRIPS: u32 = 6;

/// The window covers so much more time, for processors and disks that hesitate.
const SLACK: Duration = Duration::from_millis(10);

/// The rate is measured over a round trip, and over this time at least.
const MIN_ROUND: Duration = Duration::from_millis(20);

/// The rate is taken to be settled after so many rounds in which it has not grown by a quarter.
const FLAT_ROUNDS: u32 = 3;

/// The highest rate counts for as long as this, and for so many round trips.
const RATE_MEMORY: (Duration, u32) = (Duration::from_secs(2), 16);

/// Without a measured round-trip time the window covers this much time at least.
const UNMEASURED_TIME: Duration = Duration::from_millis(300);

/// Sources of blocks as small as BitTorrent's are asked for this much time at least: those of other makers collect requests and
/// answer in pulses, Transmission every half second, however short the path is.
const SMALL_BLOCK_TIME: Duration = Duration::from_millis(1200);

/// Four blocks of BitTorrent's dialect at most; the native dialect has longer ones.
const MAX_SMALL_BLOCKS: u64 = MIN_BLOCKS * (32 << 10);

/// A window of bytes in flight: what the source delivers in a few round trips.
///
/// It follows the rate at which bytes arrive, not how long blocks take. Blocks take longer when a lost segment holds them back,
/// and then arrive together; that says nothing about how much the path carries. The rate is the highest of the last seconds, and as
/// the window covers several round trips, it can always grow further.
#[derive(Debug, Clone)]
pub(super) struct RequestWindow {
    min_bytes: u64,
    initial_bytes: u64,
    bytes: u64,
    /// The round-trip time that was measured below.
    rtt: Option<Duration>,
    /// Each of them is to have blocks to send.
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
        let fewest = MIN_BLOCKS * u64::from(block_length);
        Self {
            min_bytes: MIN_WINDOW.min(fewest),
            initial_bytes: INITIAL_WINDOW.min(2 * fewest),
            bytes: INITIAL_WINDOW.min(2 * fewest),
            rtt: None,
            connections: 1,
            min_block_time: None,
            round: RateRound { begun: now, bytes: 0 },
            flat_rounds: 0,
            best_rate: BestRate { begun: now, current: 0, previous: 0 },
        }
    }

    /// Returns how many bytes may be in flight.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns over how many connections the source sends, as far as that matters.
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

    /// Takes in the round-trip time of the path, and over how many connections the source sends.
    pub(super) fn measured(&mut self, rtt: Duration, connections: usize) {
        let connections = u64::try_from(connections).unwrap_or(u64::MAX).max(1);
        (self.rtt, self.connections) = (Some(rtt), connections.min(MAX_WINDOW / self.min_bytes.max(1) / 4));
        self.bytes = self.bytes.max(self.min_bytes * self.connections);
    }

    /// Notes that the source is asked again after it had nothing to do: that time says nothing about its rate.
    pub(super) const fn restart_round(&mut self, now: Instant) {
        self.round = RateRound { begun: now, bytes: 0 };
    }

    /// Takes in how long a block took from its request on.
    pub(super) fn block_took(&mut self, delay: Duration) {
        self.min_block_time = Some(self.min_block_time.map_or(delay, |shortest| shortest.min(delay)));
    }

    /// Takes in bytes of a source that was busy.
    pub(super) fn arrived(&mut self, bytes: u64, now: Instant) {
        self.round.bytes += bytes;
        let elapsed = now.saturating_duration_since(self.round.begun);
        if elapsed < self.rtt().max(MIN_ROUND) {
            return;
        }
        let rate = per_second(self.round.bytes, elapsed);
        if rate > self.best_rate.rate().saturating_mul(5) / 4 {
            self.flat_rounds = 0;
        } else {
            self.flat_rounds = self.flat_rounds.saturating_add(1);
        }
        self.round = RateRound { begun: now, bytes: 0 };
        let memory = RATE_MEMORY.0.max(self.rtt() * RATE_MEMORY.1);
        self.best_rate.update(rate, now, memory);
        self.bytes = self.fitting_window();
    }

    /// Returns the window that fits the measured rate.
    fn fitting_window(&self) -> u64 {
        let is_settled = self.flat_rounds >= FLAT_ROUNDS;
        let (rounds, least) = if is_settled {
            (ROUND_TRIPS, self.min_bytes * self.connections)
        } else {
            (INITIAL_ROUND_TRIPS, self.initial_bytes.max(self.min_bytes * self.connections))
        };
        let mut covered = self.rtt() * rounds + SLACK;
        if self.rtt.is_none() {
            covered = covered.max(UNMEASURED_TIME);
        }
        if self.min_bytes <= MAX_SMALL_BLOCKS {
            covered = covered.max(SMALL_BLOCK_TIME);
        }
        let bytes = u128::from(self.best_rate.rate()) * covered.as_micros() / 1_000_000;
        u64::try_from(bytes).unwrap_or(MAX_WINDOW).clamp(least, MAX_WINDOW)
    }

    /// Returns the round-trip time, or the best guess.
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
