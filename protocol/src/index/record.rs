use bincode::{Decode, Encode};

use super::list_hash::ListHash;
use crate::digest::Digest;
use crate::limits::MAX_FILE_SIZE;
use crate::share_path::{SharePath, SharePathError};

/// How much of a file's content a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Share {
    /// The complete content.
    Complete,
    /// Some pieces; the download is still running.
    Partial,
}

/// One file that a node shares, as it appears on the wire; [`FileRecord::check`] validates it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct FileRecord {
    /// The file's relative path among the node's files, with `/` as separator.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: Digest,
    /// How much of it the node has.
    pub share: Share,
}

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The path is not a valid share path.
    #[error(transparent)]
    Path(#[from] SharePathError),
    /// The size is over the limit.
    #[error("a file of {size} bytes is over the limit of {MAX_FILE_SIZE} bytes")]
    TooLarge {
        /// The claimed size.
        size: u64,
    },
    /// Size and digest contradict each other: only the empty content has the empty digest.
    #[error("{size} bytes cannot have the digest {digest}")]
    Impossible {
        /// The claimed size.
        size: u64,
        /// The claimed digest.
        digest: Digest,
    },
}

impl FileRecord {
    /// Checks the whole record and returns its path.
    pub fn check(&self) -> Result<SharePath, RecordError> {
        let (size, digest) = (self.size, self.digest);
        if size > MAX_FILE_SIZE {
            return Err(RecordError::TooLarge { size });
        }
        if (size == 0) != (digest == Digest::EMPTY) {
            return Err(RecordError::Impossible { size, digest });
        }
        Ok(SharePath::parse(&self.path)?)
    }
}

/// A summary of a list of files: two sides with the same summary have the same list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct ListSummary {
    /// The number of files.
    pub files: u32,
    /// The hash of all records, independent of their order.
    pub hash: ListHash,
}

impl ListSummary {
    /// Adds a record to the summary.
    pub fn add(&mut self, record: &FileRecord) {
        self.files = self.files.saturating_add(1);
        self.hash.toggle(record);
    }

    /// Removes a record from the summary.
    pub fn remove(&mut self, record: &FileRecord) {
        self.files = self.files.saturating_sub(1);
        self.hash.toggle(record);
    }
}

/// Where a page of search results ended: the hits sent so far. The order of results changes as nodes come and go, so
/// a position would not be stable. Opaque to nodes; at most [`MAX_CURSOR_HITS`](crate::limits::MAX_CURSOR_HITS)
/// marks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SearchCursor {
    /// One mark per hit.
    pub sent: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str, size: u64, digest: Digest) -> FileRecord {
        FileRecord { path: path.into(), size, digest, share: Share::Complete }
    }

    #[test]
    fn records_are_checked_by_path_size_and_digest() {
        let some = Digest::from_bytes([7; 32]);
        assert!(record("a/b", 1, some).check().is_ok());
        assert!(record("empty", 0, Digest::EMPTY).check().is_ok());
        assert!(matches!(record("empty", 0, some).check(), Err(RecordError::Impossible { .. })));
        assert!(matches!(record("full", 1, Digest::EMPTY).check(), Err(RecordError::Impossible { .. })));
        assert!(matches!(record("big", (1 << 50) + 1, some).check(), Err(RecordError::TooLarge { .. })));
        assert!(matches!(record("../x", 1, some).check(), Err(RecordError::Path(_))));
    }

    #[test]
    fn summary_ignores_removed_records_and_order() {
        let (a, b) =
            (record("a", 1, Digest::from_bytes([1; 32])), record("b", 2, Digest::from_bytes([2; 32])));
        let (mut one, mut two) = (ListSummary::default(), ListSummary::default());
        one.add(&a);
        one.add(&b);
        two.add(&b);
        two.add(&a);
        assert_eq!(one, two);
        two.remove(&a);
        assert_ne!(one, two);
        two.remove(&b);
        assert_eq!(two, ListSummary::default());
    }
}
