//! What a download does while it cannot fetch: it waits for a slot, for disk space, for sources or for the system.
//!
//! The download keeps its stage and all verified data. Sources are disconnected, and unverified data is fetched again.

use std::path::Path;
use std::time::{Duration, Instant};

use protocol::limits::MAX_SOURCES;
use tokio::sync::watch;

use super::{DownloadSession, DownloadSessionError, DownloadStage};
use crate::discovery::index_client::IndexStatus;
use crate::download::{disk_space, legacy};
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::queue::QueueSlot;
use crate::transfer::recovery::Recovery;
use crate::transfer::retry_schedule::RetrySchedule;
use crate::transfer::scheduler::QueueState;
use crate::view::DownloadState;

/// How often a full disk is checked.
const SPACE_CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// Maximum delay, in milliseconds, before a download asks a returned index, so that not all nodes ask at once.
const MAX_RETURN_JITTER_MS: u64 = 1000;

/// A download's queue slot and its retry schedule.
#[derive(Debug)]
pub(super) struct WaitState {
    pub(super) slot: QueueSlot,
    retry_schedule: RetrySchedule,
}

impl WaitState {
    pub(super) fn new(slot: QueueSlot) -> Self {
        Self { slot, retry_schedule: RetrySchedule::new(Instant::now()) }
    }

    fn next_delay(&mut self) -> Duration {
        self.retry_schedule.next_delay(Instant::now(), fresh_seed())
    }
}

impl DownloadSession {
    /// Checks whether a download of an earlier run was already finished.
    pub(super) async fn find_finished(
        &mut self,
        slot: &mut QueueSlot,
    ) -> Result<Option<DownloadState>, DownloadSessionError> {
        let (folders, target, digest) =
            (self.config.part_folders.clone(), self.requested_path.clone(), self.wanted.digest);
        let look = move || folders.has_part(&target, &digest) || legacy::exists(&target, &digest);
        let library = self.config.library.clone();
        if tokio::task::spawn_blocking(look).await.unwrap_or(false) {
            self.sources.mark_named();
        } else {
            // The download has not started, or its file is complete and among the files still to be scanned.
            slot.yield_slot();
            // If the user asks for this download now, it does not wait for the scan.
            while matches!(slot.state(), QueueState::Blocked | QueueState::Paused) {
                tokio::select! {
                    () = library.settled() => break,
                    () = slot.changed() => {}
                    () = self.cancel.cancelled() => return Err(DownloadSessionError::Cancelled),
                }
            }
            slot.rejoin_in_place();
        }
        let Some(placed) = self.find_at_target().await? else { return Ok(None) };
        self.share_and_copy(placed).await.map(Some)
    }

