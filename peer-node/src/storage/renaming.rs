use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, RenameFlags};

/// Renames a file without ever replacing another one. Both names are relative to the folders given with them, or absolute.
pub(crate) fn rename_no_replace(
    (from_folder, from): (impl AsFd, &Path),
    (to_folder, to): (impl AsFd, &Path),
) -> io::Result<()> {
    match rustix::fs::renameat_with(&from_folder, from, &to_folder, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            // Not supported by the file system. A hard link does not replace files either.
            rustix::fs::linkat(&from_folder, from, &to_folder, to, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(&from_folder, from, AtFlags::empty())?)
        }
        renamed => Ok(renamed?),
    }
}

/// Removes a file, if it exists.
pub(crate) fn remove_if_exists(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file that is no longer needed. A failure is harmless and only logged.
pub(crate) fn remove_leftover(path: &Path) {
    if let Err(error) = remove_if_exists(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove a leftover file");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn rename_does_not_replace_a_taken_name() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "1").unwrap();
        fs::write(&other, "2").unwrap();
        let taken = rename_no_replace((CWD, &one), (CWD, &other)).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&one).unwrap(), fs::read(&other).unwrap()), (b"1".to_vec(), b"2".to_vec()));
        fs::remove_file(&other).unwrap();
        rename_no_replace((CWD, &one), (CWD, &other)).unwrap();
        assert!(!one.exists() && other.exists());
    }
}
