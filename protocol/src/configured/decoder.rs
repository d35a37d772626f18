use super::message::id;
use super::{ConfiguredMessage, Framing};
use crate::geometry::{Geometry, PieceIndex};

#[cfg(test)]
mod tests;

/// The length of the piece index before a piece's bytes.
const PIECE_HEADER_LEN: u32 = 4;

/// A protocol violation in a stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfiguredMessageError {
    /// The message is longer than any valid message of this content.
    #[error("the message length of {length} bytes is over the limit")]
    TooLong {
        /// The announced length.
        length: u32,
    },
    /// The length does not match the message type.
    #[error("a message of type {id} with the wrong length of {length} bytes")]
    WrongLength {
        /// The message type.
        id: u8,
        /// The announced length.
        length: u32,
    },
    /// The message type is unknown.
    #[error("unknown message type {id}")]
    Unknown {
        /// The message type.
        id: u8,
    },
    /// A message names a piece that the content does not have.
    #[error("piece index {piece} is out of range: the file has {pieces} pieces")]
    NoSuchPiece {
        /// The piece index, from 0.
        piece: u32,
        /// The number of pieces.
        pieces: u32,
    },
    /// A piece has the wrong length.
    #[error("piece {piece} has {expected} bytes, not {got}")]
    WrongPieceLength {
        /// The piece index.
        piece: u32,
        /// The length of the piece.
        expected: u32,
        /// The announced length.
        got: u32,
    },
}

/// An item of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfiguredItem<'a> {
    /// A message.
    Message(ConfiguredMessage<'a>),
    /// The head of a piece, whose bytes follow as [`ConfiguredItem::Bytes`]. The caller checks now whether it
    /// requested the piece.
    Piece(PieceIndex),
    /// Bytes of the current piece, at least one.
    Bytes(&'a [u8]),
}

/// An incremental decoder for the messages of one side of a connection.
///
/// It buffers nothing: the caller passes unconsumed bytes, less than a message, again together with those that
/// follow.
#[derive(Debug)]
pub struct ConfiguredDecoder {
    geometry: Geometry,
    framing: Framing,
    /// The number of outstanding bytes of the current piece.
    remaining: u32,
}

impl ConfiguredDecoder {
    /// Creates a decoder for the stream behind the handshake, for a content with this geometry.
    pub const fn new(geometry: Geometry, framing: Framing) -> Self {
        Self { geometry, framing, remaining: 0 }
    }

    /// Consumes the next item from `input` and returns it, or `None` if more bytes are needed. Errors are final.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<ConfiguredItem<'a>>, ConfiguredMessageError> {
        if self.remaining == 0 {
            return self.begin(input);
        }
        let (bytes, rest) = input.split_at(input.len().min(self.remaining as usize));
        *input = rest;
        // `bytes` is at most `remaining` long.
        self.remaining -= u32::try_from(bytes.len()).unwrap_or(self.remaining);
        Ok((!bytes.is_empty()).then_some(ConfiguredItem::Bytes(bytes)))
    }

    /// Returns true if bytes of a piece are outstanding.
    pub const fn is_in_piece(&self) -> bool {
        self.remaining > 0
    }

    /// Returns the maximum length of anything before a piece's bytes, including the length prefix, in bytes.
    pub const fn max_header_len(&self) -> usize {
        let bitfield = self.bitfield_len() as usize;
        5 + if bitfield > 4 { bitfield } else { 4 }
    }

    const fn bitfield_len(&self) -> u32 {
        self.geometry.piece_count().div_ceil(8)
    }

    fn begin<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<ConfiguredItem<'a>>, ConfiguredMessageError> {
        let Some((length, rest)) = input.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length);
        let longest = self.bitfield_len().max(PIECE_HEADER_LEN.saturating_add(self.geometry.piece_length()));
        let body = self.framing.body_of(length).filter(|body| *body <= longest);
        let body = body.ok_or(ConfiguredMessageError::TooLong { length });
        let Some((&id, rest)) = rest.split_first() else {
            // Refuse an overlong message before its body arrives. For a length of 0, wait for the type, which yields
            // a more precise error.
            return if length == 0 { Ok(None) } else { body.map(|_| None) };
        };
        let wrong = ConfiguredMessageError::WrongLength { id, length };
        let body = body.map_err(|error| if length == 0 { wrong } else { error })?;
        let needed = self.header_len(id, body)?.ok_or(wrong)?;
        let Some((head, rest)) = rest.split_at_checked(needed as usize) else { return Ok(None) };
        let item = self.read(id, head, body)?.ok_or(wrong)?;
        *input = rest;
        if let ConfiguredItem::Piece(piece) = item {
            self.remaining = self.geometry.length_of(piece);
        }
        Ok(Some(item))
    }

    /// Returns the number of body bytes needed to decode a message; `None` if its length is wrong for its type.
    fn header_len(&self, id: u8, body: u32) -> Result<Option<u32>, ConfiguredMessageError> {
        let expected = match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::DONE => 0,
            id::HAVE | id::REQUEST => 4,
            id::BITFIELD => self.bitfield_len(),
            id::PIECE => return Ok((body > PIECE_HEADER_LEN).then_some(PIECE_HEADER_LEN)),
            _ => return Err(ConfiguredMessageError::Unknown { id }),
        };
        Ok((body == expected).then_some(expected))
    }

    /// Decodes a message whose length has been checked.
    fn read<'a>(
        &self,
        id: u8,
        head: &'a [u8],
        body: u32,
    ) -> Result<Option<ConfiguredItem<'a>>, ConfiguredMessageError> {
        let message = match id {
            id::CHOKE => ConfiguredMessage::Choke,
            id::UNCHOKE => ConfiguredMessage::Unchoke,
            id::INTERESTED => ConfiguredMessage::Interested,
            id::NOT_INTERESTED => ConfiguredMessage::NotInterested,
            id::DONE => ConfiguredMessage::Done,
            id::BITFIELD => ConfiguredMessage::Bitfield(head),
            _ => {
                let Some(number) = head.first_chunk() else { return Ok(None) };
                let piece = self.piece(u32::from_be_bytes(*number))?;
                match id {
                    id::HAVE => ConfiguredMessage::Have { piece },
                    id::REQUEST => ConfiguredMessage::Request { piece },
                    _ => return self.begin_piece(piece, body - PIECE_HEADER_LEN).map(Some),
                }
            }
        };
        Ok(Some(ConfiguredItem::Message(message)))
    }

    fn piece(&self, piece: u32) -> Result<PieceIndex, ConfiguredMessageError> {
        let pieces = self.geometry.piece_count();
        self.geometry.piece(piece).ok_or(ConfiguredMessageError::NoSuchPiece { piece, pieces })
    }

    fn begin_piece<'a>(
        &self,
        piece: PieceIndex,
        got: u32,
    ) -> Result<ConfiguredItem<'a>, ConfiguredMessageError> {
        let expected = self.geometry.length_of(piece);
        if got == expected {
            Ok(ConfiguredItem::Piece(piece))
        } else {
            Err(ConfiguredMessageError::WrongPieceLength { piece: piece.get(), expected, got })
        }
    }
}
