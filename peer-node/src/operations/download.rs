//! Downloads: from a request to files that are on their way, already here, or in progress.

mod resolve;

use std::path::PathBuf;

use protocol::digest::Digest;
use protocol::index::PeerRef;

pub(crate) use crate::download::SaveOptions;
pub(crate) use resolve::{ResolvedFile, ResolvedFiles};

use super::Operations;
use super::content::{ContentRef, ListedContent};
use super::follow::AwaitedDownload;
use super::problem::{DownloadProblem, Problem};
use super::safe_name::SafeName;
use crate::download::{DownloadTarget, NotStarted};
use crate::view::DownloadId;

/// A request for files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DownloadRequest {
    /// The contents and folders to fetch.
    pub(crate) items: Vec<DownloadItem>,
    /// The destination of the only file, relative to the node's folder; `None` for its own name in that folder.
    pub(crate) destination: Option<PathBuf>,
    /// How the files are saved.
    pub(crate) saving: SaveOptions,
}

/// One item of a request for files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadItem {
    /// A content that was listed before, with the number under which it was selected.
    Listed(ListedContent, Option<u32>),
    /// A content by its digest or name.
    Content(ContentRef),
    /// Everything below a folder of a peer.
    Folder {
        /// The peer.
        peer: PeerRef,
        /// The folder, without a trailing `/`.
        folder: SafeName,
    },
}

/// What became of a request for one file.
#[derive(Debug)]
pub(crate) enum StartOutcome {
    /// The download is new.
    New(StartedDownload),
    /// The content was being downloaded already.
    InProgress {
        /// The running download.
        download: StartedDownload,
        /// The user's paths to which it is saved in addition.
        also_saved_to: Vec<PathBuf>,
    },
    /// The content is here already.
    AlreadyHere {
        /// The path of the existing file.
        location: PathBuf,
    },
}

/// A download that was started, or was running already.
#[derive(Debug)]
pub(crate) struct StartedDownload {
    /// The number of the download.
    pub(crate) id: DownloadId,
    /// Its state; `None` if it has ended and left the list already.
    pub(crate) awaited: Option<AwaitedDownload>,
}

impl Operations {
    /// Starts the download of a resolved file. Fails if a torrent is downloading it to another place.
    pub(crate) async fn start(&self, file: &ResolvedFile) -> Result<StartOutcome, Problem> {
        let wanted = file.wanted();
        match self.node.downloads().start(wanted).await {
            Ok(id) => Ok(StartOutcome::New(self.started(id, Some(wanted.digest)))),
            Err(NotStarted::AlreadyHere { location }) => Ok(StartOutcome::AlreadyHere { location }),
            Err(NotStarted::Running { id }) => {
                let also_saved_to =
                    wanted.targets().filter_map(DownloadTarget::user_path).map(PathBuf::from).collect();
                Ok(StartOutcome::InProgress {
                    download: self.started(id, Some(wanted.digest)),
                    also_saved_to,
                })
            }
            Err(elsewhere @ NotStarted::Elsewhere { .. }) => Err(DownloadProblem::from(elsewhere).into()),
        }
    }

    /// Returns a download with its state. `file` is the requested file, if not a torrent was requested.
    pub(super) fn started(&self, id: DownloadId, file: Option<Digest>) -> StartedDownload {
        let view = self.node.downloads().watch(id);
        StartedDownload { id, awaited: view.map(|view| AwaitedDownload::new(id, view, file)) }
    }
}
