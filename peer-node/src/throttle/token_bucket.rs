//! A token bucket with reservations: each gets a ticket, and tickets come due in order as the rate earns tokens. Pure:
//! time is an argument.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// The quantum and the burst, as a time at the current rate. A peer that wakes later than its ticket was due passes its
/// quantum in addition.
const QUANTUM_TIME: Duration = Duration::from_millis(50);

/// Maximum quantum in bytes, however high the rate, so that waiting peers get even shares.
const MAX_QUANTUM: u64 = 256 << 10;

/// Tokens are counted in billionths of a byte, so that the tokens earned per nanosecond are an integer.
const UNITS_PER_BYTE: u128 = 1_000_000_000;

/// A reservation: due once this many tokens have been earned in total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketTicket(u128);

/// A limit in bytes per second, or none.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: Option<NonZeroU64>,
    /// Tokens earned until `at`.
    earned: u128,
    at: Instant,
    /// Tokens reserved.
    booked: u128,
    /// Number of changes of the rate.
    changes: u32,
}

impl TokenBucket {
    pub(super) const fn new(rate: Option<NonZeroU64>, now: Instant) -> Self {
        Self { rate, earned: 0, at: now, booked: 0, changes: 0 }
    }

    pub(super) const fn rate(&self) -> Option<NonZeroU64> {
        self.rate
    }

    /// Returns the number of changes of the limit. A change voids earlier reservations.
    pub(super) const fn changes(&self) -> u32 {
        self.changes
    }

    /// Sets the limit. Pending reservations are void, because at another rate they may be far too long.
    pub(super) fn set_rate(&mut self, rate: Option<NonZeroU64>, now: Instant) {
        self.earn(now);
        self.rate = rate;
        self.changes = self.changes.wrapping_add(1);
        self.booked = self.booked.min(self.earned);
        self.earned = self.earned.min(self.booked + self.burst());
    }

    /// Returns the maximum number of bytes to reserve at once.
    pub(super) fn quantum(&self) -> u64 {
        let whole = u64::try_from(self.burst() / UNITS_PER_BYTE).unwrap_or(u64::MAX);
        self.rate.map_or(u64::MAX, |_| whole.clamp(1, MAX_QUANTUM))
    }

    /// Reserves bytes behind all earlier reservations.
    pub(super) fn reserve(&mut self, bytes: u64, now: Instant) -> BucketTicket {
        self.earn(now);
        self.booked += u128::from(bytes) * UNITS_PER_BYTE;
        BucketTicket(self.booked)
    }

    /// Returns when a ticket is due, unless the rate changes before; `None` if it is due now.
    pub(super) fn due_at(&mut self, ticket: BucketTicket, now: Instant) -> Option<Instant> {
        self.earn(now);
        let rate = u128::from(self.rate?.get());
        let missing = ticket.0.checked_sub(self.earned).filter(|missing| *missing > 0)?;
        let wait = u64::try_from(missing.div_ceil(rate)).unwrap_or(u64::MAX);
        now.checked_add(Duration::from_nanos(wait))
    }

    /// Returns the maximum number of tokens that can accumulate.
    fn burst(&self) -> u128 {
        self.rate.map_or(0, |rate| u128::from(rate.get()) * QUANTUM_TIME.as_nanos())
    }

    fn earn(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        self.at += elapsed;
        let max_earned = self.booked + self.burst();
        self.earned = match self.rate {
            None => max_earned,
            Some(rate) => max_earned.min(self.earned + u128::from(rate.get()) * elapsed.as_nanos()),
        };
    }
}
