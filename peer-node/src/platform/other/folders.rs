use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::super::{EntryStatus, FileId, FileIdentity, OpenMode, PathKind};
use super::unsupported;

/// An open folder. Nothing opens one here: the standard library cannot open paths beneath a folder.
#[derive(Debug)]
pub(crate) struct Folder(Infallible);

/// An open folder whose entries are examined one by one, by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FolderRef<'a>(Infallible, PhantomData<&'a Folder>);

/// An open folder whose names are being read.
#[derive(Debug)]
pub(crate) struct FolderEntries(Infallible);

impl Folder {
    /// Opens a folder: not supported here.
    pub(crate) fn open(_path: &Path) -> io::Result<Self> {
        Err(unsupported())
    }

    /// Opens a folder that is not a link itself: not supported here.
    pub(crate) fn open_no_follow(_path: &Path) -> io::Result<Self> {
        Err(unsupported())
    }

    /// Opens a folder below this one.
    pub(crate) const fn open_child(&self, _path: &Path) -> io::Result<Self> {
        match self.0 {}
    }

    /// Opens or creates a folder below this one.
    pub(crate) const fn create_child(&self, _path: &Path) -> io::Result<Self> {
        match self.0 {}
    }

    /// Opens or creates a folder that only the owner can use.
    pub(crate) const fn create_private_child(&self, _path: &Path) -> io::Result<Self> {
        match self.0 {}
    }

    /// Returns what exists at a path below this folder.
    pub(crate) const fn kind_of(&self, _path: &Path) -> io::Result<PathKind> {
        match self.0 {}
    }

    /// Opens a regular file below this folder.
    pub(crate) const fn open_file(&self, _path: &Path, _open: OpenMode) -> io::Result<File> {
        match self.0 {}
    }

    /// Opens a regular file below this folder for reading.
    pub(crate) const fn open_regular(&self, _path: &Path) -> io::Result<Option<(File, FileIdentity)>> {
        match self.0 {}
    }

    /// Creates a file without a name in this folder.
    pub(crate) const fn open_unnamed(&self) -> io::Result<File> {
        match self.0 {}
    }

    /// Opens a file of this folder that exists only to be locked.
    pub(crate) const fn open_lock_file(&self, _name: &str) -> io::Result<File> {
        match self.0 {}
    }

    /// Hard-links an open file under another name in this folder.
    pub(crate) const fn link_new(&self, _file: &File, _path: &Path) -> io::Result<()> {
        match self.0 {}
    }

    /// Returns a path that leads to this folder as long as it is open.
    pub(crate) const fn descriptor_path(&self) -> Option<PathBuf> {
        match self.0 {}
    }

    /// Removes a file below this folder.
    pub(crate) const fn remove_file(&self, _path: &Path) -> io::Result<()> {
        match self.0 {}
    }

    /// Renames a file within its own folder, unless the new name is taken.
    pub(crate) const fn rename_no_replace(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        match self.0 {}
    }

    /// Moves a file of this folder to another name in an open folder, unless that name is taken.
    pub(crate) const fn move_file(&self, _name: &Path, _to: (&Self, &Path)) -> io::Result<()> {
        match self.0 {}
    }

    /// Makes the names in this folder durable.
    pub(crate) const fn sync(&self) -> io::Result<()> {
        match self.0 {}
    }

    /// Makes everything on the file system of this folder durable.
    pub(crate) const fn sync_file_system(&self) -> io::Result<()> {
        match self.0 {}
    }

    /// Returns the number of free bytes on the file system of this folder.
    pub(crate) const fn free_space(&self) -> io::Result<u64> {
        match self.0 {}
    }

    /// Returns what identifies the folder.
    pub(crate) const fn id(&self) -> io::Result<FileId> {
        match self.0 {}
    }

    /// Returns what identifies the file system of the folder.
    pub(crate) const fn file_system_id(&self) -> io::Result<(u64, u64)> {
        match self.0 {}
    }

    /// Restricts the folder to its owner.
    pub(crate) const fn restrict_to_owner(&self) -> io::Result<()> {
        match self.0 {}
    }

    /// Returns the folder's permissions if other users can use it.
    pub(crate) const fn exposed_mode(&self) -> io::Result<Option<u32>> {
        match self.0 {}
    }

    /// Returns true if the folder is empty.
    pub(crate) const fn is_empty(&self) -> io::Result<bool> {
        match self.0 {}
    }

    /// Locks the folder against other programs that lock it.
    pub(crate) const fn lock(&self) -> io::Result<bool> {
        match self.0 {}
    }

    /// Releases the lock.
    pub(crate) const fn unlock(&self) {
        match self.0 {}
    }

    /// Returns a reference through which the folder's entries are examined.
    pub(crate) const fn as_folder_ref(&self) -> FolderRef<'_> {
        match self.0 {}
    }

    /// Starts to read the names in the folder.
    pub(crate) const fn into_entries(self) -> io::Result<FolderEntries> {
        match self.0 {}
    }
}

impl FolderEntries {
    /// Returns the next name.
    pub(crate) const fn next_name(&mut self) -> Option<io::Result<OsString>> {
        match self.0 {}
    }

    /// Returns the folder.
    pub(crate) const fn folder(&self) -> io::Result<FolderRef<'_>> {
        match self.0 {}
    }
}

impl FolderRef<'_> {
    /// Returns what is known about an entry without opening it.
    pub(crate) const fn status_of(self, _name: &OsStr) -> io::Result<EntryStatus> {
        match self.0 {}
    }

    /// Opens a folder in this folder.
    pub(crate) const fn open_folder(self, _name: &OsStr) -> io::Result<Folder> {
        match self.0 {}
    }

    /// Opens an entry of this folder for reading.
    pub(crate) const fn open_entry(self, _name: &str) -> io::Result<File> {
        match self.0 {}
    }
}

/// Returns a builder of folders. They have the permissions that their parents give to new folders.
pub(crate) fn private_folder_builder() -> DirBuilder {
    DirBuilder::new()
}
