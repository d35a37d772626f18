use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::manifest::{Manifest, ManifestBuilder, ManifestError};
use rustix::fs::Advice;
use tokio_util::sync::CancellationToken;

use super::anchored_path::AnchoredPath;
use crate::storage::FileIdentity;

/// How much is read at once, in bytes: large enough that system calls cost nothing, small enough for the cache.
const READ_SIZE: usize = 256 << 10;

/// After how many reads the file is looked at again: every 64 MiB.
const READS_PER_CHECK: u64 = 256;

/// Why a file could not be hashed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    /// It is not, or not any more, what was seen.
    #[error("the file changed while it was hashed")]
    Changed,
    /// It is not there.
    #[error("the file is gone")]
    Missing,
    /// Nobody wants it any more, or the node is stopping.
    #[error("nobody wants it any more")]
    Cancelled,
    /// The system does not let us read it.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// It has a size that no file may have.
    #[error(transparent)]
    Size(#[from] ManifestError),
}

/// Hashes a file from front to back, on a blocking thread. What comes out is the manifest of exactly the file that
/// `identity` stands for: it is looked at before and after, under its name and open.
///
/// `read` counts the bytes as they are read.
pub(super) fn hash_file(
    way: AnchoredPath<'_>,
    identity: FileIdentity,
    read: &AtomicU64,
    cancel: &CancellationToken,
) -> Result<Manifest, HashError> {
    let file = open_unchanged(way, identity)?;
    // Only advice: where it is not taken, reading is slower.
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
    let mut builder = ManifestBuilder::new(identity.size)?;
    let mut buffer = vec![0; READ_SIZE];
    let mut total: u64 = 0;
    for turn in 1_u64.. {
        if cancel.is_cancelled() {
            return Err(HashError::Cancelled);
        }
        let length = match (&file).read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        total += length as u64;
        // Files of some systems have no size and no end; others are being written.
        let is_changed =
            turn.is_multiple_of(READS_PER_CHECK) && FileIdentity::from_file(&file)? != Some(identity);
        if total > identity.size || is_changed {
            return Err(HashError::Changed);
        }
        read.fetch_add(length as u64, Ordering::Relaxed);
        builder.update(buffer.get(..length).unwrap_or_default());
    }
    if total != identity.size || FileIdentity::from_file(&file)? != Some(identity) {
        return Err(HashError::Changed);
    }
    open_unchanged(way, identity)?;
    Ok(builder.finish()?)
}

fn open_unchanged(way: AnchoredPath<'_>, identity: FileIdentity) -> Result<File, HashError> {
    match way.open_regular() {
        Ok(Some((file, found))) if found == identity => Ok(file),
        Ok(Some(_)) => Err(HashError::Changed),
        Ok(None) => Err(HashError::Missing),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Err(HashError::Missing),
            _ => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use protocol::sha256::sha256;

    use super::*;
    use crate::storage::open_regular;

    fn hash(path: &Path, identity: FileIdentity) -> Result<Manifest, HashError> {
        hash_file(AnchoredPath::new(path, 1), identity, &AtomicU64::new(0), &CancellationToken::new())
    }

    #[test]
    fn digest_matches_the_content() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 1, READ_SIZE - 1, READ_SIZE, READ_SIZE + 1, 3 * READ_SIZE + 5] {
            let path = folder.path().join(size.to_string());
            let content = vec![size.to_le_bytes()[0]; size];
            fs::write(&path, &content).unwrap();
            let (_, identity) = open_regular(&path).unwrap().unwrap();
            let read = AtomicU64::new(0);
            let manifest =
                hash_file(AnchoredPath::new(&path, 1), identity, &read, &CancellationToken::new()).unwrap();
            assert_eq!(manifest.digest(), sha256(&content));
            assert_eq!(read.into_inner(), size as u64);
        }
    }

    #[test]
    fn changed_file_is_not_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"content").unwrap();
        let (_, identity) = open_regular(&path).unwrap().unwrap();
        fs::write(&path, b"longer content").unwrap();
        assert!(matches!(hash(&path, identity), Err(HashError::Changed)));
        fs::remove_file(&path).unwrap();
        assert!(matches!(hash(&path, identity), Err(HashError::Missing)));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(hash(&path, identity), Err(HashError::Missing)));
    }

    #[test]
    fn file_reporting_no_size_is_not_hashed() {
        let path = Path::new("/proc/version");
        let (_, identity) = open_regular(path).unwrap().unwrap();
        assert_eq!(identity.size, 0);
        assert!(matches!(hash(path, identity), Err(HashError::Changed)));
    }

    #[test]
    fn cancellation_stops_hashing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, vec![0; 3 * READ_SIZE]).unwrap();
        let (_, identity) = open_regular(&path).unwrap().unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let hashed = hash_file(AnchoredPath::new(&path, 1), identity, &AtomicU64::new(0), &cancel);
        assert!(matches!(hashed, Err(HashError::Cancelled)));
    }
}
