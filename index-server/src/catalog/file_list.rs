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

/// Longer lists are not packed, because packing would block others.
const MAX_PACKED_LEN: usize = 4096;

/// Maximum length of a list whose flags are checked in debug builds.
const MAX_RECOUNTED: usize = 64;

/// The entry of one path in a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileEntry {
    pub(super) content: ContentNo,
    pub(super) name: NameNo,
    /// The block on disk that contains the file.
    pub(super) block: BlockNo,
    pub(super) share: Share,
    /// Whether the file counts as one of a listed node.
    pub(super) listed: bool,
    /// The refresh in which the file was last mentioned.
    generation: u16,
}

/// The state of a registered file in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// The list contains the same file.
    Same,
    /// The list contains a different file under this path.
    Different,
    /// The list does not contain the path.
    Absent,
}

/// A file loaded from disk and known to the tables.
#[derive(Debug)]
pub(super) struct LoadedFile {
    pub(super) path: Arc<str>,
    pub(super) name: NameNo,
    pub(super) content: ContentNo,
    pub(super) share: Share,
    pub(super) block: BlockNo,
}

/// Whether the node is listed, and how far the files' flags agree with that.
#[derive(Debug, Clone, Default)]
struct ListedState {
    listed: bool,
    is_out_of_sync: bool,
    /// The last file that was updated, while an update is in progress.
    synced_to: Option<Arc<str>>,
}

/// A node's files in path order, and how they are packed on disk.
#[derive(Debug)]
pub(crate) struct FileList {
    id: NodeId,
    pub(super) files: BTreeMap<Arc<str>, FileEntry>,
    /// The number of files when the tree was last packed.
    packed_len: usize,
    pub(super) packing: Packing,
    summary: ListSummary,
    pub(super) visits: Visits,
    pub(super) disk_sync: DiskSync,
    /// True while a change is entered step by step.
    pub(super) is_changing: bool,
    /// The number of the current refresh, and whether it is in progress.
    generation: (u16, bool),
    listed_state: ListedState,
}

