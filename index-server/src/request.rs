//! What a node can ask for, as values: read and checked by the session, carried out by the registrar and the directory.

use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::index::{FileRecord, NodeAddress, PeerRef, SearchCursor, TorrentHint};
use protocol::infohash::Infohash;
use protocol::query::{DigestPrefix, Query};

/// A change of one node's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListChange {
    Begin,
    Register(Vec<FileRecord>),
    Unregister(Vec<String>),
    End,
}

/// What can be asked, checked and cut to size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadRequest {
    Search { query: Query, after: Option<SearchCursor>, limit: usize, with_sources: bool },
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

/// What becomes of a node's offer of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OfferChange {
    Add(TorrentHint),
    Withdraw(Infohash),
}
