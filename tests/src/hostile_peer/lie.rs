use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::frame::encode_frame;
use protocol::geometry::Geometry;
use protocol::manifest::state_count;
use protocol::peer::{BlockRef, PeerMessage};
use protocol::sha256::sha256;

use crate::content::{Noise, PIECE_LENGTH, TestContent};

/// The misbehaviour of a hostile peer. Everything else it does correctly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Honest: serves every request.
    None,
    /// Accepts connections from peers but never sends a handshake; only the index gets its probe answer.
    NeverGreets,
    /// Honest: has the first half of the pieces and says so.
    FirstHalf,
    /// Inverts all bits of every block.
    WrongBytes,
    /// Sends half of a block and closes the connection.
    ShortBlock,
    /// Sends half of a block and then nothing.
    Stall,
    /// Never replies to requests.
    NeverAnswers,
    /// Inverts all bits of the blocks of every n-th piece.
    WrongEvery(u8),
    /// Sends correct bytes at 2 KB/s.
    Trickles,
    /// Sends 99 % of every block and closes the connection.
    DisconnectsLate,
    /// Sends a block that was not requested.
    UnrequestedBlock,
    /// Sends a block that is one byte longer than requested.
    LongerBlock,
    /// Sends a frame that is not a message.
    GarbageFrame,
    /// Sends the header of a 4 GiB frame.
    OversizeFrame,
    /// Sends a manifest with one state too few.
    ManifestTooShort,
    /// Sends a manifest of random states, with the id of these states.
    RandomManifest,
    /// Sends a manifest whose states are random up to the middle and correct from there, with the id of these states.
    HalfRandomManifest,
    /// Sends a manifest of random states under the correct id.
    RandomManifestTrueId,
    /// Sends the manifest and blocks of other bytes of the same size: only the last piece is certain to fail. Each
    /// number is a different forgery.
    Forges(u8),
    /// Forges like `Forges`, at 2 KB/s.
    ForgesSlowly(u8),
    /// Forges the manifest and serves no one: every peer is queued behind 1000 others.
    ForgesAndChokes(u8),
    /// Promises a manifest and never sends it.
    MissingManifest,
    /// Offers a size that is one piece larger than the registered size.
    OtherSize,
    /// Reports that the registered content is not shared.
    NotShared,
    /// Refuses every request.
    Rejects,
    /// Never unchokes anyone, but replies to requests as if it had.
    Chokes,
    /// Honest: has only the pieces with even numbers, as its offer says.
    EvenPieces,
    /// Honest: has only the pieces with odd numbers, as its offer says.
    OddPieces,
    /// Announces a piece that does not exist.
    ImpossiblePiece,
    /// Honest: also sends messages of a later release.
    UnknownMessages,
}

/// The bytes to send next, and whether the connection ends after them.
#[derive(Debug, Default)]
pub(super) struct HostileReply {
    pub(super) bytes: Vec<u8>,
    pub(super) hang_up: bool,
}

/// The manifest that a hostile peer claims. Computed once, since hashing the content for every offer would take as long
/// as a download.
#[derive(Debug)]
pub(super) struct ManifestClaim {
    manifest_id: Digest,
    states: Vec<[u8; 32]>,
}

impl HostileReply {
    fn message(message: &PeerMessage) -> Self {
        let mut bytes = Vec::new();
        encode_frame(message, &mut bytes).expect("a short message");
        Self { bytes, hang_up: false }
    }

    fn block(block: BlockRef, raw: &[u8]) -> Self {
        let mut reply = Self::message(&PeerMessage::Block(block));
        reply.bytes.extend_from_slice(raw);
        reply
    }
}

impl Lie {
    /// Returns true if the peer lies only in its replies to block requests.
    pub(super) const fn affects_blocks(self) -> bool {
        !matches!(
            self,
            Self::NeverGreets
                | Self::ManifestTooShort
                | Self::RandomManifestTrueId
                | Self::MissingManifest
                | Self::OtherSize
                | Self::NotShared
                | Self::Chokes
                | Self::ForgesAndChokes(_)
                | Self::ImpossiblePiece
        )
    }

