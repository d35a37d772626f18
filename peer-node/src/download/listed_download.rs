use std::path::PathBuf;

use protocol::digest::Digest;
use protocol::infohash::Infohash;

use super::WantedFile;
use crate::view::Priority;

/// A download that goes on after a restart.
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
    /// A torrent, whose `.torrent` is kept in the state folder.
    Torrent(ListedTorrent),
}

/// A torrent that goes on after a restart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListedTorrent {
    pub(super) infohash: Infohash,
    /// The SHA-256 that its content was said to have when it was begun.
    pub(super) digest: Option<Digest>,
    /// The folder that holds the torrent's file or folder.
    pub(super) folder: PathBuf,
    /// Which files are wanted, if not all.
    pub(super) select: Option<String>,
    /// Whether it is given to others once it is whole, and until how many times its size was.
    pub(super) seed: bool,
    pub(super) ratio: Option<f64>,
    /// How many bytes of it were given to others.
    pub(super) uploaded: u64,
}

impl ListedDownload {
    /// Returns the digest of the file, if it is one by digest.
    pub(super) const fn digest(&self) -> Option<Digest> {
        match &self.item {
            DownloadItem::File(wanted) => Some(wanted.digest),
            DownloadItem::Torrent(_) => None,
        }
    }
}
