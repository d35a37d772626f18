//! Reads a `.torrent` from the disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{Metainfo, MetainfoError};

use crate::storage::read_regular_file;

/// Why a `.torrent` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DotTorrentError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", display_safe(&path.to_string_lossy()))]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What it says cannot be.
    #[error("{}: {fault}", display_safe(&path.to_string_lossy()))]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: MetainfoError,
    },
}

/// Reads and judges a `.torrent`; `-` is what comes on stdin. Blocks.
pub fn read(path: &Path) -> Result<Metainfo, DotTorrentError> {
    let bytes = read_limited(path).map_err(|error| DotTorrentError::Read { path: path.to_owned(), error })?;
    Metainfo::parse(&bytes).map_err(|fault| DotTorrentError::Invalid { path: path.to_owned(), fault })
}

/// Reads and judges a `.torrent` that the program keeps. Blocks, but waits for nobody.
pub(crate) fn read_saved(path: &Path) -> Result<Metainfo, DotTorrentError> {
    let bytes = read_regular_file(path, MAX_TORRENT as u64 + 1);
    let bytes = bytes.map_err(|error| DotTorrentError::Read { path: path.to_owned(), error })?;
    Metainfo::parse(&bytes).map_err(|fault| DotTorrentError::Invalid { path: path.to_owned(), fault })
}

/// Reads no more than tells that a file is too long.
fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    source.take(MAX_TORRENT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad\n.torrent");
        fs::write(&path, "d4:infode").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("/bad\\n.torrent: not a torrent: the document breaks off at byte 9"),
            "{error}"
        );
        let error = read(&folder.path().join("none")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /") && error.contains("No such file"), "{error}");
        assert!(matches!(read(folder.path()), Err(DotTorrentError::Read { .. })));
    }
}
