//! Puts together the blocks that one peer sends.

use std::time::{Duration, Instant};

use protocol::bittorrent::BlockSpec;
use protocol::geometry::{Block, Geometry};

use super::ending::{Ending, SLOWEST};
use crate::transport::{Answer, Asked, Buffer, BufferPool};

/// The block that is coming in, if any is.
#[derive(Debug)]
pub(super) struct Intake {
    buffers: BufferPool,
    current: Option<Coming>,
}

#[derive(Debug)]
struct Coming {
    block: Block,
    /// Its bytes, if anybody waits for them.
    data: Option<Buffer>,
    /// How many are here.
    here: usize,
    begun: Instant,
}

impl Intake {
    pub(super) const fn new(buffers: BufferPool) -> Self {
        Self { buffers, current: None }
    }

    /// Begins a block. Only now is its length believed: it is that of a request of ours.
    pub(super) fn begin(
        &mut self,
        head: BlockSpec,
        geometry: &Geometry,
        asked: &mut Asked,
        now: Instant,
    ) -> Result<(), Ending> {
        let BlockSpec { piece, begin, length } = head;
        let block = geometry.block(piece, begin, length)?;
        let data = match asked.answered(block) {
            Answer::Wanted => Some(self.buffers.take(length as usize)),
            Answer::Late => None,
            Answer::Unasked => {
                return Err(Ending::Violation { what: "it sent a block that it was not asked for" });
            }
        };
        self.current = Some(Coming { block, data, here: 0, begun: now });
        Ok(())
    }

    /// Takes in bytes of the block that was begun; returns it when it is whole, if anybody waits for it.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Option<(Block, Buffer)> {
        let coming = self.current.as_mut()?;
        coming.here += bytes.len();
        if let Some(data) = &mut coming.data {
            data.vec().extend_from_slice(bytes);
        }
        if coming.here < coming.block.length as usize {
            return None;
        }
        let Coming { block, data, .. } = self.current.take()?;
        Some((block, data?))
    }

    /// Leaves a time out that was no fault of the other side.
    pub(super) fn paused(&mut self, time: Duration) {
        if let Some(coming) = &mut self.current {
            coming.begun += time;
        }
    }

    /// Judges how fast the block comes.
    pub(super) fn check(&self, now: Instant) -> Result<(), Ending> {
        let Some(coming) = &self.current else { return Ok(()) };
        let taken = now.saturating_duration_since(coming.begun);
        if taken >= SLOWEST.1 && (coming.here as u64) < SLOWEST.0 * taken.as_secs() {
            return Err(Ending::TooSlow);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_trickles_ends_the_connection_unless_we_have_held_it_up() {
        let (geometry, begun) = (Geometry::new(1 << 20, 1 << 20).unwrap(), Instant::now());
        let block = geometry.block(0, 0, 128 << 10).unwrap();
        let mut asked = Asked::new(true);
        asked.ask(block);
        let mut intake = Intake::new(BufferPool::new(0));
        intake.begin(block.into(), &geometry, &mut asked, begun).unwrap();
        assert!(intake.extend(&[0; 5 << 10]).is_none());
        assert!(intake.check(begun + Duration::from_secs(29)).is_ok());
        intake.paused(Duration::from_mins(10));
        assert!(intake.check(begun + Duration::from_mins(10)).is_ok());
        assert!(intake.check(begun + Duration::from_secs(631)).is_err());
    }
}
