use std::collections::BTreeSet;

use protocol::units::DisplaySize;

use super::session::display_path;
use crate::operations::Download;
use crate::view::{DownloadId, DownloadState};

/// The downloads that were reported as waiting for disk space: each is reported once, and once more when it resumes.
#[derive(Debug, Default)]
pub(crate) struct SpaceNotices {
    reported: BTreeSet<DownloadId>,
}

impl SpaceNotices {
    /// Returns the notice for a download that started or stopped waiting for space since the last call.
    pub(crate) fn notice_for(&mut self, view: &Download) -> Option<String> {
        let number = view.id.0;
        match &view.state {
            DownloadState::AwaitingSpace(space) => self.reported.insert(view.id).then(|| {
                let (needed, free) = (DisplaySize(space.needed), DisplaySize(space.free));
                let (folder, name) = (display_path(&space.folder), &view.name);
                format!(
                    "download {number} paused: not enough space in {folder} for {name} \
                     (needs {needed} more, {free} free); resumes automatically"
                )
            }),
            DownloadState::Queued
            | DownloadState::Paused
            | DownloadState::AwaitingSources { .. }
            | DownloadState::AwaitingSystem { .. } => None,
            state => {
                let is_resumed = self.reported.remove(&view.id) && !state.is_over();
                is_resumed.then(|| format!("download {number} resumed: {}", view.name))
            }
        }
    }
}
