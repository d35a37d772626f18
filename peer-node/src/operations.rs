//! What a node can be asked to do: typed requests, results, problems and events.
//!
//! Everything that decides what a command *means* is here: which content a name stands for, which files a folder contains,
//! whether a download is new, in progress or here already, how long a change may take to show, what is news. Front ends parse
//! their input into requests, and show results. Nothing here knows a front end or a terminal.

mod as_text;
mod browse;
mod cancel;
mod content;
pub(crate) mod display_text;
mod doctor;
mod download;
pub(crate) mod events;
pub(crate) mod files;
mod folder_level;
mod folder_listing;
mod follow;
mod group;
pub(crate) mod index_state;
pub(crate) mod left_out;
pub(crate) mod limits;
mod lookup;
mod natural_order;
mod pausing;
mod priority;
mod problem;
pub(crate) mod readiness;
mod safe_name;
mod search;
mod selection;
pub(crate) mod shares;
mod sources;
pub(crate) mod status;
mod suggest;
mod torrent;
mod transfers;

use std::path::Path;
use std::sync::Arc;

pub(crate) use browse::FilesRequest;
pub(crate) use cancel::{CancelledDownload, StopMode, WithdrawnTorrent};
pub(crate) use content::{ContentRef, ListedContent, SearchHit};
pub(crate) use doctor::{Finding, Severity};
pub(crate) use download::{
    DownloadItem, DownloadRequest, ResolvedFile, ResolvedFiles, SaveOptions, StartOutcome, StartedDownload,
};
pub(crate) use folder_level::{FolderEntry, PeerFile};
pub(crate) use follow::{AwaitedDownload, DownloadOutcome};
pub(crate) use group::{DownloadGroup, GroupTotals};
pub(crate) use lookup::{PeerName, only_candidate};
pub(crate) use pausing::{ChangedDownload, DownloadChanges};
pub(crate) use problem::{
    ContentCandidate, DestinationProblem, DownloadProblem, PeerProblem, Problem, TorrentProblem,
};
pub(crate) use safe_name::SafeName;
pub(crate) use search::{HitPage, SearchRequest};
pub(crate) use selection::{DownloadFilter, DownloadKey, DownloadSelection, SelectedDownloads};
pub(crate) use sources::{KnownNode, SourceRow};
pub(crate) use torrent::{AddedTorrent, NewTorrent, TorrentRequest};
#[cfg(test)]
pub(crate) use transfers::test_download;
pub(crate) use transfers::{Download, Transfers, Upload};

use crate::node::Node;
use events::EventBus;

/// What a node can be asked to do. Cheap to clone. If the future of a call is dropped, what it started continues.
#[derive(Debug, Clone)]
pub(crate) struct Operations {
    node: Arc<Node>,
    events: EventBus,
}

impl Operations {
    /// Returns the operations of a running node, and starts to publish its events. A node has one set of operations; further
    /// front ends get clones.
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let events = events::start(&node);
        Self { node, events }
    }

    /// Returns the node's folder, an absolute path.
    pub(crate) fn share_dir(&self) -> &Path {
        self.node.share_dir()
    }
}
