//! What two peers say to each other in the native dialect, and the index to a peer that it calls back.
//!
//! Both sides send [`PeerMessage::Greet`] first (in version 1 [`PeerMessage::Hello`]), and may then ask the other for contents; in
//! version 2 the caller may do so directly behind its greeting. The asking side opens a *channel* for each content, under a number
//! of its own choice; every message about that content carries the number, whichever side sends it, and which of the two it is
//! follows from the kind of message:
//!
//! | the asking side sends | the sharing side answers |
//! |---|---|
//! | [`Open`](PeerMessage::Open), [`OpenWithManifest`](PeerMessage::OpenWithManifest) | [`Offer`](PeerMessage::Offer), perhaps with [`Details`](PeerMessage::Details), or [`NotShared`](PeerMessage::NotShared) |
//! | [`WantManifest`](PeerMessage::WantManifest) | [`ManifestPart`](PeerMessage::ManifestPart) |
//! | [`Request`](PeerMessage::Request) | [`Block`](PeerMessage::Block) or [`Reject`](PeerMessage::Reject) |
//! | [`Cancel`](PeerMessage::Cancel), [`Close`](PeerMessage::Close) | |
//! | [`Interested`](PeerMessage::Interested), [`NotInterested`](PeerMessage::NotInterested) | |
//! | [`WrongPiece`](PeerMessage::WrongPiece) | |
//! | [`Search`](PeerMessage::Search), without a channel | [`Found`](PeerMessage::Found) |
//!
//! A sharing side serves only so many others at once. It tells each, for the whole connection, whether requests are served
//! ([`PeerMessage::Unchoke`]) or not ([`PeerMessage::Choke`]), as BitTorrent does it (BEP 3, "peer messages"); at the
//! beginning they are not.
//!
//! So one connection carries any number of contents in both directions. A block's bytes follow its message raw, outside
//! any frame, so that a sender can pass them from its file to the socket without touching them. No other message is followed by raw
//! bytes, so that a message of an unknown kind can be skipped.

use bincode::{Decode, Encode};

use crate::digest::Digest;
use crate::features::PeerFeatures;
use crate::frame::is_known_kind;
use crate::index::FileRecord;
use crate::node_id::NodeId;

mod file_details;
#[cfg(test)]
mod golden;

pub use file_details::FileDetails;

/// The number of a content on a connection, chosen by the side that asks for it.
pub type ChannelId = u32;

/// Random bytes that only the two ends of a link know.
pub type ConnectionKey = [u8; 16];

