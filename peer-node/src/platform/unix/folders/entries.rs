use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat};

use super::super::super::{EntryStatus, EntryType};
use super::super::files::identity_from_stat;
use super::Folder;

/// An open folder whose entries are examined one by one, by name. No link is followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FolderRef<'a>(BorrowedFd<'a>);

/// An open folder whose names are being read.
#[derive(Debug)]
pub(crate) struct FolderEntries(Dir);

impl Folder {
    /// Returns a reference through which the folder's entries are examined.
    pub(crate) fn as_folder_ref(&self) -> FolderRef<'_> {
        FolderRef(self.0.as_fd())
    }

    /// Starts to read the names in the folder.
    pub(crate) fn into_entries(self) -> io::Result<FolderEntries> {
        Ok(FolderEntries(Dir::new(self.0)?))
    }
}

impl FolderEntries {
    /// Returns the next name, in no particular order, or `None` at the end. `.` and `..` are among the names.
    pub(crate) fn next_name(&mut self) -> Option<io::Result<OsString>> {
        let entry = self.0.read()?;
        let name = entry.map(|entry| OsString::from_vec(entry.file_name().to_bytes().to_vec()));
        Some(name.map_err(io::Error::from))
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> io::Result<FolderRef<'_>> {
        Ok(FolderRef(self.0.fd()?))
    }
}

impl FolderRef<'_> {
    /// Returns what is known about an entry without opening it.
    pub(crate) fn status_of(self, name: &OsStr) -> io::Result<EntryStatus> {
        let stat = rustix::fs::statat(self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let entry_type = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryType::File,
            FileType::Directory => EntryType::Folder,
            FileType::Symlink => EntryType::Link,
            _ => EntryType::Special,
        };
        let is_linked = stat.st_nlink > 1 && entry_type == EntryType::File;
        Ok(EntryStatus {
            entry_type,
            identity: identity_from_stat(&stat),
            is_foreign_link: is_linked && stat.st_uid != rustix::process::geteuid().as_raw(),
        })
    }

    /// Opens a folder in this folder.
    pub(crate) fn open_folder(self, name: &OsStr) -> io::Result<Folder> {
        let flags =
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(Folder(openat(self.0, name, flags, Mode::empty())?.into()))
    }

    /// Opens an entry of this folder for reading, whatever it is, and never waits for the other end of a pipe.
    pub(crate) fn open_entry(self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(self.0, name, flags, Mode::empty())?.into())
    }
}
