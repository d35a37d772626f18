//! Opens the program's own files, which must be regular files. Anything else gives an error at once; opening a pipe would block
//! until another process opens its other end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Whether the path of a file may be a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkPolicy {
    Follow,
    Refuse,
}

/// Opens a file with `options`, if it is a regular file.
pub(crate) fn open_regular_file(
    path: &Path,
    options: &mut OpenOptions,
    links: LinkPolicy,
) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == LinkPolicy::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let file = match options.custom_flags(flags.bits().cast_signed()).open(path) {
        // A socket, or a pipe without a reader.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => return Err(not_regular()),
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
    open_regular_file(path, OpenOptions::new().append(true).create(true).mode(mode), links)
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
}
