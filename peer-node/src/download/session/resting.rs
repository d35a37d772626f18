//! What a download does while it may not or cannot fetch: it waits for its turn, for room, for sources or for the system.
//!
//! It keeps its stage meanwhile, and with it all that is verified; sources are disconnected, and what was on its way from
//! them is fetched anew.

use std::path::Path;
use std::time::{Duration, Instant};

use protocol::limits::MAX_SOURCES;
use tokio::sync::watch;

use super::{Failure, Session, Stage};
use crate::download::fresh_seed::fresh_seed;
use crate::download::polling::Polling;
use crate::download::queue::Place;
use crate::download::recovery::Recovery;
use crate::download::turns::Turn;
use crate::download::{legacy, room};
use crate::index_client::IndexStatus;
use crate::transfers::DownloadState;

/// How often a full disk is looked at.
const LOOK: Duration = Duration::from_secs(3);

/// When the index comes back, downloads wait for up to so long before they ask it, so that not all nodes ask at once.
const AFTER_RETURN_MS: u64 = 1000;

/// A download's place in the queue, and when it tries again what it could not do.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) place: Place,
    polling: Polling,
}

impl Rest {
    pub(super) fn new(place: Place) -> Self {
        Self { place, polling: Polling::new(Instant::now()) }
    }

    fn next_pause(&mut self) -> Duration {
        self.polling.pause(Instant::now(), fresh_seed())
    }
}

impl Session {
    /// Finds out whether a download of an earlier run was finished by then.
    pub(super) async fn find_finished(
        &mut self,
        place: &mut Place,
    ) -> Result<Option<DownloadState>, Failure> {
        let (folders, target, digest) =
            (self.config.folders.clone(), self.asked_for.clone(), self.wanted.digest);
        let look = move || folders.has_part(&target, &digest) || legacy::exists(&target, &digest);
        let library = self.config.library.clone();
        if tokio::task::spawn_blocking(look).await.unwrap_or(false) {
            self.roster.was_named();
        } else {
            // It was not begun, or it is whole and lies among files that are still to be looked at.
            place.stand_aside();
            // One that a person asks for now does not wait for that.
            while matches!(place.turn(), Turn::Aside | Turn::Paused) {
                tokio::select! {
                    () = library.settled() => break,
                    () = place.changed() => {}
                    () = self.cancel.cancelled() => return Err(Failure::Cancelled),
                }
            }
            place.go_on();
        }
        let Some(placed) = self.find_at_target().await? else { return Ok(None) };
        self.placed(placed).await.map(Some)
    }

