//! What a torrent does while it may not or cannot take part: it waits for its turn, for room on the disk, or for the system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{TorrentSession, TorrentSessionError};
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::queue::QueueSlot;
use crate::transfer::recovery::Recovery;
use crate::transfer::scheduler::QueueState;
use crate::view::{DiskSpace, DownloadState};

/// How often a full disk is looked at.
const SPACE_CHECK_INTERVAL: Duration = Duration::from_secs(3);

impl TorrentSession {
    /// Waits until the torrent may take part.
    pub(super) async fn wait_for_turn(&mut self, place: &mut QueueSlot) -> Result<(), TorrentSessionError> {
        loop {
            match place.state() {
                QueueState::Active => return Ok(()),
                QueueState::Paused => self.board.set_state(DownloadState::Paused),
                QueueState::Waiting => self.board.set_state(DownloadState::Queued),
                QueueState::Blocked => {
                    place.rejoin_at_end();
                    continue;
                }
            }
            tokio::select! {
                () = place.changed() => {}
                () = self.cancel.cancelled() => return Err(TorrentSessionError::Cancelled),
            }
        }
    }

    /// Waits for what was missing when the torrent could not continue; returns the failure if waiting does not cure it.
    pub(super) async fn wait_for_recovery(
        &mut self,
        failure: TorrentSessionError,
        place: &mut QueueSlot,
    ) -> Result<(), TorrentSessionError> {
        let recovery = failure.recovery();
        if matches!(recovery, Recovery::Fail | Recovery::AwaitSources) {
            return Err(failure);
        }
        let now = Instant::now();
        self.polling.progressed(self.board.view().pieces_done, now);
        let pause = self.polling.next_delay(now, fresh_seed());
        place.yield_slot();
        let reason = failure.to_string();
        if recovery == Recovery::Retry {
            tracing::warn!(reason, "torrent tries again after a pause");
            self.board.set_state(DownloadState::AwaitingSystem { reason });
            self.wait(pause, place).await?;
            place.rejoin_at_end();
            return Ok(());
        }
        tracing::warn!(infohash = %self.spec.metainfo.infohash(), reason, "torrent waits for room");
        self.wait_for_space(now + pause, place).await
    }

    /// Waits until the disk has as much room as is needed, at least until `earliest`: a quota may know better than the disk.
    async fn wait_for_space(
        &mut self,
        earliest: Instant,
        place: &mut QueueSlot,
    ) -> Result<(), TorrentSessionError> {
        while place.state() == QueueState::Blocked {
            let room = self.disk_space().await;
            if Instant::now() >= earliest && room.as_ref().is_none_or(DiskSpace::is_enough) {
                place.rejoin_at_end();
                break;
            }
            if let Some(room) = room {
                self.board.set_state(DownloadState::AwaitingSpace(room));
            }
            self.wait(SPACE_CHECK_INTERVAL, place).await?;
        }
        Ok(())
    }

    /// Waits for some time, less if the torrent stands differently by then.
    async fn wait(&self, time: Duration, place: &mut QueueSlot) -> Result<(), TorrentSessionError> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = place.changed() => Ok(()),
            () = self.cancel.cancelled() => Err(TorrentSessionError::Cancelled),
        }
    }

    /// Finds out whether there is room for what is missing.
    pub(super) async fn ensure_space(&self) -> Result<(), TorrentSessionError> {
        match self.disk_space().await {
            Some(room) if !room.is_enough() => {
                Err(TorrentSessionError::Write(std::io::ErrorKind::StorageFull.into()))
            }
            _ => Ok(()),
        }
    }

    /// Looks how much room is needed and how much there is; nothing where that cannot be told or nothing is needed.
    async fn disk_space(&self) -> Option<DiskSpace> {
        let store = self.storage.as_ref()?;
        let geometry = self.spec.metainfo.geometry();
        let (here, all) = store.wanted_bytes(geometry);
        let files = Arc::clone(store.files.as_ref().filter(|_| here < all)?);
        tokio::task::spawn_blocking(move || files.disk_space()).await.ok()?.ok()
    }
}
