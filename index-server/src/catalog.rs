//! What the index knows: which node shares which content under which path.
//!
//! The catalog is pure memory. It is changed by the registrar alone, who takes the [`ListWrites`] that a change amounts to
//! and brings them to disk; everybody else reads. Who is there at the moment is the [roster](crate::roster)'s concern.

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
pub(crate) use packing::BlockNo;
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

/// All lists of all nodes, and all contents in them.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    lists: BTreeMap<NodeNo, FileList>,
    node_numbers: HashMap<NodeId, NodeNo>,
    /// Numbers below the highest that no node has.
    free_numbers: Vec<NodeNo>,
    contents: Contents,
    names: NameTable,
    holdings: Holdings,
    titles: Titles,
    words: WordIndex,
    /// Titles that searches do not go by yet, and some of those that they were to go by and are gone.
    unindexed: Vec<TitleNo>,
    list_bytes: ListBytes,
}

/// Why a list is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListChangeError {
    /// The node would share more files than a node may, or the index has no numbers left.
    TooManyFiles,
    /// The list was not begun, or was loaded anew since.
    NotStarted,
    /// No such node.
    UnknownNode,
}

impl Catalog {
    /// Returns the number of a node, giving it one if it is new.
    pub(crate) fn admit(&mut self, id: NodeId) -> Option<NodeNo> {
        if let Some(number) = self.node_numbers.get(&id) {
            return Some(*number);
        }
        let next = || match self.lists.last_key_value() {
            Some((last, _)) => last.0.checked_add(1).filter(|next| *next < Holdings::MAX_NODES).map(NodeNo),
            None => Some(NodeNo(0)),
        };
        let number = self.free_numbers.pop().or_else(next)?;
        self.node_numbers.insert(id, number);
        self.lists.insert(number, FileList::new(id));
        Some(number)
    }

    /// Drops a node that shares nothing and has nothing on disk.
    pub(crate) fn forget_if_empty(&mut self, node: NodeNo) {
        let Some(list) = self.lists.get(&node).filter(|list| list.is_forgettable()) else { return };
        self.node_numbers.remove(&list.id());
        self.lists.remove(&node);
        self.holdings.address_groups.leave(node);
        self.free_numbers.push(node);
    }

    /// Finds out which numbers no node has, behind lists that were restored one by one.
    pub(crate) fn collect_free_numbers(&mut self) {
        self.free_numbers.clear();
        let mut expected = 0;
        for number in self.lists.keys() {
            self.free_numbers.extend((expected..number.0).map(NodeNo));
            expected = number.0.saturating_add(1);
        }
        self.free_numbers.reverse();
    }

    /// Returns a node's number.
    pub(crate) fn number(&self, id: &NodeId) -> Option<NodeNo> {
        self.node_numbers.get(id).copied()
    }

    /// Returns a node's list.
    pub(crate) fn list(&self, node: NodeNo) -> Option<&FileList> {
        self.lists.get(&node)
    }

    /// Begins the whole list anew: what is not registered before [`Catalog::end_list`] goes.
    pub(crate) fn begin_list(&mut self, node: NodeNo) -> Result<(), ListChangeError> {
        self.lists.get_mut(&node).ok_or(ListChangeError::UnknownNode)?.begin_refresh();
        Ok(())
    }

    /// Takes all of `files`, or none.
    pub(crate) fn register(&mut self, node: NodeNo, files: &[FileRecord]) -> Result<(), ListChangeError> {
        let registered = self.register_unindexed(node, files);
        self.index_all();
        registered
    }

    /// Does that, but searches need not find what is new until the index is [complete](Catalog::complete_index).
    pub(crate) fn register_unindexed(
        &mut self,
        node: NodeNo,
        files: &[FileRecord],
    ) -> Result<(), ListChangeError> {
        self.check_capacity(node, files, MAX_FILES_PER_NODE)?;
        let enter = |catalog: &mut Self| files.iter().try_for_each(|file| catalog.insert_file(node, file));
        self.count_change(node, enter).ok_or(ListChangeError::TooManyFiles)
    }

