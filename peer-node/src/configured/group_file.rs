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

use super::group_config::GroupConfig;
use super::part_file::{GroupPartFile, with_suffix};
use super::receipt::Receipt;
use crate::storage::rename_no_replace;

/// So many files that were found in the place of the content may lie beside it.
const MAX_UNVERIFIED: u32 = 1000;

/// The content of a peer on disk.
#[derive(Debug)]
pub(crate) struct GroupFile {
    geometry: Geometry,
    target: PathBuf,
    file: Arc<File>,
    /// What it lacks, if it lacks anything.
    part: Option<GroupPartFile>,
}

/// The content of a peer as it was found.
#[derive(Debug)]
pub(crate) struct OpenedGroupFile {
    pub(crate) file: GroupFile,
    /// The pieces that are here.
    pub(crate) have: Bitfield,
    /// Where a file was moved that stood in the place of the content and was not received by this program.
    pub(crate) unverified: Option<PathBuf>,
}

/// A content that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupFileError {
    /// Who should have the file does not.
    #[error("peer {id} has the file, says the list, but it is neither at {} nor at {}", first.display(), second.display())]
    NoFile {
        /// Who.
        id: protocol::configured::ConfiguredPeerId,
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
    NotAFile(PathBuf),
    /// Too many others have been there before.
    #[error(
        "{} is not known to be the group's file, and {MAX_UNVERIFIED} others were moved aside before: remove some of them",
        .0.display()
    )]
    TooManyUnverified(PathBuf),
    /// Another one works on it.
    #[error("another program works on {}", .0.display())]
    InUse(PathBuf),
    /// The disk is full.
    #[error("no room for {size} bytes at {}: {source}", path.display())]
    DiskFull {
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

impl GroupFileError {
    /// Says where it was that the system failed.
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

impl GroupFile {
    /// Opens the content of a peer. Of one that does not have the file from the beginning only that counts which this program has
    /// recorded as received; any other file in its place is moved aside.
    pub(crate) fn open(config: &GroupConfig, peer: &ListedPeer) -> Result<OpenedGroupFile, GroupFileError> {
        let (geometry, name) = (config.common.geometry, config.common.file_name());
        let folder = config.dir.join(format!("peer_{}", peer.id));
        fs::create_dir_all(&folder).map_err(GroupFileError::at(&folder))?;
        let target = folder.join(name);
        let (whole, unverified) = if peer.has_file {
            (Some(open_original(config, peer, &target)?), None)
        } else {
            open_received(&target, &geometry)?
        };
        let (file, part, here) = if let Some(file) = whole {
            (Arc::new(file), None, Bitfield::full(&geometry))
        } else {
            let (part, here) = GroupPartFile::open(&target, geometry)?;
            (part.file_handle(), Some(part), here)
        };
        Ok(OpenedGroupFile { file: Self { geometry, target, file, part }, have: here, unverified })
    }

    /// Returns how the content is cut into pieces.
    pub(super) const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Says whether all of it is here and in its place.
    pub(super) const fn is_complete(&self) -> bool {
        self.part.is_none()
    }

    /// Returns the file for those who read what is here.
    pub(super) fn file_handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Returns where the file is once it is whole.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Stores a piece, given in parts.
    pub(super) fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        crate::storage::write_parts_at(&self.file, parts, self.geometry.piece_offset(piece))
    }

    /// Notes which pieces are here, so that they still are after a crash.
    pub(super) fn record_pieces(&self, here: &Bitfield) -> io::Result<()> {
        self.part.as_ref().map_or(Ok(()), |part| part.record_pieces(here))
    }

    /// Puts a file of which all pieces are here in its place.
    pub(super) fn finalize(&self) -> Result<(), GroupFileError> {
        self.part.as_ref().map_or(Ok(()), |part| part.finalize(&self.target))
    }
}

/// Opens the file of a peer that has it from the beginning.
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

/// Opens the file that an earlier run has received. Another one in its place is moved aside; then returns where it is now.
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
fn move_aside(target: &Path) -> Result<PathBuf, GroupFileError> {
    for number in 1..=MAX_UNVERIFIED {
        let aside = with_suffix(target, &format!(".unverified-{number}"));
        match rename_no_replace((CWD, target), (CWD, &aside)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            moved => {
                moved.map_err(GroupFileError::at(target))?;
                Receipt::remove(target);
                return Ok(aside);
            }
        }
    }
    Err(GroupFileError::TooManyUnverified(target.to_owned()))
}

/// Opens a regular file; nothing if there is none.
fn open_regular(path: &Path) -> Result<Option<(File, Metadata)>, GroupFileError> {
    // A pipe, for example, must not hold us up.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
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
