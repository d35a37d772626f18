//! Downloads that failed stay listed: they are begun again under their numbers, or removed.

use super::listed::{Item, Listed};
use super::{Attempt, Change, Downloads};
use crate::transfers::{ContentId, DownloadId, DownloadState};

impl Downloads {
    /// Begins a download that failed again, under its number, and lets one that waits try again at once.
    pub async fn retry(&self, id: DownloadId) -> Change {
        let state = self.watch(id).map(|view| view.borrow().state.clone());
        match state {
            Some(DownloadState::Failed { .. }) => self.begin_again(id).await,
            Some(state) if state.is_stuck() => self.resume_waiting(id),
            Some(state) if !state.is_over() => Change::Needless,
            _ => Change::NotUnderWay,
        }
    }

    pub(super) async fn begin_again(&self, id: DownloadId) -> Change {
        self.is_let_go(id).await;
        let Some(listed) = self.inner.ledger.listed(id) else { return Change::NotUnderWay };
        let listed = Listed { is_paused: false, ..listed };
        let is_begun = match listed.item.clone() {
            Item::File(wanted) => self.begin(&wanted, listed, Attempt::Again(id)).await.is_ok(),
            Item::Torrent(torrent) => self.go_on_with_torrent(torrent, listed, Some(id)).await,
        };
        if is_begun { Change::Made } else { Change::NotUnderWay }
    }

    /// Waits until nothing of an attempt that is over is left, its place in the queue above all.
    async fn is_let_go(&self, id: DownloadId) {
        if let Some(mut view) = self.watch(id) {
            while view.changed().await.is_ok() {}
        }
    }

    /// Removes a download that failed from the list; returns true if there was one.
    pub(super) fn remove_failed(&self, id: DownloadId) -> bool {
        let Some(view) = self.watch(id).filter(|view| view.borrow().state.is_failed()) else { return false };
        let content = view.borrow().content;
        self.inner.ledger.strike(id);
        self.inner.table.lock().forget(id);
        if let ContentId::Torrent(infohash) = content {
            let downloads = self.clone();
            self.inner.config.tracker.spawn(async move { downloads.forget(infohash).await });
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
