//! One peer's share of a limit: first its own limit, then its turn at the one for all. Pure: time is an argument.

use std::num::NonZeroU64;
use std::time::Instant;

use super::token_bucket::{BucketTicket, TokenBucket};

/// What a peer may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// Pass so many bytes.
    Pass(u64),
    /// Ask again at this time.
    Wait(Instant),
}

/// Bytes that have been booked.
#[derive(Debug)]
struct Booking {
    bytes: u64,
    own_ticket: BucketTicket,
    /// The turn at the limit for all, which is booked once its own has come up, so that a peer with a low limit takes no
    /// turn from others that it cannot use yet.
    total_ticket: Option<BucketTicket>,
    /// After how many changes of the two limits it was made.
    changes: (u32, u32),
}

/// The limit of one peer, and what it waits for.
#[derive(Debug)]
pub(super) struct PeerShare {
    own_bucket: TokenBucket,
    booking: Option<Booking>,
}

impl PeerShare {
    pub(super) const fn new(rate: Option<NonZeroU64>, now: Instant) -> Self {
        Self { own_bucket: TokenBucket::new(rate, now), booking: None }
    }

    /// Sets its own limit.
    pub(super) fn set_rate(&mut self, rate: Option<NonZeroU64>, now: Instant) {
        if self.own_bucket.rate() != rate {
            self.own_bucket.set_rate(rate, now);
        }
    }

    /// Says how many of the wanted bytes may pass now, or when to ask again. What was booked stays booked until then, or
    /// until a limit changes.
    pub(super) fn request(&mut self, all: &mut TokenBucket, want: u64, now: Instant) -> Grant {
        let changes = (all.changes(), self.own_bucket.changes());
        self.booking.take_if(|booking| booking.changes != changes);
        let booking = self.booking.get_or_insert_with(|| {
            let bytes = want.min(all.quantum()).min(self.own_bucket.quantum());
            Booking { bytes, own_ticket: self.own_bucket.book(bytes, now), total_ticket: None, changes }
        });
        if let Some(time) = self.own_bucket.due_at(booking.own_ticket, now) {
            return Grant::Wait(time);
        }
        let turn = *booking.total_ticket.get_or_insert_with(|| all.book(booking.bytes, now));
        if let Some(time) = all.due_at(turn, now) {
            return Grant::Wait(time);
        }
        let bytes = booking.bytes;
        self.booking = None;
        Grant::Pass(bytes.min(want))
    }
}
