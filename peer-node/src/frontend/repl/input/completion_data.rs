use std::sync::Arc;

use parking_lot::Mutex;

use crate::operations::SafeName;
use crate::operations::events::DownloadEvent;

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
    /// The numbers and names of unfinished and failed downloads, in the order of their numbers.
    pub(crate) downloads: Vec<(u32, SafeName)>,
}

impl CompletionData {
    /// Updates the downloads after a change of one.
    pub(crate) fn apply(&mut self, event: &DownloadEvent) {
        let found = self.downloads.binary_search_by_key(&event.number, |(number, _)| *number);
        let is_candidate = event.is_failed() || !event.is_settled();
        match found {
            Ok(at) if !is_candidate => drop(self.downloads.remove(at)),
            Err(at) if is_candidate => self.downloads.insert(at, (event.number, event.name.clone())),
            _ => {}
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::display_text::DisplayText;
    use crate::operations::events::DownloadChange;

    #[test]
    fn unfinished_and_failed_downloads_are_candidates() {
        let mut data = CompletionData::default();
        let mut apply = |number, change| {
            let (content, name) = (String::new(), SafeName::new("n"));
            data.apply(&DownloadEvent { number, content, name, state: "queued", change });
            data.downloads.iter().map(|(number, _)| *number).collect::<Vec<u32>>()
        };
        apply(2, DownloadChange::Added);
        assert_eq!(apply(1, DownloadChange::Added), [1, 2]);
        assert_eq!(apply(2, DownloadChange::Finished { is_seeding: true }), [1]);
        assert_eq!(apply(1, DownloadChange::Failed { reason: DisplayText::new("x") }), [1]);
        assert_eq!(apply(1, DownloadChange::Removed), [0; 0]);
    }
}
