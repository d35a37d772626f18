//! Opens files that must be regular: anything else is an immediate error, whereas opening a pipe would block until its other
//! end is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::platform::open_without_waiting;

/// Opens a regular file with `options`.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_without_waiting(path, options)?.ok_or_else(not_regular)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Reads up to `limit` bytes from the start of a regular file.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path, OpenOptions::new().read(true))?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Fails if a folder contains anything but regular files and folders, or an entry that cannot be inspected.
pub(crate) fn check_folder(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = fs::metadata(entry.path())?.file_type();
        if !kind.is_file() && !kind.is_dir() {
            let what = format!("{} is neither a file nor a folder", entry.path().display());
            return Err(io::Error::other(what));
        }
    }
    Ok(())
}

fn not_regular() -> io::Error {
    io::Error::other("not a regular file")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn only_regular_files_open_and_never_block() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "content").unwrap();
        fs::create_dir(at("folder")).unwrap();
        assert_eq!(read_regular(&at("file"), 3).unwrap(), b"con");
        check_folder(folder.path()).unwrap();
        mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        for other in ["pipe", "socket", "folder", "link"].map(at) {
            assert!(read_regular(&other, 9).is_err(), "{other:?}");
            for options in [OpenOptions::new().write(true), OpenOptions::new().append(true).create(true)] {
                assert!(open_regular(&other, options).is_err(), "{other:?}");
            }
        }
        let error = check_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("neither a file nor a folder"), "{error}");
    }
}
