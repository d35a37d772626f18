use std::net::SocketAddr;

use bincode::{Decode, Encode};

use super::{FileRecord, ListSummary, Refusal, SearchCursor, Share, TorrentHint, TrackerLocation};
use crate::digest::Digest;
use crate::features::IndexFeatures;
use crate::node_id::NodeId;

/// What the index answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// To a hello: what the node must sign.
    Challenge {
        /// Random bytes, good for this connection alone.
        nonce: [u8; 32],
    },
    /// To a proof: the node is known.
    Welcome {
        /// Where the index sees it: the address of its connection, with the port that it claims.
        you: SocketAddr,
        /// The node must send something within so many seconds, or it counts as gone.
        lease: u32,
        /// What the index still has of its list.
        list: ListSummary,
    },
    /// To a change of the list or a renewal: it is on disk, and this is the list now.
    List(ListSummary),
    /// To a search: what fits best first, and of what fits as well the most available first.
    Hits {
        /// A page of them.
        hits: Vec<Hit>,
        /// Where to go on, if there are more.
        more: Option<SearchCursor>,
        /// Whether the search was cut off, by time or by number, so that there may be more all the same.
        truncated: bool,
    },
    /// To a locate: who has it and is there.
    Sources {
        /// Every address before the second node of any, apart from that in random order, so that nobody is asked by everybody.
        sources: Vec<ContentSource>,
    },
    /// To a browse.
    Listing {
        /// Whose list it is.
        source: NodeId,
        /// A page of it.
        files: Vec<FileRecord>,
        /// Whether there are more.
        more: bool,
    },
    /// To a request for statistics.
    Statistics(Statistics),
    /// The request is refused.
    Refused(Refusal),
    /// To an offer of a torrent or the end of one.
    Offers {
        /// How many torrents the node offers now.
        torrents: u32,
        /// Where other clients ask for them, if the index is a tracker.
        tracker: Option<TrackerLocation>,
    },
    /// To a question for torrents.
    Torrents {
        /// Those that most nodes offer first, at most [`MAX_TORRENT_HINTS`](crate::limits::MAX_TORRENT_HINTS).
        hints: Vec<TorrentHint>,
    },
    /// To a greeting of version 2: what the node must sign, and what the index is.
    Greeting {
        /// Random bytes, good for this connection alone.
        nonce: [u8; 32],
        /// What the index understands.
        features: IndexFeatures,
        /// The index's clock: seconds since 1970.
        time: u64,
    },
    /// To a search with sources, ordered like [`Reply::Hits`].
    HitsWithSources {
        /// A page of them.
        hits: Vec<HitWithSources>,
        /// Where to go on, if there are more.
        more: Option<SearchCursor>,
        /// Whether the search was cut off, by time or by number, so that there may be more all the same.
        truncated: bool,
    },
    /// To a request for suggestions.
    Suggestions {
        /// The words that occur in no name, at most [`MAX_UNKNOWN_WORDS`](crate::limits::MAX_UNKNOWN_WORDS).
        words: Vec<WordSuggestions>,
    },
    /// To a search for nodes.
    Nodes {
        /// Those that are there and reachable, at most [`MAX_NODES_FOUND`](crate::limits::MAX_NODES_FOUND).
        nodes: Vec<NodeAddress>,
    },
    /// To a report of nodes that do not answer.
    Checking {
        /// How many of them the index calls because of it.
        nodes: u32,
    },
}

/// A word that occurs in no name, and words of names that are spelled like it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WordSuggestions {
    /// The word, folded.
    pub word: String,
    /// Words that are spelled like it, the most likely one first, at most
    /// [`MAX_ALTERNATIVES`](crate::limits::MAX_NEAR_WORDS).
    pub alternatives: Vec<String>,
}

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodeAddress {
    /// Who it is.
    pub node: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
}

/// One content that matches a search, and where it can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HitWithSources {
    /// The hit.
    pub hit: Hit,
    /// Some of its sources in random order, at most [`MAX_HIT_SOURCES`](crate::limits::MAX_HIT_SOURCES); none for hits after the
    /// first [`MAX_SOURCED_HITS`](crate::limits::MAX_SOURCED_HITS).
    pub sources: Vec<ContentSource>,
}

/// One content that matches a search.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hit {
    /// The content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The paths under which it is shared, those that match first, at most
    /// [`MAX_HIT_NAMES`](crate::limits::MAX_HIT_NAMES).
    pub names: Vec<String>,
    /// How many addresses of nodes that are there have all of it.
    pub complete: u32,
    /// How many have some of it.
    pub partial: u32,
}

/// A node that has a content.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ContentSource {
    /// Who it is.
    pub node: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
    /// How much of the content it has.
    pub share: Share,
}

/// What an index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Statistics {
    /// Nodes that are there and reachable.
    pub online: u32,
    /// Nodes of which a list is kept.
    pub nodes: u32,
    /// Files in those lists.
    pub files: u64,
    /// Different contents among them.
    pub contents: u64,
    /// The sizes of those contents, added up, in bytes.
    pub bytes: u64,
    /// Searches answered since the index was started.
    pub searches: u64,
    /// Seconds since the index was started.
    pub uptime: u64,
}

/// What the index says unasked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Notice {
    /// The node's port was called back and answered: its files are listed from now on.
    Reachable {
        /// Where it was reached.
        address: SocketAddr,
    },
    /// The node's port does not answer, or as many nodes of its address are listed as may be: its files are kept, but not listed.
    Unreachable {
        /// Where it was looked for.
        address: SocketAddr,
        /// What happened, in words.
        reason: String,
    },
    /// Another connection greeted with the same identity; this one is closed.
    Replaced,
    /// The index is being stopped; this connection is closed.
    ShuttingDown,
    /// The connection is closed because of this.
    Refused(Refusal),
}