    /// Gives back what a list takes more than it must, if it is not long.
    pub(crate) fn pack(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.pack();
        }
    }

    /// Says whether a node may share `files` too, if it may share so many in all.
    pub(crate) fn check_capacity(
        &self,
        node: NodeNo,
        files: &[FileRecord],
        most: u32,
    ) -> Result<(), ListChangeError> {
        let list = self.lists.get(&node).ok_or(ListChangeError::UnknownNode)?;
        // Nothing needs to be looked for where all would fit, were they all new.
        if list.len() + files.len() <= most as usize {
            return Ok(());
        }
        let mut fresh: Vec<&str> =
            files.iter().map(|file| file.path.as_str()).filter(|path| !list.contains(path)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        let room = (most as usize).saturating_sub(list.len());
        if fresh.len() > room { Err(ListChangeError::TooManyFiles) } else { Ok(()) }
    }

    /// Takes paths out of a list; those that are not in it are passed over.
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

    /// Returns what was not registered since [`Catalog::begin_list`].
    pub(crate) fn unmentioned_paths(&self, node: NodeNo) -> Result<Vec<Arc<str>>, ListChangeError> {
        let list = self.lists.get(&node).ok_or(ListChangeError::UnknownNode)?;
        list.unmentioned_paths().ok_or(ListChangeError::NotStarted)
    }

    /// Ends what [`Catalog::begin_list`] began; what was not mentioned is to be taken out.
    pub(crate) fn end_list(&mut self, node: NodeNo) -> Result<(), ListChangeError> {
        self.lists.get_mut(&node).ok_or(ListChangeError::UnknownNode)?.end_refresh();
        Ok(())
    }

    /// Returns the list's summary, or nothing if it may not be what is on disk.
    pub(crate) fn summary(&self, node: NodeNo) -> Option<ListSummary> {
        self.lists.get(&node).filter(|list| !list.is_doubtful()).map(FileList::summary)
    }

    /// Says how many nodes have a list with something in it, and how many files are in all of them.
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

    /// Fetches what there is to know of some titles from memory at once.
    pub(crate) fn prefetch_titles(&self, titles: &[TitleNo]) {
        let places = || titles.iter().filter_map(|number| self.titles.get(*number));
        let first_byte = |title: &Title| self.names.path(title.name)?.as_bytes().first().copied();
        let low_byte = |number: u64| number.to_le_bytes()[0];
        prefetch::prefetch(places().map(|title| low_byte(title.content.0.into())));
        let contents = places().filter_map(|title| self.contents.get(title.content));
        prefetch::prefetch(contents.map(|content| low_byte(content.size)));
        prefetch::prefetch(places().filter_map(first_byte));
    }

    /// Returns the first of some files whose content a node shares with another size already. Only one can be true, and whoever
    /// claimed a million of them would keep all busy who look for that content.
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
            // What lies under this very path is replaced.
            others.any(|content| self.holdings.has_other(content, node, self.names.find(&file.path)))
        })
    }

    /// Fetches from memory at once what registering looks at.
    pub(crate) fn prefetch_files(&self, files: &[FileRecord]) {
        self.contents.prefetch(files);
        self.names.prefetch(files);
    }

    /// Walks over the listed nodes that hold one content.
    pub(crate) fn holdings_of(&self, content: ContentNo) -> impl Iterator<Item = Holding> {
        self.holdings.of(content)
    }

    /// Returns true if a node that is listed has all of a content.
    pub(crate) fn has_content(&self, digest: Digest, node: NodeNo) -> bool {
        let mut contents = self.contents.with_digest(digest);
        contents.any(|content| self.holdings.offered_share(content, node) == Some(Share::Complete))
    }

    /// Walks over all shared files.
    #[cfg(test)]
    pub(crate) fn all_holdings(&self) -> impl Iterator<Item = Holding> {
        self.holdings.all()
    }

    fn insert_file(&mut self, node: NodeNo, file: &FileRecord) -> Option<()> {
        let list = self.lists.get_mut(&node)?;
        // What is in no list is not looked for in this one, name by name: a thirtieth of the time, at five million files.
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
        // Held before the old entry is let go, so that the name keeps its number and with it its place on disk.
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

    /// Takes a file out, but leaves its place on disk to another that may follow under the same path.
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
