//! Assembles the blocks that one peer sends.

use std::time::{Duration, Instant};

use protocol::bittorrent::BlockSpec;
use protocol::geometry::{Block, Geometry};

use super::close_reason::{CloseReason, MIN_BLOCK_RATE};
use crate::transport::{AnswerKind, Buffer, BufferPool, OutstandingRequests};

/// Holds the block being received, if any.
#[derive(Debug)]
pub(super) struct BlockAssembler {
    buffers: BufferPool,
    current: Option<IncomingBlock>,
}

#[derive(Debug)]
struct IncomingBlock {
    block: Block,
    /// Buffer for the bytes; none if the block is no longer wanted.
    data: Option<Buffer>,
    /// Bytes received so far.
    received: usize,
    started_at: Instant,
}

impl BlockAssembler {
    pub(super) const fn new(buffers: BufferPool) -> Self {
        Self { buffers, current: None }
    }

    /// Begins a block. Its length is not trusted before it matches one of our requests.
    pub(super) fn begin(
        &mut self,
        head: BlockSpec,
        geometry: &Geometry,
        outstanding: &mut OutstandingRequests,
        now: Instant,
    ) -> Result<(), CloseReason> {
        let BlockSpec { piece, begin, length } = head;
        let block = geometry.block(piece, begin, length)?;
        let data = match outstanding.answered(block) {
            AnswerKind::Wanted => Some(self.buffers.take(length as usize)),
            AnswerKind::Late => None,
            AnswerKind::Unrequested => {
                return Err(CloseReason::Violation { what: "it sent an unrequested block" });
            }
        };
        self.current = Some(IncomingBlock { block, data, received: 0, started_at: now });
        Ok(())
    }

    /// Appends bytes to the current block. Returns the block once it is complete, if it is still wanted.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Option<(Block, Buffer)> {
        let incoming = self.current.as_mut()?;
        incoming.received += bytes.len();
        if let Some(data) = &mut incoming.data {
            data.vec().extend_from_slice(bytes);
        }
        if incoming.received < incoming.block.length as usize {
            return None;
        }
        let IncomingBlock { block, data, .. } = self.current.take()?;
        Some((block, data?))
    }

    /// Excludes a pause caused by our own rate limit from the measured time.
    pub(super) fn exclude_pause(&mut self, time: Duration) {
        if let Some(incoming) = &mut self.current {
            incoming.started_at += time;
        }
    }

    /// Returns an error if the current block arrives too slowly.
    pub(super) fn check_rate(&self, now: Instant) -> Result<(), CloseReason> {
        let Some(incoming) = &self.current else { return Ok(()) };
        let elapsed = now.saturating_duration_since(incoming.started_at);
        if elapsed >= MIN_BLOCK_RATE.1 && (incoming.received as u64) < MIN_BLOCK_RATE.0 * elapsed.as_secs() {
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
        let (geometry, start) = (Geometry::new(1 << 20, 1 << 20).unwrap(), Instant::now());
        let block = geometry.block(0, 0, 128 << 10).unwrap();
        let mut outstanding = OutstandingRequests::new(true);
        outstanding.request(block);
        let mut assembler = BlockAssembler::new(BufferPool::new(0));
        assembler.begin(block.into(), &geometry, &mut outstanding, start).unwrap();
        assert!(assembler.extend(&[0; 5 << 10]).is_none());
        assert!(assembler.check_rate(start + Duration::from_secs(29)).is_ok());
        assembler.exclude_pause(Duration::from_mins(10));
        assert!(assembler.check_rate(start + Duration::from_mins(10)).is_ok());
        assert!(assembler.check_rate(start + Duration::from_secs(631)).is_err());
    }
}
