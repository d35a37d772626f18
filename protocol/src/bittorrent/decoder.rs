use super::message::id;
use super::{BlockSpec, Message};
use crate::geometry::Geometry;
use crate::limits::{MAX_EXTENDED, MAX_SKIPPED_MESSAGE, MAX_WIRE_BLOCK};

#[cfg(test)]
mod tests;

/// The length of a block's message without the block.
const BLOCK_HEAD: u32 = 9;

/// A stream that is not one of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
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
pub enum Item<'a> {
    /// A message.
    Message(Message<'a>),
    /// A block begins: so many bytes follow, as [`Item::Bytes`]. Whether it was asked for has to be judged now.
    Block(BlockSpec),
    /// Bytes of the block that began last, at least one.
    Bytes(&'a [u8]),
}

/// Finds the messages in what one side of a connection sends, however it arrives.
///
/// It holds nothing of the stream: bytes that it does not consume, less than a message, are to be offered again with
/// those that follow. Of messages that are unknown, or of an extension and too long, nothing needs to be kept at all.
#[derive(Debug)]
pub struct Decoder {
    /// How long a bitfield of the torrent is, in bytes.
    bitfield: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A message comes next.
    Between,
    /// So many bytes of a block are to come.
    Block { left: u32 },
    /// So many bytes of an unknown message are to come.
    Skipping { left: u32 },
}

impl Decoder {
    /// Begins behind the handshake of a connection about a torrent with that geometry.
    pub const fn new(geometry: &Geometry) -> Self {
        Self { bitfield: geometry.piece_count().div_ceil(8), state: State::Between }
    }

    /// Returns the next part of the stream and takes it off `input`, or nothing if more bytes are needed. An error is final.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Item<'a>>, MessageError> {
        loop {
            match &mut self.state {
                State::Between => match self.begin(input)? {
                    Step::Item(item) => return Ok(Some(item)),
                    Step::More => return Ok(None),
                    Step::Skip { length } => self.state = State::Skipping { left: length },
                },
                State::Block { left: 0 } | State::Skipping { left: 0 } => self.state = State::Between,
                State::Block { left } => {
                    let bytes = take_some(input, left);
                    return Ok((!bytes.is_empty()).then_some(Item::Bytes(bytes)));
                }
                State::Skipping { left } => {
                    if take_some(input, left).is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Says whether bytes of a block are to come.
    pub const fn is_in_block(&self) -> bool {
        matches!(self.state, State::Block { left: 1.. })
    }

    fn begin<'a>(&mut self, input: &mut &'a [u8]) -> Result<Step<'a>, MessageError> {
        let Some((length, rest)) = input.split_first_chunk::<4>() else { return Ok(Step::More) };
        let length = u32::from_be_bytes(*length);
        if length == 0 {
            *input = rest;
            return Ok(Step::Item(Item::Message(Message::KeepAlive)));
        }
        if length > MAX_SKIPPED_MESSAGE.max(1 + self.bitfield) {
            return Err(MessageError::TooLong { length });
        }
        let Some((&id, rest)) = rest.split_first() else { return Ok(Step::More) };
        let Some(kind) = Kind::of(id, length, self.bitfield)? else {
            *input = rest;
            return Ok(Step::Skip { length: length - 1 });
        };
        let needed = if kind == Kind::Block { BLOCK_HEAD } else { length };
        let Some((body, rest)) = rest.split_at_checked(needed as usize - 1) else { return Ok(Step::More) };
        let item = read(id, kind, body, length).ok_or(MessageError::WrongLength { id, length })?;
        *input = rest;
        if let Item::Block(block) = item {
            self.state = State::Block { left: block.length };
        }
        Ok(Step::Item(item))
    }
}

enum Step<'a> {
    Item(Item<'a>),
    /// An unknown message, so many bytes of which are to come.
    Skip {
        length: u32,
    },
    More,
}

/// What the body of a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Port,
    Piece,
    Spec,
    Bitfield,
    Block,
    Extended,
}

impl Kind {
    /// Judges a message by its length; nothing stands for one that is not known.
    const fn of(id: u8, length: u32, bitfield: u32) -> Result<Option<Self>, MessageError> {
        let (kind, expected) = match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => {
                (Self::Nothing, 1)
            }
            id::PORT => (Self::Port, 3),
            id::HAVE | id::SUGGEST | id::ALLOWED_FAST => (Self::Piece, 5),
            id::REQUEST | id::CANCEL | id::REJECT => (Self::Spec, 13),
            id::BITFIELD => (Self::Bitfield, 1 + bitfield),
            id::PIECE if length > BLOCK_HEAD && length <= BLOCK_HEAD + MAX_WIRE_BLOCK => {
                (Self::Block, length)
            }
            id::EXTENDED if length > MAX_EXTENDED => return Ok(None),
            id::EXTENDED if length > 1 => (Self::Extended, length),
            id::PIECE | id::EXTENDED => return Err(MessageError::WrongLength { id, length }),
            _ => return Ok(None),
        };
        if length == expected { Ok(Some(kind)) } else { Err(MessageError::WrongLength { id, length }) }
    }
}

/// Reads a message of a kind whose length was found right.
fn read(id: u8, kind: Kind, body: &[u8], length: u32) -> Option<Item<'_>> {
    Some(Item::Message(match kind {
        Kind::Nothing => match id {
            id::CHOKE => Message::Choke,
            id::UNCHOKE => Message::Unchoke,
            id::INTERESTED => Message::Interested,
            id::NOT_INTERESTED => Message::NotInterested,
            id::HAVE_ALL => Message::HaveAll,
            _ => Message::HaveNone,
        },
        Kind::Port => Message::Port(u16::from_be_bytes(*body.first_chunk()?)),
        Kind::Piece => {
            let piece = u32::from_be_bytes(*body.first_chunk()?);
            match id {
                id::HAVE => Message::Have { piece },
                id::SUGGEST => Message::Suggest { piece },
                _ => Message::AllowedFast { piece },
            }
        }
        Kind::Spec => {
            let block = BlockSpec::decode(body)?;
            match id {
                id::REQUEST => Message::Request(block),
                id::CANCEL => Message::Cancel(block),
                _ => Message::Reject(block),
            }
        }
        Kind::Bitfield => Message::Bitfield(body),
        Kind::Extended => {
            let (&extension, body) = body.split_first()?;
            Message::Extended { extension, body }
        }
        Kind::Block => {
            let (piece, begin) = body.split_first_chunk()?;
            let (piece, begin) = (u32::from_be_bytes(*piece), u32::from_be_bytes(*begin.first_chunk()?));
            return Some(Item::Block(BlockSpec { piece, begin, length: length - BLOCK_HEAD }));
        }
    }))
}

/// Takes off what is here of the bytes that are left.
fn take_some<'a>(input: &mut &'a [u8], left: &mut u32) -> &'a [u8] {
    let count = input.len().min(*left as usize);
    let (bytes, rest) = input.split_at(count);
    *input = rest;
    // At most what was left.
    *left -= u32::try_from(count).unwrap_or(*left);
    bytes
}
