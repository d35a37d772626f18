//! Opens files that must be regular ones: something else in the place of one gives an error at once, while a pipe would keep whoever
//! opens it waiting for somebody at its other end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Opens a file as `options` say, if it is a regular one.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match options.custom_flags(flags.bits().cast_signed()).open(path) {
        // A socket, or a pipe to write to that nobody reads.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => return Err(not_regular()),
        opened => opened?,
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Reads the first bytes of a regular file, at most `most`.
pub(crate) fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path, OpenOptions::new().read(true))?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Fails if something in a folder is neither a regular file nor a folder, or cannot be looked at.
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
