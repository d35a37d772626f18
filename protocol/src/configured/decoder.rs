use super::message::id;
use super::{ConfiguredMessage, Framing};
use crate::geometry::{Geometry, PieceIndex};

#[cfg(test)]
mod tests;

/// The number of a piece before its bytes.
const PIECE_HEADER_LEN: u32 = 4;

/// A stream that is not one of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfiguredMessageError {
    /// No message of this content is so long.
    #[error("a message with a length of {length} bytes")]
    TooLong {
        /// The length that was announced.
        length: u32,
    },
    /// A message has not the length that it must have.
    #[error("a message of type {id} with a length of {length} bytes")]
    WrongLength {
        /// What it would be.
        id: u8,
        /// The length that was announced.
        length: u32,
    },
    /// Nobody knows what such a message is.
    #[error("a message of the unknown type {id}")]
    Unknown {
        /// Its type.
        id: u8,
    },
    /// A message is about a piece that the content does not have.
    #[error("a message about piece {piece} of {pieces}")]
    NoSuchPiece {
        /// The number that was named, from 0.
        piece: u32,
        /// How many there are.
        pieces: u32,
    },
    /// A piece has not the length that it must have.
    #[error("{got} bytes for piece {piece}, which has {expected}")]
    WrongPieceLength {
        /// Which piece.
        piece: u32,
        /// How long it is.
        expected: u32,
        /// How long it was announced to be.
        got: u32,
    },
}

/// What a stream consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfiguredItem<'a> {
    /// A message.
    Message(ConfiguredMessage<'a>),
    /// A piece begins: all its bytes follow, as [`ConfiguredItem::Bytes`]. Whether it was asked for has to be judged now.
    Piece(PieceIndex),
    /// Bytes of the piece that began last, at least one.
    Bytes(&'a [u8]),
}

/// Finds the messages in what one side of a connection sends, however it arrives.
///
/// It holds nothing of the stream: bytes that it does not consume, less than a message, are to be offered again with
/// those that follow.
#[derive(Debug)]
pub struct ConfiguredDecoder {
    geometry: Geometry,
    framing: Framing,
    /// How many bytes of a piece are to come.
    remaining: u32,
}

impl ConfiguredDecoder {
    /// Begins behind the handshake of a connection about a content with that geometry.
    pub const fn new(geometry: Geometry, framing: Framing) -> Self {
        Self { geometry, framing, remaining: 0 }
    }

    /// Returns the next part of the stream and takes it off `input`, or nothing if more bytes are needed. An error is final.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<ConfiguredItem<'a>>, ConfiguredMessageError> {
        if self.remaining == 0 {
            return self.begin(input);
        }
        let (bytes, rest) = input.split_at(input.len().min(self.remaining as usize));
        *input = rest;
        // At most what was left.
        self.remaining -= u32::try_from(bytes.len()).unwrap_or(self.remaining);
        Ok((!bytes.is_empty()).then_some(ConfiguredItem::Bytes(bytes)))
    }

    /// Says whether bytes of a piece are to come.
    pub const fn is_in_piece(&self) -> bool {
        self.remaining > 0
    }

    /// Returns the longest that anything before a piece's bytes can be with its length, in bytes.
    pub const fn max_header_len(&self) -> usize {
        let bitfield = self.bitfield() as usize;
        5 + if bitfield > 4 { bitfield } else { 4 }
    }

    const fn bitfield(&self) -> u32 {
        self.geometry.piece_count().div_ceil(8)
    }

    fn begin<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<ConfiguredItem<'a>>, ConfiguredMessageError> {
        let Some((length, rest)) = input.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length);
        let longest = self.bitfield().max(PIECE_HEADER_LEN.saturating_add(self.geometry.piece_length()));
        let body = self.framing.body_of(length).filter(|body| *body <= longest);
        let body = body.ok_or(ConfiguredMessageError::TooLong { length });
        let Some((&id, rest)) = rest.split_first() else {
            // What is too long is refused before anything of it is here; of no length at all the type says more.
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

    /// Returns how many bytes have to be here before a message can be read; nothing if it has a wrong length.
    fn header_len(&self, id: u8, body: u32) -> Result<Option<u32>, ConfiguredMessageError> {
        let expected = match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::DONE => 0,
            id::HAVE | id::REQUEST => 4,
            id::BITFIELD => self.bitfield(),
            id::PIECE => return Ok((body > PIECE_HEADER_LEN).then_some(PIECE_HEADER_LEN)),
            _ => return Err(ConfiguredMessageError::Unknown { id }),
        };
        Ok((body == expected).then_some(expected))
    }

    /// Reads a message whose length was found right.
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
