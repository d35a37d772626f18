use std::ffi::OsStr;
use std::io;

use protocol::limits::MAX_FILE_SIZE;
use protocol::share_path::SharePath;

use super::super::report::SkipReason;
use super::super::shares::{is_hidden, is_unfinished};
use crate::platform::{
    EntryStatus, EntryType, FileIdentity, FolderRef, is_out_of_resources, is_unfollowed_link,
};

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
    folder: FolderRef<'_>,
    name: &OsStr,
    parent: Option<&NetworkParent>,
) -> Result<(EntryStatus, SharePath), SkipReason> {
    if is_hidden(name) && !matches!(parent, Some(NetworkParent::Registered(_))) {
        return Err(SkipReason::Hidden);
    }
    let status = folder.status_of(name).map_err(|error| error_reason(&error))?;
    match status.entry_type {
        EntryType::File | EntryType::Folder => Ok((status, child_path(parent, name)?)),
        EntryType::Link => Err(SkipReason::Link),
        EntryType::Special => Err(SkipReason::Special),
    }
}

/// Returns the identity of a regular file if it may be shared.
pub(super) fn check_file(status: &EntryStatus, name: &OsStr) -> Result<FileIdentity, SkipReason> {
    if is_unfinished(name) {
        return Err(SkipReason::Unfinished);
    }
    if status.is_foreign_link {
        return Err(SkipReason::ForeignLink);
    }
    let identity = status.identity.ok_or(SkipReason::Special)?;
    if identity.size > MAX_FILE_SIZE { Err(SkipReason::OverLimit) } else { Ok(identity) }
}

/// Appends a name to a network path.
pub(super) fn child_path(parent: Option<&NetworkParent>, name: &OsStr) -> Result<SharePath, SkipReason> {
    let folder = match parent {
        Some(NetworkParent::Registered(path)) => return Ok(path.clone()),
        Some(NetworkParent::Folder(path)) => Some(path),
        None => None,
    };
    let name = name.to_str().ok_or(SkipReason::NotUtf8)?;
    let text = folder.map_or_else(|| name.to_owned(), |folder| format!("{}/{name}", folder.as_str()));
    SharePath::try_from(text).map_err(SkipReason::BadName)
}

/// Returns why an entry is skipped after a system call failed.
pub(super) fn error_reason(error: &io::Error) -> SkipReason {
    if is_unfollowed_link(error) {
        SkipReason::Link
    } else if is_out_of_resources(error) {
        SkipReason::SystemLimit
    } else {
        SkipReason::Unreadable(error.kind())
    }
}
