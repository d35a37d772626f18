//! Which downloads wait for disk space. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::operations::display_text::DisplayText;
use crate::view::{DownloadId, DownloadState};

/// A download began or ceased to wait for disk space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "space", rename_all = "snake_case")]
pub(crate) enum SpaceChange {
    /// The disk is full; the download resumes automatically.
    Short {
        /// The folder of the download.
        folder: DisplayText,
        /// Additional bytes needed.
        needed: u64,
        /// Free bytes.
        free: u64,
    },
    /// There is enough space again, and the download has resumed.
    Available,
}

/// The downloads that were reported as waiting for disk space: each is reported once, and once more when it resumes.
#[derive(Debug, Default)]
pub(crate) struct SpaceNews {
    reported: BTreeSet<DownloadId>,
}

impl SpaceNews {
    /// Returns what is new about the disk space of a download in this state.
    pub(crate) fn change(&mut self, id: DownloadId, state: &DownloadState) -> Option<SpaceChange> {
        match state {
            DownloadState::AwaitingSpace(_) => {
                let is_new = self.reported.insert(id);
                Self::shortage(state).filter(|_| is_new)
            }
            // It may wait for a slot, and then for space again.
            DownloadState::Queued
            | DownloadState::Paused
            | DownloadState::AwaitingSources { .. }
            | DownloadState::AwaitingSystem { .. } => None,
            state => {
                let was_waiting = self.reported.remove(&id);
                (was_waiting && !state.is_over()).then_some(SpaceChange::Available)
            }
        }
    }

    /// Returns what a download in this state lacks.
    pub(super) fn shortage(state: &DownloadState) -> Option<SpaceChange> {
        let DownloadState::AwaitingSpace(space) = state else { return None };
        let folder = DisplayText::from_path(&space.folder);
        Some(SpaceChange::Short { folder, needed: space.needed, free: space.free })
    }

    /// Forgets a download.
    pub(super) fn forget(&mut self, id: DownloadId) {
        self.reported.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::DiskSpace;

    #[test]
    fn shortage_is_reported_once_and_once_more_when_it_ends() {
        let mut news = SpaceNews::default();
        let mut change = |state: DownloadState| news.change(DownloadId(1), &state);
        let short = || DownloadState::AwaitingSpace(DiskSpace { folder: "/full".into(), needed: 2, free: 1 });
        assert_eq!(change(DownloadState::Fetching), None);
        let expected = SpaceChange::Short { folder: DisplayText::new("/full"), needed: 2, free: 1 };
        assert_eq!(change(short()), Some(expected.clone()));
        assert_eq!(change(short()), None);
        assert_eq!(change(DownloadState::Queued), None);
        assert_eq!(change(short()), None);
        assert_eq!(change(DownloadState::Verifying), Some(SpaceChange::Available));
        assert_eq!(change(DownloadState::Fetching), None);
        assert_eq!(change(short()), Some(expected));
        assert_eq!(change(DownloadState::Cancelled), None);
    }
}
