//! Requests of nodes as values: the session validates them, the registrar and the directory carry them out.

use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::index::{FileRecord, NodeAddress, PeerRef, TorrentHint};
use protocol::infohash::Infohash;
use protocol::query::{DigestPrefix, Query};

/// A change to one node's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListChange {
    Begin,
    Register(Vec<FileRecord>),
    Unregister(Vec<String>),
    End,
}

/// A validated read request with limits applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadRequest {
    Search { query: Query, after: SentMarks, limit: usize, with_sources: bool },
    Locate { digest: Digest, limit: usize },
    Browse { peer: PeerRef, after: Option<String>, limit: usize },
    FindTorrent { infohash: Infohash },
    FindTorrentByKey { key: TorrentKey },
    TorrentsOf { digest: Digest },
    Suggest { query: Query },
    FindNodes { prefix: DigestPrefix },
    Statistics,
    ReportUnreachable { nodes: Vec<NodeAddress> },
}

/// The marks of the hits that earlier pages of a search have sent, in order: its position. Empty before the first page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SentMarks(Vec<u64>);

impl SentMarks {
    /// Returns the marks.
    pub(crate) fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// Adds the marks of a page.
    pub(crate) fn extend(&mut self, page: impl Iterator<Item = u64>) {
        self.0.extend(page);
    }
}

impl From<Vec<u64>> for SentMarks {
    fn from(marks: Vec<u64>) -> Self {
        Self(marks)
    }
}

impl From<SentMarks> for Vec<u64> {
    fn from(marks: SentMarks) -> Self {
        marks.0
    }
}

/// A change of a node's torrent offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OfferChange {
    Add(TorrentHint),
    Withdraw(Infohash),
}

/// What a page of search results contains.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HitDetail {
    Hits,
    /// Hits, the first ones with some of their sources in an order that `seed` determines.
    WithSources {
        seed: u64,
    },
}
