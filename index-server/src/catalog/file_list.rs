//! The files of one node.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use protocol::index::{FileRecord, ListSummary, Share};
use protocol::node_id::NodeId;

use super::attendance::Visits;
use super::content::{Content, Contents};
use super::packing::Packing;
use super::{BlockNo, ListHeader, NameNo};
use crate::ids::ContentNo;

/// No longer list is packed, or others would wait for it.
const MAX_PACKED_LEN: usize = 4096;

/// What a list says about one path.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileEntry {
    pub(super) content: ContentNo,
    pub(super) name: NameNo,
    /// Where it lies on disk.
    pub(super) block: BlockNo,
    pub(super) share: Share,
    /// Whether it counts as one of a listed node.
    pub(super) listed: bool,
    /// The count of the list's beginning at which it was last mentioned.
    generation: u16,
}

/// What a list says of a file that is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// It is in the list just like this.
    Same,
    /// Something else is in the list under its path.
    Different,
    /// Nothing is.
    Absent,
}

/// A file as it lies on disk, known to the tables.
#[derive(Debug)]
pub(super) struct LoadedFile {
    pub(super) path: Arc<str>,
    pub(super) name: NameNo,
    pub(super) content: ContentNo,
    pub(super) share: Share,
    pub(super) block: BlockNo,
}

/// Whether a list's node is listed, and how far its files agree with that.
#[derive(Debug, Clone, Default)]
struct ListedState {
    listed: bool,
    is_out_of_sync: bool,
    /// The last file that agrees, while they are being gone through.
    synced_to: Option<Arc<str>>,
}

/// A node's files in the order of their paths, and how they lie on disk.
#[derive(Debug)]
pub(crate) struct FileList {
    id: NodeId,
    pub(super) files: BTreeMap<Arc<str>, FileEntry>,
    /// How many there were when the tree's pages were last full.
    packed_len: usize,
    pub(super) packing: Packing,
    summary: ListSummary,
    pub(super) visits: Visits,
    pub(super) disk_sync: DiskSync,
    /// How often the list was begun anew; whether it is under way now.
    generation: (u16, bool),
    listed_state: ListedState,
}

/// How far the disk is known to agree with the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskSync {
    /// Nothing of the node is there.
    Absent,
    /// Its list is there as it is here.
    InSync,
    /// A change failed half-way, so that nobody knows.
    Doubtful,
}

impl FileList {
    pub(super) fn new(id: NodeId) -> Self {
        Self {
            id,
            files: BTreeMap::new(),
            packed_len: 0,
            packing: Packing::default(),
            summary: ListSummary::default(),
            visits: Visits::default(),
            disk_sync: DiskSync::Absent,
            generation: (0, false),
            listed_state: ListedState::default(),
        }
    }

    /// Says whose list it is.
    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    /// Says how many files are in it.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Sums it up.
    pub(crate) const fn summary(&self) -> ListSummary {
        self.summary
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.disk_sync == DiskSync::Doubtful
    }

    pub(super) fn is_forgettable(&self) -> bool {
        self.files.is_empty() && self.disk_sync == DiskSync::Absent
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    pub(super) fn find(&self, path: &str) -> Option<FileEntry> {
        self.files.get(path).copied()
    }

    /// Returns an empty list in the place of this one.
    pub(super) fn emptied(&self) -> Self {
        let listing = ListedState { listed: self.listed_state.listed, ..ListedState::default() };
        Self { listed_state: listing, visits: self.visits.after_reload(), ..Self::new(self.id) }
    }

    /// Says whether the node is listed, and with it what is entered from now on.
    pub(super) const fn is_listed(&self) -> bool {
        self.listed_state.listed
    }

    pub(super) fn set_listed(&mut self, listed: bool) {
        if self.listed_state.listed != listed {
            self.listed_state = ListedState { listed, is_out_of_sync: true, synced_to: None };
        }
    }

    /// Goes through so many files; returns whether the node is listed, the files that did not agree with that and do
    /// now, and whether all do.
    pub(super) fn sync_listed(&mut self, most: usize) -> (bool, Vec<FileEntry>, bool) {
        let ListedState { listed, is_out_of_sync: unsettled, synced_to: settled } = self.listed_state.clone();
        if !unsettled {
            return (listed, Vec::new(), true);
        }
        let start = settled.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut changed, mut last) = (Vec::new(), None);
        for (path, entry) in self.files.range_mut::<str, _>((start, Bound::Unbounded)).take(most) {
            last = Some(Arc::clone(path));
            if entry.listed != listed {
                entry.listed = listed;
                changed.push(*entry);
            }
        }
        let done = last.is_none();
        self.listed_state = ListedState { listed, is_out_of_sync: !done, synced_to: last };
        (listed, changed, done)
    }

