//! What a change of a list amounts to on disk.

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
    /// In seconds since 1970.
    pub(crate) last_seen: u64,
    pub(crate) attendance: Attendance,
}

/// What must be written, all of it or nothing, so that the disk has a node's list as the memory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListWrites {
    pub(crate) node: NodeNo,
    /// None when the list is empty and the row is to go.
    pub(crate) header: Option<ListHeader>,
    /// The blocks that changed; those with nothing in them are to go.
    pub(crate) blocks: Vec<(BlockNo, Vec<FileRecord>)>,
    /// Whether the standing in the header is to be written too.
    pub(crate) has_new_attendance: bool,
}

/// The blocks of a list that changed, with the names in them, and whether the standing is to be written too.
#[derive(Debug)]
pub(crate) struct ChangedBlocks(Vec<(BlockNo, Vec<NameNo>)>, bool);

impl Catalog {
    /// Returns which blocks of a node's list changed since this was last called, if any did;
    /// [`Catalog::writes`] is to follow before anything else is changed in it.
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

    /// Puts together what changed.
    pub(crate) fn writes(
        &self,
        node: NodeNo,
        ChangedBlocks(blocks, has_new_standing): ChangedBlocks,
    ) -> Option<ListWrites> {
        let list = self.lists.get(&node)?;
        let file = |name| {
            let path = self.path(name)?;
            list.files.get(path).and_then(|entry| self.record_of(path, entry))
        };
        let blocks = blocks.into_iter().map(|(no, names)| (no, names.into_iter().filter_map(file).collect()));
        Some(ListWrites {
            node,
            header: list.header(),
            blocks: blocks.collect(),
            has_new_attendance: has_new_standing,
        })
    }

    /// Does both at once.
    pub(crate) fn take_writes(&mut self, node: NodeNo, now: u64) -> Option<ListWrites> {
        let changed = self.take_changed_blocks(node, now)?;
        self.writes(node, changed)
    }

    /// Returns the row of a node without its list, if it has one.
    pub(super) fn header_writes(&mut self, node: NodeNo) -> Option<ListWrites> {
        let list = self.lists.get_mut(&node)?;
        let header = list.header().filter(|_| list.disk_sync == DiskSync::InSync)?;
        let was_saved = std::mem::replace(&mut list.visits.is_saved, true);
        Some(ListWrites { node, header: Some(header), blocks: Vec::new(), has_new_attendance: !was_saved })
    }

    /// Notes that what [`Catalog::take_writes`] gave out may or may not have reached the disk.
    pub(crate) fn mark_doubtful(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.disk_sync = DiskSync::Doubtful;
        }
    }
}

impl FileList {
    fn header(&self) -> Option<ListHeader> {
        let Visits { last_seen, attendance: standing, .. } = self.visits;
        let header = ListHeader { id: self.id(), summary: self.summary(), last_seen, attendance: standing };
        (self.len() > 0).then_some(header)
    }
}
