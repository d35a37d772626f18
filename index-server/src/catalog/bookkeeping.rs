//! Keeps the derived tables up to date when a file changes: contents, names, titles, words and holdings.

use std::sync::Arc;

use protocol::fold::fold;
use protocol::index::{FileRecord, Share};

use super::file_list::FileEntry;
use super::holding::{Holding, larger_share};
use super::{Catalog, NameNo};
use crate::address_group::AddressGroup;
use crate::ids::TitleNo;
use crate::ids::{ContentNo, NodeNo};

/// Maximum number of nodes with a content whose availability is recounted in debug builds.
const MAX_RECOUNTED: usize = 16;

/// The key of a file in the tables.
pub(super) type HoldingKey = (ContentNo, NodeNo, NameNo);

impl Catalog {
    /// Counts one more file with this content and name; the caller then calls [`Catalog::insert_holding`].
    pub(super) fn acquire(&mut self, file: &FileRecord) -> Option<(ContentNo, NameNo, Arc<str>)> {
        let content = self.contents.acquire(file.digest, file.size)?;
        let Some((name, path)) = self.names.acquire(&file.path) else {
            self.contents.release(content);
            return None;
        };
        Some((content, name, path))
    }

    /// Inserts a file as a holding; queues a new title for indexing.
    pub(super) fn insert_holding(&mut self, key: HoldingKey, share: Share, listed: bool) -> Option<()> {
        let (title, is_new) = self.insert_title(key, share, listed)?;
        if is_new {
            self.unindexed.push(title);
        }
        Some(())
    }

    /// Inserts a file as a holding; returns its title and whether it is new, in which case the caller indexes it.
    pub(super) fn insert_title(
        &mut self,
        key: HoldingKey,
        share: Share,
        listed: bool,
    ) -> Option<(TitleNo, bool)> {
        let (content, _, name) = key;
        let (title, is_new) = self.titles.acquire(content, name)?;
        if is_new {
            let before = self.contents.rank_bound(content);
            self.contents.count_name(content, true);
            self.titles.rerank(content, None, before, &self.contents);
        }
        self.replace_holding(title, None, Some(Holding::new(key, share, listed)));
        self.titles.raise_rank(title, &self.contents);
        debug_assert!(
            !is_new
                || self.contents.rank_bound(content) == 0
                || self.titles.next_above(title.0, 0) == Some(title.0),
            "a search skips a new title"
        );
        Some((title, is_new))
    }

    /// Removes the holding of a list entry, and the rows that no other file needs.
    pub(super) fn release_entry(&mut self, node: NodeNo, entry: &FileEntry) {
        let (content, name) = (entry.content, entry.name);
        let Some(title) = self.titles.number(content, name) else {
            return impossible!("a file has no title", node = node, content = content, name = name);
        };
        let holding = Holding::new((content, node, name), entry.share, entry.listed);
        self.replace_holding(title, Some(holding), None);
        if let Some(removed) = self.titles.release(content, name) {
            let before = self.contents.rank_bound(content);
            self.contents.count_name(content, false);
            self.titles.rerank(content, Some(removed), before, &self.contents);
            if let Some(path) = self.names.path(name) {
                self.words.remove(&fold(path), removed.0);
            }
        }
        self.contents.release(content);
        self.names.release(name);
    }

    /// Marks a node as listed in a group, or as not listed; the caller then repeats [`Catalog::sync_listed`] until it is done.
    /// A node whose files still count for another group stays unlisted until they do not.
    pub(crate) fn set_listed(&mut self, node: NodeNo, group: Option<AddressGroup>) {
        let Some(list) = self.lists.get_mut(&node) else { return };
        let groups = &mut self.holdings.address_groups;
        list.set_listed(group.is_some_and(|group| groups.join(node, group)));
    }

    /// Returns true if a known node is listed exactly as requested; true for an unknown node.
    pub(crate) fn is_listed_as(&self, node: NodeNo, listed: bool) -> bool {
        self.lists.get(&node).is_none_or(|list| list.is_listed() == listed)
    }

    /// Returns the number of nodes in a node's address group.
    pub(crate) fn address_group_len(&self, node: NodeNo) -> usize {
        self.holdings.address_groups.members_with(node).len().max(1)
    }

    /// Updates the listed state of up to `max_files` files of a node; returns true if all are up to date.
    pub(crate) fn sync_listed(&mut self, node: NodeNo, max_files: usize) -> bool {
        let Some(list) = self.lists.get_mut(&node) else { return true };
        let (listed, changed, done) = list.sync_listed(max_files);
        for entry in changed {
            let key = (entry.content, node, entry.name);
            let Some(title) = self.titles.number(entry.content, entry.name) else {
                impossible!("a file has no title", node = node, content = entry.content, name = entry.name);
                continue;
            };
            let [before, after] = [!listed, listed].map(|listed| Holding::new(key, entry.share, listed));
            self.replace_holding(title, Some(before), Some(after));
        }
        if done && !listed {
            self.holdings.address_groups.leave(node);
        }
        done
    }

    /// Replaces one holding of a file with another.
    fn replace_holding(&mut self, title: TitleNo, before: Option<Holding>, after: Option<Holding>) {
        let counts = |holding: Option<Holding>| holding.is_some_and(Holding::is_listed);
        if !counts(before) && !counts(after) {
            // Neither holding counts, so no rank or availability changes.
            self.holdings.replace(before, after);
            return;
        }
        let Some(holding) = before.or(after) else { return };
        let (content, node, name) = (holding.content(), holding.node(), holding.name());
        let (offered_before, peak) =
            (self.holdings.offered_share(content, node), self.contents.rank_bound(content));
        self.holdings.replace(before, after);
        // Holdings of other nodes in the group count already.
        let group_offer = self.holdings.group_offer((content, node, name));
        if counts(before) != counts(after) && !group_offer.has_title {
            self.titles.count_listed(title, counts(after));
        }
        let offered_after = self.holdings.offered_share(content, node);
        let [offered_before, offered_after] =
            [offered_before, offered_after].map(|own| larger_share(own, group_offer.share));
        if offered_after != offered_before {
            self.contents.update_availability(content, offered_before, offered_after);
            self.titles.rerank(content, None, peak, &self.contents);
        }
        debug_assert!(self.is_counted_right(content), "the availability differs from a recount");
    }

    /// Returns true if the availability of a content equals a recount, or many nodes have the content.
    fn is_counted_right(&self, content: ContentNo) -> bool {
        let counted = self.contents.get(content).map(|content| content.availability);
        self.holdings.recount(content, MAX_RECOUNTED).is_none_or(|recounted| counted == Some(recounted))
    }
}
