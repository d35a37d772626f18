//! Restores lists from disk into the catalog.

use protocol::index::{FileRecord, ListSummary};
use protocol::node_id::NodeId;

use super::file_list::DiskSync;
use super::holding::Holdings;
use super::list_bytes::ListWeight;
use super::{BlockNo, Catalog, FileList, ListHeader};
use crate::ids::NodeNo;

/// A node's list as read from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFileList {
    pub(crate) node: NodeNo,
    pub(crate) header: ListHeader,
    pub(crate) blocks: Vec<(BlockNo, Vec<FileRecord>)>,
}

/// A list whose files match the summary in its row.
#[derive(Debug)]
pub(crate) struct VerifiedList(StoredFileList);

impl StoredFileList {
    /// Checks the files against the summary.
    pub(crate) fn verify(self) -> Result<VerifiedList, RestoreError> {
        let mut summary = ListSummary::default();
        self.blocks.iter().flat_map(|(_, files)| files).for_each(|file| summary.add(file));
        if summary == self.header.summary {
            Ok(VerifiedList(self))
        } else {
            Err(RestoreError::SummaryMismatch(self.node.0))
        }
    }
}

impl VerifiedList {
    pub(super) fn into_inner(self) -> StoredFileList {
        self.0
    }
}

/// Stored lists that contradict each other or themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RestoreError {
    /// One number is used for two nodes, or one node has two numbers.
    #[error("node number {0} is used for two nodes")]
    NumberConflict(u32),
    /// The row's summary does not match the blocks.
    #[error("the list of node number {0} is incomplete")]
    SummaryMismatch(u32),
}

impl Catalog {
    /// Restores a list from disk, replacing everything known of that node's list.
    pub(crate) fn restore(&mut self, stored: &StoredFileList) -> Result<(), RestoreError> {
        let (node, id) = (stored.node, stored.header.id);
        self.claim_number(node, id)?;
        self.lists.entry(node).or_insert_with(|| FileList::new(id));
        self.clear_list(node);
        if let Some(list) = self.lists.get_mut(&node) {
            list.visits.restore(&stored.header);
        }
        let blocks = stored.blocks.iter();
        for (block, file) in blocks.flat_map(|(block, files)| files.iter().map(|file| (*block, file))) {
            self.restore_file(node, block, file).ok_or(RestoreError::SummaryMismatch(node.0))?;
        }
        let list = self.lists.get_mut(&node).ok_or(RestoreError::SummaryMismatch(node.0))?;
        list.disk_sync = DiskSync::InSync;
        if list.summary() == stored.header.summary {
            Ok(())
        } else {
            Err(RestoreError::SummaryMismatch(node.0))
        }
    }

    /// Restores all lists from disk; nodes not among them keep nothing but their numbers.
    pub(crate) fn restore_all(&mut self, stored: &[StoredFileList]) -> Result<(), RestoreError> {
        let known: Vec<NodeNo> = self.lists.keys().copied().collect();
        for node in known {
            self.clear_list(node);
        }
        let result = stored.iter().try_for_each(|list| self.restore(list));
        self.index_all();
        self.collect_free_numbers();
        result
    }

    /// Assigns a number to a node; fails if either is already assigned to another.
    pub(super) fn claim_number(&mut self, node: NodeNo, id: NodeId) -> Result<(), RestoreError> {
        let number_is_free = self.lists.get(&node).is_none_or(|list| list.id() == id);
        if !number_is_free
            || node.0 >= Holdings::MAX_NODES
            || self.node_numbers.get(&id).is_some_and(|number| *number != node)
        {
            return Err(RestoreError::NumberConflict(node.0));
        }
        self.node_numbers.insert(id, node);
        Ok(())
    }

    /// Clears a node's list, but keeps the node.
    fn clear_list(&mut self, node: NodeNo) {
        let Some(list) = self.lists.get_mut(&node) else { return };
        let empty = list.emptied();
        let old = std::mem::replace(list, empty);
        self.list_bytes.shrink(old.visits.attendance.address, old.weight());
        for entry in old.files.values() {
            self.release_entry(node, entry);
        }
    }

    fn restore_file(&mut self, node: NodeNo, block: BlockNo, file: &FileRecord) -> Option<()> {
        let list = self.lists.get(&node).filter(|list| !list.contains(&file.path))?;
        let listed = list.is_listed();
        let (content, name, path) = self.acquire(file)?;
        self.insert_holding((content, node, name), file.share, listed)?;
        let list = self.lists.get_mut(&node)?;
        list.restore(path, name, content, file, block);
        self.list_bytes.grow(list.visits.attendance.address, ListWeight::of(&file.path));
        Some(())
    }
}
