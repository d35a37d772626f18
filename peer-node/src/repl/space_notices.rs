use std::collections::BTreeSet;

use protocol::escape::display_safe;
use protocol::units::DisplaySize;

use super::session::display_path;
use crate::view::{DownloadId, DownloadState, DownloadView};

/// Which downloads were told to wait for room on the disk: each is told of once, and once more when it goes on.
#[derive(Debug, Default)]
pub(crate) struct SpaceNotices {
    reported: BTreeSet<DownloadId>,
}

impl SpaceNotices {
    /// Says what is new about a download, if anything is.
    pub(crate) fn notice_for(&mut self, view: &DownloadView) -> Option<String> {
        let number = view.id.0;
        match &view.state {
            DownloadState::AwaitingSpace(room) => self.reported.insert(view.id).then(|| {
                let (needed, free) = (DisplaySize(room.needed), DisplaySize(room.free));
                let (folder, name) = (display_path(&room.folder), display_safe(&view.name));
                format!(
                    "download {number} waits for room: {name} needs {needed} more in {folder}, where {free} are free; \
                     it goes on by itself when there is room"
                )
            }),
            DownloadState::Queued
            | DownloadState::Paused
            | DownloadState::AwaitingSources { .. }
            | DownloadState::AwaitingSystem { .. } => None,
            state => {
                let is_news = self.reported.remove(&view.id) && !state.is_over();
                is_news.then(|| {
                    format!("download {number} goes on, there is room: {}", display_safe(&view.name))
                })
            }
        }
    }
}
