use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::infohash::Infohash;
use protocol::share_path::local_file_name;
use serde::Serialize;

use super::Operations;
use super::as_text::{as_path_text, as_text};
use super::download::StartedDownload;
use super::problem::{Problem, TorrentProblem};
use super::safe_name::SafeName;
use crate::download::{NotStarted, TorrentError, WantedTorrent};
use crate::shared_torrents::NoAnnounceUrl;
use crate::storage::read_regular_file;
use crate::torrent::dot_torrent::{self, DotTorrentError};
use crate::torrent::{NoUsableSource, OnCompletion};

/// A request to download the content of a `.torrent` and to seed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TorrentRequest {
    /// The `.torrent`.
    pub(crate) file: PathBuf,
    /// The destination, relative to the node's folder; empty for that folder.
    pub(crate) folder: PathBuf,
    /// The selected files, if not all.
    pub(crate) select: Option<String>,
}

/// A torrent that was added.
#[derive(Debug)]
pub(crate) struct AddedTorrent {
    /// Its download.
    pub(crate) download: StartedDownload,
    /// Whether the download is new, or was in progress before.
    pub(crate) is_new: bool,
    /// Why nothing may arrive: the torrent names no usable source, and its content cannot be fetched from nodes either.
    pub(crate) without_source: Option<SafeName>,
}

/// A `.torrent` that was created from a shared file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NewTorrent {
    /// Where it was written.
    #[serde(serialize_with = "as_path_text")]
    pub(crate) path: PathBuf,
    /// The infohash.
    #[serde(serialize_with = "as_text")]
    pub(crate) infohash: Infohash,
    /// The announce URL, if there is one.
    pub(crate) tracker: Option<SafeName>,
    /// Why there is no announce URL.
    pub(crate) no_tracker_reason: Option<SafeName>,
    /// Whether the reason is that the index runs no tracker.
    pub(crate) is_index_without_tracker: bool,
}

impl Operations {
    /// Adds a torrent. One that is in progress is resumed if it was paused.
    pub(crate) async fn add_torrent(&self, request: TorrentRequest) -> Result<AddedTorrent, Problem> {
        let TorrentRequest { file, folder, select } = request;
        let metainfo = Arc::new(run_blocking(&file.clone(), move || Ok(dot_torrent::read(&file)?)).await?);
        let no_source = NoUsableSource::from_metainfo(&metainfo);
        let wanted =
            WantedTorrent { metainfo, folder, select, on_completion: OnCompletion::Seed { ratio: None } };
        let (id, is_new) = match self.node.downloads().start_torrent(wanted).await {
            Ok(id) => (id, true),
            Err(TorrentError::NotStarted(NotStarted::Running { id })) => (id, false),
            Err(error) => return Err(TorrentProblem::from(error).into()),
        };
        let download = self.started(id, None);
        // A torrent with a known SHA-256 can also be fetched from nodes.
        let has_digest = download.awaited.as_ref().is_none_or(|awaited| awaited.view().digest.is_some());
        let without_source = no_source.filter(|_| !has_digest).map(|none| none.to_string().into());
        Ok(AddedTorrent { download, is_new, without_source })
    }

    /// Creates a torrent of a shared file, offers it at the index and seeds it. Writes the `.torrent` to `path`, or if that is
    /// `None`, under the name of the file into the current folder.
    pub(crate) async fn create_torrent(
        &self,
        digest: Digest,
        path: Option<PathBuf>,
    ) -> Result<NewTorrent, Problem> {
        let created = self.node.shared_torrents().create(digest).await.map_err(TorrentProblem::from)?;
        let name = format!("{}.torrent", local_file_name(created.metainfo.name()));
        let path = path.unwrap_or_else(|| name.into());
        let bytes = created.metainfo.bytes().to_vec();
        let target = path.clone();
        run_blocking(&path, move || write_new(&target, &bytes)).await?;
        let is_index_without_tracker = matches!(created.tracker, Err(NoAnnounceUrl::IndexIsNoTracker));
        let (tracker, no_tracker_reason) = match created.tracker {
            Ok(url) => (Some(url.into()), None),
            Err(reason) => (None, Some(reason.to_string().into())),
        };
        let infohash = created.metainfo.infohash();
        Ok(NewTorrent { path, infohash, tracker, no_tracker_reason, is_index_without_tracker })
    }
}

/// Runs work on a file. A failure of the task itself counts as one of reading or writing that file.
async fn run_blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, TorrentProblem> + Send + 'static,
) -> Result<T, TorrentProblem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(DotTorrentError::Read { path: path.to_owned(), error: io::Error::other(error) }.into())
    })
}

/// Writes a new file. An existing file with the same content counts as written.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), TorrentProblem> {
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(bytes));
    written.or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if has_content(path, bytes) => Ok(()),
        io::ErrorKind::AlreadyExists => Err(TorrentProblem::Exists { path: path.to_owned() }),
        _ => Err(TorrentProblem::Unwritable { path: path.to_owned(), source: error }),
    })
}

/// Returns true if a file has this content.
fn has_content(path: &Path, bytes: &[u8]) -> bool {
    read_regular_file(path, bytes.len() as u64 + 1).is_ok_and(|content| content == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_in_the_way_is_kept_unless_it_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.torrent");
        write_new(&path, b"one").unwrap();
        write_new(&path, b"one").unwrap();
        assert!(matches!(write_new(&path, b"two"), Err(TorrentProblem::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let nowhere = folder.path().join("no/a.torrent");
        assert!(matches!(write_new(&nowhere, b"one"), Err(TorrentProblem::Unwritable { .. })));
    }
}