    /// Walks over the files whose paths come after one, in order.
    pub(super) fn iter_after(&self, path: Option<&str>) -> impl Iterator<Item = (&Arc<str>, &FileEntry)> {
        let start = path.map_or(Bound::Unbounded, Bound::Excluded);
        self.files.range::<str, _>((start, Bound::Unbounded))
    }

    pub(super) fn begin_refresh(&mut self) {
        let (beginnings, _) = self.generation;
        if beginnings == u16::MAX {
            // Counted from the start again, before which nothing was mentioned.
            self.files.values_mut().for_each(|entry| entry.generation = 0);
        }
        self.generation = (beginnings.checked_add(1).unwrap_or(1), true);
    }

    /// Ends what [`FileList::begin_refresh`] began.
    pub(super) const fn end_refresh(&mut self) {
        self.generation.1 = false;
    }

    /// Returns the paths that were not mentioned since the list was begun, if it was.
    pub(super) fn unmentioned_paths(&self) -> Option<Vec<Arc<str>>> {
        let (stamp, under_way) = self.generation;
        let gone = self.files.iter().filter(|(_, entry)| entry.generation != stamp);
        under_way.then(|| gone.map(|(path, _)| Arc::clone(path)).collect())
    }

    /// Marks a file as mentioned, if it is in the list just like this.
    pub(super) fn confirm(&mut self, file: &FileRecord, contents: &Contents) -> Confirmation {
        let stamp = self.generation.0;
        let Some(entry) = self.files.get_mut(file.path.as_str()) else { return Confirmation::Absent };
        let same = |content: &Content| content.digest == file.digest && content.size == file.size;
        if entry.share != file.share || !contents.get(entry.content).is_some_and(same) {
            return Confirmation::Different;
        }
        entry.generation = stamp;
        Confirmation::Same
    }

    /// Puts a file in, into the block in which it lies already if there is one.
    pub(super) fn insert(
        &mut self,
        path: Arc<str>,
        (content, name): (ContentNo, NameNo),
        file: &FileRecord,
        block: Option<BlockNo>,
    ) {
        let block = self.packing.assign(name, path.len(), block);
        self.summary.add(file);
        let entry = self.new_entry(content, name, file.share, block);
        self.files.insert(path, entry);
    }

    /// Fills the tree's pages, if there are more than twice as many files as when that was done last: what comes in order, as
    /// nodes send it, leaves each page half empty behind it, 28 bytes a file.
    pub(super) fn pack(&mut self) {
        if self.files.len() > 2 * self.packed_len && self.files.len() <= MAX_PACKED_LEN {
            self.files = std::mem::take(&mut self.files).into_iter().collect();
            self.packed_len = self.files.len();
        }
    }

    const fn new_entry(&self, content: ContentNo, name: NameNo, share: Share, block: BlockNo) -> FileEntry {
        FileEntry {
            content,
            name,
            block,
            share,
            listed: self.listed_state.listed,
            generation: self.generation.0,
        }
    }

    /// Takes a file out, but leaves it its place on disk.
    pub(super) fn remove(&mut self, path: &str, content: &Content) {
        let Some((path, entry)) = self.files.remove_entry(path) else { return };
        self.summary.remove(&super::record::record(&path, entry.share, content));
    }

    /// Notes that a file has moved on disk.
    pub(super) fn move_to(&mut self, path: &str, block: BlockNo) {
        if let Some(entry) = self.files.get_mut(path) {
            entry.block = block;
        }
    }

    /// Fills the list, which is empty, with what lies on disk already.
    pub(super) fn load(&mut self, rows: Vec<LoadedFile>, header: &ListHeader) {
        for row in &rows {
            self.packing.restore(row.name, row.path.len(), row.block);
        }
        let entry = |row: LoadedFile| (row.path, self.new_entry(row.content, row.name, row.share, row.block));
        // Sorts them and fills one page of the tree after the other.
        self.files = rows.into_iter().map(entry).collect();
        (self.summary, self.disk_sync) = (header.summary, DiskSync::InSync);
        self.visits.restore(header);
    }

    /// Enters a file where it lies on disk already.
    pub(super) fn restore(
        &mut self,
        path: Arc<str>,
        name: NameNo,
        content: ContentNo,
        file: &FileRecord,
        block: BlockNo,
    ) {
        self.packing.restore(name, path.len(), block);
        self.summary.add(file);
        let entry = self.new_entry(content, name, file.share, block);
        self.files.insert(path, entry);
    }
}
