//! Handles the requests of one peer.

use std::sync::Arc;

use protocol::bittorrent::BlockSpec;
use protocol::geometry::{Block, InvalidBlock, PieceIndex};
use protocol::limits::{MAX_BITTORRENT_BLOCK, MAX_BITTORRENT_REQUESTS};

use super::close_reason::CloseReason;
use super::offering::{BlockSegment, TorrentOffering};
use super::send_queue::{BlockPushOutcome, WireSendQueue};
use crate::platform::prefetch;
use crate::transport::SlotClaim;

/// Validates a peer's requests and queues the blocks.
#[derive(Debug)]
pub(super) struct BlockRequestHandler {
    pub(super) offering: Arc<TorrentOffering>,
    pub(super) queue: Arc<WireSendQueue>,
    pub(super) claim: Arc<SlotClaim>,
    pub(super) has_fast: bool,
    /// True while the peer is interested.
    is_interested: bool,
    /// The choke count at the last denied request, and the requests denied since that choke.
    denied: (u32, usize),
    /// The piece that was read ahead last.
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

    /// Claims an upload slot while the peer is interested.
    pub(super) fn set_interested(&mut self, is_interested: bool) {
        if std::mem::replace(&mut self.is_interested, is_interested) != is_interested {
            self.claim.set_interested(is_interested);
        }
    }

    /// Queues a block or its rejection. A range outside the torrent is a violation; nothing is read for it.
    pub(super) fn request(&mut self, spec: BlockSpec) -> Result<(), CloseReason> {
        let block = self.validate(spec)?;
        if !self.offering.has(block.piece) {
            if self.offering.is_withdrawn() && !self.has_fast {
                return Err(CloseReason::Withdrawn);
            }
            if !self.has_fast {
                return Err(CloseReason::Violation { what: "it requested a piece we do not have" });
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
            // No violation: Transmission requests all it could receive within ten seconds.
            BlockPushOutcome::TooMany => Ok(()),
        }
    }

    /// Cancels a queued block. A block that is not queued was sent already or never requested; both are harmless.
    pub(super) fn cancel(&self, spec: BlockSpec) -> Result<(), CloseReason> {
        let block = self.validate(spec)?;
        self.queue.cancel(block);
        Ok(())
    }

    fn validate(&self, spec: BlockSpec) -> Result<Block, CloseReason> {
        let BlockSpec { piece, begin, length } = spec;
        if length > MAX_BITTORRENT_BLOCK {
            return Err(CloseReason::Violation { what: "it requested a block that is too long" });
        }
        let block: Result<Block, InvalidBlock> = self.offering.geometry().block(piece, begin, length);
        Ok(block?)
    }

    /// Counts a denied request: the peer is choked or we lack the piece. Requests can cross a choke on the way, so a
    /// full request queue of them is no violation.
    fn count_denied(&mut self, chokes: u32) -> Result<(), CloseReason> {
        let (choke, count) = self.denied;
        let count = if choke == chokes { count + 1 } else { 1 };
        self.denied = (chokes, count);
        if count > 2 * MAX_BITTORRENT_REQUESTS {
            return Err(CloseReason::Violation { what: "it keeps requesting blocks that are denied" });
        }
        Ok(())
    }

    /// Prefetches a piece when its first block is requested.
    fn read_ahead(&mut self, piece: PieceIndex) {
        if self.read_ahead_piece.replace(piece) == Some(piece) {
            return;
        }
        let whole = self.offering.geometry().whole_piece(piece);
        // Errors do not matter here: the read of the block reports them.
        for segment in self.offering.segments(whole).ok().flatten().unwrap_or_default() {
            if let BlockSegment::File { file, offset, length } = segment {
                prefetch(&file, offset, length as u64);
            }
        }
    }
}
