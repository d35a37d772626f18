use std::sync::Arc;

use parking_lot::Mutex;

use crate::operations::SafeName;

/// The candidates for Tab completion besides commands and local files, updated by the session and read by the prompt's thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedCompletions(Arc<Mutex<CompletionData>>);

/// The names that have been on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CompletionData {
    /// The paths of the hits, in the order of their numbers from 1.
    pub(crate) hits: Vec<SafeName>,
    /// The addresses of peers.
    pub(crate) peers: Vec<String>,
    /// The numbers and names of unfinished downloads.
    pub(crate) downloads: Vec<(u32, SafeName)>,
}

impl SharedCompletions {
    /// Changes the candidates.
    pub(crate) fn update(&self, change: impl FnOnce(&mut CompletionData)) {
        change(&mut self.0.lock());
    }

    /// Returns a copy of the candidates.
    pub(super) fn snapshot(&self) -> CompletionData {
        self.0.lock().clone()
    }
}
