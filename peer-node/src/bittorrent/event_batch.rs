use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::event::WireEvent;
use crate::transport::Buffer;

/// How often the progress of a slow block is reported.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Events of one read, in order.
#[derive(Debug)]
pub(super) struct WireEventBatch {
    events: Vec<BatchedEvent>,
    /// Bytes of blocks not reported yet.
    unreported_bytes: u64,
    reported_at: Instant,
}

/// One entry of a batch.
#[derive(Debug)]
pub(super) enum BatchedEvent {
    Event(WireEvent),
    /// The peer has these pieces too: one event each. A bitfield can name a million pieces, so their events are created
    /// one by one when they are sent.
    NewPieces(Vec<PieceIndex>),
}

impl WireEventBatch {
    pub(super) const fn new(now: Instant) -> Self {
        Self { events: Vec::new(), unreported_bytes: 0, reported_at: now }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: WireEvent) {
        self.events.push(BatchedEvent::Event(event));
    }

    /// Adds pieces that the peer has gained.
    pub(super) fn add_pieces(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        if let Some(BatchedEvent::NewPieces(before)) = self.events.last_mut() {
            before.extend(pieces);
        } else {
            self.events.push(BatchedEvent::NewPieces(pieces.into_iter().collect()));
        }
    }

    /// Adds received bytes of a block.
    pub(super) const fn add_bytes(&mut self, count: usize) {
        self.unreported_bytes += count as u64;
    }

    /// Adds a complete block.
    pub(super) fn add_block(&mut self, block: Block, data: Buffer) {
        if let Some(BatchedEvent::Event(WireEvent::Blocks { blocks, .. })) = self.events.last_mut() {
            blocks.push((block, data));
        } else {
            let blocks = vec![(block, data)];
            self.push(WireEvent::Blocks { blocks, count: 0 });
        }
    }

    /// Returns the events to report, and a progress event if one is due.
    pub(super) fn take(&mut self, now: Instant) -> Vec<BatchedEvent> {
        let mut entries = std::mem::take(&mut self.events);
        let first = entries.iter_mut().find_map(|entry| match entry {
            BatchedEvent::Event(WireEvent::Blocks { count, .. }) => Some(count),
            _ => None,
        });
        if let Some(count) = first {
            (*count, self.unreported_bytes, self.reported_at) = (self.unreported_bytes, 0, now);
        } else if self.unreported_bytes > 0
            && now.saturating_duration_since(self.reported_at) >= PROGRESS_INTERVAL
        {
            entries.push(BatchedEvent::Event(WireEvent::Bytes { count: self.unreported_bytes }));
            (self.unreported_bytes, self.reported_at) = (0, now);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use protocol::geometry::Geometry;

    use super::*;
    use crate::transport::BufferPool;

    #[test]
    fn blocks_are_reported_together_and_slow_ones_by_progress() {
        let (pool, start) = (BufferPool::new(1), Instant::now());
        let geometry = Geometry::new(9, 9).unwrap();
        let block = geometry.block(0, 0, 9).unwrap();
        let mut batch = WireEventBatch::new(start);
        batch.add_bytes(5);
        assert!(batch.take(start).is_empty());
        let [BatchedEvent::Event(WireEvent::Bytes { count: 5 })] = batch.take(start + PROGRESS_INTERVAL)[..]
        else {
            panic!("other events")
        };
        batch.add_bytes(4);
        batch.add_block(block, pool.copy_of(&[0; 9]));
        batch.add_block(block, pool.copy_of(&[0; 9]));
        batch.add_pieces(geometry.pieces());
        batch.add_pieces(geometry.pieces());
        batch.add_block(block, pool.copy_of(&[0; 9]));
        let [
            BatchedEvent::Event(WireEvent::Blocks { blocks, count: 4 }),
            BatchedEvent::NewPieces(gained),
            BatchedEvent::Event(WireEvent::Blocks { count: 0, .. }),
        ] = &batch.take(start)[..]
        else {
            panic!("other events")
        };
        assert_eq!((blocks.len(), gained.len()), (2, 2));
    }
}