    /// Waits until the download may fetch.
    pub(super) async fn wait_for_turn(&mut self, place: &mut Place) -> Result<(), Failure> {
        loop {
            self.board.set_state(match place.turn() {
                Turn::Here => return Ok(()),
                Turn::Paused => DownloadState::Paused,
                Turn::Waiting | Turn::Aside => DownloadState::Queued,
            });
            tokio::select! {
                () = place.changed() => {}
                // The part file may still be being checked.
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok(done) = done { self.job_done(done)?; }
                    self.show();
                }
                () = self.cancel.cancelled() => return Err(Failure::Cancelled),
            }
        }
    }

    /// Waits for what was missing when the download could not continue; returns the failure if waiting does not cure it.
    pub(super) async fn overcome(&mut self, failure: Failure, rest: &mut Rest) -> Result<(), Failure> {
        let recovery = failure.recovery();
        if recovery == Recovery::None {
            return Err(failure);
        }
        rest.place.stand_aside();
        self.rest(&rest.place).await;
        rest.polling.reached(self.board.view().pieces_done, Instant::now());
        match recovery {
            Recovery::None => Err(failure),
            Recovery::AwaitRoom(path) => self.wait_for_room(&path, rest).await,
            Recovery::AwaitSources => {
                let trouble = failure.trouble();
                self.board.show(|view| view.trouble = trouble);
                self.wait_for_sources(rest).await
            }
            Recovery::TryAgain => {
                let reason = failure.to_string();
                tracing::warn!(reason, "download tries again after a pause");
                self.board.set_state(DownloadState::AwaitingSystem { reason });
                let pause = rest.next_pause();
                self.pause(pause, &mut rest.place).await?;
                rest.place.come_back();
                Ok(())
            }
        }
    }

    /// Disconnects the sources, and drops all that is not verified.
    pub(super) async fn rest(&mut self, place: &Place) {
        self.let_go().await;
        self.rivals.begin_anew();
        match &mut self.stage {
            Stage::Fetching(fetching) => fetching.begin_anew(),
            Stage::Preparing if self.jobs.is_empty() => self.stage = Stage::Choosing(None),
            Stage::Choosing(fetch) => *fetch = None,
            Stage::Preparing | Stage::Copying(_) => {}
        }
        self.show();
        self.board.rest();
        if place.is_queue_idle() {
            self.config.transport.buffers().clear();
        }
    }

    /// Waits until the disk has as much room as is needed, at least for a pause, or until a person wants another attempt.
    async fn wait_for_room(&mut self, path: &Path, rest: &mut Rest) -> Result<(), Failure> {
        let (begun, pause) = (Instant::now(), rest.next_pause());
        let mut is_told = false;
        while rest.place.turn() == Turn::Aside {
            let (at, size) = (path.to_owned(), self.board.view().size.unwrap_or(0));
            let measured = tokio::task::spawn_blocking(move || room::measure(&at, size)).await;
            let is_time = begun.elapsed() >= pause;
            match measured {
                Ok(Ok(room)) if !is_time || !room.is_enough() => {
                    if !std::mem::replace(&mut is_told, true) {
                        let folder = room.folder.display();
                        tracing::warn!(%folder, needed = room.needed, free = room.free, "download waits for room");
                    }
                    self.board.set_state(DownloadState::AwaitingRoom(room));
                }
                // Where it cannot be measured it is tried.
                _ if is_time => {
                    tracing::info!(digest = %self.wanted.digest, "download goes on, there is room");
                    rest.place.come_back();
                    break;
                }
                _ => {}
            }
            self.pause(LOOK, &mut rest.place).await?;
        }
        Ok(())
    }

    /// Asks again and again who has the content, and at once when the index comes back, until somebody can be tried, or
    /// until a person wants another attempt.
    async fn wait_for_sources(&mut self, rest: &mut Rest) -> Result<(), Failure> {
        tracing::info!(digest = %self.wanted.digest, "download waits for sources");
        self.roster.pardon(Instant::now());
        let mut status = self.config.index.status();
        let mut was_online = is_online(&status.borrow());
        while rest.place.turn() == Turn::Aside {
            self.board.set_state(self.roster.awaiting());
            let pause = rest.next_pause();
            let is_back = tokio::select! {
                () = comes_back(&mut status, &mut was_online) => true,
                waited = self.pause(pause, &mut rest.place) => waited.map(|()| false)?,
            };
            if is_back {
                // Its sources come back by and by as well.
                rest.polling.restart(Instant::now());
                let jitter = Duration::from_millis(fresh_seed() % AFTER_RETURN_MS);
                self.pause(jitter, &mut rest.place).await?;
            }
            if rest.place.turn() == Turn::Aside && self.is_somebody_there(&mut rest.place).await {
                rest.place.come_back();
            }
        }
        Ok(())
    }

    /// Asks who has the content; returns true if somebody can be tried.
    async fn is_somebody_there(&mut self, place: &mut Place) -> bool {
        let located = tokio::select! {
            located = self.config.finder.locate_again(self.wanted.digest, MAX_SOURCES) => located,
            () = place.changed() => return false,
            () = self.cancel.cancelled() => return false,
        };
        let Ok(sources) = located else { return false };
        self.roster.located(sources.len());
        let not_now = self.roster.not_now(Instant::now());
        sources.iter().any(|source| !not_now.contains(&source.node))
    }

    /// Waits for some time, less if the download stands differently by then.
    async fn pause(&self, time: Duration, place: &mut Place) -> Result<(), Failure> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = place.changed() => Ok(()),
            () = self.cancel.cancelled() => Err(Failure::Cancelled),
        }
    }
}

/// Waits until the index is there after it was away. Cancel safe.
async fn comes_back(status: &mut watch::Receiver<IndexStatus>, was_online: &mut bool) {
    let is_back = |status: &IndexStatus| {
        let is_online = is_online(status);
        !std::mem::replace(was_online, is_online) && is_online
    };
    if status.wait_for(is_back).await.is_err() {
        // The client has ended, and the node with it.
        std::future::pending::<()>().await;
    }
}

pub(super) const fn is_online(status: &IndexStatus) -> bool {
    matches!(status, IndexStatus::Online { .. })
}
