use crate::geometry::Block;

/// A byte range of a piece as it appears on the wire, not yet validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSpec {
    /// The piece.
    pub piece: u32,
    /// The range's offset in the piece, in bytes.
    pub begin: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// A message between two peers, except blocks, whose head is encoded by [`block_head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitTorrentMessage<'a> {
    /// Keeps an idle connection open.
    KeepAlive,
    /// The sender no longer serves requests and drops queued ones (with the fast extension, it rejects each of them).
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
        piece: u32,
    },
    /// The pieces that the sender has; only as the first message.
    Bitfield(&'a [u8]),
    /// Requests a block.
    Request(BlockSpec),
    /// Cancels a request.
    Cancel(BlockSpec),
    /// The port of the sender's DHT node (BEP 5).
    Port(u16),
    /// Suggests a piece to request (BEP 6).
    Suggest {
        /// The piece.
        piece: u32,
    },
    /// Instead of a bitfield: the sender has all pieces (BEP 6).
    HaveAll,
    /// Instead of a bitfield: the sender has no piece (BEP 6).
    HaveNone,
    /// A requested block will not be sent (BEP 6).
    Reject(BlockSpec),
    /// A piece that is served even while the receiver is choked (BEP 6).
    AllowedFast {
        /// The piece.
        piece: u32,
    },
    /// A message of an extension (BEP 10).
    Extended {
        /// The extension's number, as assigned by the receiver, or [`ExtendedHandshake::ID`].
        ///
        /// [`ExtendedHandshake::ID`]: super::ExtendedHandshake::ID
        extension: u8,
        /// The payload.
        body: &'a [u8],
    },
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
    pub(in super::super) const CANCEL: u8 = 8;
    pub(in super::super) const PORT: u8 = 9;
    pub(in super::super) const SUGGEST: u8 = 13;
    pub(in super::super) const HAVE_ALL: u8 = 14;
    pub(in super::super) const HAVE_NONE: u8 = 15;
    pub(in super::super) const REJECT: u8 = 16;
    pub(in super::super) const ALLOWED_FAST: u8 = 17;
    pub(in super::super) const EXTENDED: u8 = 20;
}

impl BitTorrentMessage<'_> {
    /// Appends the message with its length prefix to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::KeepAlive => out.extend_from_slice(&[0; 4]),
            Self::Choke => write_message(out, id::CHOKE, &[]),
            Self::Unchoke => write_message(out, id::UNCHOKE, &[]),
            Self::Interested => write_message(out, id::INTERESTED, &[]),
            Self::NotInterested => write_message(out, id::NOT_INTERESTED, &[]),
            Self::Have { piece } => write_message(out, id::HAVE, &piece.to_be_bytes()),
            Self::Bitfield(bytes) => write_message(out, id::BITFIELD, bytes),
            Self::Request(block) => write_message(out, id::REQUEST, &block.encode()),
            Self::Cancel(block) => write_message(out, id::CANCEL, &block.encode()),
            Self::Port(port) => write_message(out, id::PORT, &port.to_be_bytes()),
            Self::Suggest { piece } => write_message(out, id::SUGGEST, &piece.to_be_bytes()),
            Self::HaveAll => write_message(out, id::HAVE_ALL, &[]),
            Self::HaveNone => write_message(out, id::HAVE_NONE, &[]),
            Self::Reject(block) => write_message(out, id::REJECT, &block.encode()),
            Self::AllowedFast { piece } => write_message(out, id::ALLOWED_FAST, &piece.to_be_bytes()),
            Self::Extended { extension, body } => {
                write_message(out, id::EXTENDED, &[&[extension], body].concat());
            }
        }
    }
}

/// Encodes the head of a block: everything before its bytes.
pub fn block_head(block: BlockSpec) -> [u8; 13] {
    let mut head = [id::PIECE; 13];
    let (length, rest) = head.split_at_mut(4);
    length.copy_from_slice(&block.length.saturating_add(9).to_be_bytes());
    if let Some((_, position)) = rest.split_first_mut() {
        position.copy_from_slice(&(u64::from(block.piece) << 32 | u64::from(block.begin)).to_be_bytes());
    }
    head
}

fn write_message(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    // Only a bitfield may be long, and the geometry bounds its length.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_add(1);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(id);
    out.extend_from_slice(body);
}

impl BlockSpec {
    fn encode(self) -> [u8; 12] {
        let words = u128::from(self.piece) << 64 | u128::from(self.begin) << 32 | u128::from(self.length);
        let mut bytes = [0; 12];
        bytes.copy_from_slice(words.to_be_bytes().last_chunk::<12>().unwrap_or(&[0; 12]));
        bytes
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (piece, rest) = body.split_first_chunk()?;
        let (begin, rest) = rest.split_first_chunk()?;
        let length = rest.first_chunk()?;
        let [piece, begin, length] = [piece, begin, length].map(|word| u32::from_be_bytes(*word));
        Some(Self { piece, begin, length })
    }
}

impl From<Block> for BlockSpec {
    fn from(block: Block) -> Self {
        Self { piece: block.piece.get(), begin: block.begin, length: block.length }
    }
}
