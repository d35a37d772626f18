use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::platform::with_mode;

/// Number of the next file of this process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// A temporary file that is renamed once it is complete. Its name cannot be that of a chunk, and is unique even among other
/// processes that fetch the same chunk into the same folder. Dropping it removes the file if it was not renamed.
#[derive(Debug)]
pub(super) struct TempFile(PathBuf);

impl TempFile {
    /// Chooses a temporary name in a folder for a file that will be named `name`.
    pub(super) fn new_in(folder: &Path, name: &OsStr) -> Self {
        let mut hidden = OsStr::new(".").to_owned();
        hidden.push(name);
        hidden.push(format!(".{}-{}.new", process::id(), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)));
        Self(folder.join(hidden))
    }

    /// Creates the file, replacing one that an earlier process with the same id left behind.
    pub(super) fn create(&self) -> io::Result<File> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        with_mode(OpenOptions::new().write(true).create_new(true), 0o644).open(&self.0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Usually the file has been renamed by now.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn concurrent_temp_files_are_separate_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let at = || TempFile::new_in(home.path(), OsStr::new("forest_1"));
        let (one, other) = (at(), at());
        one.create().unwrap().write_all(b"complete").unwrap();
        other.create().unwrap().write_all(b"part").unwrap();
        assert_eq!(fs::read(one.path()).unwrap(), b"complete");
        fs::rename(one.path(), home.path().join("forest_1")).unwrap();
        drop((one, other));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
