use protocol::infohash::Infohash;

use super::super::raw_wire::{RawWire, message};
use crate::content::{PIECE_LENGTH, TestContent};

/// What a scripted peer does wrong; all else it does right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TorrentLie {
    /// Nothing: it serves what it was asked for.
    None,
    /// No lie either: it has the first half of the pieces, and says so.
    FirstHalf,
    /// No lie either: it sends messages that nobody knows, and keep-alives, between those it should.
    UnknownMessages,
    /// Its handshake names another protocol.
    OtherProtocol,
    /// Its handshake is about another torrent.
    OtherTorrent,
    /// Its handshake has the id of who dialled it.
    SameId,
    /// After the handshake there is nothing.
    Silence,
    /// Its bitfield is a byte too long.
    LongBitfield,
    /// Its bitfield is a byte too short.
    ShortBitfield,
    /// Its bitfield says that it has pieces behind the last.
    SpareBits,
    /// A second bitfield follows the first, which some do instead of naming many pieces.
    SecondBitfield,
    /// It has a piece that does not exist.
    ImpossiblePiece,
    /// The length of its first message is 4 GiB.
    HugeMessage,
    /// A block comes that is said to be of 2 GiB.
    HugeBlock,
    /// A choke comes with a payload of 100 bytes.
    LongChoke,
    /// It asks for a block of 2 GiB.
    HugeRequest,
    /// It sends messages of the fast extension, which was not agreed upon.
    UnnegotiatedFast,
    /// Blocks come before anything was asked for.
    UnrequestedBlocks,
    /// Every block has its bits turned over.
    WrongBytes,
    /// Another piece's block comes instead of the one that was asked for.
    OtherPiece,
    /// Every block is a byte shorter than it was asked for.
    ShorterBlock,
    /// Every block is a byte longer than it was asked for.
    LongerBlock,
    /// Half of a block comes, then the end of the connection.
    TruncatedBlock,
    /// Half of a block comes, then nothing more.
    Stall,
    /// Requests get no answer at all.
    NeverAnswers,
    /// Nobody is ever served.
    Chokes,
    /// At every request it chokes and unchokes instead of answering.
    TogglesChoke,
}

/// What is said next, and whether the connection ends behind it.
#[derive(Debug, Default)]
pub(super) struct RawPeerReply {
    pub(super) bytes: Vec<u8>,
    pub(super) hang_up: bool,
}

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE_MESSAGE: u8 = 7;
const HAVE_ALL: u8 = 14;

impl TorrentLie {
    /// Says whether the lie is told when a block is asked for, and not before.
    pub(super) const fn affects_blocks(self) -> bool {
        matches!(
            self,
            Self::WrongBytes
                | Self::OtherPiece
                | Self::ShorterBlock
                | Self::LongerBlock
                | Self::TruncatedBlock
                | Self::Stall
                | Self::NeverAnswers
                | Self::TogglesChoke
        )
    }

    /// Answers a handshake.
    pub(super) fn handshake(self, infohash: Infohash, own: [u8; 20], other: [u8; 20]) -> Vec<u8> {
        let mut bytes = RawWire::handshake(infohash, if self == Self::SameId { other } else { own });
        match self {
            Self::OtherProtocol => bytes[1] = b'b',
            Self::OtherTorrent => bytes[28] ^= 1,
            _ => {}
        }
        bytes
    }

    /// Says what comes right behind the handshake.
    pub(super) fn after_handshake(self, content: &TestContent) -> Vec<u8> {
        let pieces = content.bytes.len().div_ceil(PIECE_LENGTH);
        let mut field = vec![0xff_u8; pieces.div_ceil(8)];
        if let (Some(last), spare @ 1..) = (field.last_mut(), (8 - pieces % 8) % 8) {
            *last <<= spare;
            if self == Self::SpareBits {
                *last |= 1;
            }
        }
        match self {
            Self::Silence => return Vec::new(),
            Self::FirstHalf => {
                let half = pieces / 2;
                for (at, byte) in field.iter_mut().enumerate() {
                    let has = |bit: &usize| at * 8 + bit < half;
                    *byte = (0..8).filter(has).map(|bit| 0x80_u8 >> bit).sum();
                }
            }
            Self::LongBitfield => field.push(0),
            Self::ShortBitfield => drop(field.pop()),
            _ => {}
        }
        let field = message(BITFIELD, &field);
        let more = match self {
            Self::UnknownMessages => [&[0; 8], message(201, &[7; 999]).as_slice(), &[0; 4]].concat(),
            Self::SecondBitfield => field.clone(),
            Self::ImpossiblePiece => message(HAVE, &[0xff; 4]),
            Self::HugeMessage => vec![0xff; 64],
            Self::HugeBlock => [&(2_u32 << 30).to_be_bytes(), [PIECE_MESSAGE].as_slice(), &[0; 999]].concat(),
            Self::LongChoke => message(CHOKE, &[0; 100]),
            Self::HugeRequest => message(REQUEST, &[[0; 4], [0; 4], (2_u32 << 30).to_be_bytes()].concat()),
            Self::UnnegotiatedFast => message(HAVE_ALL, &[]),
            Self::UnrequestedBlocks => Self::piece_message(content, 0, 0, 16 << 10).repeat(3),
            _ => Vec::new(),
        };
        let turn = if self == Self::Chokes { Vec::new() } else { message(UNCHOKE, &[]) };
        [field, more, turn].concat()
    }

    /// Puts the true bytes of a range into a message.
    fn piece_message(content: &TestContent, piece: u32, begin: u32, length: u32) -> Vec<u8> {
        let from = piece as usize * PIECE_LENGTH + begin as usize;
        let upto = (from + length as usize).min(content.bytes.len());
        let mut raw = content.bytes.get(from..upto).unwrap_or_default().to_vec();
        raw.resize(length as usize, 0);
        message(PIECE_MESSAGE, &[&piece.to_be_bytes(), &begin.to_be_bytes(), raw.as_slice()].concat())
    }

    /// Answers a request.
    pub(super) fn block(self, content: &TestContent, piece: u32, begin: u32, length: u32) -> RawPeerReply {
        let mut bytes = Self::piece_message(content, piece, begin, length);
        let half = bytes.len() / 2;
        match self {
            Self::WrongBytes => bytes.iter_mut().skip(13).for_each(|byte| *byte = !*byte),
            Self::OtherPiece => bytes = Self::piece_message(content, u32::from(piece == 0), begin, length),
            Self::ShorterBlock => bytes = Self::piece_message(content, piece, begin, length - 1),
            Self::LongerBlock => bytes = Self::piece_message(content, piece, begin, length + 1),
            Self::TruncatedBlock | Self::Stall => bytes.truncate(half),
            Self::NeverAnswers | Self::Silence | Self::Chokes => bytes.clear(),
            Self::TogglesChoke => bytes = [message(CHOKE, &[]), message(UNCHOKE, &[])].concat(),
            _ => {}
        }
        RawPeerReply { bytes, hang_up: self == Self::TruncatedBlock }
    }
}
