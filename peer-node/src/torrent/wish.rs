use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::metainfo::Metainfo;

use super::selection::Selection;
use crate::library::OpenFile;

/// A torrent that a person wants to have, or to give.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which.
    pub metainfo: Arc<Metainfo>,
    /// The SHA-256 of its content, if it is a single file of which somebody says so: then native nodes may have it as well.
    pub digest: Option<Digest>,
    /// Where its bytes lie.
    pub place: Place,
    /// What comes once it is whole.
    pub afterwards: Afterwards,
    /// Peers to try besides those that trackers name.
    pub peers: Vec<SocketAddr>,
}

/// Where the bytes of a torrent lie.
#[derive(Debug, Clone)]
pub enum Place {
    /// What is missing is fetched into this folder, of the selected files.
    Fetch {
        /// The folder that holds the torrent's file or folder.
        folder: PathBuf,
        /// Which files are wanted.
        selection: Selection,
    },
    /// They are whole in this folder, and nothing in it is touched.
    Whole {
        /// The folder that holds the torrent's file or folder.
        folder: PathBuf,
    },
    /// They are a file of the library, which was verified against the torrent.
    Shared {
        /// Where it lies.
        location: PathBuf,
        /// The file.
        file: Arc<OpenFile>,
    },
}

impl Place {
    /// Returns the folder that holds the torrent's file or folder, unless it is a file of the library.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Fetch { folder, .. } | Self::Whole { folder } => Some(folder),
            Self::Shared { .. } => None,
        }
    }
}

/// What comes once a torrent is whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Afterwards {
    /// Nothing.
    End,
    /// It is given to others, until as many times its size was sent as is said, or for ever.
    Seed {
        /// How many times; none for no end.
        ratio: Option<f64>,
    },
}
