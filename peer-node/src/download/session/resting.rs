//! What a download does while it may not or cannot fetch: it waits for its turn, for room, or for sources.
//!
//! It keeps its stage meanwhile, and with it all that is verified; sources are parted with, and what was on its way from
//! them is fetched anew.

use std::path::Path;
use std::time::{Duration, Instant};

use protocol::limits::MAX_SOURCES;

use super::{Failure, Session, Stage};
use crate::download::queue::Place;
use crate::download::turns::Turn;
use crate::download::{legacy, room};
use crate::index_client::IndexStatus;
use crate::transfers::DownloadState;

/// How often a full disk is looked at.
const LOOK: Duration = Duration::from_secs(3);

/// The pauses before a download tries again what has failed: they double from the first to the last.
const PAUSES: (Duration, Duration) = (LOOK, Duration::from_mins(5));

/// A download's place in the queue, and how long it waits before it tries again.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) place: Place,
    pause: Duration,
    /// How many pieces were here at the last attempt.
    pieces: u32,
}

impl Rest {
    pub(super) const fn new(place: Place) -> Self {
        Self { place, pause: PAUSES.0, pieces: 0 }
    }

    /// Returns how long to wait now: longer each time, as long as the download does not get any further.
    fn next_pause(&mut self, pieces: u32) -> Duration {
        if pieces > self.pieces {
            (self.pieces, self.pause) = (pieces, PAUSES.0);
        }
        let longer = (self.pause * 2).min(PAUSES.1);
        std::mem::replace(&mut self.pause, longer)
    }
}

impl Session {
    /// Finds out whether a download of an earlier run was finished by then.
    pub(super) async fn find_finished(
        &mut self,
        place: &mut Place,
    ) -> Result<Option<DownloadState>, Failure> {
        let (folders, target, digest) = (self.config.folders.clone(), self.asked_for(), self.wanted.digest);
        let look = move || folders.has_part(&target, &digest) || legacy::exists(&target, &digest);
        let library = self.config.library.clone();
        if !tokio::task::spawn_blocking(look).await.unwrap_or(false) {
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

    /// Waits for what was missing when the download could not go on, if there is any use in waiting.
    pub(super) async fn overcome(&mut self, failure: Failure, rest: &mut Rest) -> Result<(), Failure> {
        let full_at = failure.full_at().map(Path::to_owned);
        if full_at.is_none() && !(matches!(failure, Failure::NoSources(_)) && rest.place.is_patient()) {
            return Err(failure);
        }
        rest.place.stand_aside();
        self.rest(&rest.place).await;
        let pause = rest.next_pause(self.board.view().pieces_done);
        match full_at {
            Some(path) => self.wait_for_room(&path, pause, &mut rest.place).await,
            None => self.wait_for_sources(pause, &mut rest.place).await,
        }
    }

    /// Lets go of the sources, and of all that is not verified.
    pub(super) async fn rest(&mut self, place: &Place) {
        self.let_go().await;
        match &mut self.stage {
            Stage::Fetching(fetching) => fetching.begin_anew(),
            Stage::Preparing if self.jobs.is_empty() => self.stage = Stage::Choosing(None),
            Stage::Choosing(fetch) => *fetch = None,
            Stage::Preparing | Stage::Copying { .. } => {}
        }
        self.show();
        self.board.rest();
        if place.is_queue_idle() {
            self.config.transport.buffers().clear();
        }
    }

    /// Waits until the disk has as much room as is needed, at least for `pause`, or until a person wants another attempt.
    async fn wait_for_room(
        &mut self,
        path: &Path,
        pause: Duration,
        place: &mut Place,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut is_told = false;
        while place.turn() == Turn::Aside {
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
                    place.come_back();
                    break;
                }
                _ => {}
            }
            self.pause(LOOK, place).await?;
        }
        Ok(())
    }

    /// Asks the index from time to time, and when it comes back, until it knows somebody who can be tried, or until a
    /// person wants another attempt.
    async fn wait_for_sources(&mut self, pause: Duration, place: &mut Place) -> Result<(), Failure> {
        tracing::info!(digest = %self.wanted.digest, "download waits for sources");
        self.roster.pardon(Instant::now());
        self.board.set_state(DownloadState::AwaitingSources);
        let (mut status, mut pause) = (self.config.index.status(), pause);
        let mut was_online = is_online(&status.borrow());
        while place.turn() == Turn::Aside {
            let back = async {
                let is_back = |status: &IndexStatus| {
                    let is_online = is_online(status);
                    !std::mem::replace(&mut was_online, is_online) && is_online
                };
                if status.wait_for(is_back).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let waited = tokio::select! {
                () = back => Ok(()),
                waited = self.pause(pause, place) => waited,
            };
            waited?;
            pause = (pause * 2).min(PAUSES.1);
            if place.turn() == Turn::Aside && self.is_somebody_there().await {
                place.come_back();
            }
        }
        Ok(())
    }

    async fn is_somebody_there(&self) -> bool {
        let located = self.config.finder.locate(self.wanted.digest, MAX_SOURCES);
        let Some(Ok(sources)) = self.cancel.run_until_cancelled(located).await else { return false };
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

const fn is_online(status: &IndexStatus) -> bool {
    matches!(status, IndexStatus::Online { .. })
}
