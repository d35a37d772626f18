//! Repeats unanswered requests in dialects where a request cannot be cancelled.

use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::have::Have;
use super::source::SourceId;
use super::{OverduePolicy, Swarm};

impl Swarm {
    /// Considers the requests of silent sources lost. Their blocks are requested from other idle sources, or from the same
    /// source when its turn comes.
    pub(super) fn repeat_unanswered(&mut self, after: Duration, now: Instant) {
        let is_silent = |(_, source): &(&SourceId, &super::SwarmSource)| source.silent_for(now) >= after;
        let silent: Vec<SourceId> = self.sources.iter().filter(is_silent).map(|(id, _)| *id).collect();
        for id in silent {
            let Some(source) = self.sources.get_mut(&id) else { continue };
            // The source may still send them; then the piece is accepted if nobody else sent it.
            let owed = source.give_up_requests(after, now);
            self.release(id, owed.clone());
            for block in owed {
                self.request_elsewhere(id, block.piece, now);
            }
            // Ready, but behind the sources that just received its requests.
            self.request_turns.mark_ready(id);
        }
    }

    /// Requests a piece from another source than the silent one, if one has room.
    fn request_elsewhere(&mut self, silent: SourceId, piece: PieceIndex, now: Instant) {
        let others = self.sources.keys().copied().filter(|id| *id != silent && self.has_room(*id));
        for id in others.collect::<Vec<_>>() {
            if let Some(block) = self.begin_piece(id, now, |other| other == piece) {
                return self.request(id, block, now);
            }
        }
    }

    /// Starts the piece again that was last requested from a source, if it did not answer and no other source was asked.
    pub(super) fn repeat_request(&mut self, id: SourceId, now: Instant) -> Option<Block> {
        let piece = self.sources.get(&id)?.unanswered_piece()?;
        self.begin_piece(id, now, |other| other == piece)
    }

    /// Accepts a complete piece that arrives after its request was considered lost, if it is still missing and no other source
    /// was asked. Returns true if it is wanted.
    pub(super) fn accept_late(&mut self, id: SourceId, block: Block) -> bool {
        let is_repeating = matches!(self.config.overdue, OverduePolicy::Repeat(_));
        // In these dialects a block is a whole piece, so nothing of it can have arrived from others.
        let is_whole = block.length == self.geometry.length_of(block.piece);
        if !is_repeating || !is_whole || self.picker.is_done(block.piece) {
            return false;
        }
        // Taken from the picker as if it had just been started, so that the usual path can finish it.
        let taken = self.picker.take_random(&Have::All, |piece| piece == block.piece);
        let opened = taken.and_then(|piece| self.active.open(&self.geometry, piece, block.length));
        let Some(block) = opened else { return false };
        self.active.requested(id, block);
        true
    }
}
