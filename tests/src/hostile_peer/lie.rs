use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::frame::encode_frame;
use protocol::geometry::Geometry;
use protocol::manifest::state_count;
use protocol::peer::{BlockRef, PeerMessage};
use protocol::sha256::sha256;

use crate::content::{Noise, PIECE_LENGTH, TestContent};

/// What a hostile peer does wrong; all else it does right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: it serves what it was asked for.
    None,
    /// It accepts connections and never greets; the index alone gets its answer.
    NeverGreets,
    /// No lie either: it has the first half of the pieces, and says so.
    FirstHalf,
    /// Every block has its bits turned over.
    WrongBytes,
    /// Half of a block comes, then the end of the connection.
    ShortBlock,
    /// Half of a block comes, then nothing more.
    Stall,
    /// Requests get no answer at all.
    NeverAnswers,
    /// Blocks of every n-th piece have their bits turned over.
    WrongEvery(u8),
    /// The true bytes come, with 2 KB/s.
    Trickles,
    /// Of every block 99 hundredths come, then the end of the connection.
    DisconnectsLate,
    /// A block comes that nobody asked for.
    UnrequestedBlock,
    /// A block comes that is a byte longer than asked.
    LongerBlock,
    /// A frame comes that is no message.
    GarbageFrame,
    /// The header of a frame of 4 GiB comes.
    OversizeFrame,
    /// The manifest has a state too few.
    ManifestTooShort,
    /// The manifest's states are noise, and its id is that of the noise.
    RandomManifest,
    /// The manifest's states are noise up to the middle and true from there, and its id is theirs.
    HalfRandomManifest,
    /// The manifest's states are noise, and its id is the true one.
    RandomManifestTrueId,
    /// The manifest and the blocks are those of other bytes of the same size: only the last piece cannot be right. Each number is a
    /// forgery of its own.
    Forges(u8),
    /// The same, with 2 KB/s.
    ForgesSlowly(u8),
    /// The same, and nobody is ever served: everybody is told that 1000 others come first.
    ForgesAndChokes(u8),
    /// A manifest was promised and never comes.
    MissingManifest,
    /// The size that is offered is a piece more than was registered.
    OtherSize,
    /// What was registered is not shared.
    NotShared,
    /// Every request is turned down.
    Rejects,
    /// Nobody is ever served; requests are answered as if they were.
    Chokes,
    /// Only the pieces with even numbers are there, as the offer says, which is no lie.
    EvenPieces,
    /// Only the pieces with odd numbers are there, as the offer says, which is no lie.
    OddPieces,
    /// A piece that does not exist is said to have come.
    ImpossiblePiece,
    /// No lie: it sends messages of a later release besides.
    UnknownMessages,
}

/// What is said next, and whether the connection ends behind it.
#[derive(Debug, Default)]
pub(super) struct HostileReply {
    pub(super) bytes: Vec<u8>,
    pub(super) hang_up: bool,
}

/// What a hostile peer says of the manifest. Worked out once: hashing the content at every offer would take as long as a download.
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
        let mut said = Self::message(&PeerMessage::Block(block));
        said.bytes.extend_from_slice(raw);
        said
    }
}

impl Lie {
    /// Says whether the lie is told when a block is asked for, and not before.
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

    /// Answers an `Open`.
    pub(super) fn offer(self, content: &TestContent, claim: &ManifestClaim, channel: u32) -> HostileReply {
        if self == Self::NotShared {
            return HostileReply::message(&PeerMessage::NotShared { channel });
        }
        let size = content.size() + if self == Self::OtherSize { PIECE_LENGTH as u64 } else { 0 };
        let manifest = claim.manifest_id;
        let pieces = self.available_pieces(content);
        let mut said = HostileReply::default();
        if self == Self::UnknownMessages {
            said.bytes = [&8_u32.to_be_bytes()[..], &999_u32.to_be_bytes(), b"next"].concat();
        }
        said.bytes
            .extend(HostileReply::message(&PeerMessage::Offer { channel, size, manifest, pieces }).bytes);
        let turn = match self {
            Self::Chokes => PeerMessage::Choke { position: 1 },
            Self::ForgesAndChokes(_) => PeerMessage::Choke { position: 1000 },
            _ => PeerMessage::Unchoke,
        };
        said.bytes.extend(HostileReply::message(&turn).bytes);
        if self == Self::ImpossiblePiece {
            said.bytes.extend(HostileReply::message(&PeerMessage::Have { channel, piece: u32::MAX }).bytes);
        }
        said
    }

    /// Answers an `OpenWithManifest`.
    pub(super) fn offer_with_manifest(
        self,
        content: &TestContent,
        claim: &ManifestClaim,
        channel: u32,
        states: u32,
    ) -> HostileReply {
        let mut said = self.offer(content, claim, channel);
        if !said.hang_up && states > 0 && !claim.states.is_empty() {
            said.bytes.extend(self.manifest_part(claim, channel, 0, states).bytes);
        }
        said
    }

    /// Which forgery it gives instead of the content, if it gives one.
    const fn forgery_number(self) -> Option<u8> {
        match self {
            Self::Forges(number) | Self::ForgesSlowly(number) | Self::ForgesAndChokes(number) => Some(number),
            _ => None,
        }
    }

    /// How many bytes it sends in a second at most, if it is slow.
    pub(super) const fn rate(self) -> Option<usize> {
        if let Self::ForgesSlowly(_) | Self::Trickles = self { Some(2000) } else { None }
    }

