use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::metainfo::Metainfo;

use super::selection::FileSelection;
use crate::library::OpenFile;

/// A torrent that a person wants to have, or to give.
#[derive(Debug, Clone)]
pub struct TorrentSpec {
    /// Which.
    pub metainfo: Arc<Metainfo>,
    /// The SHA-256 of its content, if it is a single file of which somebody says so: then native nodes may have it as well.
    pub digest: Option<Digest>,
    /// Where its bytes lie.
    pub location: TorrentLocation,
    /// What comes once it is whole.
    pub on_completion: OnCompletion,
    /// Peers to try besides those that trackers name.
    pub peers: Vec<SocketAddr>,
}

/// Where the bytes of a torrent lie.
#[derive(Debug, Clone)]
pub enum TorrentLocation {
    /// What is missing is fetched into this folder, of the selected files.
    Download {
        /// The folder that holds the torrent's file or folder.
        folder: PathBuf,
        /// Which files are wanted.
        selection: FileSelection,
    },
    /// They are whole in this folder, and nothing in it is touched.
    Complete {
        /// The folder that holds the torrent's file or folder.
        folder: PathBuf,
    },
    /// They are a file of the library, which was verified against the torrent.
    Library {
        /// Where it lies.
        location: PathBuf,
        /// The file.
        file: Arc<OpenFile>,
    },
}

impl TorrentLocation {
    /// Returns the folder that holds the torrent's file or folder, unless it is a file of the library.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Download { folder, .. } | Self::Complete { folder } => Some(folder),
            Self::Library { .. } => None,
        }
    }
}

/// What comes once a torrent is whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OnCompletion {
    /// Nothing.
    Stop,
    /// It is given to others, until as many times its size was sent as is said, or for ever.
    Seed {
        /// How many times; none for no end.
        ratio: Option<f64>,
    },
}
