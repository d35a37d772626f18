//! Open folders, beneath which paths are resolved without following links.

use std::path::{Component, Path};

use super::FileIdentity;
pub(crate) use super::system::folders::{Folder, FolderEntries, FolderRef, private_folder_builder};

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// Read an existing file.
    Read,
    /// Read and write an existing file, unless it belongs to another user.
    Write,
    /// Create a file and the folders above it, if its name is not taken.
    New,
}

/// What exists at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathKind {
    Missing,
    File(FileIdentity),
    Folder,
    /// A link, a pipe, or a file where a folder should be.
    Other,
}

/// The type of an entry of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryType {
    File,
    Folder,
    Link,
    /// A pipe, a socket or a device.
    Special,
}

/// What is known about an entry of a folder without opening it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryStatus {
    pub(crate) entry_type: EntryType,
    /// The identity of a regular file.
    pub(crate) identity: Option<FileIdentity>,
    /// True for a file of another user that has several names. Its owner may not know of this one.
    pub(crate) is_foreign_link: bool,
}

/// Returns true if a relative path leads to something below its starting folder.
pub(crate) fn is_strictly_below(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_)))
}
