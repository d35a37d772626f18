//! Recognises a file, and one state of it.

use std::fs::{File, Metadata};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use super::system::files::file_id;

/// Identifies a file or folder on this machine as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    /// Device of the file.
    pub(crate) device: u64,
    /// Inode number on the device.
    pub(crate) inode: u64,
}

/// Returns true if both describe the same file.
pub(crate) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    matches!((file_id(one), file_id(other)), (Ok(one), Ok(other)) if one == other)
}

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
    pub(crate) fn from_file(file: &File) -> io::Result<Option<Self>> {
        super::system::files::file_identity(file)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn future_mtime_has_no_age() {
        let identity =
            FileIdentity { dev: 1, ino: 1, size: 0, mtime_ns: 5_000_000_000, ctime_ns: 4_000_000_000 };
        assert_eq!(identity.age(UNIX_EPOCH + Duration::from_secs(7)), Some(Duration::from_secs(2)));
        assert_eq!(identity.age(UNIX_EPOCH), None);
    }
}
