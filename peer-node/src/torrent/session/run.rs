//! A torrent in its swarm, as [`drive`](crate::transfer::driver::drive) drives it.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;

use super::active_swarm::ActiveSwarm;
use super::native_sources::{NativeEvent, NativeEvents};
use super::piece_store::TorrentPieceStore;
use super::{JobOutcome, TorrentSession, TorrentSessionError, must_leave_swarm, yields_turn};
use crate::bittorrent::{ConnectMode, PeerWireError, WireEvent};
use crate::discovery::peer_event::PeerEvent;
use crate::discovery::trackers::AnnounceEvent;
use crate::torrent::peer_table::DisconnectKind;
use crate::transfer::driver::{PieceDriver, PieceVerdict, SourceAction, Transfer, Wakeup};
use crate::transfer::queue::QueueSlot;
use crate::view::DownloadState;
use swarm::{DisconnectReason, SourceId};

/// A torrent that is part of its swarm.
#[derive(Debug)]
pub(super) struct TorrentRun<'a> {
    pub(super) session: &'a mut TorrentSession,
    pub(super) active: &'a mut ActiveSwarm,
    pub(super) slot: &'a mut QueueSlot,
}

/// Input of an active torrent.
#[derive(Debug)]
pub(super) enum TorrentEvent {
    Peer(SourceId, WireEvent),
    Announce(AnnounceEvent),
    Peers(Vec<PeerEvent>),
    Native(NativeEvent),
    Dialled(Option<(SocketAddr, Result<ConnectMode, PeerWireError>)>),
    Job(Option<JobOutcome>),
    SlotChanged,
    Cancelled,
}

impl Transfer for TorrentRun<'_> {
    type Store = TorrentPieceStore;
    type Event = TorrentEvent;
    /// The final state; none if the torrent leaves its swarm because it has lost its queue slot.
    type End = Option<DownloadState>;
    type Error = TorrentSessionError;

    fn pieces(&mut self) -> Option<&mut PieceDriver<TorrentPieceStore>> {
        Some(&mut self.active.pieces)
    }

    fn have(&self) -> Option<&Bitfield> {
        self.session.storage.as_ref().map(|store| &store.have)
    }

    async fn next(&mut self) -> Wakeup<TorrentEvent> {
        let (session, active) = (&mut *self.session, &mut *self.active);
        let event = tokio::select! {
            Some((id, event)) = active.events.recv() => TorrentEvent::Peer(id, event),
            Some(event) = active.announce_events.recv() => TorrentEvent::Announce(event),
            Some(found) = active.peer_events.recv() => TorrentEvent::Peers(found),
            event = NativeEvents::next(&mut active.native_events) => TorrentEvent::Native(event),
            Some(dialled) = active.dials.join_next(), if !active.dials.is_empty() => {
                TorrentEvent::Dialled(dialled.ok())
            }
            Some(job) = session.jobs.join_next(), if !session.jobs.is_empty() => TorrentEvent::Job(job.ok()),
            outcome = PieceDriver::next_outcome(Some(&mut active.pieces)) => return Wakeup::Disk(outcome),
            () = self.slot.changed() => TorrentEvent::SlotChanged,
            () = session.cancel.cancelled() => TorrentEvent::Cancelled,
        };
        Wakeup::Event(event)
    }

    fn handle(&mut self, event: TorrentEvent) -> Result<Option<Self::End>, TorrentSessionError> {
        let (session, active) = (&mut *self.session, &mut *self.active);
        active.view_schedule.mark_changed();
        match event {
            TorrentEvent::Peer(id, event) => session.handle_events(id, event, active),
            TorrentEvent::Announce(event) => session.handle_announce(event),
            TorrentEvent::Peers(found) => {
                session.handle_peers(found);
                session.dial(active);
            }
            TorrentEvent::Native(event) => session.handle_native_event(event, active),
            TorrentEvent::Dialled(dialled) => {
                if let Some(dialled) = dialled {
                    session.handle_dial(dialled);
                }
                session.dial(active);
            }
            TorrentEvent::Job(None) => return Err(TorrentSessionError::Internal("a disk job failed")),
            TorrentEvent::Job(Some(job)) => session.handle_job(job, active)?,
            TorrentEvent::SlotChanged => {
                return Ok(must_leave_swarm(active, self.slot).then_some(None));
            }
            TorrentEvent::Cancelled => return Err(TorrentSessionError::Cancelled),
        }
        Ok(None)
    }

    fn perform(&mut self, action: SourceAction, _now: Instant) {
        let (session, active) = (&mut *self.session, &mut *self.active);
        match action {
            SourceAction::Request { source, block } => {
                session.read_fragments(block.piece);
                active.request(source, block);
            }
            SourceAction::Cancel { source, block } => active.cancel(source, block),
            SourceAction::Interest { source, on } => active.set_interested(source, on),
            SourceAction::Disconnect { source, reason } => {
                let kind = match reason {
                    DisconnectReason::BadData => DisconnectKind::Banned,
                    DisconnectReason::Stalled | DisconnectReason::Refusing => DisconnectKind::RetrySoon,
                };
                session.disconnect(active, source, &reason.to_string(), kind);
            }
        }
    }

    fn piece_checked(&mut self, piece: PieceIndex, verdict: PieceVerdict) {
        self.active.view_schedule.mark_changed();
        match verdict {
            PieceVerdict::Stored => {
                tracing::debug!(piece = piece.get(), "piece verified");
                self.session.add_piece(piece);
                self.active.offering.mark_verified(piece);
            }
            PieceVerdict::Wrong { culprit } => {
                let culprit = culprit.and_then(|id| self.active.address(id));
                tracing::warn!(piece = piece.get(), ?culprit, "piece failed its check");
            }
        }
    }

    fn write_failed(&mut self, error: io::Error, _now: Instant) -> Result<(), TorrentSessionError> {
        Err(TorrentSessionError::Write(error))
    }

    fn advance(&mut self, now: Instant) -> Result<Option<Self::End>, TorrentSessionError> {
        let (session, active) = (&mut *self.session, &mut *self.active);
        if let Some(state) = session.enter_next_phase(active, self.slot) {
            return Ok(Some(Some(state)));
        }
        TorrentSession::search_natives(active);
        session.dial_if_due(active);
        if active.view_schedule.begin(active.view_activity(), now) {
            active.report_paths();
            session.update_view(active);
            session.update_activity(active, now);
            if yields_turn(active, self.slot, now) {
                return Ok(Some(None));
            }
        }
        Ok(None)
    }

    fn deadline(&mut self, _now: Instant) -> Option<Instant> {
        let view = self.active.view_schedule.due(self.active.view_activity());
        self.active.next_dial.into_iter().chain(view).min()
    }
}
