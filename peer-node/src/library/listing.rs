use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};
use protocol::share_path::SharePath;

use super::anchored_path::AnchoredPath;
use super::open_file::{OpenError, OpenFile};
use super::share_entry::ShareEntry;
use crate::sorted_chunks::SortedChunks;
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

    /// Returns the position in the order of digests.
    fn digest_key(&self) -> (&Digest, &SharePath) {
        (&self.digest, &self.path)
    }

    /// Returns the anchored path to the file.
    pub(super) fn anchored_path(&self) -> AnchoredPath<'_> {
        AnchoredPath::new(&self.location, self.path.components().count())
    }
}

/// A file in the order of paths.
#[derive(Debug, Clone)]
struct FileByPath(Arc<SharedFile>);

/// A file in the order of digests, then of paths.
#[derive(Debug, Clone)]
struct FileByDigest {
    /// The start of the digest, with which almost all comparisons end: reading the file would cost a cache miss each.
    head: u64,
    file: Arc<SharedFile>,
}

/// All files that the node shares at one moment. A copy costs little, and a change copies a small part.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShareListing {
    by_path: SortedChunks<FileByPath>,
    by_digest: SortedChunks<FileByDigest>,
    /// The records of the same files.
    records: SortedChunks<ShareEntry>,
    total_bytes: u128,
}

impl ShareListing {
    /// Creates a listing from files with distinct paths.
    #[cfg(test)]
    pub(super) fn from_files(files: impl IntoIterator<Item = Arc<SharedFile>>) -> Self {
        let mut listing = Self::default();
        files.into_iter().for_each(|file| listing.insert(file));
        listing
    }

    /// Inserts a file; the caller has removed one with the same path.
    pub(super) fn insert(&mut self, file: Arc<SharedFile>) {
        self.total_bytes += u128::from(file.size);
        self.records.insert(file.record().into());
        self.by_digest.insert(FileByDigest::new(Arc::clone(&file)));
        let replaced = self.by_path.insert(FileByPath(file));
        debug_assert!(replaced.is_none(), "a file is listed before the previous one is removed");
        self.check();
    }

    /// Removes a listed file.
    pub(super) fn remove(&mut self, file: &SharedFile) {
        let path = file.path.as_str();
        self.records.remove(|entry| entry.path().cmp(path));
        let head = digest_head(&file.digest);
        self.by_digest.remove(|other| {
            other.head.cmp(&head).then_with(|| other.file.digest_key().cmp(&file.digest_key()))
        });
        let removed = self.by_path.remove(|FileByPath(other)| other.path.as_str().cmp(path));
        debug_assert!(removed.is_some(), "a file is removed that is not listed");
        self.total_bytes =
            self.total_bytes.saturating_sub(removed.map_or(0, |removed| removed.0.size.into()));
        self.check();
    }

    /// Asserts that all orders have the same files.
    fn check(&self) {
        debug_assert_eq!(
            self.by_path.len(),
            self.by_digest.len(),
            "each file has one place among the digests"
        );
        debug_assert_eq!(self.by_path.len(), self.records.len(), "each file has one record");
    }

    /// Returns how many list items were copied since another state of the listing.
    #[cfg(test)]
    pub(super) fn unshared_len(&self, other: &Self) -> usize {
        self.by_path.unshared_len(&other.by_path)
            + self.by_digest.unshared_len(&other.by_digest)
            + self.records.unshared_len(&other.records)
    }

    /// Returns the files in the order of their paths.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &SharedFile> + ExactSizeIterator {
        self.by_path.iter().map(|FileByPath(file)| file.as_ref())
    }

    /// Returns the files behind the path `after` in the order of paths, or all files.
    pub(crate) fn after(&self, after: Option<&str>) -> impl Iterator<Item = &SharedFile> {
        let is_before =
            move |FileByPath(file): &FileByPath| after.is_some_and(|after| file.path.as_str() <= after);
        self.by_path.iter_from(is_before).map(|FileByPath(file)| file.as_ref())
    }

    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.by_path.len()
    }

    /// Returns true if nothing is shared.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_path.len() == 0
    }

    /// Returns the file with this name.
    pub(crate) fn get(&self, path: &SharePath) -> Option<&SharedFile> {
        let FileByPath(file) = self.by_path.get(|FileByPath(file)| file.path.cmp(path))?;
        Some(file)
    }

    /// Returns the files with this content.
    pub(crate) fn by_digest(&self, digest: &Digest) -> impl Iterator<Item = &SharedFile> + use<'_> {
        let digest = *digest;
        let head = digest_head(&digest);
        let from = self.by_digest.iter_from(move |other| (other.head, &other.file.digest) < (head, &digest));
        from.map(|found| found.file.as_ref()).take_while(move |file| file.digest == digest)
    }

    /// Returns the total size in bytes.
    pub(crate) fn total_bytes(&self) -> u64 {
        u64::try_from(self.total_bytes).unwrap_or(u64::MAX)
    }

    /// Returns the records that are registered at the index.
    pub(crate) const fn records(&self) -> &SortedChunks<ShareEntry> {
        &self.records
    }
}

impl Ord for FileByPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.path.cmp(&other.0.path)
    }
}

impl Ord for FileByDigest {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.file.digest_key().cmp(&other.file.digest_key()))
    }
}

impl FileByDigest {
    fn new(file: Arc<SharedFile>) -> Self {
        Self { head: digest_head(&file.digest), file }
    }
}

/// Returns the start of a digest as a number, which is ordered like the digest.
fn digest_head(digest: &Digest) -> u64 {
    digest.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

macro_rules! equal_by_order {
    ($($item:ty),*) => {$(
        impl PartialOrd for $item {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $item {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $item {}
    )*};
}

equal_by_order!(FileByPath, FileByDigest);

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
        let listing = ShareListing::from_files(files);
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
        let paths: Vec<&str> = listing.records().iter().map(ShareEntry::path).collect();
        assert_eq!(paths, ["a", "b/c", "b/d", "e"]);
    }

    #[test]
    fn copy_keeps_a_removed_file() {
        let files = [file("a", 3, 1), file("b", 3, 4)];
        let mut listing = ShareListing::from_files(files.clone());
        let copy = listing.clone();
        listing.remove(&files[0]);
        assert_eq!((listing.len(), listing.total_bytes()), (1, 4));
        assert_eq!((copy.len(), copy.total_bytes()), (2, 5));
        assert_eq!(listing.by_digest(&Digest::from_bytes([3; 32])).count(), 1);
    }

    #[test]
    fn empty_listing_finds_nothing() {
        let listing = ShareListing::default();
        assert!(listing.is_empty() && listing.by_digest(&Digest::EMPTY).next().is_none());
    }
}
