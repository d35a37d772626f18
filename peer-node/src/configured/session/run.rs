//! A session of a closed group, as [`drive`](crate::transfer::driver::drive) drives it.

use std::io;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::configured::{ConfiguredMessage, LogEvent};
use protocol::geometry::PieceIndex;
use tokio_util::sync::CancellationToken;

use super::group_store::FinalizeResult;
use super::{GroupSession, GroupSessionError, GroupSessionInputs, neighbour::Neighbour};
use crate::configured::disconnect_reason::GroupDisconnectReason;
use crate::configured::group_file::GroupFile;
use crate::configured::link::GroupConnection;
use crate::configured::reader::GroupEvent;
use crate::transfer::driver::{PieceDriver, PieceVerdict, SourceAction, Transfer, Wakeup};
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::recovery::Recovery;
use crate::transport::RequestStep;
use swarm::SourceId;

/// A running session.
#[derive(Debug)]
pub(super) struct GroupRun<'a> {
    pub(super) session: &'a mut GroupSession,
    pub(super) inbox: &'a mut GroupSessionInputs,
    pub(super) cancel: &'a CancellationToken,
}

/// Input of a session.
#[derive(Debug)]
pub(super) enum GroupInput {
    Connection(GroupConnection),
    Neighbour(SourceId, GroupEvent),
    Finalized(Option<FinalizeResult>),
    Cancelled,
}

impl Transfer for GroupRun<'_> {
    type Store = GroupFile;
    type Event = GroupInput;
    type End = ();
    type Error = GroupSessionError;

    fn pieces(&mut self) -> Option<&mut PieceDriver<GroupFile>> {
        Some(&mut self.session.pieces)
    }

    fn have(&self) -> Option<&Bitfield> {
        Some(self.session.store.have())
    }

    async fn next(&mut self) -> Wakeup<GroupInput> {
        let finalizing = &mut self.session.store.finalizing;
        let input = tokio::select! {
            Some(connection) = self.inbox.connections.recv() => GroupInput::Connection(connection),
            Some((id, event)) = self.inbox.events.recv() => GroupInput::Neighbour(id, event),
            Some(done) = finalizing.join_next(), if !finalizing.is_empty() => GroupInput::Finalized(done.ok()),
            outcome = PieceDriver::next_outcome(Some(&mut self.session.pieces)) => return Wakeup::Disk(outcome),
            () = self.cancel.cancelled() => GroupInput::Cancelled,
        };
        Wakeup::Event(input)
    }

    fn handle(&mut self, input: GroupInput) -> Result<Option<()>, GroupSessionError> {
        self.session.view_schedule.mark_changed();
        match input {
            GroupInput::Connection(connection) => self.session.on_connected(connection),
            GroupInput::Neighbour(id, event) => self.session.handle_events(id, event, self.inbox),
            GroupInput::Finalized(None) => {
                return Err(GroupSessionError::Internal("finalizing the file failed"));
            }
            GroupInput::Finalized(Some(outcome)) => {
                outcome?;
                self.session.on_complete();
            }
            GroupInput::Cancelled => return Err(GroupSessionError::Cancelled),
        }
        Ok(None)
    }

    fn perform(&mut self, action: SourceAction, _now: Instant) {
        let peers = &mut self.session.peers;
        match action {
            SourceAction::Request { source, block } => {
                let Some(neighbour) = peers.get_mut(source) else { return };
                let step = {
                    let mut requests = neighbour.link.requests();
                    // The dialect allows one outstanding request; an older one is considered lost.
                    requests.withdraw_all();
                    requests.request(block)
                };
                if step == RequestStep::Send {
                    // Some implementations serve only neighbours that have sent their interest.
                    neighbour.send_interest();
                    neighbour.send(ConfiguredMessage::Request { piece: block.piece });
                }
            }
            SourceAction::Interest { source, on } => {
                peers.get_mut(source).into_iter().for_each(|neighbour| neighbour.set_wanted(on));
            }
            // The dialect has no cancel message; duplicates are dropped.
            SourceAction::Cancel { .. } => {}
            SourceAction::Disconnect { source, .. } => {
                peers.disconnect(source, GroupDisconnectReason::Stalled);
            }
        }
    }

    /// Logs and announces a stored piece. Pieces are never wrong, since there is nothing to verify them with.
    fn piece_checked(&mut self, piece: PieceIndex, _verdict: PieceVerdict) {
        let session = &mut *self.session;
        session.view_schedule.mark_changed();
        if !session.pieces.is_held(Instant::now()) {
            session.write_problem = None;
        }
        let from = session.store.mark_stored(piece);
        if let Some(from) = from {
            let count = session.pieces.swarm().pieces_done();
            session.log.record(LogEvent::Downloaded { piece, from, count });
        }
        session.broadcast_have(piece);
    }

    /// Requests nothing for a while if that may help. Meanwhile the session still serves its neighbours.
    fn write_failed(&mut self, error: io::Error, now: Instant) -> Result<(), GroupSessionError> {
        let session = &mut *self.session;
        match Recovery::for_io_error(&session.store.target(), &error) {
            Recovery::Fail | Recovery::AwaitSources => Err(GroupSessionError::Write(error)),
            // Several jobs meet the same full disk; only the first one counts.
            Recovery::AwaitSpace(_) | Recovery::Retry if session.pieces.is_held(now) => Ok(()),
            Recovery::AwaitSpace(_) | Recovery::Retry => {
                tracing::warn!(%error, "cannot write a piece; retrying");
                session.retry_schedule.progressed(session.pieces.swarm().pieces_done(), now);
                let pause = session.retry_schedule.next_delay(now, fresh_seed());
                session.pieces.hold_until(now + pause);
                session.write_problem = Some(error);
                Ok(())
            }
        }
    }

    fn advance(&mut self, now: Instant) -> Result<Option<()>, GroupSessionError> {
        let session = &mut *self.session;
        session.peers.neighbours_mut().for_each(Neighbour::send_interest);
        session.update_choking(now);
        if session.enter_next_phase() {
            return Ok(Some(()));
        }
        // The view is published only after new requests were sent; otherwise no source would appear active.
        if session.view_schedule.begin(session.view_activity(), now) {
            session.publish_view(now);
        }
        session.log.flush();
        Ok(None)
    }

    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.session.deadline(now)
    }
}
