//! Withdraws torrents that the user no longer offers: at the index at once, or when it is reachable again.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::infohash::Infohash;
use tokio::sync::{MutexGuard, Notify};

use super::SharedTorrents;
use crate::discovery::index_client::{IndexError, IndexStatus};
use crate::storage::remove_if_exists;
use crate::storage::replace_file;
use crate::view::DownloadId;

/// Maximum number of withdrawn torrents that are not served again in this run even if requested.
const MAX_REMEMBERED: usize = 10_000;

/// Delay before a failed withdrawal is retried.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Extension of the marker file of an offer that the index still has to withdraw.
const MARKER_EXTENSION: &str = "withdrawn";

/// Result of withdrawing a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Withdrawal {
    /// The torrent.
    pub infohash: Infohash,
    /// True if the index has withdrawn it; otherwise it is sent when the index is reachable again.
    pub is_acknowledged: bool,
}

/// The withdrawn torrents.
#[derive(Debug, Default)]
pub(super) struct WithdrawnTorrents {
    /// Torrents that are no longer served, oldest first.
    withdrawn: Mutex<VecDeque<Infohash>>,
    /// Withdrawals that the index has not received.
    pending: Mutex<BTreeSet<Infohash>>,
    pending_added: Notify,
    /// Held during a request to the index, so that an offer and its withdrawal keep their order.
    index_lock: tokio::sync::Mutex<()>,
}

impl WithdrawnTorrents {
    /// Returns true if a torrent was withdrawn in this run.
    pub(super) fn has(&self, infohash: &Infohash) -> bool {
        self.withdrawn.lock().contains(infohash)
    }

    /// Locks changes of offers at the index.
    pub(super) async fn lock_index(&self) -> MutexGuard<'_, ()> {
        self.index_lock.lock().await
    }

    fn add(&self, infohash: Infohash) {
        let mut known = self.withdrawn.lock();
        if !known.contains(&infohash) {
            if known.len() >= MAX_REMEMBERED {
                known.pop_front();
            }
            known.push_back(infohash);
        }
        self.pending.lock().insert(infohash);
        self.pending_added.notify_one();
    }
}

impl SharedTorrents {
    /// Withdraws the torrent served under a download number, if it is one of a shared file. It is not served again in
    /// this run unless it is created again.
    pub(crate) async fn withdraw(&self, id: DownloadId) -> Option<Withdrawal> {
        let infohash = self.inner.served.lock().remove(id)?;
        let (saved, marker) = (self.saved_path(infohash), self.marker_path(infohash));
        self.inner.withdrawn.add(infohash);
        self.inner.key_index.remove_created(infohash);
        let saving = tokio::task::spawn_blocking(move || {
            marker.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            replace_file(&marker, b"")?;
            remove_if_exists(&saved)
        });
        if let Err(error) = saving.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::warn!(%infohash, %error, "cannot save the withdrawal of a torrent");
        }
        let is_acknowledged = self.send_withdrawal(infohash).await.is_ok();
        Some(Withdrawal { infohash, is_acknowledged })
    }

    /// Cancels the withdrawal of a torrent.
    pub(super) async fn undo_withdrawal(&self, infohash: Infohash) {
        let WithdrawnTorrents { withdrawn: known, pending, .. } = &self.inner.withdrawn;
        known.lock().retain(|known| *known != infohash);
        pending.lock().remove(&infohash);
        self.remove_marker(infohash).await;
    }

    /// Sends pending withdrawals to the index whenever it is reachable, until the node stops.
    pub(super) async fn send_pending_withdrawals(&self) {
        self.load_pending().await;
        let mut status = self.inner.config.index.status();
        loop {
            if self.inner.withdrawn.pending.lock().is_empty() {
                self.inner.withdrawn.pending_added.notified().await;
                continue;
            }
            if status.wait_for(|status| matches!(status, IndexStatus::Online { .. })).await.is_err() {
                return;
            }
            let pending: Vec<Infohash> = self.inner.withdrawn.pending.lock().iter().copied().collect();
            for infohash in pending {
                if self.send_withdrawal(infohash).await.is_err() {
                    tokio::time::sleep(RETRY_DELAY).await;
                    break;
                }
            }
        }
    }

    /// Sends a withdrawal to the index if it is still pending.
    async fn send_withdrawal(&self, infohash: Infohash) -> Result<(), IndexError> {
        let _guard = self.inner.withdrawn.lock_index().await;
        // It may have been created again, or sent by another task.
        if !self.inner.withdrawn.pending.lock().contains(&infohash) {
            return Ok(());
        }
        self.inner.config.index.withdraw_torrent(infohash).await?;
        self.inner.withdrawn.pending.lock().remove(&infohash);
        self.remove_marker(infohash).await;
        Ok(())
    }

    /// Reads the pending withdrawals of an earlier run.
    async fn load_pending(&self) {
        let folder = self.inner.config.folder.clone();
        let read = tokio::task::spawn_blocking(move || {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let markers = entries.map(|entry| entry.path());
            let markers = markers.filter(|path| path.extension().is_some_and(|end| end == MARKER_EXTENSION));
            markers.filter_map(|path| path.file_stem()?.to_str()?.parse().ok()).collect::<Vec<Infohash>>()
        });
        let pending = read.await.unwrap_or_default();
        self.inner.withdrawn.pending.lock().extend(pending);
    }

    async fn remove_marker(&self, infohash: Infohash) {
        let marker = self.marker_path(infohash);
        let removed = tokio::task::spawn_blocking(move || remove_if_exists(&marker)).await;
        if let Err(error) = removed.unwrap_or_else(|error| Err(io::Error::other(error))) {
            // The withdrawal is sent once more after a restart.
            tracing::debug!(%infohash, %error, "cannot remove the marker of a withdrawn torrent");
        }
    }

    fn marker_path(&self, infohash: Infohash) -> PathBuf {
        self.inner.config.folder.join(format!("{infohash}.{MARKER_EXTENSION}"))
    }
}
