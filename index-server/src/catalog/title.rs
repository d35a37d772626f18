//! Titles: a content under one of its names, the unit that searches find.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroU32;

use super::NameNo;
use super::block_max::BlockMaxRanks;
use super::content::Contents;
use crate::ids::ContentNo;
use crate::ids::TitleNo;
use crate::slab::Slab;

/// A content under one of its names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Title {
    pub(crate) content: ContentNo,
    pub(crate) name: NameNo,
    /// The number of files in all lists with this content and name.
    use_count: NonZeroU32,
    /// The number of address groups of listed nodes that have it.
    listed_groups: u32,
}

impl Title {
    /// Returns the number of address groups of listed nodes that have it.
    pub(crate) const fn listed_groups(&self) -> u32 {
        self.listed_groups
    }
}

/// All titles, by number and by content and name, with the maximum rank per block.
#[derive(Debug, Default)]
pub(crate) struct Titles {
    table: Slab<Title>,
    numbers: BTreeMap<(ContentNo, NameNo), TitleNo>,
    block_max: BlockMaxRanks,
}

impl Titles {
    /// Returns how many titles there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Counts one more file; returns its title's number and whether the title is new.
    pub(super) fn acquire(&mut self, content: ContentNo, name: NameNo) -> Option<(TitleNo, bool)> {
        match self.numbers.entry((content, name)) {
            Entry::Occupied(known) => {
                let title = self.table.get_mut(known.get().0)?;
                title.use_count = title.use_count.checked_add(1)?;
                Some((*known.get(), false))
            }
            Entry::Vacant(vacant) => {
                let title = Title { content, name, use_count: NonZeroU32::MIN, listed_groups: 0 };
                let number = TitleNo(self.table.insert(title)?);
                vacant.insert(number);
                debug_assert_eq!(self.numbers.len(), self.table.len(), "each title has one number");
                Some((number, true))
            }
        }
    }

    /// Counts one file less; removes a title without files and returns its number.
    pub(super) fn release(&mut self, content: ContentNo, name: NameNo) -> Option<TitleNo> {
        let number = *self.numbers.get(&(content, name))?;
        let title = self.table.get_mut(number.0)?;
        if let Some(uses) = NonZeroU32::new(title.use_count.get() - 1) {
            title.use_count = uses;
            return None;
        }
        self.numbers.remove(&(content, name));
        let removed = self.table.remove(number.0);
        debug_assert!(
            removed.is_some_and(|title| title.listed_groups == 0),
            "a title without files is listed"
        );
        debug_assert_eq!(self.numbers.len(), self.table.len(), "each title has one number");
        Some(number)
    }

    /// Adds or removes one address group of listed nodes.
    pub(super) fn count_listed(&mut self, number: TitleNo, listed: bool) {
        if let Some(title) = self.table.get_mut(number.0) {
            debug_assert!(listed || title.listed_groups > 0, "a title is unlisted more often than listed");
            title.listed_groups =
                if listed { title.listed_groups + 1 } else { title.listed_groups.saturating_sub(1) };
        }
    }

    /// Records the rank of a new title.
    pub(super) fn raise_rank(&mut self, number: TitleNo, contents: &Contents) {
        if let Some(title) = self.table.get(number.0) {
            self.block_max.raise(number.0, contents.rank_bound(title.content));
            debug_assert!(self.block_max.bound_of(number.0) >= contents.rank_bound(title.content));
        }
    }

    /// Updates the ranks after a content's rank bound has changed, or after one of its titles was removed.
    pub(super) fn rerank(
        &mut self,
        content: ContentNo,
        removed: Option<TitleNo>,
        before: u64,
        contents: &Contents,
    ) {
        let Self { table, numbers, block_max: peaks } = self;
        let peak_of = |number| table.get(number).map_or(0, |title| contents.rank_bound(title.content));
        if let Some(removed) = removed {
            peaks.lower(removed.0, before, peak_of);
        }
        let after = contents.rank_bound(content);
        if after == before {
            return;
        }
        for (_, number) in numbers.range((content, NameNo(0))..=(content, NameNo(u32::MAX))) {
            if after > before {
                peaks.raise(number.0, after);
            } else {
                peaks.lower(number.0, before, peak_of);
            }
        }
    }

    /// Returns a title.
    pub(crate) fn get(&self, number: TitleNo) -> Option<&Title> {
        self.table.get(number.0)
    }

    /// Returns the number of a content under a name.
    pub(super) fn number(&self, content: ContentNo, name: NameNo) -> Option<TitleNo> {
        self.numbers.get(&(content, name)).copied()
    }

    /// Iterates over the titles of a content from name `first` on, in order of the names' numbers.
    pub(crate) fn titles_of(&self, content: ContentNo, first: NameNo) -> impl Iterator<Item = TitleNo> {
        self.numbers.range((content, first)..=(content, NameNo(u32::MAX))).map(|(_, number)| *number)
    }

    /// Iterates over all titles.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = TitleNo> {
        self.numbers.values().copied()
    }

    /// Returns the lowest title number from `from` on whose rank may be above `rank`.
    pub(crate) fn next_above(&self, from: u32, rank: u64) -> Option<u32> {
        self.block_max.next_above(from, rank)
    }
}
