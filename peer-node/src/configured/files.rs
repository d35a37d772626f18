//! Where the file of a peer lies: whole, or in parts. Everything here waits for the disk and belongs on a blocking thread.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::configured::ListedPeer;
use protocol::geometry::{Geometry, PieceIndex};
use rustix::fs::{CWD, OFlags};

use super::part::{Part, with_suffix};
use super::plan::Plan;
use super::receipt::Receipt;
use crate::storage::rename_new;

/// So many files that were found in the place of the content may lie beside it.
const MOST_UNVERIFIED: u32 = 1000;

/// The content of a peer on disk.
#[derive(Debug)]
pub(crate) struct Files {
    geometry: Geometry,
    target: PathBuf,
    file: Arc<File>,
    /// What it lacks, if it lacks anything.
    part: Option<Part>,
}

/// The content of a peer as it was found.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) files: Files,
    /// The pieces that are here.
    pub(crate) here: Bitfield,
    /// Where a file was moved that stood in the place of the content and was not received by this program.
    pub(crate) unverified: Option<PathBuf>,
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
    /// Too many others have been there before.
    #[error(
        "{} is not known to be the group's file, and {MOST_UNVERIFIED} others were moved aside before: remove some of them",
        .0.display()
    )]
    ManyUnverified(PathBuf),
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
    /// Opens the content of a peer. Of one that does not have the file from the beginning only that counts which this program has
    /// recorded as received; any other file in its place is moved aside.
    pub(crate) fn open(plan: &Plan, peer: &ListedPeer) -> Result<Opened, FilesError> {
        let (geometry, name) = (plan.common.geometry, plan.common.file_name());
        let folder = plan.dir.join(format!("peer_{}", peer.id));
        fs::create_dir_all(&folder).map_err(FilesError::at(&folder))?;
        let target = folder.join(name);
        let (whole, unverified) = if peer.has_file {
            (Some(original(plan, peer, &target)?), None)
        } else {
            received(&target, &geometry)?
        };
        let (file, part, here) = if let Some(file) = whole {
            (Arc::new(file), None, Bitfield::full(&geometry))
        } else {
            let (part, here) = Part::open(&target, geometry)?;
            (part.shared(), Some(part), here)
        };
        Ok(Opened { files: Self { geometry, target, file, part }, here, unverified })
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

/// Opens the file of a peer that has it from the beginning.
fn original(plan: &Plan, peer: &ListedPeer, target: &Path) -> Result<File, FilesError> {
    let second = plan.dir.join(peer.id.to_string()).join(plan.common.file_name());
    for path in [target, &second] {
        let Some((file, metadata)) = open_regular(path)?.filter(|(_, metadata)| metadata.len() > 0) else {
            continue;
        };
        let (expected, got) = (plan.common.geometry.size(), metadata.len());
        if got != expected {
            return Err(FilesError::WrongSize { path: path.to_owned(), expected, got });
        }
        return Ok(file);
    }
    Err(FilesError::NoFile { id: peer.id, first: target.to_owned(), second })
}

/// Opens the file that an earlier run has received. Another one in its place is moved aside; then returns where it is now.
fn received(target: &Path, geometry: &Geometry) -> Result<(Option<File>, Option<PathBuf>), FilesError> {
    match open_regular(target)? {
        Some((file, metadata)) if metadata.len() == geometry.size() && Receipt::is_of(target, &metadata) => {
            return Ok((Some(file), None));
        }
        Some((_, metadata)) if metadata.len() == 0 => {
            fs::remove_file(target).map_err(FilesError::at(target))?;
        }
        Some(_) => return move_aside(target).map(|moved| (None, Some(moved))),
        // A link to nowhere is in the way as well.
        None if fs::symlink_metadata(target).is_ok() => {
            return move_aside(target).map(|moved| (None, Some(moved)));
        }
        None => {}
    }
    Receipt::remove(target);
    Ok((None, None))
}

/// Moves a file to a name beside it that nothing has, and returns that.
fn move_aside(target: &Path) -> Result<PathBuf, FilesError> {
    for number in 1..=MOST_UNVERIFIED {
        let aside = with_suffix(target, &format!(".unverified-{number}"));
        match rename_new((CWD, target), (CWD, &aside)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            moved => {
                moved.map_err(FilesError::at(target))?;
                Receipt::remove(target);
                return Ok(aside);
            }
        }
    }
    Err(FilesError::ManyUnverified(target.to_owned()))
}

/// Opens a regular file; nothing if there is none.
fn open_regular(path: &Path) -> Result<Option<(File, Metadata)>, FilesError> {
    // A pipe, for example, must not hold us up.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(FilesError::at(path))?,
    };
    let metadata = file.metadata().map_err(FilesError::at(path))?;
    if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(FilesError::NotFile(path.to_owned())) }
}

#[cfg(test)]
mod tests;
