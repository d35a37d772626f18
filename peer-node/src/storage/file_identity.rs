use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags, Stat};

/// Identifies one state of a file without reading its content.
///
/// A file with the same identity at two moments is assumed to have the same content. If a program rewrites a file and restores
/// its modification time, the change time still differs, because no program can set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileIdentity {
    /// Device of the file.
    pub dev: u64,
    /// Inode number on the device.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Change time in nanoseconds since 1970: the last change of content, name or permissions.
    pub ctime_ns: i64,
}

impl FileIdentity {
    /// Returns the identity of an open file; `None` if it is not a regular file.
    pub(crate) fn from_file(file: impl AsFd) -> io::Result<Option<Self>> {
        Ok(Self::from_stat(&rustix::fs::fstat(file)?))
    }

    /// Converts the result of `stat`; `None` if the file is not a regular file.
    pub(crate) fn from_stat(stat: &Stat) -> Option<Self> {
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        })
    }

    /// Returns true if this is a later state of the same file with the same bytes. Name and mode may differ.
    pub(crate) fn has_same_bytes(&self, earlier: &Self) -> bool {
        let known = |of: &Self| (of.dev, of.ino, of.size, of.mtime_ns);
        known(self) == known(earlier)
    }

    /// Returns the time since the file last changed; `None` if that is in the future.
    pub(crate) fn age(&self, now: SystemTime) -> Option<Duration> {
        let touched = u64::try_from(self.mtime_ns.max(self.ctime_ns)).unwrap_or(0);
        now.duration_since(UNIX_EPOCH + Duration::from_nanos(touched)).ok()
    }
}

fn nanoseconds(seconds: i64, rest: u64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add_unsigned(rest)
}

/// Opens a regular file for reading. Follows no link in the last component and never blocks on a pipe. Returns `None` if the
/// path is not a regular file.
pub(crate) fn open_regular(location: &Path) -> io::Result<Option<(File, FileIdentity)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(location, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A link; a socket or a device without a driver.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    Ok(FileIdentity::from_file(&file)?.map(|identity| (file, identity)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_open_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), b"content").unwrap();
        symlink(at("file"), at("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(open_regular(&at("file")).unwrap().unwrap().1.size, 7);
        for other in [at("link"), at("pipe"), at("socket"), folder.path().into(), "/dev/zero".into()] {
            assert!(open_regular(&other).unwrap().is_none(), "{other:?}");
        }
        assert_eq!(open_regular(&at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn rewrite_with_restored_mtime_changes_identity() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"one").unwrap();
        let (file, before) = open_regular(&path).unwrap().unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        // File system clocks tick slowly: rewrite until the change time differs.
        loop {
            fs::write(&path, b"two").unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            let (_, after) = open_regular(&path).unwrap().unwrap();
            assert_eq!(after.mtime_ns, before.mtime_ns);
            if after != before {
                break;
            }
        }
    }

    #[test]
    fn future_mtime_has_no_age() {
        let identity =
            FileIdentity { dev: 1, ino: 1, size: 0, mtime_ns: 5_000_000_000, ctime_ns: 4_000_000_000 };
        assert_eq!(identity.age(UNIX_EPOCH + Duration::from_secs(7)), Some(Duration::from_secs(2)));
        assert_eq!(identity.age(UNIX_EPOCH), None);
    }
}
