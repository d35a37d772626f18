//! Where the file of a peer lies: whole, or in parts. Everything here waits for the disk and belongs on a blocking thread.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::configured::ListedPeer;
use protocol::geometry::{Geometry, PieceIndex};
use rustix::fs::OFlags;

use super::part::Part;
use super::plan::Plan;

/// The content of a peer on disk.
#[derive(Debug)]
pub(crate) struct Files {
    geometry: Geometry,
    target: PathBuf,
    file: Arc<File>,
    /// What it lacks, if it lacks anything.
    part: Option<Part>,
}

/// A content that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    /// Who should have the file does not.
    #[error("peer {id} has the file, says the list, but it is neither at {} nor at {}", first.display(), second.display())]
    NoFile {
        /// Who.
        id: protocol::configured::PeerId,
        /// Where it was looked for.
        first: PathBuf,
        /// Where else.
        second: PathBuf,
    },
    /// The file is not the one that was agreed on.
    #[error("{} has {got} bytes, but FileSize is {expected}: correct Common.cfg, or move the file away", path.display())]
    WrongSize {
        /// Which file.
        path: PathBuf,
        /// What was agreed on.
        expected: u64,
        /// How long it is.
        got: u64,
    },
    /// Something else is in its place.
    #[error("{} is not a regular file", .0.display())]
    NotFile(PathBuf),
    /// Another one works on it.
    #[error("another program works on {}", .0.display())]
    InUse(PathBuf),
    /// The disk is full.
    #[error("no room for {size} bytes at {}: {source}", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// How many are needed.
        size: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The disk does not do what it must.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl FilesError {
    /// Says where it was that the system failed.
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

impl Files {
    /// Opens the content of a peer, and returns which pieces of it are here.
    pub(crate) fn open(plan: &Plan, peer: &ListedPeer) -> Result<(Self, Bitfield), FilesError> {
        let (geometry, name) = (plan.common.geometry, plan.common.file_name());
        let folder = plan.dir.join(format!("peer_{}", peer.id));
        fs::create_dir_all(&folder).map_err(FilesError::at(&folder))?;
        let target = folder.join(name);
        let second = plan.dir.join(peer.id.to_string()).join(name);
        let mut whole = open_whole(&target, &geometry)?;
        if whole.is_none() && peer.has_file {
            whole = open_whole(&second, &geometry)?;
        }
        let (file, part, here) = match whole {
            Some(file) => (Arc::new(file), None, Bitfield::full(&geometry)),
            None if peer.has_file => {
                return Err(FilesError::NoFile { id: peer.id, first: target, second });
            }
            None => {
                let (part, here) = Part::open(&target, geometry)?;
                (part.shared(), Some(part), here)
            }
        };
        Ok((Self { geometry, target, file, part }, here))
    }

    /// Returns how the content is cut into pieces.
    pub(super) const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Says whether all of it is here and in its place.
    pub(super) const fn is_whole(&self) -> bool {
        self.part.is_none()
    }

    /// Returns the file for those who read what is here.
    pub(super) fn shared(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Returns where the file is once it is whole.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Stores a piece, given in parts.
    pub(super) fn store(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        crate::storage::write_parts_at(&self.file, parts, self.geometry.piece_offset(piece))
    }

    /// Notes which pieces are here, so that they still are after a crash.
    pub(super) fn note(&self, here: &Bitfield) -> io::Result<()> {
        self.part.as_ref().map_or(Ok(()), |part| part.note(here))
    }

    /// Puts a file of which all pieces are here in its place.
    pub(super) fn settle(&self) -> Result<(), FilesError> {
        self.part.as_ref().map_or(Ok(()), |part| part.settle(&self.target))
    }
}

/// Opens a file that is whole; nothing if there is none.
fn open_whole(path: &Path, geometry: &Geometry) -> Result<Option<File>, FilesError> {
    // What is no file, a pipe for one, must not hold us up.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(FilesError::at(path))?,
    };
    let metadata = file.metadata().map_err(FilesError::at(path))?;
    if !metadata.is_file() {
        return Err(FilesError::NotFile(path.to_owned()));
    }
    let (expected, got) = (geometry.size(), metadata.len());
    if got != expected {
        return Err(FilesError::WrongSize { path: path.to_owned(), expected, got });
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests;
