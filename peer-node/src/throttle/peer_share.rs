//! A peer's share of a limit: first its own limit, then the total one. Pure: time is an argument.

use std::num::NonZeroU64;
use std::time::Instant;

use super::token_bucket::{BucketTicket, TokenBucket};

/// The answer to a request for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// This many bytes may pass.
    Pass(u64),
    /// Request again at this time.
    Wait(Instant),
}

/// A reservation of bytes.
#[derive(Debug)]
struct Reservation {
    bytes: u64,
    own_ticket: BucketTicket,
    /// The reservation in the total bucket. Made only once the peer's own one is due, so that a peer with a low limit does
    /// not take capacity that it cannot use yet.
    total_ticket: Option<BucketTicket>,
    /// The change counts of both buckets at the time of the reservation.
    changes: (u32, u32),
}

/// The limit of one peer and its pending reservation.
#[derive(Debug)]
pub(super) struct PeerShare {
    own_bucket: TokenBucket,
    booking: Option<Reservation>,
}

impl PeerShare {
    pub(super) const fn new(rate: Option<NonZeroU64>, now: Instant) -> Self {
        Self { own_bucket: TokenBucket::new(rate, now), booking: None }
    }

    /// Sets the peer's own limit.
    pub(super) fn set_rate(&mut self, rate: Option<NonZeroU64>, now: Instant) {
        if self.own_bucket.rate() != rate {
            self.own_bucket.set_rate(rate, now);
        }
    }

    /// Returns how many of the wanted bytes may pass now, or when to request again. A reservation stays valid until then, or
    /// until a limit changes.
    pub(super) fn request(&mut self, total: &mut TokenBucket, want: u64, now: Instant) -> Grant {
        let changes = (total.changes(), self.own_bucket.changes());
        self.booking.take_if(|booking| booking.changes != changes);
        let booking = self.booking.get_or_insert_with(|| {
            let bytes = want.min(total.quantum()).min(self.own_bucket.quantum());
            Reservation {
                bytes,
                own_ticket: self.own_bucket.reserve(bytes, now),
                total_ticket: None,
                changes,
            }
        });
        if let Some(time) = self.own_bucket.due_at(booking.own_ticket, now) {
            return Grant::Wait(time);
        }
        let ticket = *booking.total_ticket.get_or_insert_with(|| total.reserve(booking.bytes, now));
        if let Some(time) = total.due_at(ticket, now) {
            return Grant::Wait(time);
        }
        let bytes = booking.bytes;
        self.booking = None;
        Grant::Pass(bytes.min(want))
    }
}
