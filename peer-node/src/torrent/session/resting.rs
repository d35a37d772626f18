//! What a torrent does while it may not or cannot take part: it waits for its turn, for room on the disk, or for the system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Failure, Session};
use crate::download::fresh_seed::fresh_seed;
use crate::download::queue::Place;
use crate::download::recovery::Recovery;
use crate::download::turns::Turn;
use crate::transfers::{DownloadState, Room};

/// How often a full disk is looked at.
const LOOK: Duration = Duration::from_secs(3);

impl Session {
    /// Waits until the torrent may take part.
    pub(super) async fn wait_for_turn(&mut self, place: &mut Place) -> Result<(), Failure> {
        loop {
            match place.turn() {
                Turn::Here => return Ok(()),
                Turn::Paused => self.board.set_state(DownloadState::Paused),
                Turn::Waiting => self.board.set_state(DownloadState::Queued),
                Turn::Aside => {
                    place.come_back();
                    continue;
                }
            }
            tokio::select! {
                () = place.changed() => {}
                () = self.cancel.cancelled() => return Err(Failure::Cancelled),
            }
        }
    }

    /// Waits for what was missing when the torrent could not continue; returns the failure if waiting does not cure it.
    pub(super) async fn overcome(&mut self, failure: Failure, place: &mut Place) -> Result<(), Failure> {
        let recovery = failure.recovery();
        if matches!(recovery, Recovery::None | Recovery::AwaitSources) {
            return Err(failure);
        }
        let now = Instant::now();
        self.polling.reached(self.board.view().pieces_done, now);
        let pause = self.polling.pause(now, fresh_seed());
        place.stand_aside();
        let reason = failure.to_string();
        if recovery == Recovery::TryAgain {
            tracing::warn!(reason, "torrent tries again after a pause");
            self.board.set_state(DownloadState::AwaitingSystem { reason });
            self.pause(pause, place).await?;
            place.come_back();
            return Ok(());
        }
        tracing::warn!(infohash = %self.wish.metainfo.infohash(), reason, "torrent waits for room");
        self.wait_for_room(now + pause, place).await
    }

    /// Waits until the disk has as much room as is needed, at least until `earliest`: a quota may know better than the disk.
    async fn wait_for_room(&mut self, earliest: Instant, place: &mut Place) -> Result<(), Failure> {
        while place.turn() == Turn::Aside {
            let room = self.room().await;
            if Instant::now() >= earliest && room.as_ref().is_none_or(Room::is_enough) {
                place.come_back();
                break;
            }
            if let Some(room) = room {
                self.board.set_state(DownloadState::AwaitingRoom(room));
            }
            self.pause(LOOK, place).await?;
        }
        Ok(())
    }

    /// Waits for some time, less if the torrent stands differently by then.
    async fn pause(&self, time: Duration, place: &mut Place) -> Result<(), Failure> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = place.changed() => Ok(()),
            () = self.cancel.cancelled() => Err(Failure::Cancelled),
        }
    }

    /// Finds out whether there is room for what is missing.
    pub(super) async fn ensure_room(&self) -> Result<(), Failure> {
        match self.room().await {
            Some(room) if !room.is_enough() => Err(Failure::Write(std::io::ErrorKind::StorageFull.into())),
            _ => Ok(()),
        }
    }

    /// Looks how much room is needed and how much there is; nothing where that cannot be told or nothing is needed.
    async fn room(&self) -> Option<Room> {
        let store = self.store.as_ref()?;
        let geometry = self.wish.metainfo.geometry();
        let (here, all) = store.wanted_bytes(geometry);
        let files = Arc::clone(store.files.as_ref().filter(|_| here < all)?);
        tokio::task::spawn_blocking(move || files.room()).await.ok()?.ok()
    }
}
