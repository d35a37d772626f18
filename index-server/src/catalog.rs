//! The catalog: which node shares which content under which path.
//!
//! The catalog lives in memory only. The registrar alone changes it and writes the resulting [`ListWrites`] to disk; all others
//! read. Which nodes are online is kept by the [roster](crate::roster).

mod address_groups;
mod attendance;
mod block_max;
mod bookkeeping;
mod bulk_load;
mod content;
mod expiry;
mod file_list;
mod holding;
mod indexing;
mod list_bytes;
mod name;
mod packing;
mod record;
mod restore;
mod sorted_runs;
mod title;
mod writes;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::index::{FileRecord, ListSummary, Share};
use protocol::limits::MAX_FILES_PER_NODE;
use protocol::node_id::NodeId;

pub(crate) use attendance::Attendance;
pub(crate) use content::{Content, DigestHead, digest_head};
pub(crate) use expiry::ExpiryReason;
pub(crate) use file_list::FileList;
pub(crate) use holding::Holding;
pub(crate) use indexing::IndexBatch;
pub(crate) use list_bytes::encoded_len_of_all;
pub(crate) use name::NameNo;
pub(crate) use packing::{BLOCK_LEN, BlockNo};
pub(crate) use restore::{StoredFileList, VerifiedList};
pub(crate) use writes::{ListHeader, ListWrites};

use crate::ids::{ContentNo, NodeNo, TitleNo};
use crate::prefetch;
use crate::words::WordIndex;
use content::Contents;
use file_list::{Confirmation, FileEntry};
use holding::Holdings;
use list_bytes::ListBytes;
use name::NameTable;
use title::{Title, Titles};

/// All file lists and the tables derived from them.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    lists: BTreeMap<NodeNo, FileList>,
    node_numbers: HashMap<NodeId, NodeNo>,
    /// Unused numbers below the highest one in use.
    free_numbers: Vec<NodeNo>,
    contents: Contents,
    names: NameTable,
    holdings: Holdings,
    titles: Titles,
    words: WordIndex,
    /// Titles not in the search index yet; may contain titles that were removed since.
    unindexed: Vec<TitleNo>,
    list_bytes: ListBytes,
}

/// An error while changing a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListChangeError {
    /// The node would share more files than allowed, or the index has run out of numbers.
    TooManyFiles,
    /// The list was not started, or was reloaded since.
    NotStarted,
    /// The node is unknown.
    UnknownNode,
}

impl Catalog {
    /// Returns a node's number, assigning one if the node is new.
    pub(crate) fn admit(&mut self, id: NodeId) -> Option<NodeNo> {
        if let Some(number) = self.node_numbers.get(&id) {
            return Some(*number);
        }
        let next = || match self.lists.last_key_value() {
            Some((last, _)) => last.0.checked_add(1).filter(|next| *next < Holdings::MAX_NODES).map(NodeNo),
            None => Some(NodeNo(0)),
        };
        // Reuse a free number if there is one.
        let number = self.free_numbers.pop().or_else(next)?;
        debug_assert!(number.0 < Holdings::MAX_NODES, "a node number overlaps a mark");
        self.node_numbers.insert(id, number);
        let previous = self.lists.insert(number, FileList::new(id));
        debug_assert!(previous.is_none(), "number {number:?} is free and in use");
        debug_assert_eq!(self.node_numbers.len(), self.lists.len(), "each node has one list");
        Some(number)
    }

    /// Removes a node that shares nothing and has nothing on disk.
    pub(crate) fn remove_if_empty(&mut self, node: NodeNo) {
        let Some(list) = self.lists.get(&node).filter(|list| list.is_removable()) else { return };
        self.node_numbers.remove(&list.id());
        self.lists.remove(&node);
        self.holdings.address_groups.leave(node);
        debug_assert!(self.free_numbers.last() != Some(&node), "number {node:?} is freed twice");
        self.free_numbers.push(node);
        debug_assert_eq!(self.node_numbers.len(), self.lists.len(), "each node has one list");
    }

    /// Collects the unused numbers after lists were restored one by one.
    pub(crate) fn collect_free_numbers(&mut self) {
        self.free_numbers.clear();
        let mut expected = 0;
        for number in self.lists.keys() {
            self.free_numbers.extend((expected..number.0).map(NodeNo));
            expected = number.0.saturating_add(1);
        }
        self.free_numbers.reverse();
        debug_assert!(
            self.free_numbers.is_sorted_by(|one, next| one > next),
            "the lowest free number is used first"
        );
    }

