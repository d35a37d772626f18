use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

/// Renames a file without ever replacing another one.
pub(crate) fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    rename_between((CWD, from), (CWD, to))
}

/// Renames a file without ever replacing another one. Both names are relative to the folders given with them, or absolute.
pub(super) fn rename_between(
    (from_folder, from): (impl AsFd, &Path),
    (to_folder, to): (impl AsFd, &Path),
) -> io::Result<()> {
    match rustix::fs::renameat_with(&from_folder, from, &to_folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            // Not supported by the file system. A hard link does not replace files either.
            rustix::fs::linkat(&from_folder, from, &to_folder, to, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(&from_folder, from, AtFlags::empty())?)
        }
        renamed => Ok(renamed?),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Converts a path to bytes, without loss.
pub(crate) fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Converts bytes from [`path_to_bytes`] back.
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rename_does_not_replace_a_taken_name() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "1").unwrap();
        fs::write(&other, "2").unwrap();
        let taken = rename_no_replace(&one, &other).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&one).unwrap(), fs::read(&other).unwrap()), (b"1".to_vec(), b"2".to_vec()));
        fs::remove_file(&other).unwrap();
        rename_no_replace(&one, &other).unwrap();
        assert!(!one.exists() && other.exists());
    }
}
