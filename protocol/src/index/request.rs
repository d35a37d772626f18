use std::net::SocketAddr;

use bincode::{Decode, Encode};

use super::{FileRecord, NodeAddress, SearchCursor, TorrentHint};
use crate::bittorrent::mse::TorrentKey;
use crate::digest::Digest;
use crate::features::IndexFeatures;
use crate::infohash::Infohash;
use crate::node_id::NodeId;

/// A request from a node to the index.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// The first message of version 1. Answered by [`Challenge`](super::Reply::Challenge).
    Hello {
        /// The node's public key.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
        /// The program's name and version, for display.
        agent: String,
    },
    /// The second message: an ed25519 signature of [`proof_text`]. Answered by [`Welcome`](super::Reply::Welcome).
    Proof {
        /// The signature.
        signature: [u8; 64],
    },
    /// The node sends its whole list again; paths that it does not repeat before [`Request::EndList`] are removed.
    BeginList,
    /// Adds files to the node's list, or replaces them if their path is known. Atomic: all files are accepted or
    /// none.
    Register {
        /// At most [`MAX_BATCH`](crate::limits::MAX_BATCH).
        files: Vec<FileRecord>,
    },
    /// Removes paths from the node's list; unknown paths are ignored.
    Unregister {
        /// At most [`MAX_BATCH`](crate::limits::MAX_BATCH).
        paths: Vec<String>,
    },
    /// The list begun by [`Request::BeginList`] is complete.
    EndList,
    /// Renews the node's lease.
    Renew,
    /// Searches for contents.
    Search {
        /// The search text, parsed by [`Query`](crate::query::Query).
        query: String,
        /// Where the previous page ended.
        after: Option<SearchCursor>,
        /// At most [`MAX_HITS`](crate::limits::MAX_HITS).
        limit: u16,
    },
    /// Asks for the sources of a content.
    Locate {
        /// The content.
        digest: Digest,
        /// At most [`MAX_SOURCES`](crate::limits::MAX_SOURCES).
        limit: u16,
    },
    /// Lists the files of one node, ordered by path.
    Browse {
        /// The node.
        peer: PeerRef,
        /// The last path of the previous page.
        after: Option<String>,
        /// At most [`MAX_LISTING`](crate::limits::MAX_LISTING).
        limit: u16,
    },
    /// Asks for the index's counters.
    Statistics,
    /// The node can create a torrent, and offers its content to the clients of the index's tracker. Valid until it is
    /// withdrawn or the node goes offline; repeating it has no effect.
    OfferTorrent {
        /// The torrent.
        hint: TorrentHint,
    },
    /// Withdraws an offered torrent; ignored if the node does not offer it.
    WithdrawTorrent {
        /// The torrent.
        infohash: Infohash,
    },
    /// Asks which contents a torrent represents, according to the nodes that offer it.
    FindTorrent {
        /// The torrent.
        infohash: Infohash,
    },
    /// Asks which torrents represent a content, according to the nodes that offer them.
    TorrentsOf {
        /// The content.
        digest: Digest,
    },
    /// The first message of version 2. Answered by [`Greeting`](super::Reply::Greeting).
    Greet {
        /// The node's public key.
        node: NodeId,
        /// The port on which it accepts peers.
        port: u16,
        /// The program's name and version, for display.
        agent: String,
        /// The features that the node supports.
        features: IndexFeatures,
    },
    /// Like [`Search`](Self::Search); the first hits carry some of their sources. Only to an index that announced
    /// [`IndexFeatures::SEARCH_WITH_SOURCES`].
    SearchWithSources {
        /// The search text, parsed by [`Query`](crate::query::Query).
        query: String,
        /// Where the previous page ended.
        after: Option<SearchCursor>,
        /// At most [`MAX_HITS`](crate::limits::MAX_HITS).
        limit: u16,
    },
    /// Asks which words of a search occur in no name, and for similarly spelled words. Only to an index that
    /// announced
    /// [`IndexFeatures::SUGGESTIONS`].
    Suggest {
        /// The search text, parsed by [`Query`](crate::query::Query).
        query: String,
    },
    /// Asks which nodes have an id with this prefix. Only to an index that announced
    /// [`IndexFeatures::FIND_NODES`].
    FindNodes {
        /// 4 to 64 hexadecimal digits.
        prefix: String,
    },
    /// Like [`FindTorrent`](Self::FindTorrent), by the torrent's key. Only to an index that announced
    /// [`IndexFeatures::TORRENT_KEYS`].
    FindTorrentByKey {
        /// The key that represents the torrent in a key exchange (MSE).
        key: TorrentKey,
    },
    /// Reports sources that do not answer at the address that the index named; the index probes them. Only to an
    /// index that announced [`IndexFeatures::UNREACHABLE_REPORTS`].
    ReportUnreachable {
        /// At most [`MAX_REPORTED`](crate::limits::MAX_REPORTED).
        nodes: Vec<NodeAddress>,
    },
}

/// How a user names a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum PeerRef {
    /// By its id.
    Node(NodeId),
    /// By its listening address.
    Address(SocketAddr),
}

/// Returns the text that a node signs to prove that it owns its id. The text contains the index's nonce and the
/// claimed port, so a signature cannot be replayed.
pub fn proof_text(nonce: &[u8; 32], node: &NodeId, port: u16) -> Vec<u8> {
    let mut text = b"peerdex hello 1\0".to_vec();
    text.extend_from_slice(nonce);
    text.extend_from_slice(node.as_bytes());
    text.extend_from_slice(&port.to_be_bytes());
    text
}
