use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat, openat2};
use rustix::io::Errno;

use super::super::{FileId, FileIdentity, OpenMode, PathKind, file_id, is_strictly_below};
use super::files::{descriptor_path, file_identity};
use super::names::rename_between;
use super::space::free_space_around;
use crate::platform;

mod entries;
mod owner;

pub(crate) use entries::{FolderEntries, FolderRef};
pub(crate) use owner::private_folder_builder;

/// Resolution below a folder: follows no links and never leaves the folder.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The mode of created folders, before the umask.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// An open folder. Paths below it are resolved component by component without following links, so that concurrent renames
/// cannot lead out of it.
#[derive(Debug)]
pub(crate) struct Folder(File);

impl Folder {
    /// Opens a folder of the user's own. Its path may contain links.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?.into()))
    }

    /// Opens a folder that is not a link itself; its parents may be links.
    pub(crate) fn open_no_follow(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?.into()))
    }

    /// Opens a folder below this one.
    pub(crate) fn open_child(&self, path: &Path) -> io::Result<Self> {
        if path.as_os_str().is_empty() {
            return Ok(Self(self.0.try_clone()?));
        }
        Ok(Self(self.open_below(path, OFlags::RDONLY | OFlags::DIRECTORY)?.into()))
    }

    /// Opens a folder below this one. Creates it and its parents if they are missing.
    pub(crate) fn create_child(&self, path: &Path) -> io::Result<Self> {
        match self.open_child(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.walk(path, Some(FOLDER_MODE)),
            opened => opened,
        }
    }

    /// Like [`Folder::create_child`], but creates folders that only the owner can use. Refuses a folder of another user.
    pub(crate) fn create_private_child(&self, path: &Path) -> io::Result<Self> {
        let folder = match self.open_child(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.walk(path, Some(Mode::RWXU)),
            opened => opened,
        }?;
        self.check_owner(&folder.0)?;
        Ok(folder)
    }

    /// Returns what exists at a path below this folder.
    pub(crate) fn kind_of(&self, path: &Path) -> io::Result<PathKind> {
        match self.open_below(path, OFlags::PATH) {
            Ok(file) => Ok(match file_identity(&file)? {
                Some(identity) => PathKind::File(identity),
                None if is_folder(&file)? => PathKind::Folder,
                None => PathKind::Other,
            }),
            Err(Errno::NOENT) => Ok(PathKind::Missing),
            // The path contains a link, or something that is not a folder.
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(PathKind::Other),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a regular file below this folder.
    pub(crate) fn open_file(&self, path: &Path, open: OpenMode) -> io::Result<File> {
        // Without NONBLOCK, opening a pipe would block.
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
        if file_identity(&file)?.is_none() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(file.into())
    }

    /// Opens a regular file below this folder for reading. Returns `None` for other file types and for paths that contain a link.
    pub(crate) fn open_regular(&self, path: &Path) -> io::Result<Option<(File, FileIdentity)>> {
        let file = match self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(file) => file,
            // A link, a socket, or a device without a driver.
            Err(Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        Ok(file_identity(&file)?.map(|identity| (file.into(), identity)))
    }

    /// Creates a file without a name in this folder, if the file system supports it.
    pub(crate) fn open_unnamed(&self) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(openat(&self.0, ".", flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Hard-links an open file under another name in this folder. Never replaces an existing file.
    pub(crate) fn link_new(&self, file: &File, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::linkat(CWD, descriptor_path(file), &self.0, file_name(path), AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Returns a path that leads to this folder as long as it is open, even if it is renamed. Returns `None` on systems without
    /// `/proc`.
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
        rename_between((&folder.0, file_name(from)), (&folder.0, file_name(to)))
    }

    /// Moves a file of this folder to another name in an open folder, unless that name is taken.
    pub(crate) fn move_file(&self, name: &Path, (to_folder, to): (&Self, &Path)) -> io::Result<()> {
        rename_between((&self.0, name), (&to_folder.0, to))
    }

    /// Makes the names in this folder durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    /// Makes everything on the file system of this folder durable.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }

    /// Returns the number of free bytes on the file system of this folder.
    pub(crate) fn free_space(&self) -> io::Result<u64> {
        free_space_around(&self.0)
    }

    /// Returns what identifies the folder.
    pub(crate) fn id(&self) -> io::Result<FileId> {
        file_id(&self.0.metadata()?)
    }

    /// Returns the device of the folder and, if the kernel reports it, the mount. A rename between folders fails if they differ.
    pub(crate) fn file_system_id(&self) -> io::Result<(u64, u64)> {
        match rustix::fs::statx(&self.0, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID) {
            Ok(found) => {
                let device = (u64::from(found.stx_dev_major) << 32) | u64::from(found.stx_dev_minor);
                Ok((device, found.stx_mnt_id))
            }
            Err(Errno::NOSYS) => Ok((self.id()?.device, 0)),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns true if the folder is empty.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        let mut entries = rustix::fs::Dir::read_from(&self.0)?;
        Ok(entries.all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))))
    }

    /// Locks the folder against other programs that lock it, until it is closed. Returns false if another program holds the
    /// lock.
    pub(crate) fn lock(&self) -> io::Result<bool> {
        platform::lock(&self.0)
    }

    /// Releases the lock.
    pub(crate) fn unlock(&self) {
        platform::unlock(&self.0);
    }

    /// Opens a path below this folder, in one system call where possible.
    fn open_below(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !is_strictly_below(path) {
            return Err(Errno::XDEV);
        }
        match openat2(&self.0, path, flags, Mode::empty(), BENEATH) {
            // No such call, forbidden by a sandbox, a concurrent rename, or a path too long for one call.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::AGAIN | Errno::NAMETOOLONG) => {
                self.open_stepwise(path, flags)
            }
            opened => opened,
        }
    }

    /// Opens a path component by component.
    fn open_stepwise(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let folder = self.walk(parent(path), None).map_err(|error| errno_of(&error))?;
        openat(&folder.0, file_name(path), flags, Mode::empty())
    }

    /// Opens a folder component by component. Creates missing ones with the mode `make`, if there is one.
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
            at = Self(below?.into());
        }
        Ok(at)
    }
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
