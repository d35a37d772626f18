use std::net::SocketAddr;

use bincode::{Decode, Encode};

use super::{FileRecord, ListSummary, Refusal, SearchCursor, Share, TorrentHint, TrackerLocation};
use crate::digest::Digest;
use crate::features::IndexFeatures;
use crate::node_id::NodeId;

/// The index's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// To [`Hello`](super::Request::Hello): the challenge that the node must sign.
    Challenge {
        /// Random bytes, valid for this connection only.
        nonce: [u8; 32],
    },
    /// To [`Proof`](super::Request::Proof): the node is authenticated.
    Welcome {
        /// The node's address as the index sees it: the source address of its connection and the claimed port.
        you: SocketAddr,
        /// The node counts as offline if it sends nothing for this many seconds.
        lease: u32,
        /// The node's list as the index has stored it.
        list: ListSummary,
    },
    /// To a change of the list or a renewal: the change is on disk, and this is the resulting list.
    List(ListSummary),
    /// To a search: the best match first; among equal matches, the most available first.
    Hits {
        /// One page of hits.
        hits: Vec<Hit>,
        /// Where the next page begins, if there is one.
        more: Option<SearchCursor>,
        /// True if a time or result limit stopped the search, so there may be hits beyond those listed.
        truncated: bool,
    },
    /// To [`Locate`](super::Request::Locate): the online sources of a content.
    Sources {
        /// In random order, which spreads the load over all sources; but the first node of every address comes before
        /// the second node of any.
        sources: Vec<ContentSource>,
    },
    /// To [`Browse`](super::Request::Browse).
    Listing {
        /// The node that shares the files.
        source: NodeId,
        /// One page of its list.
        files: Vec<FileRecord>,
        /// True if there are more pages.
        more: bool,
    },
    /// To a request for statistics.
    Statistics(Statistics),
    /// The request is refused.
    Refused(Refusal),
    /// To an offered or withdrawn torrent.
    Offers {
        /// The number of torrents that the node offers now.
        torrents: u32,
        /// The announce address for other clients, if the index runs a tracker.
        tracker: Option<TrackerLocation>,
    },
    /// To a query for torrents.
    Torrents {
        /// The hints offered by the most nodes first, at most
        /// [`MAX_TORRENT_HINTS`](crate::limits::MAX_TORRENT_HINTS).
        hints: Vec<TorrentHint>,
    },
    /// To [`Greet`](super::Request::Greet): the challenge that the node must sign, and the index's features.
    Greeting {
        /// Random bytes, valid for this connection only.
        nonce: [u8; 32],
        /// The features that the index supports.
        features: IndexFeatures,
        /// The index's clock, in seconds since 1970.
        time: u64,
    },
    /// To a search with sources, ordered like [`Reply::Hits`].
    HitsWithSources {
        /// One page of hits.
        hits: Vec<HitWithSources>,
        /// Where the next page begins, if there is one.
        more: Option<SearchCursor>,
        /// True if a time or result limit stopped the search, so there may be hits beyond those listed.
        truncated: bool,
    },
    /// To a request for suggestions.
    Suggestions {
        /// The words of the search that occur in no name, at most
        /// [`MAX_UNKNOWN_WORDS`](crate::limits::MAX_UNKNOWN_WORDS).
        words: Vec<WordSuggestions>,
    },
    /// To a search for nodes.
    Nodes {
        /// The matching nodes that are online and reachable, at most
        /// [`MAX_NODES_FOUND`](crate::limits::MAX_NODES_FOUND).
        nodes: Vec<NodeAddress>,
    },
    /// To a report of unreachable nodes.
    Checking {
        /// The number of nodes that the index probes because of the report.
        nodes: u32,
    },
}

/// A word that occurs in no name, and similarly spelled words that do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WordSuggestions {
    /// The word, folded.
    pub word: String,
    /// Similarly spelled words, the most likely one first, at most
    /// [`MAX_ALTERNATIVES`](crate::limits::MAX_ALTERNATIVES).
    pub alternatives: Vec<String>,
}

/// A node and its listening address.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodeAddress {
    /// The node's id.
    pub node: NodeId,
    /// Its listening address.
    pub address: SocketAddr,
}

/// One content that matches a search, with some of its sources.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HitWithSources {
    /// The hit.
    pub hit: Hit,
    /// Some of its sources in random order, at most [`MAX_HIT_SOURCES`](crate::limits::MAX_HIT_SOURCES); empty for
    /// hits after the first [`MAX_SOURCED_HITS`](crate::limits::MAX_SOURCED_HITS).
    pub sources: Vec<ContentSource>,
}

/// One content that matches a search.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hit {
    /// The content's SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The paths under which it is shared, matching paths first, at most
    /// [`MAX_HIT_NAMES`](crate::limits::MAX_HIT_NAMES).
    pub names: Vec<String>,
    /// The number of online addresses that have the complete content.
    pub complete: u32,
    /// The number of online addresses that have a part of it.
    pub partial: u32,
}

/// A source of a content.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ContentSource {
    /// The node's id.
    pub node: NodeId,
    /// Its listening address.
    pub address: SocketAddr,
    /// How much of the content it has.
    pub share: Share,
}

/// Counters of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Statistics {
    /// Nodes that are online and reachable.
    pub online: u32,
    /// Nodes whose list is stored.
    pub nodes: u32,
    /// Files in those lists.
    pub files: u64,
    /// Distinct contents in those lists.
    pub contents: u64,
    /// The total size of those contents in bytes.
    pub bytes: u64,
    /// Searches answered since the index started.
    pub searches: u64,
    /// Seconds since the index started.
    pub uptime: u64,
}

/// An unsolicited message from the index.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Notice {
    /// The index has probed the node's port successfully: its files are listed from now on.
    Reachable {
        /// The probed address.
        address: SocketAddr,
    },
    /// The node's port does not answer, or its address has reached the limit of listed nodes: its files are stored,
    /// but not listed.
    Unreachable {
        /// The probed address.
        address: SocketAddr,
        /// What happened, as text.
        reason: String,
    },
    /// Another connection authenticated with the same identity; this connection is closed.
    Replaced,
    /// The index is shutting down; this connection is closed.
    ShuttingDown,
    /// The reason why the connection is closed.
    Refused(Refusal),
}
