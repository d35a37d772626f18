use super::message::id;
use super::{BitTorrentMessage, BlockSpec};
use crate::geometry::Geometry;
use crate::limits::{MAX_BITTORRENT_BLOCK, MAX_EXTENDED, MAX_SKIPPED_MESSAGE};

#[cfg(test)]
mod tests;

/// The length of a block's message without the block.
const BLOCK_HEAD: u32 = 9;

/// A stream that is not one of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitTorrentMessageError {
    /// No message is so long.
    #[error("a message of {length} bytes")]
    TooLong {
        /// The length that was announced.
        length: u32,
    },
    /// A message has not the length that it must have.
    #[error("a message of kind {id} with a length of {length} bytes")]
    WrongLength {
        /// What it would be.
        id: u8,
        /// The length that was announced.
        length: u32,
    },
}

/// What a stream consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitTorrentItem<'a> {
    /// A message.
    Message(BitTorrentMessage<'a>),
    /// A block begins: so many bytes follow, as [`BitTorrentItem::Bytes`]. Whether it was asked for has to be judged now.
    Block(BlockSpec),
    /// Bytes of the block that began last, at least one.
    Bytes(&'a [u8]),
}

/// Finds the messages in what one side of a connection sends, however it arrives.
///
/// It holds nothing of the stream: bytes that it does not consume, less than a message, are to be offered again with
/// those that follow. Of messages that are unknown, or of an extension and too long, nothing needs to be kept at all.
#[derive(Debug)]
pub struct BitTorrentDecoder {
    /// How long a bitfield of the torrent is, in bytes.
    bitfield: u32,
    state: DecoderState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecoderState {
    /// A message comes next.
    Header,
    /// So many bytes of a block are to come.
    Block { remaining: u32 },
    /// So many bytes of an unknown message are to come.
    Skipping { remaining: u32 },
}

impl BitTorrentDecoder {
    /// Begins behind the handshake of a connection about a torrent with that geometry.
    pub const fn new(geometry: &Geometry) -> Self {
        Self { bitfield: geometry.piece_count().div_ceil(8), state: DecoderState::Header }
    }

    /// Returns the next part of the stream and takes it off `input`, or nothing if more bytes are needed. An error is final.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<BitTorrentItem<'a>>, BitTorrentMessageError> {
        loop {
            match &mut self.state {
                DecoderState::Header => match self.begin(input)? {
                    DecodeStep::Item(item) => return Ok(Some(item)),
                    DecodeStep::More => return Ok(None),
                    DecodeStep::Skip { length } => self.state = DecoderState::Skipping { remaining: length },
                },
                DecoderState::Block { remaining: 0 } | DecoderState::Skipping { remaining: 0 } => {
                    self.state = DecoderState::Header
                }
                DecoderState::Block { remaining: left } => {
                    let bytes = take_up_to(input, left);
                    return Ok((!bytes.is_empty()).then_some(BitTorrentItem::Bytes(bytes)));
                }
                DecoderState::Skipping { remaining: left } => {
                    if take_up_to(input, left).is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Says whether bytes of a block are to come.
    pub const fn is_in_block(&self) -> bool {
        matches!(self.state, DecoderState::Block { remaining: 1.. })
    }

    fn begin<'a>(&mut self, input: &mut &'a [u8]) -> Result<DecodeStep<'a>, BitTorrentMessageError> {
        let Some((length, rest)) = input.split_first_chunk::<4>() else { return Ok(DecodeStep::More) };
        let length = u32::from_be_bytes(*length);
        if length == 0 {
            *input = rest;
            return Ok(DecodeStep::Item(BitTorrentItem::Message(BitTorrentMessage::KeepAlive)));
        }
        if length > MAX_SKIPPED_MESSAGE.max(1 + self.bitfield) {
            return Err(BitTorrentMessageError::TooLong { length });
        }
        let Some((&id, rest)) = rest.split_first() else { return Ok(DecodeStep::More) };
        let Some(kind) = MessageKind::of(id, length, self.bitfield)? else {
            *input = rest;
            return Ok(DecodeStep::Skip { length: length - 1 });
        };
        let needed = if kind == MessageKind::Block { BLOCK_HEAD } else { length };
        let Some((body, rest)) = rest.split_at_checked(needed as usize - 1) else {
            return Ok(DecodeStep::More);
        };
        let item = read(id, kind, body, length).ok_or(BitTorrentMessageError::WrongLength { id, length })?;
        *input = rest;
        if let BitTorrentItem::Block(block) = item {
            self.state = DecoderState::Block { remaining: block.length };
        }
        Ok(DecodeStep::Item(item))
    }
}

enum DecodeStep<'a> {
    Item(BitTorrentItem<'a>),
    /// An unknown message, so many bytes of which are to come.
    Skip {
        length: u32,
    },
    More,
}

/// What the body of a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageKind {
    Empty,
    Port,
    Piece,
    Spec,
    Bitfield,
    Block,
    Extended,
}

impl MessageKind {
    /// Judges a message by its length; nothing stands for one that is not known.
    const fn of(id: u8, length: u32, bitfield: u32) -> Result<Option<Self>, BitTorrentMessageError> {
        let (kind, expected) = match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => {
                (Self::Empty, 1)
            }
            id::PORT => (Self::Port, 3),
            id::HAVE | id::SUGGEST | id::ALLOWED_FAST => (Self::Piece, 5),
            id::REQUEST | id::CANCEL | id::REJECT => (Self::Spec, 13),
            id::BITFIELD => (Self::Bitfield, 1 + bitfield),
            id::PIECE if length > BLOCK_HEAD && length <= BLOCK_HEAD + MAX_BITTORRENT_BLOCK => {
                (Self::Block, length)
            }
            id::EXTENDED if length > MAX_EXTENDED => return Ok(None),
            id::EXTENDED if length > 1 => (Self::Extended, length),
            id::PIECE | id::EXTENDED => return Err(BitTorrentMessageError::WrongLength { id, length }),
            _ => return Ok(None),
        };
        if length == expected {
            Ok(Some(kind))
        } else {
            Err(BitTorrentMessageError::WrongLength { id, length })
        }
    }
}

/// Reads a message of a kind whose length was found right.
fn read(id: u8, kind: MessageKind, body: &[u8], length: u32) -> Option<BitTorrentItem<'_>> {
    Some(BitTorrentItem::Message(match kind {
        MessageKind::Empty => match id {
            id::CHOKE => BitTorrentMessage::Choke,
            id::UNCHOKE => BitTorrentMessage::Unchoke,
            id::INTERESTED => BitTorrentMessage::Interested,
            id::NOT_INTERESTED => BitTorrentMessage::NotInterested,
            id::HAVE_ALL => BitTorrentMessage::HaveAll,
            _ => BitTorrentMessage::HaveNone,
        },
        MessageKind::Port => BitTorrentMessage::Port(u16::from_be_bytes(*body.first_chunk()?)),
        MessageKind::Piece => {
            let piece = u32::from_be_bytes(*body.first_chunk()?);
            match id {
                id::HAVE => BitTorrentMessage::Have { piece },
                id::SUGGEST => BitTorrentMessage::Suggest { piece },
                _ => BitTorrentMessage::AllowedFast { piece },
            }
        }
        MessageKind::Spec => {
            let block = BlockSpec::decode(body)?;
            match id {
                id::REQUEST => BitTorrentMessage::Request(block),
                id::CANCEL => BitTorrentMessage::Cancel(block),
                _ => BitTorrentMessage::Reject(block),
            }
        }
        MessageKind::Bitfield => BitTorrentMessage::Bitfield(body),
        MessageKind::Extended => {
            let (&extension, body) = body.split_first()?;
            BitTorrentMessage::Extended { extension, body }
        }
        MessageKind::Block => {
            let (piece, begin) = body.split_first_chunk()?;
            let (piece, begin) = (u32::from_be_bytes(*piece), u32::from_be_bytes(*begin.first_chunk()?));
            return Some(BitTorrentItem::Block(BlockSpec { piece, begin, length: length - BLOCK_HEAD }));
        }
    }))
}

/// Takes off what is here of the bytes that are left.
fn take_up_to<'a>(input: &mut &'a [u8], left: &mut u32) -> &'a [u8] {
    let count = input.len().min(*left as usize);
    let (bytes, rest) = input.split_at(count);
    *input = rest;
    // At most what was left.
    *left -= u32::try_from(count).unwrap_or(*left);
    bytes
}
