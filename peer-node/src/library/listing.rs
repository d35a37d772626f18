use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};
use protocol::share_path::SharePath;

use super::anchored_path::AnchoredPath;
use super::open_file::{OpenError, OpenFile};
use crate::storage::FileIdentity;

/// A file that the node shares, completely hashed and unchanged since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedFile {
    /// Network name.
    pub path: SharePath,
    /// Absolute path on this machine.
    pub location: PathBuf,
    /// Identity at the time of hashing.
    pub identity: FileIdentity,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 digest.
    pub digest: Digest,
    /// Since when the file has been shared with this content.
    pub since: SystemTime,
}

impl SharedFile {
    /// Returns the record that is registered at the index.
    pub(crate) fn record(&self) -> FileRecord {
        FileRecord {
            path: self.path.as_str().to_owned(),
            size: self.size,
            digest: self.digest,
            share: Share::Complete,
        }
    }

    /// Opens the file if it has not changed since it was hashed. Blocking.
    pub(crate) fn open(&self) -> Result<OpenFile, OpenError> {
        OpenFile::open(self.anchored_path(), self.identity)
    }

    /// Returns the anchored path to the file.
    pub(super) fn anchored_path(&self) -> AnchoredPath<'_> {
        AnchoredPath::new(&self.location, self.path.components().count())
    }
}

/// All files that the node shares at one moment.
#[derive(Debug, Default)]
pub(crate) struct ShareListing {
    /// Sorted by path.
    by_path: Vec<Arc<SharedFile>>,
    /// Sorted by digest, then by path.
    by_digest: Vec<Arc<SharedFile>>,
    total_bytes: u64,
}

impl ShareListing {
    /// Creates a listing from files sorted by path.
    pub(super) fn from_sorted(by_path: Vec<Arc<SharedFile>>) -> Self {
        debug_assert!(by_path.is_sorted_by(|a, b| a.path < b.path));
        let mut by_digest = by_path.clone();
        // The sort is stable, so files with equal digests stay sorted by path.
        by_digest.sort_by_key(|file| file.digest);
        let total_bytes = by_path.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
        Self { by_path, by_digest, total_bytes }
    }

    /// Returns the files in the order of their paths.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &SharedFile> + ExactSizeIterator {
        self.by_path.iter().map(Arc::as_ref)
    }

    /// Returns the files behind the path `after` in the order of paths, or all files.
    pub(crate) fn after(&self, after: Option<&str>) -> impl Iterator<Item = &SharedFile> + use<'_> {
        let start = after.map_or(0, |after| self.by_path.partition_point(|file| file.path.as_str() <= after));
        self.by_path.get(start..).unwrap_or_default().iter().map(Arc::as_ref)
    }

    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.by_path.len()
    }

    /// Returns true if nothing is shared.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Returns the file with this name.
    pub(crate) fn get(&self, path: &SharePath) -> Option<&SharedFile> {
        let at = self.by_path.binary_search_by(|file| file.path.cmp(path)).ok()?;
        self.by_path.get(at).map(Arc::as_ref)
    }

    /// Returns the files with this content.
    pub(crate) fn by_digest(&self, digest: &Digest) -> impl Iterator<Item = &SharedFile> + use<'_> {
        let digest = *digest;
        let start = self.by_digest.partition_point(|file| file.digest < digest);
        let rest = self.by_digest.get(start..).unwrap_or_default();
        rest.iter().map(Arc::as_ref).take_while(move |file| file.digest == digest)
    }

    /// Returns the total size in bytes.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Returns the records that are registered at the index, in the order of their paths.
    pub(crate) fn records(&self) -> impl Iterator<Item = FileRecord> + use<'_> {
        self.iter().map(SharedFile::record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, digest: u8, size: u64) -> Arc<SharedFile> {
        Arc::new(SharedFile {
            path: SharePath::parse(path).unwrap(),
            location: PathBuf::from("/shared").join(path),
            identity: FileIdentity { dev: 1, ino: 1, size, mtime_ns: 0, ctime_ns: 0 },
            size,
            digest: Digest::from_bytes([digest; 32]),
            since: SystemTime::UNIX_EPOCH,
        })
    }

    #[test]
    fn files_are_found_by_path_and_by_digest() {
        let files = vec![file("a", 3, 1), file("b/c", 1, 2), file("b/d", 3, 4), file("e", 2, 8)];
        let listing = ShareListing::from_sorted(files);
        assert_eq!((listing.len(), listing.total_bytes()), (4, 15));
        assert_eq!(listing.get(&SharePath::parse("b/c").unwrap()).unwrap().size, 2);
        assert_eq!(listing.get(&SharePath::parse("b").unwrap()), None);
        let after = |path| listing.after(path).map(|file| file.path.as_str()).collect::<Vec<_>>();
        assert_eq!(
            (after(None).len(), after(Some("b/")), after(Some("e"))),
            (4, vec!["b/c", "b/d", "e"], vec![])
        );
        assert_eq!(after(Some("b/c")), ["b/d", "e"]);
        let with = |digest: u8| -> Vec<&str> {
            listing.by_digest(&Digest::from_bytes([digest; 32])).map(|file| file.path.as_str()).collect()
        };
        assert_eq!((with(3), with(2), with(0), with(9)), (vec!["a", "b/d"], vec!["e"], vec![], vec![]));
        let paths: Vec<String> = listing.records().map(|record| record.path).collect();
        assert_eq!(paths, ["a", "b/c", "b/d", "e"]);
    }

    #[test]
    fn empty_listing_finds_nothing() {
        let listing = ShareListing::default();
        assert!(listing.is_empty() && listing.by_digest(&Digest::EMPTY).next().is_none());
    }
}
