use std::path::PathBuf;

use protocol::digest::Digest;
use protocol::infohash::Infohash;

use super::WantedFile;
use crate::view::Priority;

/// A download that resumes after a restart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListedDownload {
    pub(super) item: DownloadItem,
    pub(super) priority: Priority,
    pub(super) is_paused: bool,
}

/// What is downloaded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DownloadItem {
    /// A file, by its digest.
    File(WantedFile),
    /// A torrent. Its `.torrent` is kept in the state folder.
    Torrent(ListedTorrent),
}

/// A torrent that resumes after a restart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListedTorrent {
    pub(super) infohash: Infohash,
    /// SHA-256 of the content as claimed when the torrent was started.
    pub(super) digest: Option<Digest>,
    /// The folder that holds the torrent's file or folder.
    pub(super) folder: PathBuf,
    /// Selected files; `None` selects all.
    pub(super) select: Option<String>,
    /// Whether to seed once complete, and the upload ratio at which seeding stops.
    pub(super) seed: bool,
    pub(super) ratio: Option<f64>,
    /// Number of bytes uploaded.
    pub(super) uploaded: u64,
}

impl ListedDownload {
    /// Returns the digest of the content; `None` for a torrent.
    pub(super) const fn digest(&self) -> Option<Digest> {
        match &self.item {
            DownloadItem::File(wanted) => Some(wanted.digest),
            DownloadItem::Torrent(_) => None,
        }
    }
}
