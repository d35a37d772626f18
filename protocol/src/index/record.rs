use bincode::{Decode, Encode};

use super::list_hash::ListHash;
use crate::digest::Digest;
use crate::limits::MAX_FILE_SIZE;
use crate::share_path::{SharePath, SharePathError};

/// How much of a content a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Share {
    /// All of it.
    Complete,
    /// Some pieces, and more to come.
    Partial,
}

/// One file that a node shares, as it stands on the wire; [`FileRecord::check`] says whether it may be believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct FileRecord {
    /// Where it stands among the node's files: a path with `/`, relative.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: Digest,
    /// How much of it the node has.
    pub share: Share,
}

/// A record that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The path is not one that can be shared.
    #[error(transparent)]
    Path(#[from] SharePathError),
    /// The size is over the limit.
    #[error("a file of {size} bytes is over the limit of {MAX_FILE_SIZE} bytes")]
    TooLarge {
        /// The size that was claimed.
        size: u64,
    },
    /// Only the empty content has the digest of nothing, and it has no other.
    #[error("{size} bytes cannot have the digest {digest}")]
    Impossible {
        /// The size that was claimed.
        size: u64,
        /// The digest that was claimed.
        digest: Digest,
    },
}

impl FileRecord {
    /// Judges the record whole and returns its path.
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

/// What a list of files amounts to: two sides that have the same summary have the same list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct ListSummary {
    /// How many files are in it.
    pub files: u32,
    /// The hash of them all.
    pub hash: ListHash,
}

impl ListSummary {
    /// Counts a record that joins the list.
    pub fn add(&mut self, record: &FileRecord) {
        self.files = self.files.saturating_add(1);
        self.hash.toggle(record);
    }

    /// Counts a record that leaves the list.
    pub fn remove(&mut self, record: &FileRecord) {
        self.files = self.files.saturating_sub(1);
        self.hash.toggle(record);
    }
}

/// Where a page of search results ended: what was told so far. The order of results changes with who comes and goes,
/// so that no place in it would do. For the index alone to read; at most [`MAX_CURSOR_HITS`](crate::limits::MAX_TOLD) marks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SearchCursor {
    /// A mark for each hit.
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
