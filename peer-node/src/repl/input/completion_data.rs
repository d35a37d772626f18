use std::sync::Arc;

use parking_lot::Mutex;

/// What Tab can offer beside commands and local files; the session keeps it up to date, the prompt's thread reads it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedCompletions(Arc<Mutex<CompletionData>>);

/// Things that have been on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CompletionData {
    /// The paths of the hits, in the order of their numbers from 1.
    pub(crate) hits: Vec<String>,
    /// Where peers listen.
    pub(crate) peers: Vec<String>,
    /// The numbers and names of the downloads that are not over.
    pub(crate) downloads: Vec<(u32, String)>,
}

impl SharedCompletions {
    /// Changes what is known.
    pub(crate) fn update(&self, change: impl FnOnce(&mut CompletionData)) {
        change(&mut self.0.lock());
    }

    /// Returns what is known.
    pub(super) fn snapshot(&self) -> CompletionData {
        self.0.lock().clone()
    }
}