    /// Waits until the download may fetch.
    pub(super) async fn wait_for_turn(&mut self, slot: &mut QueueSlot) -> Result<(), DownloadSessionError> {
        loop {
            self.publisher.set_state(match slot.state() {
                QueueState::Active => return Ok(()),
                QueueState::Paused => DownloadState::Paused,
                QueueState::Waiting | QueueState::Blocked => DownloadState::Queued,
            });
            tokio::select! {
                () = slot.changed() => {}
                // The part file may still be being verified.
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok(done) = done { self.handle_job(done)?; }
                    self.update_view();
                }
                () = self.cancel.cancelled() => return Err(DownloadSessionError::Cancelled),
            }
        }
    }

    /// Waits for what the download lacks to continue. Returns the error if waiting cannot fix it.
    pub(super) async fn wait_for_recovery(
        &mut self,
        failure: DownloadSessionError,
        wait_state: &mut WaitState,
    ) -> Result<(), DownloadSessionError> {
        let recovery = failure.recovery();
        if recovery == Recovery::Fail {
            return Err(failure);
        }
        wait_state.slot.yield_slot();
        self.stop_fetching(&wait_state.slot).await;
        wait_state.retry_schedule.progressed(self.publisher.view().pieces_done, Instant::now());
        match recovery {
            Recovery::Fail => Err(failure),
            Recovery::AwaitSpace(path) => self.wait_for_space(&path, wait_state).await,
            Recovery::AwaitSources => {
                let trouble = failure.sources_error();
                self.publisher.update(|view| view.warning = trouble);
                self.wait_for_sources(wait_state).await
            }
            Recovery::Retry => {
                let reason = failure.to_string();
                tracing::warn!(reason, "download retries after a delay");
                self.publisher.set_state(DownloadState::AwaitingSystem { reason });
                let pause = wait_state.next_delay();
                self.wait(pause, &mut wait_state.slot).await?;
                wait_state.slot.rejoin_at_end();
                Ok(())
            }
        }
    }

    /// Disconnects the sources and discards unverified data.
    pub(super) async fn stop_fetching(&mut self, slot: &QueueSlot) {
        self.disconnect_all().await;
        self.rivals.reset();
        match &mut self.stage {
            DownloadStage::Fetching(fetching) => fetching.restart(),
            DownloadStage::Preparing if self.jobs.is_empty() => {
                self.stage = DownloadStage::ChoosingManifest(None);
            }
            DownloadStage::ChoosingManifest(fetch) => *fetch = None,
            DownloadStage::Preparing | DownloadStage::Copying(_) => {}
        }
        self.update_view();
        self.publisher.deactivate();
        if slot.is_queue_idle() {
            self.config.transport.buffers().clear();
        }
    }

    /// Waits until the disk has enough space, at least for one retry delay, or until the user asks for another attempt.
    async fn wait_for_space(
        &mut self,
        path: &Path,
        wait_state: &mut WaitState,
    ) -> Result<(), DownloadSessionError> {
        let (begun, pause) = (Instant::now(), wait_state.next_delay());
        let mut is_logged = false;
        while wait_state.slot.state() == QueueState::Blocked {
            let (at, size) = (path.to_owned(), self.publisher.view().size.unwrap_or(0));
            let measured = tokio::task::spawn_blocking(move || disk_space::measure(&at, size)).await;
            let is_time = begun.elapsed() >= pause;
            match measured {
                Ok(Ok(space)) if !is_time || !space.is_enough() => {
                    if !std::mem::replace(&mut is_logged, true) {
                        let folder = space.folder.display();
                        tracing::warn!(%folder, needed = space.needed, free = space.free, "download paused: not enough disk space");
                    }
                    self.publisher.set_state(DownloadState::AwaitingSpace(space));
                }
                // If the space cannot be measured, the download just tries again.
                _ if is_time => {
                    tracing::info!(digest = %self.wanted.digest, "download resumes: enough disk space");
                    wait_state.slot.rejoin_at_end();
                    break;
                }
                _ => {}
            }
            self.wait(SPACE_CHECK_INTERVAL, &mut wait_state.slot).await?;
        }
        Ok(())
    }

    /// Searches for sources repeatedly, and at once when the index returns, until one can be dialled or the user asks for
    /// another attempt.
    async fn wait_for_sources(&mut self, wait_state: &mut WaitState) -> Result<(), DownloadSessionError> {
        tracing::info!(digest = %self.wanted.digest, "download waits for sources");
        self.sources.allow_retries(Instant::now());
        let mut status = self.config.index.status();
        let mut was_online = is_online(&status.borrow());
        while wait_state.slot.state() == QueueState::Blocked {
            self.publisher.set_state(self.sources.awaiting_state());
            let pause = wait_state.next_delay();
            let is_back = tokio::select! {
                () = index_returned(&mut status, &mut was_online) => true,
                waited = self.wait(pause, &mut wait_state.slot) => waited.map(|()| false)?,
            };
            if is_back {
                // Sources return gradually as well, so retries become frequent again.
                wait_state.retry_schedule.restart(Instant::now());
                let jitter = Duration::from_millis(fresh_seed() % MAX_RETURN_JITTER_MS);
                self.wait(jitter, &mut wait_state.slot).await?;
            }
            if wait_state.slot.state() == QueueState::Blocked
                && self.has_reachable_source(&mut wait_state.slot).await
            {
                wait_state.slot.rejoin_at_end();
            }
        }
        Ok(())
    }

    /// Searches for sources. Returns true if one of them can be dialled.
    async fn has_reachable_source(&mut self, slot: &mut QueueSlot) -> bool {
        let located = tokio::select! {
            located = self.config.finder.locate_again(self.wanted.digest, MAX_SOURCES) => located,
            () = slot.changed() => return false,
            () = self.cancel.cancelled() => return false,
        };
        let Ok(sources) = located else { return false };
        self.sources.set_located(sources.len());
        let not_now = self.sources.not_to_dial(Instant::now());
        sources.iter().any(|source| !not_now.contains(&source.node))
    }

    /// Waits for the given time, or less if the queue state changes.
    async fn wait(&self, time: Duration, slot: &mut QueueSlot) -> Result<(), DownloadSessionError> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = slot.changed() => Ok(()),
            () = self.cancel.cancelled() => Err(DownloadSessionError::Cancelled),
        }
    }
}

/// Waits until the index returns after it was offline. If the future is dropped, no change is lost.
async fn index_returned(status: &mut watch::Receiver<IndexStatus>, was_online: &mut bool) {
    let is_back = |status: &IndexStatus| {
        let is_online = is_online(status);
        !std::mem::replace(was_online, is_online) && is_online
    };
    if status.wait_for(is_back).await.is_err() {
        // The index client has stopped, and the node is stopping with it.
        std::future::pending::<()>().await;
    }
}

pub(super) const fn is_online(status: &IndexStatus) -> bool {
    matches!(status, IndexStatus::Online { .. })
}
