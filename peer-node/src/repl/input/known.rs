use std::sync::Arc;

use parking_lot::Mutex;

/// What Tab can offer beside commands and local files; the session keeps it up to date, the prompt's thread reads it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<Mutex<Things>>);

/// Things that have been on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Things {
    /// The paths of the hits, in the order of their numbers from 1.
    pub(crate) hits: Vec<String>,
    /// Where peers listen.
    pub(crate) peers: Vec<String>,
    /// The numbers and names of the downloads that are not over.
    pub(crate) downloads: Vec<(u32, String)>,
}

impl Known {
    /// Changes what is known.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Things)) {
        change(&mut self.0.lock());
    }

    /// Returns what is known.
    pub(super) fn things(&self) -> Things {
        self.0.lock().clone()
    }
}
