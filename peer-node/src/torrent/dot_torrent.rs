//! Reads `.torrent` files from disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{Metainfo, MetainfoError};

use crate::storage::read_regular_file;

/// Why a `.torrent` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DotTorrentError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", display_safe(&path.to_string_lossy()))]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        error: io::Error,
    },
    /// The content is no valid torrent.
    #[error("{}: {fault}", display_safe(&path.to_string_lossy()))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: MetainfoError,
    },
}

/// Reads and parses a `.torrent`; `-` is stdin. Blocks.
pub(crate) fn read(path: &Path) -> Result<Metainfo, DotTorrentError> {
    let bytes = read_limited(path).map_err(|error| DotTorrentError::Read { path: path.to_owned(), error })?;
    Metainfo::parse(&bytes).map_err(|fault| DotTorrentError::Invalid { path: path.to_owned(), fault })
}

/// Reads and parses a `.torrent` saved by the program; never waits for a pipe or device. Blocks.
pub(crate) fn read_saved(path: &Path) -> Result<Metainfo, DotTorrentError> {
    let bytes = read_regular_file(path, MAX_TORRENT as u64 + 1);
    let bytes = bytes.map_err(|error| DotTorrentError::Read { path: path.to_owned(), error })?;
    Metainfo::parse(&bytes).map_err(|fault| DotTorrentError::Invalid { path: path.to_owned(), fault })
}

/// Reads one byte more than the limit, so that the parser sees an overlong file as such.
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
            error.ends_with("/bad\\n.torrent: not a torrent: the document ends unexpectedly at byte 9"),
            "{error}"
        );
        let error = read(&folder.path().join("none")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /") && error.contains("No such file"), "{error}");
        assert!(matches!(read(folder.path()), Err(DotTorrentError::Read { .. })));
    }
}
