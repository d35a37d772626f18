use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use protocol::limits::MAX_FILE_SIZE;
use protocol::share_path::SharePath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::super::report::SkipReason;
use super::super::shares::{is_hidden, is_unfinished};
use crate::storage::FileIdentity;

/// The network path of a folder that contains an entry.
#[derive(Clone)]
pub(super) enum NetworkParent {
    /// The entry is a registered place with this name on the network.
    Registered(SharePath),
    Folder(SharePath),
}

impl NetworkParent {
    /// Returns the number of components of the network path.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Registered(_) => 0,
            Self::Folder(path) => path.components().count(),
        }
    }
}

/// Returns the kind of an entry and its network path.
pub(super) fn classify(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    parent: Option<&NetworkParent>,
) -> Result<(Stat, SharePath), SkipReason> {
    if is_hidden(name) && !matches!(parent, Some(NetworkParent::Registered(_))) {
        return Err(SkipReason::Hidden);
    }
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(errno_reason)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => Ok((stat, child_path(parent, name)?)),
        FileType::Symlink => Err(SkipReason::Link),
        _ => Err(SkipReason::Special),
    }
}

/// Returns the identity of a regular file if it may be shared.
pub(super) fn check_file(stat: &Stat, name: &OsStr) -> Result<FileIdentity, SkipReason> {
    if is_unfinished(name) {
        return Err(SkipReason::Unfinished);
    }
    if stat.st_nlink > 1 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(SkipReason::ForeignLink);
    }
    let identity = FileIdentity::from_stat(stat).ok_or(SkipReason::Special)?;
    if identity.size > MAX_FILE_SIZE { Err(SkipReason::OverLimit) } else { Ok(identity) }
}

/// Appends a name to a network path.
pub(super) fn child_path(parent: Option<&NetworkParent>, name: &OsStr) -> Result<SharePath, SkipReason> {
    let folder = match parent {
        Some(NetworkParent::Registered(path)) => return Ok(path.clone()),
        Some(NetworkParent::Folder(path)) => Some(path),
        None => None,
    };
    let name = std::str::from_utf8(name.as_bytes()).map_err(|_| SkipReason::NotUtf8)?;
    let text = folder.map_or_else(|| name.to_owned(), |folder| format!("{}/{name}", folder.as_str()));
    SharePath::try_from(text).map_err(SkipReason::BadName)
}

/// Opens a folder without following a link.
pub(super) fn open_folder(at: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Returns why an entry is skipped after a system call failed.
pub(super) fn errno_reason(errno: Errno) -> SkipReason {
    match errno {
        Errno::LOOP => SkipReason::Link,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => SkipReason::SystemLimit,
        errno => SkipReason::Unreadable(std::io::Error::from(errno).kind()),
    }
}