/// A message of the native dialect.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum PeerMessage {
    /// The first message of both sides in version 1.
    Hello {
        /// Who speaks.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
    },
    /// Instead of a hello, by an index: prove that the port is yours. Answered by [`PeerMessage::ProbeAnswer`].
    Probe {
        /// Random bytes.
        challenge: [u8; 32],
    },
    /// The answer to a probe, see [`probe_answer`](crate::probe::probe_answer).
    ProbeAnswer {
        /// The answer.
        answer: Digest,
    },
    /// Nothing, but the connection is alive.
    KeepAlive,
    /// Asks for a content under a new channel.
    Open {
        /// Its number.
        channel: ChannelId,
        /// The content.
        digest: Digest,
    },
    /// The content is shared here.
    Offer {
        /// The channel.
        channel: ChannelId,
        /// The content's size in bytes, from which the geometry follows.
        size: u64,
        /// The [id](crate::manifest::Manifest::id) of the manifest that this side would give.
        manifest: Digest,
        /// The pieces that this side has, as a bitfield's bytes; none when it has all.
        pieces: Option<Vec<u8>>,
    },
    /// The content is not shared here, or no longer: the channel is closed.
    NotShared {
        /// The channel.
        channel: ChannelId,
    },
    /// Asks for states of the manifest.
    WantManifest {
        /// The channel.
        channel: ChannelId,
        /// The first state wanted; 0 is the state between pieces 0 and 1.
        first: u32,
        /// How many, at most [`MAX_STATES`](crate::limits::MAX_STATES).
        count: u32,
    },
    /// States of the manifest, as many as were asked for.
    ManifestPart {
        /// The channel.
        channel: ChannelId,
        /// The first of them.
        first: u32,
        /// The states.
        states: Vec<[u8; 32]>,
    },
    /// Asks for a block.
    Request(BlockRef),
    /// A block: so many raw bytes follow this frame.
    Block(BlockRef),
    /// A block that was asked for does not come.
    Reject(BlockRef),
    /// A block that was asked for is no longer wanted. Every request has exactly one answer all the same: the block, if it
    /// was on its way, or a rejection.
    Cancel(BlockRef),
    /// One more piece that the sharing side has.
    Have {
        /// The channel.
        channel: ChannelId,
        /// The piece.
        piece: u32,
    },
    /// The asking side has no more use for the channel.
    Close {
        /// The channel.
        channel: ChannelId,
    },
    /// From now on no request on the connection is served: each is answered by a rejection, also those that wait. Sent
    /// again when the place changes.
    Choke {
        /// Where the asking side stands in the queue for a slot: 1 is next, 0 says that it does not stand in it.
        position: u32,
    },
    /// From now on requests on the connection are served.
    Unchoke,
    /// The sharing side has pieces of this content that the asking side wants; so it is as well when a channel is opened.
    Interested {
        /// The channel.
        channel: ChannelId,
    },
    /// The sharing side has nothing of this content at the moment that the asking side wants.
    NotInterested {
        /// The channel.
        channel: ChannelId,
    },
    /// Asks for files whose names match. Only to nodes whose [card](crate::lan::Card) says that they answer: others take it for
    /// a violation.
    Search {
        /// The number that the answer repeats.
        number: u32,
        /// The text, as [`Query`](crate::query::Query) reads it.
        query: String,
        /// At most [`MAX_HITS`](crate::limits::MAX_HITS).
        limit: u16,
    },
    /// The answer to a search: files that are shared here.
    Found {
        /// The search's number.
        number: u32,
        /// At most as many as were asked for.
        files: Vec<FileRecord>,
        /// Whether there may be more.
        more: bool,
    },
    /// The first message of both sides in version 2.
    Greet {
        /// Who speaks.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
        /// What it understands.
        features: PeerFeatures,
    },
    /// The answer to a message of a kind that is not known here; the connection goes on. Only in version 2.
    Unsupported {
        /// The number of the kind.
        kind: u32,
    },
    /// The same as an open, and the first states of the manifest are to follow the offer in a
    /// [`ManifestPart`](PeerMessage::ManifestPart). Only in version 2.
    OpenWithManifest {
        /// The number of the channel.
        channel: ChannelId,
        /// The content.
        digest: Digest,
        /// How many states at most; fewer come if the manifest has fewer, and no part at all if it has none.
        states: u32,
    },
    /// A piece whose blocks all came from the sharing side was wrong. Only to a side that announced
    /// [`PeerFeatures::WRONG_PIECES`].
    WrongPiece {
        /// The channel.
        channel: ChannelId,
        /// The piece.
        piece: u32,
    },
    /// The same as a choke, and how many wait in the queue. Only to a side that announced
    /// [`QUEUE_LENGTH`](PeerFeatures::QUEUE_LENGTH), which gets no choke then.
    Queued {
        /// Where the asking side stands in the queue for a slot: 1 is next, 0 says that it does not stand in it.
        position: u32,
        /// How many stand in it.
        length: u32,
    },
    /// What is known of the files that have the content, besides their bytes; directly behind the offer. Only to a side that
    /// announced [`PeerFeatures::DETAILS`].
    Details {
        /// The channel.
        channel: ChannelId,
        /// At most [`MAX_DETAILS`](crate::limits::MAX_DETAILS).
        files: Vec<FileDetails>,
    },
    /// Asks the other side to open further connections to us, so that it has so many with the first one: what we send goes over all of
    /// them. Belongs to [`PARALLEL_CONNECTIONS`](PeerFeatures::PARALLEL_CONNECTIONS).
    Widen {
        /// What a further connection shows to belong to this link.
        key: ConnectionKey,
        /// How many connections, at most [`MAX_CONNECTIONS_PER_LINK`](crate::limits::MAX_CONNECTIONS_PER_LINK).
        connections: u8,
    },
    /// The first message of a further connection in place of a greeting, and the answer to it. Then only blocks follow, from the
    /// side that has given the key. Belongs to [`PARALLEL_CONNECTIONS`](PeerFeatures::PARALLEL_CONNECTIONS).
    Join {
        /// The key of the link.
        key: ConnectionKey,
    },
}

impl PeerMessage {
    /// Returns the number of the kind of a message that this crate does not know.
    pub fn unknown_kind(body: &[u8]) -> Option<u32> {
        let kind = u32::from_be_bytes(*body.first_chunk()?);
        (!is_known_kind::<Self>(kind)).then_some(kind)
    }
}

/// A block of a channel's content, as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct BlockRef {
    /// The channel.
    pub channel: ChannelId,
    /// The piece.
    pub piece: u32,
    /// Where the block begins in the piece, in bytes.
    pub begin: u32,
    /// Its length in bytes.
    pub length: u32,
}
