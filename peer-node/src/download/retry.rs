//! Downloads that failed stay listed: they are begun again under their numbers, or removed.

use super::listed_download::{DownloadItem, ListedDownload};
use super::{ChangeOutcome, DownloadAttempt, Downloads};
use crate::view::{ContentId, DownloadId, DownloadState};

impl Downloads {
    /// Begins a download that failed again, under its number, and lets one that waits try again at once.
    pub async fn retry(&self, id: DownloadId) -> ChangeOutcome {
        let state = self.watch(id).map(|view| view.borrow().state.clone());
        match state {
            Some(DownloadState::Failed { .. }) => self.restart(id).await,
            Some(state) if state.is_stuck() => self.resume_waiting(id),
            Some(state) if !state.is_over() => ChangeOutcome::Unchanged,
            _ => ChangeOutcome::NotRunning,
        }
    }

    pub(super) async fn restart(&self, id: DownloadId) -> ChangeOutcome {
        self.wait_until_released(id).await;
        let Some(listed) = self.inner.list.get(id) else { return ChangeOutcome::NotRunning };
        let listed = ListedDownload { is_paused: false, ..listed };
        let is_begun = match listed.item.clone() {
            DownloadItem::File(wanted) => {
                self.begin(&wanted, listed, DownloadAttempt::Retry(id)).await.is_ok()
            }
            DownloadItem::Torrent(torrent) => self.resume_torrent(torrent, listed, Some(id)).await,
        };
        if is_begun { ChangeOutcome::Changed } else { ChangeOutcome::NotRunning }
    }

    /// Waits until nothing of an attempt that is over is left, its place in the queue above all.
    async fn wait_until_released(&self, id: DownloadId) {
        if let Some(mut view) = self.watch(id) {
            while view.changed().await.is_ok() {}
        }
    }

    /// Removes a download that failed from the list; returns true if there was one.
    pub(super) fn remove_failed(&self, id: DownloadId) -> bool {
        let Some(view) = self.watch(id).filter(|view| view.borrow().state.is_failed()) else { return false };
        let content = view.borrow().content;
        self.inner.list.remove(id);
        self.inner.table.lock().remove(id);
        if let ContentId::Torrent(infohash) = content {
            let downloads = self.clone();
            self.inner.config.tracker.spawn(async move { downloads.remove_metainfo(infohash).await });
        }
        true
    }

    /// Removes the last download of a content if it failed, since the content is asked for anew.
    pub(super) fn replace_failed(&self, content: &ContentId) {
        let latest = self.inner.table.lock().latest(content);
        if let Some(id) = latest {
            self.remove_failed(id);
        }
    }
}
