//! The paths under which contents are shared, each kept once with its folded form.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::fold::fold;

use crate::slab::Slab;

/// A path's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameNo(pub(crate) u32);

#[derive(Debug)]
struct Name {
    path: Arc<str>,
    /// Absent where folding changes nothing.
    folded: Option<Box<str>>,
    uses: u32,
}

/// All paths of all lists.
#[derive(Debug, Default)]
pub(crate) struct Names {
    table: Slab<Name>,
    by_path: HashMap<Arc<str>, NameNo>,
}

impl Names {
    /// Counts one more file under a path, and returns the path's number and its one copy.
    pub(super) fn hold(&mut self, path: &str) -> Option<(NameNo, Arc<str>)> {
        if let Some(number) = self.by_path.get(path) {
            let name = self.table.get_mut(number.0)?;
            name.uses = name.uses.checked_add(1)?;
            return Some((*number, Arc::clone(&name.path)));
        }
        let shared: Arc<str> = path.into();
        let folded = Some(fold(path)).filter(|folded| folded != path).map(String::into_boxed_str);
        let number = NameNo(self.table.insert(Name { path: Arc::clone(&shared), folded, uses: 1 })?);
        self.by_path.insert(Arc::clone(&shared), number);
        Some((number, shared))
    }

    /// Counts one less; a path that nobody uses is forgotten.
    pub(super) fn release(&mut self, number: NameNo) {
        let Some(name) = self.table.get_mut(number.0) else { return };
        name.uses = name.uses.saturating_sub(1);
        if name.uses == 0
            && let Some(name) = self.table.remove(number.0)
        {
            self.by_path.remove(&name.path);
        }
    }

    /// Returns a path as it was registered.
    pub(crate) fn path(&self, number: NameNo) -> Option<&Arc<str>> {
        self.table.get(number.0).map(|name| &name.path)
    }

    /// Returns a path as searches see it.
    pub(crate) fn folded(&self, number: NameNo) -> Option<&str> {
        self.table.get(number.0).map(|name| name.folded.as_deref().unwrap_or(&name.path))
    }
}