    /// Returns a node's number.
    pub(crate) fn number(&self, id: &NodeId) -> Option<NodeNo> {
        self.node_numbers.get(id).copied()
    }

    /// Returns a node's list.
    pub(crate) fn list(&self, node: NodeNo) -> Option<&FileList> {
        self.lists.get(&node)
    }

    /// Starts a full list; [`Catalog::end_list`] drops files that were not registered since.
    pub(crate) fn begin_list(&mut self, node: NodeNo) -> Result<(), ListChangeError> {
        self.lists.get_mut(&node).ok_or(ListChangeError::UnknownNode)?.begin_refresh();
        Ok(())
    }

    /// Registers all of `files`, or none.
    pub(crate) fn register(&mut self, node: NodeNo, files: &[FileRecord]) -> Result<(), ListChangeError> {
        let registered = self.register_unindexed(node, files);
        self.index_all();
        registered
    }

    /// Registers all of `files`, or none, but does not index new titles: searches may miss them until they are
    /// [indexed](Catalog::index).
    pub(crate) fn register_unindexed(
        &mut self,
        node: NodeNo,
        files: &[FileRecord],
    ) -> Result<(), ListChangeError> {
        self.check_capacity(node, files, MAX_FILES_PER_NODE)?;
        let enter = |catalog: &mut Self| files.iter().try_for_each(|file| catalog.insert_file(node, file));
        self.count_change(node, enter).ok_or(ListChangeError::TooManyFiles)
    }

