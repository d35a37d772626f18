//! What a change of a list amounts to on disk.

use protocol::index::{FileRecord, ListSummary};
use protocol::node_id::NodeId;

use super::file_list::OnDisk;
use super::standing::{Standing, Visits};
use super::{BlockNo, Catalog, FileList, NameNo, NodeNo};

/// A node's row beside its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: NodeId,
    pub(crate) summary: ListSummary,
    /// In seconds since 1970.
    pub(crate) last_seen: u64,
    pub(crate) standing: Standing,
}

/// What must be written, all of it or nothing, so that the disk has a node's list as the memory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writes {
    pub(crate) node: NodeNo,
    /// None when the list is empty and the row is to go.
    pub(crate) header: Option<Header>,
    /// The blocks that changed; those with nothing in them are to go.
    pub(crate) blocks: Vec<(BlockNo, Vec<FileRecord>)>,
    /// Whether the standing in the header is to be written too.
    pub(crate) has_new_standing: bool,
}

/// The blocks of a list that changed, with the names in them, and whether the standing is to be written too.
#[derive(Debug)]
pub(crate) struct Changed(Vec<(BlockNo, Vec<NameNo>)>, bool);

impl Catalog {
    /// Returns which blocks of a node's list changed since this was last called, if any did;
    /// [`Catalog::writes`] is to follow before anything else is changed in it.
    pub(crate) fn take_changed(&mut self, node: NodeNo, now: u64) -> Option<Changed> {
        let list = self.lists.get_mut(&node)?;
        let dirty = list.packing.take_dirty();
        if dirty.is_empty() {
            return None;
        }
        list.visits.last_seen = now;
        let is_empty = list.len() == 0;
        list.on_disk = if is_empty { OnDisk::Absent } else { OnDisk::Same };
        let was_saved = std::mem::replace(&mut list.visits.is_saved, !is_empty);
        Some(Changed(dirty, !is_empty && !was_saved))
    }

    /// Puts together what changed.
    pub(crate) fn writes(&self, node: NodeNo, Changed(blocks, has_new_standing): Changed) -> Option<Writes> {
        let list = self.lists.get(&node)?;
        let file = |name| {
            let path = self.path(name)?;
            list.files.get(path).and_then(|entry| self.record_of(path, entry))
        };
        let blocks = blocks.into_iter().map(|(no, names)| (no, names.into_iter().filter_map(file).collect()));
        Some(Writes { node, header: list.header(), blocks: blocks.collect(), has_new_standing })
    }

    /// Does both at once.
    pub(crate) fn take_writes(&mut self, node: NodeNo, now: u64) -> Option<Writes> {
        let changed = self.take_changed(node, now)?;
        self.writes(node, changed)
    }

    /// Returns the row of a node without its list, if it has one.
    pub(super) fn header_writes(&mut self, node: NodeNo) -> Option<Writes> {
        let list = self.lists.get_mut(&node)?;
        let header = list.header().filter(|_| list.on_disk == OnDisk::Same)?;
        let was_saved = std::mem::replace(&mut list.visits.is_saved, true);
        Some(Writes { node, header: Some(header), blocks: Vec::new(), has_new_standing: !was_saved })
    }

    /// Notes that what [`Catalog::take_writes`] gave out may or may not have reached the disk.
    pub(crate) fn doubt(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.on_disk = OnDisk::Doubtful;
        }
    }
}

impl FileList {
    fn header(&self) -> Option<Header> {
        let Visits { last_seen, standing, .. } = self.visits;
        let header = Header { id: self.id(), summary: self.summary(), last_seen, standing };
        (self.len() > 0).then_some(header)
    }
}