/// How far the list on disk is known to match the list in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskSync {
    /// Nothing of the node is on disk.
    Absent,
    /// The list on disk matches.
    InSync,
    /// A change failed halfway; the state on disk is unknown.
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
            is_changing: false,
            visits: Visits::default(),
            disk_sync: DiskSync::Absent,
            generation: (0, false),
            listed_state: ListedState::default(),
        }
    }

    /// Returns the node id.
    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns the summary of the list.
    pub(crate) const fn summary(&self) -> ListSummary {
        self.summary
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.disk_sync == DiskSync::Doubtful
    }

    pub(super) fn is_removable(&self) -> bool {
        // A list that is being changed gets files, so its number must not be given to another node.
        self.files.is_empty() && self.disk_sync == DiskSync::Absent && !self.is_changing
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    pub(super) fn find(&self, path: &str) -> Option<FileEntry> {
        self.files.get(path).copied()
    }

    /// Returns an empty list with the state to keep across a reload.
    pub(super) fn emptied(&self) -> Self {
        let listing = ListedState { listed: self.listed_state.listed, ..ListedState::default() };
        Self { listed_state: listing, visits: self.visits.after_reload(), ..Self::new(self.id) }
    }

    /// Returns true if the node is listed; new files get the same flag.
    pub(super) const fn is_listed(&self) -> bool {
        self.listed_state.listed
    }

    pub(super) fn set_listed(&mut self, listed: bool) {
        if self.listed_state.listed != listed {
            self.listed_state = ListedState { listed, is_out_of_sync: true, synced_to: None };
        }
    }

    /// Updates up to `max_files` files; returns whether the node is listed, the files that changed, and whether all files are
    /// up to date.
    pub(super) fn sync_listed(&mut self, max_files: usize) -> (bool, Vec<FileEntry>, bool) {
        let ListedState { listed, is_out_of_sync, synced_to } = self.listed_state.clone();
        if !is_out_of_sync {
            return (listed, Vec::new(), true);
        }
        let start = synced_to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut changed, mut last) = (Vec::new(), None);
        for (path, entry) in self.files.range_mut::<str, _>((start, Bound::Unbounded)).take(max_files) {
            last = Some(Arc::clone(path));
            if entry.listed != listed {
                entry.listed = listed;
                changed.push(*entry);
            }
        }
        // A step without files has reached the end.
        let done = last.is_none();
        debug_assert!(
            !done
                || self.files.len() > MAX_RECOUNTED
                || self.files.values().all(|file| file.listed == listed),
            "a file was missed"
        );
        self.listed_state = ListedState { listed, is_out_of_sync: !done, synced_to: last };
        (listed, changed, done)
    }

    /// Iterates over the files whose paths come after `path`, in order.
    pub(super) fn iter_after(&self, path: Option<&str>) -> impl Iterator<Item = (&Arc<str>, &FileEntry)> {
        let start = path.map_or(Bound::Unbounded, Bound::Excluded);
        self.files.range::<str, _>((start, Bound::Unbounded))
    }

    pub(super) fn begin_refresh(&mut self) {
        let (refreshes, _) = self.generation;
        if refreshes == u16::MAX {
            // The counter wraps around: 0 marks all files as not mentioned.
            self.files.values_mut().for_each(|entry| entry.generation = 0);
        }
        self.generation = (refreshes.checked_add(1).unwrap_or(1), true);
    }

    /// Ends the refresh started by [`FileList::begin_refresh`].
    pub(super) const fn end_refresh(&mut self) {
        self.generation.1 = false;
    }

    /// Returns the paths not mentioned since the refresh started; `None` if none is in progress.
    pub(super) fn unmentioned_paths(&self) -> Option<Vec<Arc<str>>> {
        let (stamp, under_way) = self.generation;
        let unmentioned = self.files.iter().filter(|(_, entry)| entry.generation != stamp);
        under_way.then(|| unmentioned.map(|(path, _)| Arc::clone(path)).collect())
    }

    /// Marks a file as mentioned if the list contains the same file.
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

    /// Inserts a file, into its previous block if it has one.
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
        let replaced = self.files.insert(path, entry);
        debug_assert!(replaced.is_none(), "a file is inserted before the previous one is removed");
        debug_assert!(self.is_counted(), "the summary counts other files");
    }

    /// Returns true if the summary counts as many files as there are.
    fn is_counted(&self) -> bool {
        self.summary.files as usize == self.files.len()
    }

    /// Rebuilds the tree if the list has more than doubled since it was last packed: insertion in order, as nodes send files,
    /// leaves the tree's pages half empty.
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

    /// Removes a file but keeps its block on disk.
    pub(super) fn remove(&mut self, path: &str, content: &Content) {
        let Some((path, entry)) = self.files.remove_entry(path) else {
            return impossible!("an unknown file is removed", node = self.id.short());
        };
        self.summary.remove(&super::record::record(&path, entry.share, content));
        debug_assert!(self.is_counted(), "the summary counts other files");
    }

    /// Records that a file moved to another block.
    pub(super) fn move_to(&mut self, path: &str, block: BlockNo) {
        if let Some(entry) = self.files.get_mut(path) {
            entry.block = block;
        }
    }

    /// Fills the empty list with files loaded from disk.
    pub(super) fn load(&mut self, rows: Vec<LoadedFile>, header: &ListHeader) {
        debug_assert!(self.files.is_empty() && self.packing.bytes() == 0, "a list is loaded twice");
        for row in &rows {
            self.packing.restore(row.name, row.path.len(), row.block);
        }
        let entry = |row: LoadedFile| (row.path, self.new_entry(row.content, row.name, row.share, row.block));
        // Collecting sorts the files and fills the tree's pages one after the other.
        self.files = rows.into_iter().map(entry).collect();
        (self.summary, self.disk_sync) = (header.summary, DiskSync::InSync);
        self.visits.restore(header);
    }

    /// Inserts a file that is on disk already.
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
