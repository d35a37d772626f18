//! One peer's share of a limit: first its own limit, then its turn at the one for all. Pure: time is an argument.

use std::num::NonZeroU64;
use std::time::Instant;

use super::bucket::{Bucket, Turn};

/// What a peer may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// Pass so many bytes.
    Pass(u64),
    /// Ask again at this time.
    Wait(Instant),
}

/// Bytes that have been booked.
#[derive(Debug)]
struct Booking {
    bytes: u64,
    own: Turn,
    /// The turn at the limit for all, which is booked once its own has come up, so that a peer with a low limit takes no
    /// turn from others that it cannot use yet.
    all: Option<Turn>,
    /// After how many changes of the two limits it was made.
    changes: (u32, u32),
}

/// The limit of one peer, and what it waits for.
#[derive(Debug)]
pub(super) struct Share {
    own: Bucket,
    booking: Option<Booking>,
}

impl Share {
    pub(super) const fn new(rate: Option<NonZeroU64>, now: Instant) -> Self {
        Self { own: Bucket::new(rate, now), booking: None }
    }

    /// Sets its own limit.
    pub(super) fn set_rate(&mut self, rate: Option<NonZeroU64>, now: Instant) {
        if self.own.rate() != rate {
            self.own.set_rate(rate, now);
        }
    }

    /// Says how many of the wanted bytes may pass now, or when to ask again. What was booked stays booked until then, or
    /// until a limit changes.
    pub(super) fn ask(&mut self, all: &mut Bucket, want: u64, now: Instant) -> Leave {
        let changes = (all.changes(), self.own.changes());
        self.booking.take_if(|booking| booking.changes != changes);
        let booking = self.booking.get_or_insert_with(|| {
            let bytes = want.min(all.quantum()).min(self.own.quantum());
            Booking { bytes, own: self.own.book(bytes, now), all: None, changes }
        });
        if let Some(time) = self.own.comes_up(booking.own, now) {
            return Leave::Wait(time);
        }
        let turn = *booking.all.get_or_insert_with(|| all.book(booking.bytes, now));
        if let Some(time) = all.comes_up(turn, now) {
            return Leave::Wait(time);
        }
        let bytes = booking.bytes;
        self.booking = None;
        Leave::Pass(bytes.min(want))
    }
}
