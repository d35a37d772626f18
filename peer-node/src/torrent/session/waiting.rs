//! Waits while the torrent cannot run: for a queue slot, for disk space, or for the system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{TorrentSession, TorrentSessionError};
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::queue::QueueSlot;
use crate::transfer::recovery::Recovery;
use crate::transfer::scheduler::QueueState;
use crate::view::{DiskSpace, DownloadState};

/// How often free disk space is checked while it is too low.
const SPACE_CHECK_INTERVAL: Duration = Duration::from_secs(3);

impl TorrentSession {
    /// Waits until the torrent has a queue slot.
    pub(super) async fn wait_for_turn(&mut self, slot: &mut QueueSlot) -> Result<(), TorrentSessionError> {
        loop {
            match slot.state() {
                QueueState::Active => return Ok(()),
                QueueState::Paused => self.view_publisher.set_state(DownloadState::Paused),
                QueueState::Waiting => self.view_publisher.set_state(DownloadState::Queued),
                QueueState::Blocked => {
                    slot.rejoin_at_end();
                    continue;
                }
            }
            tokio::select! {
                () = slot.changed() => {}
                () = self.cancel.cancelled() => return Err(TorrentSessionError::Cancelled),
            }
        }
    }

    /// Waits until the cause of a failure may be gone; returns the failure if waiting does not help.
    pub(super) async fn wait_for_recovery(
        &mut self,
        failure: TorrentSessionError,
        slot: &mut QueueSlot,
    ) -> Result<(), TorrentSessionError> {
        let recovery = failure.recovery();
        if matches!(recovery, Recovery::Fail | Recovery::AwaitSources) {
            return Err(failure);
        }
        let now = Instant::now();
        self.retry_schedule.progressed(self.view_publisher.view().pieces_done, now);
        let pause = self.retry_schedule.next_delay(now, fresh_seed());
        slot.yield_slot();
        let reason = failure.to_string();
        if recovery == Recovery::Retry {
            tracing::warn!(reason, "torrent retries after a delay");
            self.view_publisher.set_state(DownloadState::AwaitingSystem { reason });
            self.wait(pause, slot).await?;
            slot.rejoin_at_end();
            return Ok(());
        }
        tracing::warn!(infohash = %self.spec.metainfo.infohash(), reason, "torrent paused: not enough disk space");
        self.wait_for_space(now + pause, slot).await
    }

    /// Waits until the disk has enough space, and at least until `earliest`: a quota may be tighter than the free space
    /// shows.
    async fn wait_for_space(
        &mut self,
        earliest: Instant,
        slot: &mut QueueSlot,
    ) -> Result<(), TorrentSessionError> {
        while slot.state() == QueueState::Blocked {
            let space = self.disk_space().await;
            if Instant::now() >= earliest && space.as_ref().is_none_or(DiskSpace::is_enough) {
                slot.rejoin_at_end();
                break;
            }
            if let Some(space) = space {
                self.view_publisher.set_state(DownloadState::AwaitingSpace(space));
            }
            self.wait(SPACE_CHECK_INTERVAL, slot).await?;
        }
        Ok(())
    }

    /// Waits for some time, or until the queue state changes.
    async fn wait(&self, time: Duration, slot: &mut QueueSlot) -> Result<(), TorrentSessionError> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = slot.changed() => Ok(()),
            () = self.cancel.cancelled() => Err(TorrentSessionError::Cancelled),
        }
    }

    /// Returns an error if there is not enough space for the missing pieces.
    pub(super) async fn ensure_space(&self) -> Result<(), TorrentSessionError> {
        match self.disk_space().await {
            Some(space) if !space.is_enough() => {
                Err(TorrentSessionError::Write(std::io::ErrorKind::StorageFull.into()))
            }
            _ => Ok(()),
        }
    }

    /// Returns the needed and the free space; none if unknown or nothing is needed.
    async fn disk_space(&self) -> Option<DiskSpace> {
        let store = self.storage.as_ref()?;
        let geometry = self.spec.metainfo.geometry();
        let (have, all) = store.wanted_bytes(geometry);
        let files = Arc::clone(store.files.as_ref().filter(|_| have < all)?);
        tokio::task::spawn_blocking(move || files.disk_space()).await.ok()?.ok()
    }
}
