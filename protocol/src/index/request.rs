use std::net::SocketAddr;

use bincode::{Decode, Encode};

use super::{FileRecord, NodeAddress, SearchCursor, TorrentHint};
use crate::bittorrent::mse::TorrentKey;
use crate::digest::Digest;
use crate::features::IndexFeatures;
use crate::infohash::Infohash;
use crate::node_id::NodeId;

/// What a node asks of the index.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// The first message of version 1: who is here. Answered by a challenge.
    Hello {
        /// The node's public key.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
        /// The program and its version, for people.
        agent: String,
    },
    /// The second message: an ed25519 signature of [`proof_text`]. Answered by a welcome.
    Proof {
        /// The signature.
        signature: [u8; 64],
    },
    /// The node will send its whole list anew: what it does not mention before [`Request::EndList`] goes.
    BeginList,
    /// Files that the node shares; a path that is known already is replaced. All are taken or none.
    Register {
        /// At most [`MAX_BATCH`](crate::limits::MAX_BATCH).
        files: Vec<FileRecord>,
    },
    /// Paths that the node shares no longer; unknown ones are ignored.
    Unregister {
        /// At most [`MAX_BATCH`](crate::limits::MAX_BATCH).
        paths: Vec<String>,
    },
    /// The list begun by [`Request::BeginList`] is complete.
    EndList,
    /// The node is still there.
    Renew,
    /// Contents that match a search text.
    Search {
        /// The text, as [`Query`](crate::query::Query) reads it.
        query: String,
        /// Where the page before ended.
        after: Option<SearchCursor>,
        /// At most [`MAX_HITS`](crate::limits::MAX_HITS).
        limit: u16,
    },
    /// Who has a content.
    Locate {
        /// The content.
        digest: Digest,
        /// At most [`MAX_SOURCES`](crate::limits::MAX_SOURCES).
        limit: u16,
    },
    /// The files of one node, in the order of their paths.
    Browse {
        /// Whose.
        peer: PeerRef,
        /// The last path of the page before.
        after: Option<String>,
        /// At most [`MAX_LISTING`](crate::limits::MAX_LISTING).
        limit: u16,
    },
    /// What the index holds altogether.
    Statistics,
    /// The node can make a torrent, and offers its content to whoever asks the index's tracker for it. Good until it is
    /// withdrawn or the node is gone; offering it again changes nothing.
    OfferTorrent {
        /// The torrent.
        hint: TorrentHint,
    },
    /// The node offers a torrent no longer; one that it did not offer is ignored.
    WithdrawTorrent {
        /// The torrent.
        infohash: Infohash,
    },
    /// Which contents a torrent is said to stand for.
    FindTorrent {
        /// The torrent.
        infohash: Infohash,
    },
    /// Which torrents are said to stand for a content.
    TorrentsOf {
        /// The content.
        digest: Digest,
    },
    /// The first message of version 2: who is here. Answered by a greeting.
    Greet {
        /// The node's public key.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
        /// The program and its version, for people.
        agent: String,
        /// What the node understands.
        features: IndexFeatures,
    },
    /// The same as a search; the first hits carry some of their sources. Only to an index that announced
    /// [`IndexFeatures::SEARCH_WITH_SOURCES`].
    SearchWithSources {
        /// The text, as [`Query`](crate::query::Query) reads it.
        query: String,
        /// Where the page before ended.
        after: Option<SearchCursor>,
        /// At most [`MAX_HITS`](crate::limits::MAX_HITS).
        limit: u16,
    },
    /// Which words of a search occur in no name, and what is spelled like them. Only to an index that announced
    /// [`IndexFeatures::SUGGESTIONS`].
    Suggest {
        /// The text, as [`Query`](crate::query::Query) reads it.
        query: String,
    },
    /// Which nodes have an id that begins with some digits. Only to an index that announced
    /// [`IndexFeatures::FIND_NODES`].
    FindNodes {
        /// 4 to 64 hexadecimal digits.
        prefix: String,
    },
    /// Which contents the torrent with a key is said to stand for. Only to an index that announced
    /// [`IndexFeatures::TORRENT_KEYS`].
    FindTorrentByKey {
        /// What stands for the torrent in a key exchange (MSE).
        key: TorrentKey,
    },
    /// Sources that the index named do not answer where it says that they listen; it looks for itself. Only to an index that
    /// announced [`IndexFeatures::UNREACHABLE_REPORTS`].
    ReportUnreachable {
        /// At most [`MAX_REPORTED`](crate::limits::MAX_REPORTED).
        nodes: Vec<NodeAddress>,
    },
}

/// How a person names a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum PeerRef {
    /// By its id.
    Node(NodeId),
    /// By where it listens.
    Address(SocketAddr),
}

/// Returns the text that a node signs to prove that its id is its own: bound to the index's nonce and to the port that
/// it claims, so that a proof serves once.
pub fn proof_text(nonce: &[u8; 32], node: &NodeId, port: u16) -> Vec<u8> {
    let mut text = b"peerdex hello 1\0".to_vec();
    text.extend_from_slice(nonce);
    text.extend_from_slice(node.as_bytes());
    text.extend_from_slice(&port.to_be_bytes());
    text
}