    /// Releases excess memory of a list, unless the list is long.
    pub(crate) fn pack(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.pack();
        }
    }

    /// Checks that a node may also share `files` without exceeding `max_files`.
    pub(crate) fn check_capacity(
        &self,
        node: NodeNo,
        files: &[FileRecord],
        max_files: u32,
    ) -> Result<(), ListChangeError> {
        let list = self.lists.get(&node).ok_or(ListChangeError::UnknownNode)?;
        // The lookups are only needed if the list would overflow were all files new.
        if list.len() + files.len() <= max_files as usize {
            return Ok(());
        }
        let mut fresh: Vec<&str> =
            files.iter().map(|file| file.path.as_str()).filter(|path| !list.contains(path)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        let free = (max_files as usize).saturating_sub(list.len());
        if fresh.len() > free { Err(ListChangeError::TooManyFiles) } else { Ok(()) }
    }

    /// Removes paths from a list; unknown paths are ignored.
    pub(crate) fn unregister<'a>(
        &mut self,
        node: NodeNo,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ListChangeError> {
        self.lists.get(&node).ok_or(ListChangeError::UnknownNode)?;
        self.count_change(node, |catalog| {
            for path in paths {
                catalog.remove_file(node, path);
            }
        });
        Ok(())
    }

    /// Returns the paths that were not registered since [`Catalog::begin_list`].
    pub(crate) fn unmentioned_paths(&self, node: NodeNo) -> Result<Vec<Arc<str>>, ListChangeError> {
        let list = self.lists.get(&node).ok_or(ListChangeError::UnknownNode)?;
        list.unmentioned_paths().ok_or(ListChangeError::NotStarted)
    }

    /// Ends the refresh started by [`Catalog::begin_list`]; the caller removes the unmentioned paths.
    pub(crate) fn end_list(&mut self, node: NodeNo) -> Result<(), ListChangeError> {
        self.lists.get_mut(&node).ok_or(ListChangeError::UnknownNode)?.end_refresh();
        Ok(())
    }

    /// Returns the list's summary, or `None` if the list may differ from the one on disk, or a change of it is half entered.
    pub(crate) fn summary(&self, node: NodeNo) -> Option<ListSummary> {
        let is_certain = |list: &&FileList| !list.is_doubtful() && !list.is_changing;
        self.lists.get(&node).filter(is_certain).map(FileList::summary)
    }

    /// Sets whether a change of a node's list is being entered step by step, while others read the catalog.
    pub(crate) fn set_changing(&mut self, node: NodeNo, is_changing: bool) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.is_changing = is_changing;
        }
    }

    /// Returns the number of nodes with a non-empty list and the number of files in all lists.
    pub(crate) fn count_files(&self) -> (u32, u64) {
        let full = self.lists.values().map(FileList::len).filter(|files| *files > 0);
        full.fold((0, 0), |(nodes, all), files| (nodes + 1, all + files as u64))
    }

    /// Returns the table of contents.
    pub(crate) const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Returns the table of names.
    pub(crate) const fn names(&self) -> &NameTable {
        &self.names
    }

    /// Returns the table of titles.
    pub(crate) const fn titles(&self) -> &Titles {
        &self.titles
    }

    /// Returns the words of all titles.
    pub(crate) const fn words(&self) -> &WordIndex {
        &self.words
    }

    /// Prefetches the memory that ranking these titles will read.
    pub(crate) fn prefetch_titles(&self, titles: &[TitleNo]) {
        let known = || titles.iter().filter_map(|number| self.titles.get(*number));
        let first_byte = |title: &Title| self.names.path(title.name)?.as_bytes().first().copied();
        let low_byte = |number: u64| number.to_le_bytes()[0];
        prefetch::prefetch(known().map(|title| low_byte(title.content.0.into())));
        let contents = known().filter_map(|title| self.contents.get(title.content));
        prefetch::prefetch(contents.map(|content| low_byte(content.size)));
        prefetch::prefetch(known().filter_map(first_byte));
    }

    /// Returns the first file whose content the node already shares with another size. Only one size can be true, and a node
    /// that claimed very many would slow down everyone who looks for that content.
    pub(crate) fn conflicting_file<'a>(
        &self,
        node: NodeNo,
        files: &'a [FileRecord],
    ) -> Option<&'a FileRecord> {
        files.iter().find(|file| {
            let is_other = |content: &ContentNo| {
                self.contents.get(*content).is_some_and(|content| content.size != file.size)
            };
            let mut others = self.contents.with_digest(file.digest).filter(is_other);
            // A file under the same path is replaced.
            others.any(|content| self.holdings.has_other(content, node, self.names.find(&file.path)))
        })
    }

    /// Prefetches the memory that registering these files will read.
    pub(crate) fn prefetch_files(&self, files: &[FileRecord]) {
        self.contents.prefetch(files);
        self.names.prefetch(files);
    }

    /// Iterates over the listed nodes that hold a content.
    pub(crate) fn holdings_of(&self, content: ContentNo) -> impl Iterator<Item = Holding> {
        self.holdings.of(content)
    }

    /// Returns true if a listed node shares the complete content.
    pub(crate) fn has_content(&self, digest: Digest, node: NodeNo) -> bool {
        let mut contents = self.contents.with_digest(digest);
        contents.any(|content| self.holdings.offered_share(content, node) == Some(Share::Complete))
    }

    /// Iterates over all shared files.
    #[cfg(test)]
    pub(crate) fn all_holdings(&self) -> impl Iterator<Item = Holding> {
        self.holdings.all()
    }

    fn insert_file(&mut self, node: NodeNo, file: &FileRecord) -> Option<()> {
        let list = self.lists.get_mut(&node)?;
        // A path that no list contains cannot be in this one; this skips the slower lookup for new files.
        let confirmed = if self.names.find(&file.path).is_some() {
            list.confirm(file, &self.contents)
        } else {
            Confirmation::Absent
        };
        let is_new = match confirmed {
            Confirmation::Same => return Some(()),
            Confirmation::Different => false,
            Confirmation::Absent => true,
        };
        let listed = list.is_listed();
        // Acquire before the old entry is released, so that the name keeps its number and its block on disk.
        let (content, name, path) = self.acquire(file)?;
        let block = if is_new { None } else { self.remove_entry(node, &file.path).map(|entry| entry.block) };
        self.insert_holding((content, node, name), file.share, listed)?;
        self.lists.get_mut(&node)?.insert(path, (content, name), file, block);
        Some(())
    }

    fn remove_file(&mut self, node: NodeNo, path: &str) -> Option<()> {
        let FileEntry { name, block, .. } = self.remove_entry(node, path)?;
        let list = self.lists.get_mut(&node)?;
        for (moved, block) in list.packing.remove(name, block) {
            list.move_to(self.names.path(moved)?, block);
        }
        Some(())
    }

    /// Removes a file but keeps its block on disk for a replacement under the same path.
    fn remove_entry(&mut self, node: NodeNo, path: &str) -> Option<FileEntry> {
        let list = self.lists.get_mut(&node)?;
        let entry = list.find(path)?;
        let digest_and_size = self.contents.get(entry.content)?;
        list.remove(path, digest_and_size);
        self.release_entry(node, &entry);
        Some(entry)
    }

    fn path(&self, name: NameNo) -> Option<&Arc<str>> {
        self.names.path(name)
    }
}
