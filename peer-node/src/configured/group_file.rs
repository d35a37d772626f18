//! The file of a peer on disk, complete or partial. All functions block on disk I/O.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::configured::ListedPeer;
use protocol::geometry::{Geometry, PieceIndex};

use super::group_config::GroupConfig;
use super::part_file::{GroupPartFile, with_suffix};
use super::receipt::Receipt;
use crate::platform::{LinkPolicy, open_nonblocking, rename_no_replace};

/// Maximum number of unverified files that are moved aside.
const MAX_UNVERIFIED: u32 = 1000;

/// The content of a peer on disk.
#[derive(Debug)]
pub(crate) struct GroupFile {
    geometry: Geometry,
    target: PathBuf,
    file: Arc<File>,
    /// The partial file, if pieces are missing.
    part: Option<GroupPartFile>,
}

/// The result of opening a peer's file.
#[derive(Debug)]
pub(crate) struct OpenedGroupFile {
    pub(crate) file: GroupFile,
    /// The pieces that we have.
    pub(crate) have: Bitfield,
    /// New path of a file that had the target's name but was not received by this program.
    pub(crate) unverified: Option<PathBuf>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupFileError {
    /// The peer is listed as having the file, but does not.
    #[error("peer {id} is listed as having the file, but it is neither at {} nor at {}", first.display(), second.display())]
    NoFile {
        /// The peer.
        id: protocol::configured::ConfiguredPeerId,
        /// First expected path.
        first: PathBuf,
        /// Second expected path.
        second: PathBuf,
    },
    /// The file size differs from the configuration.
    #[error("{} has {got} bytes, but FileSize is {expected}: correct Common.cfg, or move the file away", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Configured size in bytes.
        expected: u64,
        /// Actual size in bytes.
        got: u64,
    },
    /// The path is not a regular file.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Too many files have been moved aside before.
    #[error(
        "{} was not received by this program, and {MAX_UNVERIFIED} such files have already been moved aside: remove some of them",
        .0.display()
    )]
    TooManyUnverified(PathBuf),
    /// Another process has locked the file.
    #[error("{} is in use by another program", .0.display())]
    InUse(PathBuf),
    /// The disk is full.
    #[error("not enough space for {size} bytes at {}: {source}", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Required bytes.
        size: u64,
        /// Cause.
        source: io::Error,
    },
    /// Another I/O error.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
}

impl GroupFileError {
    /// Returns a function that adds `path` to an I/O error.
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

impl GroupFile {
    /// Opens the file of a peer. If the peer is not listed as having the file, only a file that this program has recorded as
    /// received counts; any other file with its name is moved aside.
    pub(crate) fn open(config: &GroupConfig, peer: &ListedPeer) -> Result<OpenedGroupFile, GroupFileError> {
        let (geometry, name) = (config.common.geometry, config.common.file_name());
        let folder = config.dir.join(format!("peer_{}", peer.id));
        fs::create_dir_all(&folder).map_err(GroupFileError::at(&folder))?;
        let target = folder.join(name);
        let (complete, unverified) = if peer.has_file {
            (Some(open_original(config, peer, &target)?), None)
        } else {
            open_received(&target, &geometry)?
        };
        let (file, part, have) = if let Some(file) = complete {
            (Arc::new(file), None, Bitfield::full(&geometry))
        } else {
            let (part, have) = GroupPartFile::open(&target, geometry)?;
            (part.file_handle(), Some(part), have)
        };
        Ok(OpenedGroupFile { file: Self { geometry, target, file, part }, have, unverified })
    }

    /// Returns the layout of the pieces.
    pub(super) const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns true if the file is complete and has its final name.
    pub(super) const fn is_complete(&self) -> bool {
        self.part.is_none()
    }

    /// Returns a handle for reading the stored pieces.
    pub(super) fn file_handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Returns the final path of the file.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Writes a piece that consists of consecutive `parts`.
    pub(super) fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        crate::storage::write_parts_at(&self.file, parts, self.geometry.piece_offset(piece))
    }

    /// Makes the stored pieces durable and records them, so that a crash does not lose them.
    pub(super) fn record_pieces(&self, have: &Bitfield) -> io::Result<()> {
        self.part.as_ref().map_or(Ok(()), |part| part.record_pieces(have))
    }

    /// Renames the complete file to its final name.
    pub(super) fn finalize(&self) -> Result<(), GroupFileError> {
        self.part.as_ref().map_or(Ok(()), |part| part.finalize(&self.target))
    }
}

/// Opens the file of a peer that is listed as having it.
fn open_original(config: &GroupConfig, peer: &ListedPeer, target: &Path) -> Result<File, GroupFileError> {
    let second = config.dir.join(peer.id.to_string()).join(config.common.file_name());
    for path in [target, &second] {
        let Some((file, metadata)) = open_regular(path)?.filter(|(_, metadata)| metadata.len() > 0) else {
            continue;
        };
        let (expected, got) = (config.common.geometry.size(), metadata.len());
        if got != expected {
            return Err(GroupFileError::WrongSize { path: path.to_owned(), expected, got });
        }
        return Ok(file);
    }
    Err(GroupFileError::NoFile { id: peer.id, first: target.to_owned(), second })
}

/// Opens the file that an earlier run received. Moves any other file with its name aside and returns the new path.
fn open_received(
    target: &Path,
    geometry: &Geometry,
) -> Result<(Option<File>, Option<PathBuf>), GroupFileError> {
    match open_regular(target)? {
        Some((file, metadata))
            if metadata.len() == geometry.size() && Receipt::matches(target, &metadata) =>
        {
            return Ok((Some(file), None));
        }
        Some((_, metadata)) if metadata.len() == 0 => {
            fs::remove_file(target).map_err(GroupFileError::at(target))?;
        }
        Some(_) => return move_aside(target).map(|moved| (None, Some(moved))),
        // A dangling link occupies the name too.
        None if fs::symlink_metadata(target).is_ok() => {
            return move_aside(target).map(|moved| (None, Some(moved)));
        }
        None => {}
    }
    Receipt::remove(target);
    Ok((None, None))
}

/// Renames a file to an unused name in the same folder and returns that name.
fn move_aside(target: &Path) -> Result<PathBuf, GroupFileError> {
    for number in 1..=MAX_UNVERIFIED {
        let candidate = with_suffix(target, &format!(".unverified-{number}"));
        match rename_no_replace(target, &candidate) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            moved => {
                moved.map_err(GroupFileError::at(target))?;
                Receipt::remove(target);
                return Ok(candidate);
            }
        }
    }
    Err(GroupFileError::TooManyUnverified(target.to_owned()))
}

/// Opens a regular file. Returns `None` if it does not exist.
fn open_regular(path: &Path) -> Result<Option<(File, Metadata)>, GroupFileError> {
    let file = match open_nonblocking(path, OpenOptions::new().read(true), LinkPolicy::Follow) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(GroupFileError::at(path))?,
    };
    let metadata = file.metadata().map_err(GroupFileError::at(path))?;
    if metadata.is_file() {
        Ok(Some((file, metadata)))
    } else {
        Err(GroupFileError::NotAFile(path.to_owned()))
    }
}

#[cfg(test)]
mod tests;
