//! Opens the program's own files, which must be regular files. Anything else fails at once; opening a pipe would block
//! until another process opens its other end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::platform::{
    FileIdentity, LinkPolicy, is_unfollowed_link, is_without_reader, open_nonblocking, with_mode,
};

/// Opens a file with `options`, if it is a regular file.
pub(crate) fn open_regular_file(
    path: &Path,
    options: &mut OpenOptions,
    links: LinkPolicy,
) -> io::Result<File> {
    let file = match open_nonblocking(path, options, links) {
        Err(error) if is_without_reader(&error) => return Err(not_regular()),
        opened => opened?,
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Reads a regular file, at most `most` bytes.
pub(crate) fn read_regular_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular_file(path, OpenOptions::new().read(true), LinkPolicy::Follow)?
        .take(most)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file for appending. Creates it if it is missing.
pub(crate) fn append_to_regular_file(path: &Path, mode: u32, links: LinkPolicy) -> io::Result<File> {
    let mut options = OpenOptions::new();
    open_regular_file(path, with_mode(options.append(true).create(true), mode), links)
}

/// Opens a regular file for reading. Follows no link in the last component and never blocks on a pipe. Returns `None` if the
/// path is not a regular file.
pub(crate) fn open_regular(location: &Path) -> io::Result<Option<(File, FileIdentity)>> {
    let file = match open_nonblocking(location, OpenOptions::new().read(true), LinkPolicy::Refuse) {
        Err(error) if is_unfollowed_link(&error) || is_without_reader(&error) => return Ok(None),
        opened => opened?,
    };
    Ok(FileIdentity::from_file(&file)?.map(|identity| (file, identity)))
}

/// Returns the error for anything but a regular file.
fn not_regular() -> io::Error {
    io::Error::other("not a regular file")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn only_regular_files_are_opened_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "content").unwrap();
        mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        assert_eq!(read_regular_file(&at("file"), 3).unwrap(), b"con");
        append_to_regular_file(&at("file"), 0o600, LinkPolicy::Refuse).unwrap();
        append_to_regular_file(&at("new"), 0o600, LinkPolicy::Follow).unwrap();
        let others = ["pipe", "socket", "folder", "link"].map(at);
        for other in others.into_iter().chain([PathBuf::from("/dev/zero")]) {
            assert!(read_regular_file(&other, 9).is_err(), "{other:?}");
            for links in [LinkPolicy::Follow, LinkPolicy::Refuse] {
                assert!(append_to_regular_file(&other, 0o600, links).is_err(), "{other:?}");
                let mut options = OpenOptions::new();
                let writing = open_regular_file(&other, options.write(true).truncate(true), links);
                assert!(writing.is_err(), "{other:?}");
            }
        }
    }

    #[test]
    fn links_are_refused_where_they_are_not_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        append_to_regular_file(&link, 0o600, LinkPolicy::Follow).unwrap();
        assert!(append_to_regular_file(&link, 0o600, LinkPolicy::Refuse).is_err());
    }

    #[test]
    fn only_regular_files_open_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), b"content").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
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
}
