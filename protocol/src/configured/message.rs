use super::Framing;
use crate::geometry::PieceIndex;

/// A message between two peers, but for pieces, of which [`piece_head`] makes the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfiguredMessage<'a> {
    /// Requests are not served from now on.
    Choke,
    /// Requests are served from now on.
    Unchoke,
    /// The other side has pieces that this one wants.
    Interested,
    /// The other side has nothing that this one wants.
    NotInterested,
    /// One more piece that this side has.
    Have {
        /// Which.
        piece: PieceIndex,
    },
    /// The pieces that this side has: a bit each, the high one first. Bits behind the last piece mean nothing.
    Bitfield(&'a [u8]),
    /// Asks for a whole piece.
    Request {
        /// Which.
        piece: PieceIndex,
    },
    /// This side has the whole file and waits for the same word from everybody; said by one family of programs only.
    Done,
}

/// The number that says what a message is.
pub(super) mod id {
    pub(in super::super) const CHOKE: u8 = 0;
    pub(in super::super) const UNCHOKE: u8 = 1;
    pub(in super::super) const INTERESTED: u8 = 2;
    pub(in super::super) const NOT_INTERESTED: u8 = 3;
    pub(in super::super) const HAVE: u8 = 4;
    pub(in super::super) const BITFIELD: u8 = 5;
    pub(in super::super) const REQUEST: u8 = 6;
    pub(in super::super) const PIECE: u8 = 7;
    pub(in super::super) const DONE: u8 = 8;
}

impl ConfiguredMessage<'_> {
    /// Appends the message with its length.
    pub fn encode(&self, framing: Framing, out: &mut Vec<u8>) {
        let mut put = |id: u8, body: &[u8]| {
            // Only a bitfield is longer than a few bytes, and the geometry has bounded it.
            let body_length = u32::try_from(body.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&framing.length_of(body_length).to_be_bytes());
            out.push(id);
            out.extend_from_slice(body);
        };
        match *self {
            Self::Choke => put(id::CHOKE, &[]),
            Self::Unchoke => put(id::UNCHOKE, &[]),
            Self::Interested => put(id::INTERESTED, &[]),
            Self::NotInterested => put(id::NOT_INTERESTED, &[]),
            Self::Have { piece } => put(id::HAVE, &piece.get().to_be_bytes()),
            Self::Bitfield(bytes) => put(id::BITFIELD, bytes),
            Self::Request { piece } => put(id::REQUEST, &piece.get().to_be_bytes()),
            Self::Done => put(id::DONE, &[]),
        }
    }
}

/// Returns what stands before the bytes of a piece of that length.
pub fn piece_head(framing: Framing, piece: PieceIndex, length: u32) -> [u8; 9] {
    let mut head = [id::PIECE; 9];
    let length = framing.length_of(length.saturating_add(4)).to_be_bytes();
    let (before, rest) = head.split_at_mut(4);
    before.copy_from_slice(&length);
    if let Some((_, place)) = rest.split_first_mut() {
        place.copy_from_slice(&piece.get().to_be_bytes());
    }
    head
}
