//! Carries out what the engine decides, and stores what has come.

use std::time::Instant;

use protocol::configured::{LogEvent, Message};
use protocol::geometry::PieceIndex;

use super::{Done, Failure, Session};
use crate::configured::ending::Ending;
use crate::swarm::Action;
use crate::transport::Step;

impl Session {
    /// Carries out all that the engine and the choker want done now.
    pub(super) fn act(&mut self) {
        let now = Instant::now();
        while let Some(action) = self.swarm.poll(now) {
            match action {
                Action::Request { source, block } => {
                    let Some(neighbour) = self.group.get_mut(source) else { continue };
                    let step = {
                        let mut asked = neighbour.link.asked();
                        // One request at a time: an older one is taken for lost.
                        asked.give_up();
                        asked.ask(block)
                    };
                    if step == Step::Say {
                        // Some serve nobody who has not said that it wants something.
                        neighbour.tell_interest();
                        neighbour.say(Message::Request { piece: block.piece });
                    }
                }
                Action::Interest { source, on } => {
                    self.group.get_mut(source).into_iter().for_each(|neighbour| neighbour.wanted(on));
                }
                Action::Check { piece } => self.store.store(piece),
                Action::Drop { piece } => self.store.forget(piece),
                // The dialect has no word for it, and what comes twice is dropped.
                Action::Cancel { .. } => {}
                Action::Leave { source, .. } => self.group.end(source, Ending::Stalled),
            }
        }
        self.group.neighbours_mut().for_each(super::neighbour::Neighbour::tell_interest);
        self.store.store_some();
        self.choke(now);
    }

    /// Takes in what a job has done.
    pub(super) fn job_done(&mut self, done: Done) -> Result<(), Failure> {
        match done {
            Done::Stored(outcomes) => {
                self.store.stored_some();
                let stored = outcomes.into_iter().map(|(piece, outcome)| {
                    if outcome.is_ok() {
                        self.stored(piece);
                    } else {
                        self.swarm.piece_not_stored(piece);
                    }
                    outcome.map_err(Failure::Write)
                });
                // One that could not be written does not take those beside it along.
                stored.fold(Ok(()), Result::and)?;
            }
            Done::Noted(outcome) => self.store.noted(outcome),
            Done::Settled(outcome) => {
                outcome?;
                self.is_whole();
            }
        }
        Ok(())
    }

    fn stored(&mut self, piece: PieceIndex) {
        self.swarm.piece_checked(piece, true);
        let from = self.store.stored(piece);
        if let Some(from) = from {
            self.log.note(LogEvent::Downloaded { piece, from, count: self.swarm.pieces_done() });
        }
        self.tell_of(piece);
    }
}
