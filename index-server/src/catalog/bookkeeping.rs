//! What follows from a file for the tables: its content, its name, its title, the words of that, and who offers it.

use std::sync::Arc;

use protocol::fold::fold;
use protocol::index::{FileRecord, Share};

use super::file_list::FileEntry;
use super::holding::{Holding, larger_share};
use super::{Catalog, NameNo};
use crate::address_group::AddressGroup;
use crate::ids::TitleNo;
use crate::ids::{ContentNo, NodeNo};

/// A file as the tables have it.
pub(super) type HoldingKey = (ContentNo, NodeNo, NameNo);

impl Catalog {
    /// Counts one more file with a content and a name; [`Catalog::insert_holding`] is to follow.
    pub(super) fn acquire(&mut self, file: &FileRecord) -> Option<(ContentNo, NameNo, Arc<str>)> {
        let content = self.contents.acquire(file.digest, file.size)?;
        let Some((name, path)) = self.names.acquire(&file.path) else {
            self.contents.release(content);
            return None;
        };
        Some((content, name, path))
    }

    /// Enters what is held, as a file of a node; a new title is to be indexed.
    pub(super) fn insert_holding(&mut self, key: HoldingKey, share: Share, listed: bool) -> Option<()> {
        let (title, is_new) = self.insert_title(key, share, listed)?;
        if is_new {
            self.unindexed.push(title);
        }
        Some(())
    }

    /// Does that, but only says whether the title is new, so that it must be indexed.
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
        Some((title, is_new))
    }

    /// Strikes off an entry of a node's list, and forgets what no other file needs.
    pub(super) fn release_entry(&mut self, node: NodeNo, entry: &FileEntry) {
        let (content, name) = (entry.content, entry.name);
        let Some(title) = self.titles.number(content, name) else { return };
        let holding = Holding::new((content, node, name), entry.share, entry.listed);
        self.replace_holding(title, Some(holding), None);
        if let Some(gone) = self.titles.release(content, name) {
            let before = self.contents.rank_bound(content);
            self.contents.count_name(content, false);
            self.titles.rerank(content, Some(gone), before, &self.contents);
            if let Some(path) = self.names.path(name) {
                self.words.remove(&fold(path), gone.0);
            }
        }
        self.contents.release(content);
        self.names.release(name);
    }

    /// Says of a node that it is listed as one of a household, or not listed; [`Catalog::sync_listed`] is to follow until it is done. A node
    /// that counts for another household still is not listed before it counts no longer.
    pub(crate) fn set_listed(&mut self, node: NodeNo, household: Option<AddressGroup>) {
        let Some(list) = self.lists.get_mut(&node) else { return };
        let households = &mut self.holdings.address_groups;
        list.set_listed(household.is_some_and(|household| households.join(node, household)));
    }

    /// Returns true if a node, should it be known, is listed or not listed as it is to be.
    pub(crate) fn is_listed_as(&self, node: NodeNo, listed: bool) -> bool {
        self.lists.get(&node).is_none_or(|list| list.is_listed() == listed)
    }

    /// Returns how many nodes count as one with a node.
    pub(crate) fn address_group_len(&self, node: NodeNo) -> usize {
        self.holdings.address_groups.members_with(node).len().max(1)
    }

    /// Brings at most so many files of a node in line with whether it is listed; says whether all are.
    pub(crate) fn sync_listed(&mut self, node: NodeNo, most: usize) -> bool {
        let Some(list) = self.lists.get_mut(&node) else { return true };
        let (listed, changed, done) = list.sync_listed(most);
        for entry in changed {
            let key = (entry.content, node, entry.name);
            if let Some(title) = self.titles.number(entry.content, entry.name) {
                let [before, after] = [!listed, listed].map(|listed| Holding::new(key, entry.share, listed));
                self.replace_holding(title, Some(before), Some(after));
            }
        }
        if done && !listed {
            self.holdings.address_groups.leave(node);
        }
        done
    }

    /// Puts one holding in the place of another of the same file.
    fn replace_holding(&mut self, title: TitleNo, before: Option<Holding>, after: Option<Holding>) {
        let counts = |holding: Option<Holding>| holding.is_some_and(Holding::is_listed);
        if !counts(before) && !counts(after) {
            // Nobody can tell what is offered from what is not, and so it is not looked for.
            self.holdings.replace(before, after);
            return;
        }
        let Some(holding) = before.or(after) else { return };
        let (content, node, name) = (holding.content(), holding.node(), holding.name());
        let (offered, peak) = (self.holdings.offered_share(content, node), self.contents.rank_bound(content));
        self.holdings.replace(before, after);
        // What other nodes of the household have counts already.
        let beside = self.holdings.group_offer((content, node, name));
        if counts(before) != counts(after) && !beside.has_title {
            self.titles.count_listed(title, counts(after));
        }
        let offers = self.holdings.offered_share(content, node);
        let [offered, offers] = [offered, offers].map(|own| larger_share(own, beside.share));
        if offers != offered {
            self.contents.update_availability(content, offered, offers);
            self.titles.rerank(content, None, peak, &self.contents);
        }
    }
}
