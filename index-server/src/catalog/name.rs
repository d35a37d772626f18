//! The paths under which contents are shared, each stored once.

use std::sync::Arc;

use protocol::index::FileRecord;

use super::holding::Holdings;
use crate::text_table::TextTable;

/// A path's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameNo(pub(crate) u32);

/// All paths of all lists, and the number of files under each. Folded forms are not stored, to save memory: a search folds the
/// few names that it looks at.
#[derive(Debug, Default)]
pub(crate) struct NameTable(TextTable<u32>);

impl NameTable {
    /// Counts one more file under a path; returns the path's number and its shared copy.
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

    /// Returns the number of a path, if any list contains it.
    pub(super) fn find(&self, path: &str) -> Option<NameNo> {
        self.0.find(path).map(NameNo)
    }

    /// Prefetches the memory that [`NameTable::acquire`] will read.
    pub(super) fn prefetch(&self, files: &[FileRecord]) {
        self.0.prefetch_lookups(files.iter().map(|file| file.path.as_str()));
    }

    /// Reserves space for `more` paths.
    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// Releases excess memory.
    pub(super) fn shrink(&mut self) {
        self.0.shrink();
    }

    /// Counts one file less; removes an unused path.
    pub(super) fn release(&mut self, number: NameNo) {
        let Some(uses) = self.0.get_mut(number.0) else {
            return impossible!("an unknown name is released", number = number);
        };
        debug_assert!(*uses > 0, "an unused name is kept");
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
