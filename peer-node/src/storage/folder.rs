use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use crate::storage;
use crate::storage::FileIdentity;

/// No link is followed on the way to something below a folder, and nothing leads out of it.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The mode of folders that are made: what the umask leaves of it.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// To be read, if it is there.
    Read,
    /// To be read and written, if it is there and belongs to no stranger.
    Write,
    /// To be made, with the folders above it, if nothing has its name.
    New,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathKind {
    Missing,
    File(FileIdentity),
    Folder,
    /// A link, a pipe, or a file where a folder should be.
    Other,
}

/// An open folder. Whatever lies below it is reached component by component and through no link, so that nothing that
/// happens to names meanwhile leads out of it.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder of the user's own, which may be behind a link.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a folder that is no link itself; those above it may be links.
    pub(crate) fn open_no_follow(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a folder below this one.
    pub(crate) fn open_child(&self, path: &Path) -> io::Result<Self> {
        if path.as_os_str().is_empty() {
            return Ok(Self(self.0.try_clone()?));
        }
        Ok(Self(self.open_below(path, OFlags::RDONLY | OFlags::DIRECTORY)?))
    }

    /// Opens a folder below this one and makes it, and those above it, if it is not there.
    pub(crate) fn create_child(&self, path: &Path) -> io::Result<Self> {
        match self.open_child(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.walk(path, Some(FOLDER_MODE)),
            opened => opened,
        }
    }

    /// Does the same with a folder that only its owner can use if it is made. One that belongs to a stranger is refused.
    pub(crate) fn create_private_child(&self, path: &Path) -> io::Result<Self> {
        let folder = match self.open_child(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.walk(path, Some(Mode::RWXU)),
            opened => opened,
        }?;
        self.check_owner(&folder.0)?;
        Ok(folder)
    }

    /// Returns what has this name.
    pub(crate) fn kind_of(&self, path: &Path) -> io::Result<PathKind> {
        match self.open_below(path, OFlags::PATH) {
            Ok(file) => Ok(match FileIdentity::from_file(&file)? {
                Some(identity) => PathKind::File(identity),
                None if is_folder(&file)? => PathKind::Folder,
                None => PathKind::Other,
            }),
            Err(Errno::NOENT) => Ok(PathKind::Missing),
            // Something is in the way that is no folder, or a link.
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(PathKind::Other),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a regular file below this folder.
    pub(crate) fn open_file(&self, path: &Path, open: OpenMode) -> io::Result<File> {
        // A pipe would never answer otherwise.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match open {
            OpenMode::Read => self.open_below(path, flags | OFlags::RDONLY)?,
            OpenMode::Write => {
                let file = self.open_below(path, flags | OFlags::RDWR)?;
                self.check_owner(&file)?;
                file
            }
            OpenMode::New => {
                let flags = flags | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
                let folder = self.create_child(parent(path))?;
                openat(&folder.0, file_name(path), flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o666))?
            }
        };
        if FileIdentity::from_file(&file)?.is_none() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file.into())
    }

    /// Opens a regular file below this folder for reading; `None` if what lies there is not one, or behind a link.
    pub(crate) fn open_regular(&self, path: &Path) -> io::Result<Option<(File, FileIdentity)>> {
        let file = match self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(file) => file,
            // A link; a socket or a device without a driver.
            Err(Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        Ok(FileIdentity::from_file(&file)?.map(|identity| (file.into(), identity)))
    }

    /// Opens a new file in this folder that has no name yet, where the file system can do that.
    pub(crate) fn open_unnamed(&self) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(openat(&self.0, ".", flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Links an open file under another name in this folder, without ever replacing anything.
    pub(crate) fn link_new(&self, file: &File, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::linkat(CWD, descriptor_path(file), &self.0, file_name(path), AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Returns a path by which this folder is reached as long as it is open, whatever happens to its names; nothing where the
    /// system has no `/proc`.
    pub(crate) fn descriptor_path(&self) -> Option<PathBuf> {
        Some(descriptor_path(&self.0)).filter(|path| path.exists())
    }

    /// Removes a file below this folder.
    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.open_child(parent(path))?.0, file_name(path), AtFlags::empty())?)
    }

    /// Renames a file within its own folder, unless the new name is taken.
    pub(crate) fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        let folder = self.open_child(parent(from))?;
        storage::rename_no_replace((&folder.0, file_name(from)), (&folder.0, file_name(to)))
    }

    /// Makes the names in this folder durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Makes everything on the file system of this folder durable.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }

    /// Returns how many bytes are free on the file system of this folder.
    pub(crate) fn free_space(&self) -> io::Result<u64> {
        let system = rustix::fs::fstatvfs(&self.0)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }

    /// Returns true if the folder is empty.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        let mut entries = rustix::fs::Dir::read_from(&self.0)?;
        Ok(entries.all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))))
    }

    /// Keeps other programs that ask for the same from working in this folder, as long as it is open; says whether nobody
    /// does.
    pub(crate) fn lock(&self) -> io::Result<bool> {
        storage::lock(&self.0)
    }

    /// Lets others in again.
    pub(crate) fn unlock(&self) {
        storage::unlock(&self.0);
    }

    /// Refuses what belongs to a user who could change it behind our back: neither us nor the system, nor who owns this folder and
    /// could replace everything in it anyway.
    fn check_owner(&self, opened: &OwnedFd) -> io::Result<()> {
        let owner = rustix::fs::fstat(opened)?.st_uid;
        let us = rustix::process::geteuid().as_raw();
        if owner == us || owner == 0 || owner == rustix::fs::fstat(&self.0)?.st_uid {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to another user, who could change what is in it",
        ))
    }

    /// Opens what is there, at once where the system can do that.
    fn open_below(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !is_strictly_below(path) {
            return Err(Errno::XDEV);
        }
        match openat2(&self.0, path, flags, Mode::empty(), BENEATH) {
            // No such call, forbidden by a sandbox, too much happens at the moment, or too long for one call.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::AGAIN | Errno::NAMETOOLONG) => {
                self.open_stepwise(path, flags)
            }
            opened => opened,
        }
    }

    /// Does the same component by component.
    fn open_stepwise(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let folder = self.walk(parent(path), None).map_err(|error| errno_of(&error))?;
        openat(&folder.0, file_name(path), flags, Mode::empty())
    }

    /// Opens a folder component by component, and makes those with a mode that are not there.
    fn walk(&self, path: &Path, make: Option<Mode>) -> io::Result<Self> {
        if !is_strictly_below(path) {
            return Err(Errno::XDEV.into());
        }
        let mut at = Self(self.0.try_clone()?);
        for component in path.components() {
            let name = component.as_os_str();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = |at: &Self| openat(&at.0, name, flags, Mode::empty());
            let below = match (open(&at), make) {
                (Err(Errno::NOENT), Some(mode)) => match rustix::fs::mkdirat(&at.0, name, mode) {
                    Ok(()) | Err(Errno::EXIST) => open(&at),
                    Err(error) => Err(error),
                },
                (opened, _) => opened,
            };
            at = Self(below?);
        }
        Ok(at)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Returns the path of an open file or folder that need not have any other; nothing is there where the system has no `/proc`.
pub(crate) fn descriptor_path(file: &impl AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Returns true if a path leads from a folder to something below it.
pub(crate) fn is_strictly_below(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_)))
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn is_folder(file: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode) == FileType::Directory)
}

fn file_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

#[cfg(test)]
mod tests;
