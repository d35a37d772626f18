//! The messages of the native dialect, between two peers and between the index and a peer that it probes.
//!
//! Both sides send [`PeerMessage::Greet`] first (in version 1 [`PeerMessage::Hello`]), and may then request contents
//! from the other; in version 2 the dialing side may do so directly behind its greeting. The requesting side opens a
//! *channel* for each content, under a number of its own choice. Every message about that content carries the number,
//! whichever side sends it; the kind of the message shows which side opened the channel:
//!
//! | the requesting side sends | the sharing side answers |
//! |---|---|
//! | [`Open`](PeerMessage::Open), [`OpenWithManifest`](PeerMessage::OpenWithManifest) | [`Offer`](PeerMessage::Offer), perhaps with [`Details`](PeerMessage::Details), or [`NotShared`](PeerMessage::NotShared) |
//! | [`WantManifest`](PeerMessage::WantManifest) | [`ManifestPart`](PeerMessage::ManifestPart) |
//! | [`Request`](PeerMessage::Request) | [`Block`](PeerMessage::Block) or [`Reject`](PeerMessage::Reject) |
//! | [`Cancel`](PeerMessage::Cancel), [`Close`](PeerMessage::Close) | |
//! | [`Interested`](PeerMessage::Interested), [`NotInterested`](PeerMessage::NotInterested) | |
//! | [`WrongPiece`](PeerMessage::WrongPiece) | |
//! | [`Search`](PeerMessage::Search), without a channel | [`Found`](PeerMessage::Found) |
//! | [`Browse`](PeerMessage::Browse), without a channel | [`Listing`](PeerMessage::Listing) or [`BrowseLater`](PeerMessage::BrowseLater) |
//!
//! A sharing side has a limited number of upload slots. [`PeerMessage::Unchoke`] starts and [`PeerMessage::Choke`]
//! stops serving all requests on a connection, as in BitTorrent (BEP 3, "peer messages"). Every connection starts
//! choked.
//!
//! One connection carries any number of contents in both directions. A block's bytes follow its message raw, outside
//! any frame, so that the sender can pass them from its file to the socket without copying. No other message is
//! followed by raw bytes, so messages of an unknown kind can be skipped.

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

/// The number of a content on a connection, chosen by the requesting side.
pub type ChannelId = u32;

/// A random secret that only the two ends of a link know.
pub type ConnectionKey = [u8; 16];

