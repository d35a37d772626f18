use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many there were in this program.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The place of a file that is written until it is whole and then renamed. No chunk can have its name, and nobody else writes
/// there, not even another program that fetches the same chunk into the same folder. What lies there when it is dropped is
/// removed: it is of no use to anybody.
#[derive(Debug)]
pub(super) struct TempFile(PathBuf);

impl TempFile {
    /// Finds a place in a folder, for what is to have that name.
    pub(super) fn new_in(folder: &Path, name: &OsStr) -> Self {
        let mut hidden = OsStr::new(".").to_owned();
        hidden.push(name);
        hidden.push(format!(".{}-{}.new", process::id(), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)));
        Self(folder.join(hidden))
    }

    /// Makes the file, in the place of one that a program of the same number has left behind.
    pub(super) fn create(&self) -> io::Result<File> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o644).open(&self.0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Mostly it has its name by now.
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
        one.create().unwrap().write_all(b"whole").unwrap();
        other.create().unwrap().write_all(b"ha").unwrap();
        assert_eq!(fs::read(one.path()).unwrap(), b"whole");
        fs::rename(one.path(), home.path().join("forest_1")).unwrap();
        drop((one, other));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
