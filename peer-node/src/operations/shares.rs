//! Sharing files and folders, and what the shared folders contain and leave out.

mod problem;
mod shared_folders;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::Operations;
use super::display_text::DisplayText;
use super::files::SharedFileInfo;
use crate::discovery::index_client::{IndexError, IndexStatus};
use crate::library::{Registration, ShareReport};

pub(crate) use problem::ShareProblem;
pub(crate) use shared_folders::{SharedFolder, SharedFolders};

/// Maximum time for the index to acknowledge a change.
const ACK_TIMEOUT: Duration = Duration::from_secs(20);

/// A request to share paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShareRequest {
    /// Files and folders; empty to rescan everything that is shared already.
    pub(crate) paths: Vec<PathBuf>,
    /// Patterns in `.gitignore` syntax that exclude files from these folders from now on; `None` keeps the current patterns.
    pub(crate) exclude: Option<Vec<String>>,
    /// True if the user has confirmed sharing a home folder or a folder with many files.
    pub(crate) is_confirmed: bool,
}

/// What a change of the shares did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShareOutcome {
    /// Files that are now shared or no longer shared, sorted by path.
    pub(crate) files: Vec<SharedFileInfo>,
    /// Files and folders that are not shared, with the reason.
    pub(crate) skipped: Vec<SkippedPath>,
    /// The requested folders that are shared now.
    pub(crate) folders: Vec<DisplayText>,
}

/// A file or folder that is not shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SkippedPath {
    /// Path on this machine.
    pub(crate) path: DisplayText,
    /// Why it is not shared.
    pub(crate) reason: DisplayText,
}

/// Whether the index has the current list of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Acknowledgement {
    /// The index has acknowledged the list, and has probed the node's port.
    Acknowledged,
    /// There is no connection; the list is registered when the index is back.
    Offline,
    /// The index has not acknowledged the list.
    Missing {
        /// Why.
        reason: DisplayText,
    },
}

impl Operations {
    /// Shares files and folders, each folder with everything below it, and waits until they are hashed. Without paths, rescans
    /// everything that is shared. Either every path is accepted or none. If the future is dropped, the change still takes effect.
    pub(crate) async fn share(&self, request: ShareRequest) -> Result<ShareOutcome, ShareProblem> {
        let ShareRequest { paths, exclude: patterns, is_confirmed } = request;
        let registration = Registration { paths, patterns, is_confirmed };
        Ok(share_outcome(&self.node.library().register_with(registration).await?))
    }

    /// Stops sharing files and folders, named by their path or by their name on the network. No file is deleted. Either every
    /// path is accepted or none.
    pub(crate) async fn unshare(&self, paths: Vec<PathBuf>) -> Result<ShareOutcome, ShareProblem> {
        Ok(share_outcome(&self.node.library().unregister(paths).await?))
    }

    /// Waits up to 20 seconds until the index has acknowledged the current list of files. Does not wait for a connection.
    pub(crate) async fn acknowledgement(&self) -> Acknowledgement {
        let index = self.node.index();
        let is_offline = matches!(*index.status().borrow(), IndexStatus::Offline { .. });
        if is_offline {
            return Acknowledgement::Offline;
        }
        match index.synced(ACK_TIMEOUT).await {
            Ok(()) => Acknowledgement::Acknowledged,
            Err(IndexError::Offline { .. }) => Acknowledgement::Offline,
            Err(error) => Acknowledgement::Missing { reason: DisplayText::from_message(&error) },
        }
    }
}

/// Converts the library's report. A folder that was skipped is not among the shared folders.
fn share_outcome(report: &ShareReport) -> ShareOutcome {
    let skipped = report.skipped.iter().map(|skipped| SkippedPath {
        path: DisplayText::new(&skipped.path),
        reason: DisplayText::from_message(&skipped.reason),
    });
    let skipped: Vec<SkippedPath> = skipped.collect();
    let folders = report.places.iter().filter(|place| place.is_dir());
    let mut folders: Vec<DisplayText> = folders.map(|place| DisplayText::from_path(place)).collect();
    folders.retain(|folder| skipped.iter().all(|skipped| skipped.path != *folder));
    ShareOutcome { files: report.files.iter().map(SharedFileInfo::from).collect(), skipped, folders }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_folder_is_not_reported_as_shared() {
        let folder = tempfile::tempdir().unwrap();
        let places = vec![folder.path().to_owned(), folder.path().join("no folder")];
        let report = ShareReport { places, ..ShareReport::default() };
        assert_eq!(share_outcome(&report).folders, [DisplayText::from_path(folder.path())]);
        let json =
            serde_json::to_value(Acknowledgement::Missing { reason: DisplayText::new("busy") }).unwrap();
        assert_eq!((json["outcome"].as_str(), json["reason"].as_str()), (Some("missing"), Some("busy")));
    }
}
