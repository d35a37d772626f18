use super::Framing;
use crate::geometry::PieceIndex;

/// A message between two peers, except pieces, whose head is encoded by [`piece_head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfiguredMessage<'a> {
    /// The sender no longer serves requests.
    Choke,
    /// The sender serves requests from now on.
    Unchoke,
    /// The sender wants pieces that the receiver has.
    Interested,
    /// The sender wants no piece that the receiver has.
    NotInterested,
    /// The sender completed a piece.
    Have {
        /// The piece.
        piece: PieceIndex,
    },
    /// The pieces that the sender has: one bit per piece, the high bit first. Bits behind the last piece are ignored.
    Bitfield(&'a [u8]),
    /// Requests a whole piece.
    Request {
        /// The piece.
        piece: PieceIndex,
    },
    /// The sender has the whole file and waits until all peers have sent this message. Used by one family of programs
    /// only.
    Done,
}

/// The message types.
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
    /// Appends the message with its length prefix to `out`.
    pub fn encode(&self, framing: Framing, out: &mut Vec<u8>) {
        let mut put = |id: u8, body: &[u8]| {
            // Only a bitfield is longer than a few bytes, and the geometry bounds its length.
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

/// Encodes the head of a piece of this length: everything before its bytes.
pub fn piece_head(framing: Framing, piece: PieceIndex, length: u32) -> [u8; 9] {
    let mut head = [id::PIECE; 9];
    let length = framing.length_of(length.saturating_add(4)).to_be_bytes();
    let (prefix, rest) = head.split_at_mut(4);
    prefix.copy_from_slice(&length);
    if let Some((_, index)) = rest.split_first_mut() {
        index.copy_from_slice(&piece.get().to_be_bytes());
    }
    head
}
