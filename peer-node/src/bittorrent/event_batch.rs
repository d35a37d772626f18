use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::event::WireEvent;
use crate::transport::Buffer;

/// How often those who wait for a block are told that it is coming.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// What one reading of a connection has brought, in order.
#[derive(Debug)]
pub(super) struct WireEventBatch {
    events: Vec<BatchedEvent>,
    /// Bytes of blocks that nobody was told of yet.
    unreported_bytes: u64,
    reported_at: Instant,
}

/// What is told next.
#[derive(Debug)]
pub(super) enum BatchedEvent {
    Event(WireEvent),
    /// The peer has these pieces too: one event each. They may be a million, so the events are made when they are told.
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

    /// Adds pieces that the peer has as well.
    pub(super) fn add_pieces(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        if let Some(BatchedEvent::NewPieces(before)) = self.events.last_mut() {
            before.extend(pieces);
        } else {
            self.events.push(BatchedEvent::NewPieces(pieces.into_iter().collect()));
        }
    }

    /// Adds bytes of a block.
    pub(super) const fn add_bytes(&mut self, count: usize) {
        self.unreported_bytes += count as u64;
    }

    /// Adds a whole block.
    pub(super) fn add_block(&mut self, block: Block, data: Buffer) {
        if let Some(BatchedEvent::Event(WireEvent::Blocks { blocks, .. })) = self.events.last_mut() {
            blocks.push((block, data));
        } else {
            let blocks = vec![(block, data)];
            self.push(WireEvent::Blocks { blocks, count: 0 });
        }
    }

    /// Returns what is to be told.
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
        let (pool, begun) = (BufferPool::new(1), Instant::now());
        let geometry = Geometry::new(9, 9).unwrap();
        let block = geometry.block(0, 0, 9).unwrap();
        let mut news = WireEventBatch::new(begun);
        news.add_bytes(5);
        assert!(news.take(begun).is_empty());
        let [BatchedEvent::Event(WireEvent::Bytes { count: 5 })] = news.take(begun + PROGRESS_INTERVAL)[..]
        else {
            panic!("other events")
        };
        news.add_bytes(4);
        news.add_block(block, pool.copy_of(&[0; 9]));
        news.add_block(block, pool.copy_of(&[0; 9]));
        news.add_pieces(geometry.pieces());
        news.add_pieces(geometry.pieces());
        news.add_block(block, pool.copy_of(&[0; 9]));
        let [
            BatchedEvent::Event(WireEvent::Blocks { blocks, count: 4 }),
            BatchedEvent::NewPieces(gained),
            BatchedEvent::Event(WireEvent::Blocks { count: 0, .. }),
        ] = &news.take(begun)[..]
        else {
            panic!("other events")
        };
        assert_eq!((blocks.len(), gained.len()), (2, 2));
    }
}
