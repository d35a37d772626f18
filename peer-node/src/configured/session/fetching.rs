//! Performs the actions of the swarm engine and stores received pieces.

use std::time::Instant;

use protocol::configured::{ConfiguredMessage, LogEvent};
use protocol::geometry::PieceIndex;

use super::{DiskJobResult, GroupSession, GroupSessionError};
use crate::configured::disconnect_reason::GroupDisconnectReason;
use crate::transport::RequestStep;
use swarm::SwarmAction;

impl GroupSession {
    /// Performs all pending actions of the swarm engine and the choker.
    pub(super) fn perform_actions(&mut self) {
        let now = Instant::now();
        while let Some(action) = self.swarm.poll(now) {
            match action {
                SwarmAction::Request { source, block } => {
                    let Some(neighbour) = self.peers.get_mut(source) else { continue };
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
                SwarmAction::Interest { source, on } => {
                    self.peers.get_mut(source).into_iter().for_each(|neighbour| neighbour.set_wanted(on));
                }
                SwarmAction::Verify { piece } => self.store.queue_piece(piece),
                SwarmAction::Drop { piece } => self.store.drop_piece(piece),
                // The dialect has no cancel message; duplicates are dropped.
                SwarmAction::Cancel { .. } => {}
                SwarmAction::Disconnect { source, .. } => {
                    self.peers.disconnect(source, GroupDisconnectReason::Stalled);
                }
            }
        }
        self.peers.neighbours_mut().for_each(super::neighbour::Neighbour::send_interest);
        self.store.start_writes();
        self.update_choking(now);
    }

    /// Handles the result of a disk job.
    pub(super) fn on_job_done(&mut self, done: DiskJobResult) -> Result<(), GroupSessionError> {
        match done {
            DiskJobResult::Stored(outcomes) => {
                self.store.write_ended();
                let stored = outcomes.into_iter().map(|(piece, outcome)| {
                    if outcome.is_ok() {
                        self.on_piece_stored(piece);
                    } else {
                        self.swarm.piece_not_stored(piece);
                    }
                    outcome.map_err(GroupSessionError::Write)
                });
                // A piece that could not be written must not affect the others.
                stored.fold(Ok(()), Result::and)?;
            }
            DiskJobResult::Recorded(outcome) => self.store.record_written(outcome),
            DiskJobResult::Finalized(outcome) => {
                outcome?;
                self.on_complete();
            }
        }
        Ok(())
    }

    fn on_piece_stored(&mut self, piece: PieceIndex) {
        self.swarm.piece_checked(piece, true);
        let from = self.store.mark_stored(piece);
        if let Some(from) = from {
            self.log.record(LogEvent::Downloaded { piece, from, count: self.swarm.pieces_done() });
        }
        self.broadcast_have(piece);
    }
}
