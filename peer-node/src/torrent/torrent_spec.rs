use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::metainfo::Metainfo;

use super::selection::FileSelection;
use crate::library::OpenFile;

/// A torrent that the user wants to download or seed.
#[derive(Debug, Clone)]
pub(crate) struct TorrentSpec {
    /// The torrent's metainfo.
    pub metainfo: Arc<Metainfo>,
    /// SHA-256 of the content, if it is a single file and the digest is known: native nodes are then sources too.
    pub digest: Option<Digest>,
    /// Location of the content.
    pub location: TorrentLocation,
    /// What to do when the content is complete.
    pub on_completion: OnCompletion,
    /// Peers to try in addition to those from trackers.
    pub peers: Vec<SocketAddr>,
}

/// Location of a torrent's content.
#[derive(Debug, Clone)]
pub(crate) enum TorrentLocation {
    /// Missing pieces of the selected files are downloaded into a folder.
    Download {
        /// The folder that holds the torrent's file or folder.
        folder: PathBuf,
        /// The selected files.
        selection: FileSelection,
    },
    /// The content is complete in a folder, which is not modified.
    Complete {
        /// The folder that holds the torrent's file or folder.
        folder: PathBuf,
    },
    /// The content is a file of the library, verified against the torrent.
    Library {
        /// Path of the file.
        location: PathBuf,
        /// The open file.
        file: Arc<OpenFile>,
    },
}

impl TorrentLocation {
    /// Returns the folder that holds the torrent's file or folder; none for a file of the library.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Download { folder, .. } | Self::Complete { folder } => Some(folder),
            Self::Library { .. } => None,
        }
    }
}

/// What to do when a torrent is complete.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OnCompletion {
    /// Stop.
    Stop,
    /// Seed until the upload ratio is reached, or forever.
    Seed {
        /// Uploaded bytes divided by the torrent's size; none for no limit.
        ratio: Option<f64>,
    },
}
