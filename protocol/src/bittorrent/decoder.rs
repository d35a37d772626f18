use super::message::id;
use super::{BitTorrentMessage, BlockSpec};
use crate::geometry::Geometry;
use crate::limits::{MAX_BITTORRENT_BLOCK, MAX_EXTENDED, MAX_SKIPPED_MESSAGE};

#[cfg(test)]
mod tests;

/// The length of a block message without the block's bytes.
const BLOCK_HEAD: u32 = 9;

/// A protocol violation in a stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitTorrentMessageError {
    /// The message is over the length limit.
    #[error("a message of {length} bytes")]
    TooLong {
        /// The announced length.
        length: u32,
    },
    /// The length does not match the message type.
    #[error("a message of kind {id} with a length of {length} bytes")]
    WrongLength {
        /// The message type.
        id: u8,
        /// The announced length.
        length: u32,
    },
}

/// An item of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitTorrentItem<'a> {
    /// A message.
    Message(BitTorrentMessage<'a>),
    /// The head of a block, whose bytes follow as [`BitTorrentItem::Bytes`]. The caller checks now whether it
    /// requested the block.
    Block(BlockSpec),
    /// Bytes of the current block, at least one.
    Bytes(&'a [u8]),
}

/// An incremental decoder for the messages of one side of a connection.
///
/// It buffers nothing: the caller passes unconsumed bytes, less than a message, again together with those that
/// follow. Unknown messages and overlong extension messages are skipped without buffering.
#[derive(Debug)]
pub struct BitTorrentDecoder {
    /// The length of the torrent's bitfield in bytes.
    bitfield: u32,
    state: DecoderState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecoderState {
    /// The next byte begins a message.
    Header,
    /// `remaining` bytes of a block are outstanding.
    Block { remaining: u32 },
    /// `remaining` bytes of a skipped message are outstanding.
    Skipping { remaining: u32 },
}

impl BitTorrentDecoder {
    /// Creates a decoder for the stream behind the handshake, for a torrent with this geometry.
    pub const fn new(geometry: &Geometry) -> Self {
        Self { bitfield: geometry.piece_count().div_ceil(8), state: DecoderState::Header }
    }

    /// Consumes the next item from `input` and returns it, or `None` if more bytes are needed. Errors are final.
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
                    self.state = DecoderState::Header;
                }
                DecoderState::Block { remaining } => {
                    let bytes = take_up_to(input, remaining);
                    return Ok((!bytes.is_empty()).then_some(BitTorrentItem::Bytes(bytes)));
                }
                DecoderState::Skipping { remaining } => {
                    if take_up_to(input, remaining).is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Returns true if bytes of a block are outstanding.
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
    /// A message to skip, with `length` outstanding bytes.
    Skip {
        length: u32,
    },
    More,
}

/// The structure of a message body.
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
    /// Checks the length of a message; returns `None` if the message is to be skipped.
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

/// Decodes a message whose length has been checked.
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

/// Consumes at most `remaining` bytes of `input`.
fn take_up_to<'a>(input: &mut &'a [u8], remaining: &mut u32) -> &'a [u8] {
    let count = input.len().min(*remaining as usize);
    let (bytes, rest) = input.split_at(count);
    *input = rest;
    // `count` is at most `remaining`.
    *remaining -= u32::try_from(count).unwrap_or(*remaining);
    bytes
}
