//! What neighbours say.

use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::configured::{LogEvent, Message};
use protocol::geometry::PieceIndex;

use super::chosen::key;
use super::neighbour::Neighbour;
use super::{BACKLOG, Inbox, Phase, Session};
use crate::configured::ending::Ending;
use crate::configured::link::{Greeted, Link};
use crate::configured::reader::{Heard, whole};
use crate::configured::send_queue::Saying;
use crate::swarm::{Have, SourceId};

/// So often a neighbour may say again what is known, or ask for what is not here: each time costs a line of the log.
const MAX_REPETITIONS: u32 = 10_000;

impl Session {
    /// Begins with a connection; one that there was to the same peer is over.
    pub(super) fn met(&mut self, greeted: Greeted) {
        let (peer, now, geometry) = (greeted.peer, Instant::now(), self.plan.common.geometry);
        if !self.group.may_say(peer, now) {
            tracing::warn!(%peer, address = %greeted.address, "connection refused: it has said too much");
            greeted.closed.cancel();
            return;
        }
        tracing::info!(%peer, address = %greeted.address, inbound = greeted.is_inbound, "peer joined");
        if let Some(old) = self.group.find(peer) {
            self.lost(old, &Ending::Replaced);
        }
        self.log.note(if greeted.is_inbound { LogEvent::Connected(peer) } else { LogEvent::Connects(peer) });
        let id = self.group.next_id();
        let framing = self.plan.framing.or_else(|| self.links.spoken.of(peer));
        let link = Link::begin(id, greeted, framing, &self.links);
        // Even if nothing is here: some serve nobody who has not said what it has.
        link.say(Saying::Bitfield(self.store.here().clone()));
        self.group.insert(id, Neighbour::new(peer, link, &geometry, now));
        if self.swarm.is_complete() {
            self.group.told(peer);
        }
        self.swarm.source_joined(id, Have::Some(Bitfield::empty(&geometry)), true, now);
    }

    /// Sees to an event and to those that came with it; not to all that may come meanwhile, which could go on for ever.
    pub(super) fn hear_all(&mut self, id: SourceId, heard: Heard, inbox: &mut Inbox) {
        self.hear(id, heard);
        for _ in 0..BACKLOG {
            let Ok((id, heard)) = inbox.events.try_recv() else { break };
            self.hear(id, heard);
        }
    }

    fn hear(&mut self, id: SourceId, heard: Heard) {
        let now = Instant::now();
        let Some(peer) = self.group.get(id).map(|neighbour| neighbour.peer) else { return };
        if heard.is_written_down() && !self.group.may_say(peer, now) {
            let what = "it goes on saying what has to be written down";
            return self.group.end(id, Ending::Violation { what });
        }
        let Some(neighbour) = self.group.get_mut(id) else { return };
        if !matches!(heard, Heard::Lost(_)) {
            neighbour.spoke();
        }
        match heard {
            Heard::Choke => self.choked(id, now),
            Heard::Unchoke => self.unchoked(id),
            Heard::Interested => {
                self.log.note(LogEvent::Interested(peer));
                self.choker.interested(key(id));
            }
            Heard::NotInterested => {
                self.log.note(LogEvent::NotInterested(peer));
                self.choker.not_interested(key(id));
            }
            Heard::Have(piece) => {
                self.log.note(LogEvent::Have(peer, piece));
                self.has(id, [piece]);
            }
            Heard::Bitfield(pieces) => {
                neighbour.owes_answer();
                let pieces = self.plan.common.geometry.pieces().filter(|piece| pieces.has(*piece));
                self.has(id, pieces.collect::<Vec<_>>());
            }
            Heard::Done => {
                neighbour.awaits_done();
                // To look at all pieces takes time, and of one that has all it leads to nothing.
                if neighbour.theirs.is_full() {
                    self.repeats(id);
                } else {
                    self.has(id, self.plan.common.geometry.pieces());
                }
                self.answer_done(id);
            }
            Heard::Request(piece) => self.requested(id, piece),
            Heard::Bytes(count) => {
                self.board.received(count, now);
                self.choker.received(key(id), count);
                self.swarm.bytes_arrived(id, count, now);
            }
            Heard::Piece(piece, data) => {
                let block = whole(&self.plan.common.geometry, piece);
                if self.swarm.block_arrived(id, block, now) {
                    self.store.arrived(block, data, peer);
                }
            }
            Heard::Lost(ending) => self.lost(id, &ending),
        }
    }

    /// Takes in that a neighbour has pieces.
    fn has(&mut self, id: SourceId, pieces: impl IntoIterator<Item = PieceIndex>) {
        let Some(neighbour) = self.group.get_mut(id) else { return };
        let mut any = false;
        for piece in pieces {
            if neighbour.has(piece) {
                any = true;
                self.swarm.source_has(id, piece);
            }
        }
        let (peer, is_whole) = (neighbour.peer, neighbour.theirs.is_full());
        if !any {
            self.repeats(id);
        } else if is_whole {
            self.group.is_whole(peer);
        }
    }

    fn choked(&mut self, id: SourceId, now: Instant) {
        let Some(neighbour) = self.group.get_mut(id) else { return };
        let was_serving = std::mem::replace(&mut neighbour.is_serving, false);
        let rejected = neighbour.link.asked().take_rejected();
        let peer = neighbour.peer;
        self.swarm.source_choked(id);
        for block in rejected {
            self.swarm.block_rejected(id, block, now);
        }
        self.log.note(LogEvent::Choked(peer));
        if !was_serving {
            self.repeats(id);
        }
    }

    fn unchoked(&mut self, id: SourceId) {
        let Some(neighbour) = self.group.get_mut(id) else { return };
        self.log.note(LogEvent::Unchoked(neighbour.peer));
        if std::mem::replace(&mut neighbour.is_serving, true) {
            self.repeats(id);
            return;
        }
        self.swarm.source_unchoked(id);
    }

    fn requested(&mut self, id: SourceId, piece: PieceIndex) {
        let is_here = self.store.here().has(piece);
        let Some(neighbour) = self.group.get_mut(id) else { return };
        if is_here {
            neighbour.requested(piece);
        } else {
            tracing::debug!(peer = %neighbour.peer, piece = piece.get(), "asked for what is not here");
            self.repeats(id);
        }
    }

    /// Answers a neighbour that has the whole file and waits to hear the same of us.
    fn answer_done(&mut self, id: SourceId) {
        if matches!(self.phase, Phase::Whole | Phase::Farewell(_))
            && let Some(neighbour) = self.group.get_mut(id)
        {
            neighbour.answer_done();
        }
    }

    /// Counts what says nothing new.
    fn repeats(&mut self, id: SourceId) {
        let Some(neighbour) = self.group.get_mut(id) else { return };
        neighbour.repetitions += 1;
        if neighbour.repetitions > MAX_REPETITIONS {
            neighbour.link.end(Ending::Violation { what: "it goes on saying what is known" });
        }
    }

    /// Forgets a neighbour.
    pub(super) fn lost(&mut self, id: SourceId, ending: &Ending) {
        let Some(neighbour) = self.group.remove(id) else { return };
        let peer = neighbour.peer;
        if ending.is_fault() {
            tracing::warn!(%peer, why = %ending, "peer left");
        } else {
            tracing::info!(%peer, why = %ending, "peer gone");
        }
        self.swarm.source_lost(id);
        self.choker.gone(key(id));
    }

    /// Tells everybody of a piece that has come.
    pub(super) fn tell_of(&mut self, piece: PieceIndex) {
        for neighbour in self.group.neighbours_mut() {
            neighbour.say(Message::Have { piece });
        }
    }
}