    /// Returns the reply to an `Open`.
    pub(super) fn offer(self, content: &TestContent, claim: &ManifestClaim, channel: u32) -> HostileReply {
        if self == Self::NotShared {
            return HostileReply::message(&PeerMessage::NotShared { channel });
        }
        let size = content.size() + if self == Self::OtherSize { PIECE_LENGTH as u64 } else { 0 };
        let manifest = claim.manifest_id;
        let pieces = self.available_pieces(content);
        let mut reply = HostileReply::default();
        if self == Self::UnknownMessages {
            reply.bytes = [&8_u32.to_be_bytes()[..], &999_u32.to_be_bytes(), b"next"].concat();
        }
        reply
            .bytes
            .extend(HostileReply::message(&PeerMessage::Offer { channel, size, manifest, pieces }).bytes);
        let turn = match self {
            Self::Chokes => PeerMessage::Choke { position: 1 },
            Self::ForgesAndChokes(_) => PeerMessage::Choke { position: 1000 },
            _ => PeerMessage::Unchoke,
        };
        reply.bytes.extend(HostileReply::message(&turn).bytes);
        if self == Self::ImpossiblePiece {
            reply.bytes.extend(HostileReply::message(&PeerMessage::Have { channel, piece: u32::MAX }).bytes);
        }
        reply
    }

    /// Returns the reply to an `OpenWithManifest`.
    pub(super) fn offer_with_manifest(
        self,
        content: &TestContent,
        claim: &ManifestClaim,
        channel: u32,
        states: u32,
    ) -> HostileReply {
        let mut reply = self.offer(content, claim, channel);
        if !reply.hang_up && states > 0 && !claim.states.is_empty() {
            reply.bytes.extend(self.manifest_part(claim, channel, 0, states).bytes);
        }
        reply
    }

    /// Returns the number of the forgery that the peer serves instead of the content, if any.
    const fn forgery_number(self) -> Option<u8> {
        match self {
            Self::Forges(number) | Self::ForgesSlowly(number) | Self::ForgesAndChokes(number) => Some(number),
            _ => None,
        }
    }

    /// Returns the peer's maximum rate in bytes per second, if it is slow.
    pub(super) const fn rate(self) -> Option<usize> {
        if let Self::ForgesSlowly(_) | Self::Trickles = self { Some(2000) } else { None }
    }

    /// Returns true if the peer has piece number `piece`.
    const fn has_piece(self, piece: u32, pieces: u32) -> bool {
        match self {
            Self::FirstHalf => piece < pieces / 2,
            Self::EvenPieces => piece.is_multiple_of(2),
            Self::OddPieces => !piece.is_multiple_of(2),
            _ => true,
        }
    }

    /// Returns the bitfield of the pieces that the peer has, or `None` if it has all.
    fn available_pieces(self, content: &TestContent) -> Option<Vec<u8>> {
        let geometry = Geometry::for_native(content.size()).expect("a small content");
        let mut pieces = Bitfield::empty(&geometry);
        for piece in geometry.pieces().filter(|piece| self.has_piece(piece.get(), geometry.piece_count())) {
            pieces.insert(piece);
        }
        (!pieces.is_full()).then(|| pieces.as_bytes().to_vec())
    }

    /// Returns the reply to a `WantManifest`.
    pub(super) fn manifest_part(
        self,
        claim: &ManifestClaim,
        channel: u32,
        first: u32,
        count: u32,
    ) -> HostileReply {
        if self == Self::MissingManifest {
            return HostileReply::default();
        }
        let states = &claim.states;
        let (from, short) = (first as usize, usize::from(self == Self::ManifestTooShort));
        let end = states.len().min(from + count as usize).saturating_sub(short).max(from);
        let states = states.get(from..end).unwrap_or_default().to_vec();
        HostileReply::message(&PeerMessage::ManifestPart { channel, first, states })
    }

    /// Computes the manifest that the peer claims.
    pub(super) fn claim(self, content: &TestContent) -> ManifestClaim {
        let states = self.manifest_states(content);
        let manifest = match self {
            Self::RandomManifestTrueId => content.manifest().id(),
            _ => sha256(&states.concat()),
        };
        ManifestClaim { manifest_id: manifest, states }
    }

