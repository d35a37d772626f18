use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::manifest::{Manifest, ManifestBuilder, ManifestError};
use tokio_util::sync::CancellationToken;

use super::anchored_path::AnchoredPath;
use crate::platform::{FileIdentity, advise_sequential};

/// Bytes per read: large enough to make system calls cheap, small enough for the CPU cache.
const READ_SIZE: usize = 256 << 10;

/// Number of reads between two checks of the file's identity: one check per 64 MiB.
const READS_PER_CHECK: u64 = 256;

/// Why hashing a file failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    /// The file has changed since it was scanned.
    #[error("the file changed while it was hashed")]
    Changed,
    /// The file does not exist.
    #[error("the file no longer exists")]
    Missing,
    /// The file is no longer shared, or the node is stopping.
    #[error("hashing was cancelled")]
    Cancelled,
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// The file is larger than allowed.
    #[error(transparent)]
    Size(#[from] ManifestError),
}

/// Hashes a file from start to end; runs on a blocking thread. The manifest belongs to exactly the file with `identity`: the
/// identity is checked before and after, both by path and through the open file.
///
/// `read` counts the bytes as they are read.
pub(super) fn hash_file(
    path: AnchoredPath<'_>,
    identity: FileIdentity,
    read: &AtomicU64,
    cancel: &CancellationToken,
) -> Result<Manifest, HashError> {
    let file = open_unchanged(path, identity)?;
    advise_sequential(&file);
    let mut builder = ManifestBuilder::new(identity.size)?;
    let mut buffer = vec![0; READ_SIZE];
    let mut total: u64 = 0;
    for read_number in 1_u64.. {
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
        // Some special files report no size and never end; others are still being written.
        let is_changed =
            read_number.is_multiple_of(READS_PER_CHECK) && FileIdentity::from_file(&file)? != Some(identity);
        if total > identity.size || is_changed {
            return Err(HashError::Changed);
        }
        read.fetch_add(length as u64, Ordering::Relaxed);
        builder.update(buffer.get(..length).unwrap_or_default());
    }
    if total != identity.size || FileIdentity::from_file(&file)? != Some(identity) {
        return Err(HashError::Changed);
    }
    open_unchanged(path, identity)?;
    Ok(builder.finish()?)
}

fn open_unchanged(path: AnchoredPath<'_>, identity: FileIdentity) -> Result<File, HashError> {
    match path.open_regular() {
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
