//! Assembles file records from the tables of the catalog.

use std::sync::Arc;

use protocol::index::{FileRecord, Share};

use super::file_list::FileEntry;
use super::{Catalog, Content};
use crate::ids::NodeNo;

pub(super) fn record(path: &Arc<str>, share: Share, content: &Content) -> FileRecord {
    FileRecord { path: path.as_ref().to_owned(), size: content.size, digest: content.digest, share }
}

impl Catalog {
    /// Iterates over the files of a node whose paths come after `path`, in order.
    pub(crate) fn files_after(&self, node: NodeNo, path: Option<&str>) -> impl Iterator<Item = FileRecord> {
        let files = self.list(node).map(|list| list.iter_after(path)).into_iter().flatten();
        files.filter_map(|(path, entry)| self.record_of(path, entry))
    }

    pub(super) fn record_of(&self, path: &Arc<str>, entry: &FileEntry) -> Option<FileRecord> {
        Some(record(path, entry.share, self.contents.get(entry.content)?))
    }
}