    /// Returns the states between the pieces, correct or not.
    fn manifest_states(self, content: &TestContent) -> Vec<[u8; 32]> {
        if let Some(number) = self.forgery_number() {
            let bytes = forge(&content.bytes, number);
            let forged = TestContent { bytes, digest: content.digest };
            return forged.manifest().states().iter().map(|state| state.to_bytes()).collect();
        }
        let true_states = || content.manifest().states().iter().map(|state| state.to_bytes()).collect();
        if !matches!(
            self,
            Self::RandomManifest | Self::HalfRandomManifest | Self::RandomManifestTrueId | Self::OtherSize
        ) {
            return true_states();
        }
        let extra = if self == Self::OtherSize { PIECE_LENGTH as u64 } else { 0 };
        let geometry = Geometry::for_native(content.size() + extra).expect("a small content");
        let mut noise = vec![[0; 32]; state_count(&geometry) as usize];
        let mut source = Noise::from_seed(4711);
        for state in &mut noise {
            source.fill(state);
        }
        if self == Self::HalfRandomManifest {
            let (half, true_states): (_, Vec<[u8; 32]>) = (noise.len() / 2, true_states());
            noise.truncate(half);
            noise.extend(true_states.into_iter().skip(half));
        }
        noise
    }

    /// Returns the reply to a `Request`.
    pub(super) fn block(self, content: &TestContent, requested: BlockRef) -> HostileReply {
        let from = requested.piece as usize * PIECE_LENGTH + requested.begin as usize;
        let end = (from + requested.length as usize).min(content.bytes.len());
        let mut raw = content.bytes.get(from..end).unwrap_or_default().to_vec();
        raw.resize(requested.length as usize, 0);
        let half = raw.len() / 2;
        match self {
            Self::WrongEvery(each) if !requested.piece.is_multiple_of(each.into()) => {
                HostileReply::block(requested, &raw)
            }
            Self::WrongBytes | Self::WrongEvery(_) => {
                for byte in &mut raw {
                    *byte = !*byte;
                }
                HostileReply::block(requested, &raw)
            }
            Self::ShortBlock => {
                HostileReply { hang_up: true, ..HostileReply::block(requested, &raw[..half]) }
            }
            Self::DisconnectsLate => {
                let most = raw.len() * 99 / 100;
                HostileReply { hang_up: true, ..HostileReply::block(requested, &raw[..most]) }
            }
            Self::Stall => HostileReply::block(requested, &raw[..half]),
            Self::NeverAnswers | Self::ForgesAndChokes(_) => HostileReply::default(),
            Self::Forges(number) | Self::ForgesSlowly(number) => {
                HostileReply::block(requested, &forge(&raw, number))
            }
            Self::UnrequestedBlock => {
                let piece = u32::from(requested.piece == 0);
                HostileReply::block(BlockRef { piece, begin: requested.begin + 1, ..requested }, &raw)
            }
            Self::LongerBlock => {
                raw.push(0);
                HostileReply::block(BlockRef { length: requested.length + 1, ..requested }, &raw)
            }
            Self::GarbageFrame => {
                // A KeepAlive with one extra byte.
                HostileReply {
                    bytes: [&5_u32.to_be_bytes()[..], &[0, 0, 0, 3, 0xff]].concat(),
                    hang_up: false,
                }
            }
            Self::OversizeFrame => HostileReply { bytes: vec![0xff; 4], hang_up: false },
            Self::EvenPieces | Self::OddPieces if !self.has_piece(requested.piece, u32::MAX) => {
                HostileReply::message(&PeerMessage::Reject(requested))
            }
            Self::Rejects => HostileReply::message(&PeerMessage::Reject(requested)),
            _ => HostileReply::block(requested, &raw),
        }
    }
}

/// Returns a forgery of `bytes`, different for each number.
fn forge(bytes: &[u8], number: u8) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ number.wrapping_add(1)).collect()
}
