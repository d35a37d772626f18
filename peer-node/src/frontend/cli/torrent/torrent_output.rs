//! Writes a created torrent to its destination.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use protocol::escape::display_safe;

use super::create::CreateOptions;
use crate::storage::rename_no_replace;

/// Why a created torrent cannot be written.
#[derive(Debug, thiserror::Error)]
pub(in crate::frontend::cli) enum TorrentWriteError {
    /// The path exists.
    #[error("{} already exists; choose another path with --output, or replace it with --force", display_safe(&path.to_string_lossy()))]
    Exists {
        /// The destination.
        path: PathBuf,
    },
    /// The content has no name.
    #[error("the torrent has no name; choose one with --output FILE")]
    NoName,
    /// Writing failed.
    #[error("cannot write {}: {error}", display_safe(&path.to_string_lossy()))]
    Failed {
        /// The destination.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

/// Returns the destination of the torrent: as the options say, otherwise in the working folder, named after the content.
pub(super) fn output_path(options: &CreateOptions) -> Result<PathBuf, TorrentWriteError> {
    if let Some(output) = options.output.as_ref().filter(|output| !output.is_dir()) {
        return Ok(output.clone());
    }
    let mut name = if let Some(name) = &options.name {
        name.replace('/', "_").into()
    } else {
        // A missing path is reported when it is read.
        let path = options.path.canonicalize().unwrap_or_else(|_| options.path.clone());
        path.file_name().ok_or(TorrentWriteError::NoName)?.to_owned()
    };
    name.push(".torrent");
    Ok(options.output.clone().unwrap_or_default().join(name))
}

/// Refuses a path that exists.
pub(super) fn check_absent(path: &Path) -> Result<(), TorrentWriteError> {
    match path.symlink_metadata() {
        Ok(_) => Err(TorrentWriteError::Exists { path: path.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// Writes a torrent atomically; replaces an existing file only if `replace` is set.
pub(super) fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<(), TorrentWriteError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", process::id()));
    let temporary = PathBuf::from(temporary);
    let written = write_new(&temporary, bytes).and_then(|()| {
        if replace { fs::rename(&temporary, path) } else { rename_no_replace(&temporary, path) }
    });
    written.map_err(|error| {
        // The error of the write matters, not that of the clean-up.
        let _ = fs::remove_file(&temporary);
        match error.kind() {
            io::ErrorKind::AlreadyExists => TorrentWriteError::Exists { path: path.to_owned() },
            _ => TorrentWriteError::Failed { path: path.to_owned(), error },
        }
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_file_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.torrent");
        write(&path, b"one", false).unwrap();
        assert!(matches!(write(&path, b"two", false), Err(TorrentWriteError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(matches!(check_absent(&path), Err(TorrentWriteError::Exists { .. })));
        let nowhere = folder.path().join("none/a.torrent");
        assert!(matches!(write(&nowhere, b"", true), Err(TorrentWriteError::Failed { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
