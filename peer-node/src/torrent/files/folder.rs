use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::library::FileIdentity;
use crate::storage;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// To be read, if it is there.
    Read,
    /// To be read and written, if it is there.
    Write,
    /// To be made, with the folders above it, if nothing has its name.
    New,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    File(FileIdentity),
    Folder,
    /// A link, a pipe, or a file where a folder should be.
    Other,
}

/// An open folder. Whatever lies below it is reached component by component and through no link, so that nothing that
/// happens to names meanwhile leads out of it.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder of the user's own, which may be behind a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a folder below this one.
    pub(super) fn child(&self, path: &Path) -> io::Result<Self> {
        self.walk(path, false)
    }

    /// Opens a folder below this one and makes it, and those above it, if it is not there.
    pub(super) fn make_child(&self, path: &Path) -> io::Result<Self> {
        self.walk(path, true)
    }

    /// Says what has a name.
    pub(super) fn look(&self, path: &Path) -> io::Result<Found> {
        let looked = self.parent(path, false).and_then(|folder| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(&folder.0, name(path), flags, Mode::empty())?)
        });
        match looked {
            Ok(file) => Ok(match FileIdentity::of_file(&file)? {
                Some(identity) => Found::File(identity),
                None if is_folder(&file)? => Found::Folder,
                None => Found::Other,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) if is_obstacle(&error) => Ok(Found::Other),
            Err(error) => Err(error),
        }
    }

    /// Opens a regular file below this folder.
    pub(super) fn open_file(&self, path: &Path, open: Open) -> io::Result<File> {
        // A pipe would never answer otherwise.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let flags = flags
            | match open {
                Open::Read => OFlags::RDONLY,
                Open::Write => OFlags::RDWR,
                Open::New => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            };
        let folder = self.parent(path, open == Open::New)?;
        let file = rustix::fs::openat(&folder.0, name(path), flags, Mode::from_raw_mode(0o666))?;
        if FileIdentity::of_file(&file)?.is_none() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file.into())
    }

    /// Removes a file below this folder.
    pub(super) fn remove_file(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.parent(path, false)?.0, name(path), AtFlags::empty())?)
    }

    /// Gives a file another name in its own folder, unless something has that.
    pub(super) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let folder = self.parent(from, false)?;
        storage::rename_new((&folder.0, name(from)), (&folder.0, name(to)))
    }

    /// Makes the names in this folder durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Makes everything on the file system of this folder durable.
    pub(super) fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }

    /// Returns how many bytes are free on the file system of this folder.
    pub(super) fn free(&self) -> io::Result<u64> {
        let system = rustix::fs::fstatvfs(&self.0)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }

    /// Says whether nothing at all is in it.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        let mut entries = rustix::fs::Dir::read_from(&self.0)?;
        Ok(entries.all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))))
    }

    /// Keeps other programs that ask for the same from working in this folder, as long as it is open; says whether nobody
    /// does.
    pub(super) fn lock(&self) -> io::Result<bool> {
        storage::lock(&self.0)
    }

    /// Lets others in again.
    pub(super) fn unlock(&self) {
        storage::unlock(&self.0);
    }

    fn parent(&self, path: &Path, make: bool) -> io::Result<Self> {
        self.walk(path.parent().unwrap_or(Path::new("")), make)
    }

    fn walk(&self, path: &Path, make: bool) -> io::Result<Self> {
        let mut at = Self(self.0.try_clone()?);
        for component in path.components() {
            let Component::Normal(name) = component else {
                return Err(io::Error::other("a path leads out of its folder"));
            };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = |at: &Self| rustix::fs::openat(&at.0, name, flags, Mode::empty());
            let below = match open(&at) {
                Err(Errno::NOENT) if make => {
                    match rustix::fs::mkdirat(&at.0, name, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => open(&at),
                        Err(error) => Err(error),
                    }
                }
                opened => opened,
            };
            at = Self(below?);
        }
        Ok(at)
    }
}

/// Says whether something is in the way that is no folder, or a link.
fn is_obstacle(error: &io::Error) -> bool {
    [Errno::NOTDIR, Errno::LOOP].contains(&Errno::from_io_error(error).unwrap_or(Errno::IO))
}

fn is_folder(file: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode) == FileType::Directory)
}

fn name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_is_followed_and_no_path_leads_out() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("x"), "theirs").unwrap();
        symlink(outside.path(), root.path().join("link")).unwrap();
        symlink(outside.path().join("x"), root.path().join("x")).unwrap();
        let folder = Folder::open(root.path()).unwrap();
        for path in ["link/x", "x", "../x", "/etc/passwd", "link/new/y"] {
            let path = Path::new(path);
            for open in [Open::Read, Open::Write, Open::New] {
                assert!(folder.open_file(path, open).is_err(), "{path:?} {open:?}");
            }
            assert!(folder.make_child(&path.join("below")).is_err(), "{path:?}");
        }
        assert_eq!(folder.look(Path::new("link/x")).unwrap(), Found::Other);
        assert_eq!(folder.look(Path::new("link")).unwrap(), Found::Other);
        assert_eq!(folder.look(Path::new("no/such")).unwrap(), Found::Nothing);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read(outside.path().join("x")).unwrap(), b"theirs");
    }

    #[test]
    fn files_are_made_with_their_folders_and_never_twice() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        assert!(folder.is_empty().unwrap());
        let path = Path::new("a/b/c");
        assert!(folder.open_file(path, Open::Write).is_err());
        folder.open_file(path, Open::New).unwrap();
        assert!(matches!(folder.look(path).unwrap(), Found::File(_)));
        assert_eq!(folder.look(Path::new("a/b")).unwrap(), Found::Folder);
        assert_eq!(folder.open_file(path, Open::New).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!folder.is_empty().unwrap());
    }

    #[test]
    fn a_locked_folder_is_locked_for_others_until_it_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (Folder::open(root.path()).unwrap(), Folder::open(root.path()).unwrap());
        assert!(one.lock().unwrap() && one.lock().unwrap() && !other.lock().unwrap());
        drop(one);
        assert!(other.lock().unwrap());
    }
}
