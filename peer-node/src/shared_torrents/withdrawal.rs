//! Torrents that a person does not offer any more: the index is told, at once or as soon as it is there again.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::infohash::Infohash;
use tokio::sync::{MutexGuard, Notify};

use super::SharedTorrents;
use crate::index_client::{IndexError, IndexStatus};
use crate::storage::remove_if_exists;
use crate::storage::replace_file;
use crate::view::DownloadId;

/// How many withdrawn torrents are not served again in this run, although somebody calls for them.
const MAX_REMEMBERED: usize = 10_000;

/// The pause before an index that failed to withdraw one is asked again.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// The ending of the file that stands for an offer that the index still has to withdraw.
const MARKER_EXTENSION: &str = "withdrawn";

/// What became of a torrent that is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal {
    /// Which torrent.
    pub infohash: Infohash,
    /// Whether the index has withdrawn it; if not, it is told when it is there again.
    pub is_acknowledged: bool,
}

/// The torrents that were withdrawn.
#[derive(Debug, Default)]
pub(super) struct WithdrawnTorrents {
    /// Those that are not served any more, the oldest first.
    withdrawn: Mutex<VecDeque<Infohash>>,
    /// Those that the index has to be told of.
    pending: Mutex<BTreeSet<Infohash>>,
    pending_added: Notify,
    /// Held while the index is told of one, so that an offer and its withdrawal keep their order.
    index_lock: tokio::sync::Mutex<()>,
}

impl WithdrawnTorrents {
    /// Returns true if a torrent was withdrawn in this run.
    pub(super) fn has(&self, infohash: &Infohash) -> bool {
        self.withdrawn.lock().contains(infohash)
    }

    /// Waits until no other offer is changed at the index.
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
    /// Withdraws the torrent that was served under a number, if it is one of a shared file; it is not served again in this
    /// run unless it is made again.
    pub async fn withdraw(&self, id: DownloadId) -> Option<Withdrawal> {
        let infohash = self.inner.served.lock().remove(id)?;
        let (kept, mark) = (self.saved_path(infohash), self.marker_path(infohash));
        self.inner.withdrawn.add(infohash);
        self.inner.key_index.remove_created(infohash);
        let marked = tokio::task::spawn_blocking(move || {
            mark.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            replace_file(&mark, b"")?;
            remove_if_exists(&kept)
        });
        if let Err(error) = marked.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::warn!(%infohash, %error, "withdrawal of a torrent not noted for the next run");
        }
        let is_acknowledged = self.send_withdrawal(infohash).await.is_ok();
        Some(Withdrawal { infohash, is_acknowledged })
    }

    /// Forgets that a torrent was withdrawn.
    pub(super) async fn undo_withdrawal(&self, infohash: Infohash) {
        let WithdrawnTorrents { withdrawn: known, pending, .. } = &self.inner.withdrawn;
        known.lock().retain(|known| *known != infohash);
        pending.lock().remove(&infohash);
        self.remove_marker(infohash).await;
    }

    /// Withdraws at the index, whenever it is there, what it has not been told of, until the node stops.
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

    /// Sends the index a withdrawal that is still pending.
    async fn send_withdrawal(&self, infohash: Infohash) -> Result<(), IndexError> {
        let _turn = self.inner.withdrawn.lock_index().await;
        // It may have been made again, or told by another task.
        if !self.inner.withdrawn.pending.lock().contains(&infohash) {
            return Ok(());
        }
        self.inner.config.index.withdraw_torrent(infohash).await?;
        self.inner.withdrawn.pending.lock().remove(&infohash);
        self.remove_marker(infohash).await;
        Ok(())
    }

    /// Reads which torrents an earlier run could not withdraw.
    async fn load_pending(&self) {
        let folder = self.inner.config.folder.clone();
        let read = tokio::task::spawn_blocking(move || {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let marks = entries.map(|entry| entry.path());
            let marks = marks.filter(|path| path.extension().is_some_and(|end| end == MARKER_EXTENSION));
            marks.filter_map(|path| path.file_stem()?.to_str()?.parse().ok()).collect::<Vec<Infohash>>()
        });
        let marked = read.await.unwrap_or_default();
        self.inner.withdrawn.pending.lock().extend(marked);
    }

    async fn remove_marker(&self, infohash: Infohash) {
        let mark = self.marker_path(infohash);
        let removed = tokio::task::spawn_blocking(move || remove_if_exists(&mark)).await;
        if let Err(error) = removed.unwrap_or_else(|error| Err(io::Error::other(error))) {
            // The index is told once more after a restart.
            tracing::debug!(%infohash, %error, "mark of a withdrawn torrent not removed");
        }
    }

    fn marker_path(&self, infohash: Infohash) -> PathBuf {
        self.inner.config.folder.join(format!("{infohash}.{MARKER_EXTENSION}"))
    }
}
