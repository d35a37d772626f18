//! Failed downloads stay listed until they are retried under their numbers or removed.

use super::listed_download::{DownloadItem, ListedDownload};
use super::{ChangeOutcome, DownloadAttempt, Downloads};
use crate::view::{ContentId, DownloadId, DownloadState};

impl Downloads {
    /// Restarts a failed download under its number, or makes a waiting one try again at once.
    pub(crate) async fn retry(&self, id: DownloadId) -> ChangeOutcome {
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

    /// Waits until the previous attempt has released everything, in particular its queue slot.
    async fn wait_until_released(&self, id: DownloadId) {
        if let Some(mut view) = self.watch(id) {
            while view.changed().await.is_ok() {}
        }
    }

    /// Removes a failed download from the list. Returns true if there was one.
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

    /// Removes the latest download of a content if it failed, because the content is requested again.
    pub(super) fn replace_failed(&self, content: &ContentId) {
        let latest = self.inner.table.lock().latest(content);
        if let Some(id) = latest {
            self.remove_failed(id);
        }
    }
}
