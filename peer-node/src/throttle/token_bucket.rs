//! A token bucket that books ahead: whoever wants to pass bytes gets a turn, and the turns come up in their order as the
//! rate earns them. Pure: time is an argument.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// How much time's worth of bytes is passed in one go at most, and may be saved up while nothing passes. A peer
/// that is woken later than its turn came up passes its quantum on top of that.
const QUANTUM_TIME: Duration = Duration::from_millis(50);

/// The most bytes that pass in one go, however high the rate, so that several who wait for it get even shares.
const MAX_QUANTUM: u64 = 256 << 10;

/// Bytes are counted in billionths, so that nanoseconds at a whole rate are whole numbers.
const UNITS_PER_BYTE: u128 = 1_000_000_000;

/// A place on the line of all bytes that ever went through a bucket: they may pass once so many have been earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketTicket(u128);

/// A limit in bytes per second, or none.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: Option<NonZeroU64>,
    /// How many billionths of bytes were earned until `at`.
    earned: u128,
    at: Instant,
    /// How many were booked.
    booked: u128,
    /// How often the rate was changed.
    changes: u32,
}

impl TokenBucket {
    pub(super) const fn new(rate: Option<NonZeroU64>, now: Instant) -> Self {
        Self { rate, earned: 0, at: now, booked: 0, changes: 0 }
    }

    pub(super) const fn rate(&self) -> Option<NonZeroU64> {
        self.rate
    }

    /// Counts the changes of the limit. What was booked before the last one is void.
    pub(super) const fn changes(&self) -> u32 {
        self.changes
    }

    /// Changes the limit. Bookings that have not come up are void: at another rate they may be far too long.
    pub(super) fn set_rate(&mut self, rate: Option<NonZeroU64>, now: Instant) {
        self.earn(now);
        self.rate = rate;
        self.changes = self.changes.wrapping_add(1);
        self.booked = self.booked.min(self.earned);
        self.earned = self.earned.min(self.booked + self.burst());
    }

    /// Returns how many bytes to book in one go at most.
    pub(super) fn quantum(&self) -> u64 {
        let whole = u64::try_from(self.burst() / UNITS_PER_BYTE).unwrap_or(u64::MAX);
        self.rate.map_or(u64::MAX, |_| whole.clamp(1, MAX_QUANTUM))
    }

    /// Books bytes behind all that were booked before.
    pub(super) fn book(&mut self, bytes: u64, now: Instant) -> BucketTicket {
        self.earn(now);
        self.booked += u128::from(bytes) * UNITS_PER_BYTE;
        BucketTicket(self.booked)
    }

    /// Returns when a turn comes up, unless the rate is changed before; nothing if it has come.
    pub(super) fn due_at(&mut self, turn: BucketTicket, now: Instant) -> Option<Instant> {
        self.earn(now);
        let rate = u128::from(self.rate?.get());
        let missing = turn.0.checked_sub(self.earned).filter(|missing| *missing > 0)?;
        let wait = u64::try_from(missing.div_ceil(rate)).unwrap_or(u64::MAX);
        now.checked_add(Duration::from_nanos(wait))
    }

    /// Returns how much may be saved up, in billionths.
    fn burst(&self) -> u128 {
        self.rate.map_or(0, |rate| u128::from(rate.get()) * QUANTUM_TIME.as_nanos())
    }

    fn earn(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        self.at += elapsed;
        let most = self.booked + self.burst();
        self.earned = match self.rate {
            None => most,
            Some(rate) => most.min(self.earned + u128::from(rate.get()) * elapsed.as_nanos()),
        };
    }
}
