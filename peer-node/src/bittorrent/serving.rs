//! What one peer asks of us.

use std::sync::Arc;

use protocol::bittorrent::BlockSpec;
use protocol::geometry::{Block, NoSuchBlock, PieceIndex};
use protocol::limits::{MAX_WIRE_BLOCK, MAX_WIRE_REQUESTS};

use super::ending::Ending;
use super::offering::{Offering, Segment};
use super::send_queue::{Pushed, SendQueue};
use crate::transport::{Claim, expect_soon};

/// Judges what the other side asks for, and queues it.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) offering: Arc<Offering>,
    pub(super) queue: Arc<SendQueue>,
    pub(super) claim: Arc<Claim>,
    pub(super) has_fast: bool,
    /// Whether the other side wants anything.
    is_interested: bool,
    /// How many requests came in vain, and behind which choke.
    in_vain: (u32, usize),
    /// The piece whose bytes were last said to be needed soon.
    expected: Option<PieceIndex>,
}

impl Serving {
    pub(super) fn new(
        offering: Arc<Offering>,
        queue: Arc<SendQueue>,
        claim: Arc<Claim>,
        has_fast: bool,
    ) -> Self {
        Self { offering, queue, claim, has_fast, is_interested: false, in_vain: (0, 0), expected: None }
    }

    /// Claims a slot for the other side as long as it wants anything.
    pub(super) fn interest(&mut self, is_interested: bool) {
        if std::mem::replace(&mut self.is_interested, is_interested) != is_interested {
            self.claim.interested(is_interested);
        }
    }

    /// Queues a block, or its rejection. A range outside the torrent is refused before anything is read.
    pub(super) fn request(&mut self, asked: BlockSpec) -> Result<(), Ending> {
        let block = self.judge(asked)?;
        if !self.offering.has(block.piece) {
            if self.offering.is_withdrawn() && !self.has_fast {
                return Err(Ending::Withdrawn);
            }
            if !self.has_fast {
                return Err(Ending::Violation { what: "it asked for a piece that is not here" });
            }
            self.queue.reject(block);
            return self.count_in_vain(self.in_vain.0);
        }
        match self.queue.push_block(block) {
            Pushed::Queued => {
                self.expect(block.piece);
                Ok(())
            }
            Pushed::Choked { times } => self.count_in_vain(times),
            // Transmission asks for what it could take in ten seconds, however much that is.
            Pushed::TooMany => Ok(()),
        }
    }

    /// Takes a block back. One that is not waiting has been sent, or was never asked for: both are no matter.
    pub(super) fn cancel(&self, asked: BlockSpec) -> Result<(), Ending> {
        let block = self.judge(asked)?;
        self.queue.cancel(block);
        Ok(())
    }

    fn judge(&self, asked: BlockSpec) -> Result<Block, Ending> {
        let BlockSpec { piece, begin, length } = asked;
        if length > MAX_WIRE_BLOCK {
            return Err(Ending::Violation { what: "it asked for too long a block" });
        }
        let block: Result<Block, NoSuchBlock> = self.offering.geometry().block(piece, begin, length);
        Ok(block?)
    }

    /// Counts a request that came behind a choke, or for what is not here: as many as may have crossed a choke are no
    /// offence.
    fn count_in_vain(&mut self, chokes: u32) -> Result<(), Ending> {
        let (behind, count) = self.in_vain;
        let count = if behind == chokes { count + 1 } else { 1 };
        self.in_vain = (chokes, count);
        if count > 2 * MAX_WIRE_REQUESTS {
            return Err(Ending::Violation { what: "it goes on asking for what it does not get" });
        }
        Ok(())
    }

    /// Has the bytes of a piece read ahead, when the first of it is asked for.
    fn expect(&mut self, piece: PieceIndex) {
        if self.expected.replace(piece) == Some(piece) {
            return;
        }
        let whole = Block { piece, begin: 0, length: self.offering.geometry().length_of(piece) };
        // What cannot be found now is found, or missed, when it is its turn.
        for segment in self.offering.segments(whole).ok().flatten().unwrap_or_default() {
            if let Segment::File { file, offset, length } = segment {
                expect_soon(&file, offset, length as u64);
            }
        }
    }
}
