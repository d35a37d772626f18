//! Puts a torrent that was made where it belongs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use protocol::escape::display_safe;
use rustix::fs::CWD;

use super::create::CreateOptions;
use crate::storage::rename_no_replace;

/// Why a torrent that was made is nowhere.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum TorrentWriteError {
    /// Something is there already.
    #[error("{} is there already: choose another place with --output, or replace it with --force", display_safe(&path.to_string_lossy()))]
    Exists {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is nothing to name it after.
    #[error("there is no name for the torrent: say one with --output FILE")]
    NoName,
    /// The disk does not take it.
    #[error("cannot write {}: {error}", display_safe(&path.to_string_lossy()))]
    Failed {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Returns where the torrent goes: where the options say, otherwise into the working folder, named after the content.
pub(super) fn output_path(options: &CreateOptions) -> Result<PathBuf, TorrentWriteError> {
    if let Some(output) = options.output.as_ref().filter(|output| !output.is_dir()) {
        return Ok(output.clone());
    }
    let mut name = if let Some(name) = &options.name {
        name.replace('/', "_").into()
    } else {
        // Of what is not there, whoever reads it will tell.
        let path = options.path.canonicalize().unwrap_or_else(|_| options.path.clone());
        path.file_name().ok_or(TorrentWriteError::NoName)?.to_owned()
    };
    name.push(".torrent");
    Ok(options.output.clone().unwrap_or_default().join(name))
}

/// Refuses a place where something is.
pub(super) fn check_absent(path: &Path) -> Result<(), TorrentWriteError> {
    match path.symlink_metadata() {
        Ok(_) => Err(TorrentWriteError::Exists { path: path.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// Writes a torrent: whole or not at all, and in the place of another only if `replace` says so.
pub(super) fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<(), TorrentWriteError> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.new", process::id()));
    let fresh = PathBuf::from(fresh);
    let written = write_new(&fresh, bytes).and_then(|()| {
        if replace { fs::rename(&fresh, path) } else { rename_no_replace((CWD, &fresh), (CWD, path)) }
    });
    written.map_err(|error| {
        // What matters is why it failed.
        let _ = fs::remove_file(&fresh);
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
