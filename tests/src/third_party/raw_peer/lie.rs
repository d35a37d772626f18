use protocol::infohash::Infohash;

use super::super::raw_wire::{RawWire, message};
use crate::content::{PIECE_LENGTH, TestContent};

/// The misbehaviour of a scripted peer. Everything else it does correctly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TorrentLie {
    /// Honest: serves every request.
    None,
    /// Honest: has the first half of the pieces and says so.
    FirstHalf,
    /// Honest: sends unknown messages and keep-alives between the regular messages.
    UnknownMessages,
    /// Names another protocol in the handshake.
    OtherProtocol,
    /// Names another torrent in the handshake.
    OtherTorrent,
    /// Sends the dialling peer's own id in the handshake.
    SameId,
    /// Sends nothing after the handshake.
    Silence,
    /// Sends a bitfield that is one byte too long.
    LongBitfield,
    /// Sends a bitfield that is one byte too short.
    ShortBitfield,
    /// Sends a bitfield with bits set after the last piece.
    SpareBits,
    /// Sends a second bitfield after the first, as some clients do instead of many `have` messages.
    SecondBitfield,
    /// Announces a piece that does not exist.
    ImpossiblePiece,
    /// Sends a first message with a length of 4 GiB.
    HugeMessage,
    /// Sends a block with a length of 2 GiB.
    HugeBlock,
    /// Sends a choke with a payload of 100 bytes.
    LongChoke,
    /// Requests a block of 2 GiB.
    HugeRequest,
    /// Sends messages of the fast extension without having negotiated it.
    UnnegotiatedFast,
    /// Sends blocks before anything was requested.
    UnrequestedBlocks,
    /// Inverts all bits of every block.
    WrongBytes,
    /// Sends a block of another piece than the requested one.
    OtherPiece,
    /// Sends every block one byte shorter than requested.
    ShorterBlock,
    /// Sends every block one byte longer than requested.
    LongerBlock,
    /// Sends half of a block and closes the connection.
    TruncatedBlock,
    /// Sends half of a block and then nothing.
    Stall,
    /// Never replies to requests.
    NeverAnswers,
    /// Never unchokes anyone.
    Chokes,
    /// Chokes and unchokes at every request instead of replying.
    TogglesChoke,
}

/// The bytes to send next, and whether the connection ends after them.
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
    /// Returns true if the peer misbehaves only in its replies to requests.
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

    /// Returns the reply to a handshake.
    pub(super) fn handshake(self, infohash: Infohash, own: [u8; 20], other: [u8; 20]) -> Vec<u8> {
        let mut bytes = RawWire::handshake(infohash, if self == Self::SameId { other } else { own });
        match self {
            Self::OtherProtocol => bytes[1] = b'b',
            Self::OtherTorrent => bytes[28] ^= 1,
            _ => {}
        }
        bytes
    }

    /// Returns the bytes that follow the handshake.
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

    /// Returns a piece message with the correct bytes of a block.
    fn piece_message(content: &TestContent, piece: u32, begin: u32, length: u32) -> Vec<u8> {
        let from = piece as usize * PIECE_LENGTH + begin as usize;
        let end = (from + length as usize).min(content.bytes.len());
        let mut raw = content.bytes.get(from..end).unwrap_or_default().to_vec();
        raw.resize(length as usize, 0);
        message(PIECE_MESSAGE, &[&piece.to_be_bytes(), &begin.to_be_bytes(), raw.as_slice()].concat())
    }

    /// Returns the reply to a request.
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
