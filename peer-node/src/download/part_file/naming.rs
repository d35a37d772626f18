//! How a part file that is whole comes to its name.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD};

use super::{PartFile, open_nameless};
use crate::download::part_folders::{PartFolders, PartPaths};
use crate::download::reservations::Reserved;
use crate::storage::rename_new;

impl PartFile {
    /// Makes the bytes durable and gives the file the reserved name, or the next free one if something has taken it; the name
    /// is not durable yet.
    pub(in crate::download) fn name(self, mut reserved: Reserved) -> io::Result<NamedFile> {
        self.file.sync_all()?;
        loop {
            let named = match &self.named {
                Some(part) => rename_new((CWD, &part.paths.part), (CWD, reserved.name())),
                None => link_new(&self.file, reserved.name()),
            };
            // Quotas of folders, for one, are borders within a file system.
            let named = match named {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    self.copy_to(reserved.name(), error)
                }
                named => named,
            };
            match named {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    reserved.renew().map_err(io::Error::other)?;
                }
                Err(error) => return Err(error),
            }
        }
        let location = reserved.name().to_owned();
        Ok(NamedFile { location, part: self.named.map(|named| (named.folders, named.paths)) })
    }

    /// Copies the file to where it cannot be moved; fails with `error` if that is not possible without a file under another
    /// name.
    fn copy_to(&self, target: &Path, error: io::Error) -> io::Result<()> {
        let copy = open_nameless(target).ok_or(error)?;
        io::copy(&mut File::open(self.path())?, &mut &copy)?;
        let found = self.file.metadata()?;
        copy.set_permissions(found.permissions())?;
        copy.set_modified(found.modified()?)?;
        copy.sync_all()?;
        link_new(&copy, target)
    }
}

/// A file that has its name, which still has to be made durable by a sync of its folder.
#[derive(Debug)]
pub(in crate::download) struct NamedFile {
    location: PathBuf,
    /// Where its part was, if that had a name.
    part: Option<(PartFolders, PartPaths)>,
}

impl NamedFile {
    /// Returns the folder that is to be synced.
    pub(in crate::download) fn folder(&self) -> &Path {
        self.location.parent().unwrap_or(Path::new("."))
    }

    /// Ends the download, whose name is durable now. Returns where the file lies.
    pub(in crate::download) fn settled(self) -> PathBuf {
        if let Some((folders, paths)) = &self.part {
            paths.remove();
            folders.leave(paths);
        }
        self.location
    }
}

/// Gives a file that has no name its first one, without ever replacing anything.
fn link_new(file: &File, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, descriptor(file), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}

/// Returns the path of an open file that has no other; nothing is there where the system has no `/proc`.
pub(super) fn descriptor(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
