use std::io;
use std::path::Path;

use super::super::FileSystemType;

/// Returns the type of the file system that contains an existing path. The standard library does not report it, so it is assumed
/// to be the usual one, whose names all others store.
pub(crate) fn file_system_type(path: &Path) -> io::Result<FileSystemType> {
    path.symlink_metadata().map(|_| FileSystemType::Ntfs)
}

/// Returns true if the file system of a path is known to be mounted read-only.
pub(crate) const fn is_read_only_file_system(_path: &Path) -> bool {
    false
}
