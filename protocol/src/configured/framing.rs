use std::fmt;

use super::message::id;
use crate::geometry::Geometry;

/// What the length prefix of a message counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The message type and the payload: a choke is `00 00 00 01 00`.
    Inclusive,
    /// Only the payload: a choke is `00 00 00 00 00`.
    Exclusive,
}

impl Framing {
    /// The number of bytes of the first message that determine the framing.
    pub const HEAD_LEN: usize = 5;

    /// Detects the framing from the beginning of the first message behind a handshake. Returns `None` if it fits
    /// neither framing, or if it is a piece, which cannot be the first message.
    pub fn of_first_message(head: [u8; Self::HEAD_LEN], geometry: &Geometry) -> Option<Self> {
        let [a, b, c, d, id] = head;
        let body = match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::DONE => 0,
            id::HAVE | id::REQUEST => 4,
            id::BITFIELD => geometry.piece_count().div_ceil(8),
            _ => return None,
        };
        let length = u32::from_be_bytes([a, b, c, d]);
        [Self::Inclusive, Self::Exclusive].into_iter().find(|framing| framing.length_of(body) == length)
    }

    /// Returns the length prefix of a message with this payload length.
    pub(super) const fn length_of(self, body: u32) -> u32 {
        match self {
            Self::Inclusive => body.saturating_add(1),
            Self::Exclusive => body,
        }
    }

    /// Returns the payload length for a length prefix; `None` if the prefix does not even cover the type.
    pub(super) const fn body_of(self, length: u32) -> Option<u32> {
        match self {
            Self::Inclusive => length.checked_sub(1),
            Self::Exclusive => Some(length),
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inclusive => "inclusive",
            Self::Exclusive => "exclusive",
        })
    }
}
