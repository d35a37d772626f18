//! Puts together the blocks that one peer sends.

use std::time::{Duration, Instant};

use protocol::bittorrent::BlockSpec;
use protocol::geometry::{Block, Geometry};

use super::close_reason::{CloseReason, MIN_BLOCK_RATE};
use crate::transport::{AnswerKind, Buffer, BufferPool, OutstandingRequests};

/// The block that is coming in, if any is.
#[derive(Debug)]
pub(super) struct BlockAssembler {
    buffers: BufferPool,
    current: Option<IncomingBlock>,
}

#[derive(Debug)]
struct IncomingBlock {
    block: Block,
    /// Its bytes, if anybody waits for them.
    data: Option<Buffer>,
    /// How many are here.
    received: usize,
    started_at: Instant,
}

impl BlockAssembler {
    pub(super) const fn new(buffers: BufferPool) -> Self {
        Self { buffers, current: None }
    }

    /// Begins a block. Only now is its length believed: it is that of a request of ours.
    pub(super) fn begin(
        &mut self,
        head: BlockSpec,
        geometry: &Geometry,
        asked: &mut OutstandingRequests,
        now: Instant,
    ) -> Result<(), CloseReason> {
        let BlockSpec { piece, begin, length } = head;
        let block = geometry.block(piece, begin, length)?;
        let data = match asked.answered(block) {
            AnswerKind::Wanted => Some(self.buffers.take(length as usize)),
            AnswerKind::Late => None,
            AnswerKind::Unrequested => {
                return Err(CloseReason::Violation { what: "it sent a block that it was not asked for" });
            }
        };
        self.current = Some(IncomingBlock { block, data, received: 0, started_at: now });
        Ok(())
    }

    /// Takes in bytes of the block that was begun; returns it when it is whole, if anybody waits for it.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Option<(Block, Buffer)> {
        let coming = self.current.as_mut()?;
        coming.received += bytes.len();
        if let Some(data) = &mut coming.data {
            data.vec().extend_from_slice(bytes);
        }
        if coming.received < coming.block.length as usize {
            return None;
        }
        let IncomingBlock { block, data, .. } = self.current.take()?;
        Some((block, data?))
    }

    /// Leaves a time out that was no fault of the other side.
    pub(super) fn exclude_pause(&mut self, time: Duration) {
        if let Some(coming) = &mut self.current {
            coming.started_at += time;
        }
    }

    /// Judges how fast the block comes.
    pub(super) fn check_rate(&self, now: Instant) -> Result<(), CloseReason> {
        let Some(coming) = &self.current else { return Ok(()) };
        let taken = now.saturating_duration_since(coming.started_at);
        if taken >= MIN_BLOCK_RATE.1 && (coming.received as u64) < MIN_BLOCK_RATE.0 * taken.as_secs() {
            return Err(CloseReason::TooSlow);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_block_closes_connection_unless_we_delayed_it() {
        let (geometry, begun) = (Geometry::new(1 << 20, 1 << 20).unwrap(), Instant::now());
        let block = geometry.block(0, 0, 128 << 10).unwrap();
        let mut asked = OutstandingRequests::new(true);
        asked.request(block);
        let mut intake = BlockAssembler::new(BufferPool::new(0));
        intake.begin(block.into(), &geometry, &mut asked, begun).unwrap();
        assert!(intake.extend(&[0; 5 << 10]).is_none());
        assert!(intake.check_rate(begun + Duration::from_secs(29)).is_ok());
        intake.exclude_pause(Duration::from_mins(10));
        assert!(intake.check_rate(begun + Duration::from_mins(10)).is_ok());
        assert!(intake.check_rate(begun + Duration::from_secs(631)).is_err());
    }
}
