use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

use protocol::index::FileRecord;

/// The record of a shared file, identified and ordered by its path. Lists share the record.
#[derive(Debug, Clone)]
pub(crate) struct ShareEntry(Arc<FileRecord>);

impl ShareEntry {
    /// Returns the record that is registered at the index.
    pub(crate) fn record(&self) -> &FileRecord {
        &self.0
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns true if the complete records are equal, not only the paths.
    pub(crate) fn is_same_record(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl From<FileRecord> for ShareEntry {
    fn from(record: FileRecord) -> Self {
        Self(Arc::new(record))
    }
}

impl Borrow<str> for ShareEntry {
    fn borrow(&self) -> &str {
        self.path()
    }
}

impl Ord for ShareEntry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.path().cmp(other.path())
    }
}

impl PartialOrd for ShareEntry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ShareEntry {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Eq for ShareEntry {}
