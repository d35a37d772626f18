//! The paths under which contents are shared, each kept once.

use std::sync::Arc;

use protocol::index::FileRecord;

use super::holding::Holdings;
use crate::text_table::TextTable;

/// A path's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameNo(pub(crate) u32);

/// All paths of all lists, and how many files are under each. Their folded forms are not kept: a search makes those of
/// the few names that it looks at, and a million of them would take 70 MB.
#[derive(Debug, Default)]
pub(crate) struct NameTable(TextTable<u32>);

impl NameTable {
    /// Counts one more file under a path, and returns the path's number and its one copy.
    pub(super) fn acquire(&mut self, path: &str) -> Option<(NameNo, Arc<str>)> {
        let (number, is_new) = self.0.insert(path, || 0)?;
        if is_new && number >= Holdings::MAX_NAMES {
            self.0.remove(number);
            return None;
        }
        let uses = self.0.get_mut(number)?;
        *uses = uses.checked_add(1)?;
        Some((NameNo(number), Arc::clone(self.0.text(number)?)))
    }

    /// Returns how many paths there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the bytes of all paths.
    pub(super) const fn text_bytes(&self) -> u64 {
        self.0.text_bytes()
    }

    /// Returns the number of a path, if it is in any list.
    pub(super) fn find(&self, path: &str) -> Option<NameNo> {
        self.0.find(path).map(NameNo)
    }

    /// Fetches at once from memory what [`NameTable::acquire`] looks at.
    pub(super) fn prefetch(&self, files: &[FileRecord]) {
        self.0.prefetch_lookups(files.iter().map(|file| file.path.as_str()));
    }

    /// Makes room for so many more paths.
    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// Gives room back that is not needed.
    pub(super) fn shrink(&mut self) {
        self.0.shrink();
    }

    /// Counts one less; a path that nobody uses is forgotten.
    pub(super) fn release(&mut self, number: NameNo) {
        let Some(uses) = self.0.get_mut(number.0) else { return };
        *uses = uses.saturating_sub(1);
        if *uses == 0 {
            self.0.remove(number.0);
        }
    }

    /// Returns a path as it was registered.
    pub(crate) fn path(&self, number: NameNo) -> Option<&Arc<str>> {
        self.0.text(number.0)
    }
}
