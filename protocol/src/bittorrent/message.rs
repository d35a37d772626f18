use crate::geometry::Block;

/// A range of bytes of a piece as it stands on the wire: nothing is known of it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSpec {
    /// The piece.
    pub piece: u32,
    /// Where in the piece it begins, in bytes.
    pub begin: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// A message between two peers, but for blocks, of which [`block_head`] makes the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitTorrentMessage<'a> {
    /// Nothing, but the connection is alive.
    KeepAlive,
    /// Requests are not served from now on, and those that wait are forgotten (with the fast extension: each is rejected).
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
        piece: u32,
    },
    /// The pieces that this side has; only as the first message.
    Bitfield(&'a [u8]),
    /// Asks for a block.
    Request(BlockSpec),
    /// A block that was asked for is no longer wanted.
    Cancel(BlockSpec),
    /// The port of the other side's DHT node (BEP 5).
    Port(u16),
    /// A piece that the other side had better ask for (BEP 6).
    Suggest {
        /// Which.
        piece: u32,
    },
    /// Instead of a bitfield: this side has all pieces (BEP 6).
    HaveAll,
    /// Instead of a bitfield: this side has no piece (BEP 6).
    HaveNone,
    /// A block that was asked for does not come (BEP 6).
    Reject(BlockSpec),
    /// A piece that is served even to who is choked (BEP 6).
    AllowedFast {
        /// Which.
        piece: u32,
    },
    /// A message of an extension (BEP 10).
    Extended {
        /// Which: by the number that its receiver has given it, or [`ExtendedHandshake::ID`].
        ///
        /// [`ExtendedHandshake::ID`]: super::ExtendedHandshake::ID
        extension: u8,
        /// What it says.
        body: &'a [u8],
    },
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
    /// Appends the message with its length.
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
                write_message(out, id::EXTENDED, &[&[extension], body].concat())
            }
        }
    }
}

/// Returns what stands before a block's bytes.
pub fn block_head(block: BlockSpec) -> [u8; 13] {
    let mut head = [id::PIECE; 13];
    let (length, place) = head.split_at_mut(4);
    length.copy_from_slice(&block.length.saturating_add(9).to_be_bytes());
    if let Some((_, place)) = place.split_first_mut() {
        place.copy_from_slice(&(u64::from(block.piece) << 32 | u64::from(block.begin)).to_be_bytes());
    }
    head
}

fn write_message(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    // Only a bitfield may be long, and the geometry has bounded it.
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
