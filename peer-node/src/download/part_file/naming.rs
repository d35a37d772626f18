//! How a part file that is whole comes to its name.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD};

use super::PartFile;
use crate::download::place;
use crate::storage::{remove_record, rename_new};

impl PartFile {
    /// Makes the bytes durable and gives the file its name, or the next free one; the name is not durable yet.
    pub(in crate::download) fn name(self) -> io::Result<Named> {
        self.file.sync_all()?;
        let mut place = self.place;
        loop {
            let named = if self.is_named {
                rename_new((CWD, &place.part), (CWD, &place.target))
            } else {
                link_new(&self.file, &place.target)
            };
            match named {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let root = place.target.parent().unwrap_or(Path::new("/")).to_owned();
                    let free = place::find(&root, &place.target, &self.digest).map_err(io::Error::other)?;
                    place.target = free.target;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Named { location: place.target, record: self.is_named.then_some(place.record) })
    }
}

/// A file that has its name, which still has to be made durable by a sync of its folder.
#[derive(Debug)]
pub(in crate::download) struct Named {
    location: PathBuf,
    record: Option<PathBuf>,
}

impl Named {
    /// Returns the folder that is to be synced.
    pub(in crate::download) fn folder(&self) -> &Path {
        self.location.parent().unwrap_or(Path::new("."))
    }

    /// Ends the download, whose name is durable now. Returns where the file lies.
    pub(in crate::download) fn settled(self) -> PathBuf {
        if let Some(record) = &self.record {
            remove_record(record);
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