    /// Says whether one of so many pieces is there at all.
    const fn has_piece(self, piece: u32, pieces: u32) -> bool {
        match self {
            Self::FirstHalf => piece < pieces / 2,
            Self::EvenPieces => piece.is_multiple_of(2),
            Self::OddPieces => !piece.is_multiple_of(2),
            _ => true,
        }
    }

    /// The pieces that are there, as a bitfield's bytes, if they are not all.
    fn available_pieces(self, content: &TestContent) -> Option<Vec<u8>> {
        let geometry = Geometry::for_native(content.size()).expect("a small content");
        let mut pieces = Bitfield::empty(&geometry);
        for piece in geometry.pieces().filter(|piece| self.has_piece(piece.get(), geometry.piece_count())) {
            pieces.insert(piece);
        }
        (!pieces.is_full()).then(|| pieces.as_bytes().to_vec())
    }

    /// Answers a `WantManifest`.
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
        let upto = states.len().min(from + count as usize).saturating_sub(short).max(from);
        let states = states.get(from..upto).unwrap_or_default().to_vec();
        HostileReply::message(&PeerMessage::ManifestPart { channel, first, states })
    }

    /// Works out what is said of the manifest.
    pub(super) fn claim(self, content: &TestContent) -> ManifestClaim {
        let states = self.manifest_states(content);
        let manifest = match self {
            Self::RandomManifestTrueId => content.manifest().id(),
            _ => sha256(&states.concat()),
        };
        ManifestClaim { manifest_id: manifest, states }
    }

    /// The states between the pieces, true or not.
    fn manifest_states(self, content: &TestContent) -> Vec<[u8; 32]> {
        if let Some(number) = self.forgery_number() {
            let bytes = forge(&content.bytes, number);
            let forged = TestContent { bytes, digest: content.digest };
            return forged.manifest().states().iter().map(|state| state.to_bytes()).collect();
        }
        let truth = || content.manifest().states().iter().map(|state| state.to_bytes()).collect();
        if !matches!(
            self,
            Self::RandomManifest | Self::HalfRandomManifest | Self::RandomManifestTrueId | Self::OtherSize
        ) {
            return truth();
        }
        let extra = if self == Self::OtherSize { PIECE_LENGTH as u64 } else { 0 };
        let geometry = Geometry::for_native(content.size() + extra).expect("a small content");
        let mut noise = vec![[0; 32]; state_count(&geometry) as usize];
        let mut source = Noise::from_seed(4711);
        for state in &mut noise {
            source.fill(state);
        }
        if self == Self::HalfRandomManifest {
            let (half, truth): (_, Vec<[u8; 32]>) = (noise.len() / 2, truth());
            noise.truncate(half);
            noise.extend(truth.into_iter().skip(half));
        }
        noise
    }

    /// Answers a `Request`.
    pub(super) fn block(self, content: &TestContent, asked: BlockRef) -> HostileReply {
        let from = asked.piece as usize * PIECE_LENGTH + asked.begin as usize;
        let upto = (from + asked.length as usize).min(content.bytes.len());
        let mut raw = content.bytes.get(from..upto).unwrap_or_default().to_vec();
        raw.resize(asked.length as usize, 0);
        let half = raw.len() / 2;
        match self {
            Self::WrongEvery(each) if !asked.piece.is_multiple_of(each.into()) => {
                HostileReply::block(asked, &raw)
            }
            Self::WrongBytes | Self::WrongEvery(_) => {
                for byte in &mut raw {
                    *byte = !*byte;
                }
                HostileReply::block(asked, &raw)
            }
            Self::ShortBlock => HostileReply { hang_up: true, ..HostileReply::block(asked, &raw[..half]) },
            Self::DisconnectsLate => {
                let most = raw.len() * 99 / 100;
                HostileReply { hang_up: true, ..HostileReply::block(asked, &raw[..most]) }
            }
            Self::Stall => HostileReply::block(asked, &raw[..half]),
            Self::NeverAnswers | Self::ForgesAndChokes(_) => HostileReply::default(),
            Self::Forges(number) | Self::ForgesSlowly(number) => {
                HostileReply::block(asked, &forge(&raw, number))
            }
            Self::UnrequestedBlock => {
                let piece = u32::from(asked.piece == 0);
                HostileReply::block(BlockRef { piece, begin: asked.begin + 1, ..asked }, &raw)
            }
            Self::LongerBlock => {
                raw.push(0);
                HostileReply::block(BlockRef { length: asked.length + 1, ..asked }, &raw)
            }
            Self::GarbageFrame => {
                // A KeepAlive with a byte too many.
                HostileReply {
                    bytes: [&5_u32.to_be_bytes()[..], &[0, 0, 0, 3, 0xff]].concat(),
                    hang_up: false,
                }
            }
            Self::OversizeFrame => HostileReply { bytes: vec![0xff; 4], hang_up: false },
            Self::EvenPieces | Self::OddPieces if !self.has_piece(asked.piece, u32::MAX) => {
                HostileReply::message(&PeerMessage::Reject(asked))
            }
            Self::Rejects => HostileReply::message(&PeerMessage::Reject(asked)),
            _ => HostileReply::block(asked, &raw),
        }
    }
}

/// Returns other bytes in place of these.
fn forge(bytes: &[u8], number: u8) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ number.wrapping_add(1)).collect()
}
