//! The writes that bring a changed list to disk.

use protocol::index::{FileRecord, ListSummary};
use protocol::node_id::NodeId;

use super::attendance::{Attendance, Visits};
use super::file_list::DiskSync;
use super::{BlockNo, Catalog, FileList, NameNo};
use crate::ids::NodeNo;

/// A node's row beside its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListHeader {
    pub(crate) id: NodeId,
    pub(crate) summary: ListSummary,
    /// Seconds since 1970.
    pub(crate) last_seen: u64,
    pub(crate) attendance: Attendance,
}

/// One atomic write that brings a node's list on disk up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListWrites {
    pub(crate) node: NodeNo,
    /// `None` if the list is empty and its row is deleted.
    pub(crate) header: Option<ListHeader>,
    /// The changed blocks; empty ones are deleted.
    pub(crate) blocks: Vec<(BlockNo, Vec<FileRecord>)>,
    /// Whether the attendance in the header is written too.
    pub(crate) has_new_attendance: bool,
}

/// The changed blocks of a list with the names in them, and whether the attendance is written too.
#[derive(Debug)]
pub(crate) struct ChangedBlocks(Vec<(BlockNo, Vec<NameNo>)>, bool);

impl Catalog {
    /// Returns the blocks of a node's list changed since the last call, if any. The caller then calls [`Catalog::writes`]
    /// before changing the list again.
    pub(crate) fn take_changed_blocks(&mut self, node: NodeNo, now: u64) -> Option<ChangedBlocks> {
        let list = self.lists.get_mut(&node)?;
        let dirty = list.packing.take_dirty();
        if dirty.is_empty() {
            return None;
        }
        list.visits.last_seen = now;
        let is_empty = list.len() == 0;
        list.disk_sync = if is_empty { DiskSync::Absent } else { DiskSync::InSync };
        let was_saved = std::mem::replace(&mut list.visits.is_saved, !is_empty);
        Some(ChangedBlocks(dirty, !is_empty && !was_saved))
    }

    /// Assembles the writes for changed blocks.
    pub(crate) fn writes(
        &self,
        node: NodeNo,
        ChangedBlocks(blocks, has_new_attendance): ChangedBlocks,
    ) -> Option<ListWrites> {
        let Some(list) = self.lists.get(&node) else {
            impossible!("a list disappeared before its changes were written", node = node);
            return None;
        };
        let file = |name| {
            let path = self.path(name)?;
            list.files.get(path).and_then(|entry| self.record_of(path, entry))
        };
        let assemble = |(block, names): (BlockNo, Vec<NameNo>)| {
            let expected = names.len();
            let files: Vec<FileRecord> = names.into_iter().filter_map(file).collect();
            if files.len() != expected {
                impossible!(
                    "a block has files without records",
                    node = node,
                    block = block,
                    files = expected
                );
            }
            (block, files)
        };
        let blocks = blocks.into_iter().map(assemble).collect();
        Some(ListWrites { node, header: list.header(), blocks, has_new_attendance })
    }

    /// Takes the changed blocks and assembles their writes.
    pub(crate) fn take_writes(&mut self, node: NodeNo, now: u64) -> Option<ListWrites> {
        let changed = self.take_changed_blocks(node, now)?;
        self.writes(node, changed)
    }

    /// Returns the writes for a node's row without its list, if it has a row.
    pub(super) fn header_writes(&mut self, node: NodeNo) -> Option<ListWrites> {
        let list = self.lists.get_mut(&node)?;
        let header = list.header().filter(|_| list.disk_sync == DiskSync::InSync)?;
        let was_saved = std::mem::replace(&mut list.visits.is_saved, true);
        Some(ListWrites { node, header: Some(header), blocks: Vec::new(), has_new_attendance: !was_saved })
    }

    /// Records that writes returned by [`Catalog::take_writes`] may or may not have reached the disk.
    pub(crate) fn mark_doubtful(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.disk_sync = DiskSync::Doubtful;
        }
    }
}

impl FileList {
    fn header(&self) -> Option<ListHeader> {
        let Visits { last_seen, attendance, .. } = self.visits;
        debug_assert_eq!(self.summary().files as usize, self.len(), "the summary counts other files");
        let header = ListHeader { id: self.id(), summary: self.summary(), last_seen, attendance };
        (self.len() > 0).then_some(header)
    }
}