/// A message of the native dialect.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum PeerMessage {
    /// The first message of both sides in version 1.
    Hello {
        /// The sender's id.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
    },
    /// Sent by an index instead of a greeting, to verify who listens on a port. Answered by
    /// [`PeerMessage::ProbeAnswer`].
    Probe {
        /// Random bytes.
        challenge: [u8; 32],
    },
    /// The answer to a probe; see [`probe_answer`](crate::probe::probe_answer).
    ProbeAnswer {
        /// The answer.
        answer: Digest,
    },
    /// Keeps an idle connection open.
    KeepAlive,
    /// Opens a channel for a content.
    Open {
        /// The new channel.
        channel: ChannelId,
        /// The content's SHA-256.
        digest: Digest,
    },
    /// This side shares the content.
    Offer {
        /// The channel.
        channel: ChannelId,
        /// The content's size in bytes, from which the geometry follows.
        size: u64,
        /// The [id](crate::manifest::Manifest::id) of the manifest that this side has.
        manifest: Digest,
        /// The bitfield of the pieces that this side has; `None` if it has all of them.
        pieces: Option<Vec<u8>>,
    },
    /// This side does not share the content, or no longer: the channel is closed.
    NotShared {
        /// The channel.
        channel: ChannelId,
    },
    /// Requests states of the manifest.
    WantManifest {
        /// The channel.
        channel: ChannelId,
        /// The first requested state; 0 is the state between pieces 0 and 1.
        first: u32,
        /// The number of states, at most [`MAX_STATES`](crate::limits::MAX_STATES).
        count: u32,
    },
    /// The requested states of the manifest.
    ManifestPart {
        /// The channel.
        channel: ChannelId,
        /// The index of the first state.
        first: u32,
        /// The states.
        states: Vec<[u8; 32]>,
    },
    /// Requests a block.
    Request(BlockRef),
    /// A block; its raw bytes follow this frame.
    Block(BlockRef),
    /// A requested block will not be sent.
    Reject(BlockRef),
    /// Cancels a request. It still gets exactly one answer: the block if it was already being sent, or a rejection.
    Cancel(BlockRef),
    /// The sharing side has completed a piece.
    Have {
        /// The channel.
        channel: ChannelId,
        /// The piece.
        piece: u32,
    },
    /// The requesting side closes the channel.
    Close {
        /// The channel.
        channel: ChannelId,
    },
    /// Requests on the connection are no longer served; each is answered by a rejection, including those already
    /// queued. Sent again when the queue position changes.
    Choke {
        /// The requesting side's position in the queue for an upload slot: 1 is next, 0 means not queued.
        position: u32,
    },
    /// Requests on the connection are served from now on.
    Unchoke,
    /// The requesting side wants pieces that the sharing side has. This is the initial state of a channel.
    Interested {
        /// The channel.
        channel: ChannelId,
    },
    /// The requesting side currently wants no piece that the sharing side has.
    NotInterested {
        /// The channel.
        channel: ChannelId,
    },
    /// Searches for shared files by name. Only to nodes that include their id in their [card](crate::lan::Card):
    /// other nodes treat it as a protocol violation.
    Search {
        /// The search's number, repeated by the answer.
        number: u32,
        /// The search text, parsed by [`Query`](crate::query::Query).
        query: String,
        /// At most [`MAX_HITS`](crate::limits::MAX_HITS).
        limit: u16,
    },
    /// The answer to a search: matching files that this side shares.
    Found {
        /// The search's number.
        number: u32,
        /// At most as many as the search's limit.
        files: Vec<FileRecord>,
        /// True if there may be more.
        more: bool,
    },
    /// The first message of both sides in version 2.
    Greet {
        /// The sender's id.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
        /// The features that it supports.
        features: PeerFeatures,
    },
    /// The answer to a message of an unknown kind; the connection stays open. Version 2 only.
    Unsupported {
        /// The unknown kind.
        kind: u32,
    },
    /// Like [`Open`](PeerMessage::Open), and requests that the first states of the manifest follow the offer in a
    /// [`ManifestPart`](PeerMessage::ManifestPart). Version 2 only.
    OpenWithManifest {
        /// The new channel.
        channel: ChannelId,
        /// The content's SHA-256.
        digest: Digest,
        /// The maximum number of states; a shorter manifest yields fewer, and a manifest without states no part at
        /// all.
        states: u32,
    },
    /// Reports a piece that failed verification although all its blocks came from the sharing side. Only to a side
    /// that announced
    /// [`PeerFeatures::WRONG_PIECES`].
    WrongPiece {
        /// The channel.
        channel: ChannelId,
        /// The piece.
        piece: u32,
    },
    /// Like [`Choke`](PeerMessage::Choke), with the length of the queue. Sent instead of a choke to a side that
    /// announced [`QUEUE_LENGTH`](PeerFeatures::QUEUE_LENGTH).
    Queued {
        /// The requesting side's position in the queue for an upload slot: 1 is next, 0 means not queued.
        position: u32,
        /// The length of the queue.
        length: u32,
    },
    /// Metadata of the files that have the content; sent directly after the offer. Only to a side that announced
    /// [`PeerFeatures::DETAILS`].
    Details {
        /// The channel.
        channel: ChannelId,
        /// At most [`MAX_DETAILS`](crate::limits::MAX_DETAILS).
        files: Vec<FileDetails>,
    },
    /// Asks the other side to open further connections to the sender, `connections` in total; the sender then
    /// distributes its blocks over all of them. Part of [`PARALLEL_CONNECTIONS`](PeerFeatures::PARALLEL_CONNECTIONS).
    Widen {
        /// The key by which a further connection joins this link.
        key: ConnectionKey,
        /// The total number of connections, at most
        /// [`MAX_CONNECTIONS_PER_LINK`](crate::limits::MAX_CONNECTIONS_PER_LINK).
        connections: u8,
    },
    /// The first message of a further connection, instead of a greeting, and the answer to it. After that only blocks
    /// follow, from the side that issued the key. Part of
    /// [`PARALLEL_CONNECTIONS`](PeerFeatures::PARALLEL_CONNECTIONS).
    Join {
        /// The key of the link.
        key: ConnectionKey,
    },
    /// Requests a page of the files that the other side shares. Only to a side that announced [`PeerFeatures::BROWSE`].
    Browse {
        /// The request's number, repeated by the answer.
        number: u32,
        /// The path before the first file, in the order of the bytes of UTF-8; the list starts at the beginning if `None`.
        /// At most [`MAX_PATH`](crate::limits::MAX_PATH) bytes.
        after: Option<String>,
        /// The maximum number of files: 1 to [`MAX_LISTING`](crate::limits::MAX_LISTING).
        limit: u16,
    },
    /// The answer to a [`Browse`](PeerMessage::Browse): files that this side shares.
    Listing {
        /// The request's number.
        number: u32,
        /// Valid records, sorted by path, each path once: at most as many as the request's limit, and at most
        /// [`MAX_LISTING_BYTES`](crate::limits::MAX_LISTING_BYTES) in total.
        files: Vec<FileRecord>,
        /// True if more follow the last file; never true without files.
        more: bool,
    },
    /// The answer to a [`Browse`](PeerMessage::Browse) that exceeds this side's rate limit; the request may be repeated.
    BrowseLater {
        /// The request's number.
        number: u32,
        /// Time to wait in milliseconds.
        milliseconds: u32,
    },
}

impl PeerMessage {
    /// Returns the kind of a message if this crate does not know it.
    pub fn unknown_kind(body: &[u8]) -> Option<u32> {
        let kind = u32::from_be_bytes(*body.first_chunk()?);
        (!is_known_kind::<Self>(kind)).then_some(kind)
    }
}

/// A reference to a block of a channel's content, as it appears on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct BlockRef {
    /// The channel.
    pub channel: ChannelId,
    /// The piece.
    pub piece: u32,
    /// The block's offset in the piece, in bytes.
    pub begin: u32,
    /// Its length in bytes.
    pub length: u32,
}
