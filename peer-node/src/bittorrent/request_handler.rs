//! What one peer asks of us.

use std::sync::Arc;

use protocol::bittorrent::BlockSpec;
use protocol::geometry::{Block, InvalidBlock, PieceIndex};
use protocol::limits::{MAX_BITTORRENT_BLOCK, MAX_BITTORRENT_REQUESTS};

use super::close_reason::CloseReason;
use super::offering::{BlockSegment, TorrentOffering};
use super::send_queue::{BlockPushOutcome, WireSendQueue};
use crate::transport::{SlotClaim, prefetch};

/// Judges what the other side asks for, and queues it.
#[derive(Debug)]
pub(super) struct BlockRequestHandler {
    pub(super) offering: Arc<TorrentOffering>,
    pub(super) queue: Arc<WireSendQueue>,
    pub(super) claim: Arc<SlotClaim>,
    pub(super) has_fast: bool,
    /// Whether the other side wants anything.
    is_interested: bool,
    /// How many requests came in vain, and behind which choke.
    denied: (u32, usize),
    /// The piece whose bytes were last said to be needed soon.
    read_ahead_piece: Option<PieceIndex>,
}

impl BlockRequestHandler {
    pub(super) fn new(
        offering: Arc<TorrentOffering>,
        queue: Arc<WireSendQueue>,
        claim: Arc<SlotClaim>,
        has_fast: bool,
    ) -> Self {
        Self {
            offering,
            queue,
            claim,
            has_fast,
            is_interested: false,
            denied: (0, 0),
            read_ahead_piece: None,
        }
    }

    /// Claims a slot for the other side as long as it wants anything.
    pub(super) fn set_interested(&mut self, is_interested: bool) {
        if std::mem::replace(&mut self.is_interested, is_interested) != is_interested {
            self.claim.set_interested(is_interested);
        }
    }

    /// Queues a block, or its rejection. A range outside the torrent is refused before anything is read.
    pub(super) fn request(&mut self, asked: BlockSpec) -> Result<(), CloseReason> {
        let block = self.validate(asked)?;
        if !self.offering.has(block.piece) {
            if self.offering.is_withdrawn() && !self.has_fast {
                return Err(CloseReason::Withdrawn);
            }
            if !self.has_fast {
                return Err(CloseReason::Violation { what: "it asked for a piece that is not here" });
            }
            self.queue.reject(block);
            return self.count_denied(self.denied.0);
        }
        match self.queue.push_block(block) {
            BlockPushOutcome::Queued => {
                self.read_ahead(block.piece);
                Ok(())
            }
            BlockPushOutcome::Choked { choke_count: times } => self.count_denied(times),
            // Transmission asks for what it could take in ten seconds, however much that is.
            BlockPushOutcome::TooMany => Ok(()),
        }
    }

    /// Takes a block back. One that is not waiting has been sent, or was never asked for: both are no matter.
    pub(super) fn cancel(&self, asked: BlockSpec) -> Result<(), CloseReason> {
        let block = self.validate(asked)?;
        self.queue.cancel(block);
        Ok(())
    }

    fn validate(&self, asked: BlockSpec) -> Result<Block, CloseReason> {
        let BlockSpec { piece, begin, length } = asked;
        if length > MAX_BITTORRENT_BLOCK {
            return Err(CloseReason::Violation { what: "it asked for too long a block" });
        }
        let block: Result<Block, InvalidBlock> = self.offering.geometry().block(piece, begin, length);
        Ok(block?)
    }

    /// Counts a request that came behind a choke, or for what is not here: as many as may have crossed a choke are no
    /// offence.
    fn count_denied(&mut self, chokes: u32) -> Result<(), CloseReason> {
        let (behind, count) = self.denied;
        let count = if behind == chokes { count + 1 } else { 1 };
        self.denied = (chokes, count);
        if count > 2 * MAX_BITTORRENT_REQUESTS {
            return Err(CloseReason::Violation { what: "it goes on asking for what it does not get" });
        }
        Ok(())
    }

    /// Has the bytes of a piece read ahead, when the first of it is asked for.
    fn read_ahead(&mut self, piece: PieceIndex) {
        if self.read_ahead_piece.replace(piece) == Some(piece) {
            return;
        }
        let whole = Block { piece, begin: 0, length: self.offering.geometry().length_of(piece) };
        // What cannot be found now is found, or missed, when it is its turn.
        for segment in self.offering.segments(whole).ok().flatten().unwrap_or_default() {
            if let BlockSegment::File { file, offset, length } = segment {
                prefetch(&file, offset, length as u64);
            }
        }
    }
}
