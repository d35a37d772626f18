use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::event::WireEvent;
use crate::transport::Buffer;

/// How often those who wait for a block are told that it is coming.
const TELL: Duration = Duration::from_millis(200);

/// What one reading of a connection has brought, in order.
#[derive(Debug)]
pub(super) struct News {
    entries: Vec<Entry>,
    /// Bytes of blocks that nobody was told of yet.
    bytes: u64,
    told_at: Instant,
}

/// What is told next.
#[derive(Debug)]
pub(super) enum Entry {
    Event(WireEvent),
    /// The peer has these pieces too: one event each. They may be a million, so the events are made when they are told.
    Gained(Vec<PieceIndex>),
}

impl News {
    pub(super) const fn new(now: Instant) -> Self {
        Self { entries: Vec::new(), bytes: 0, told_at: now }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: WireEvent) {
        self.entries.push(Entry::Event(event));
    }

    /// Adds pieces that the peer has as well.
    pub(super) fn gained(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        if let Some(Entry::Gained(before)) = self.entries.last_mut() {
            before.extend(pieces);
        } else {
            self.entries.push(Entry::Gained(pieces.into_iter().collect()));
        }
    }

    /// Adds bytes of a block.
    pub(super) const fn bytes(&mut self, count: usize) {
        self.bytes += count as u64;
    }

    /// Adds a whole block.
    pub(super) fn block(&mut self, block: Block, data: Buffer) {
        if let Some(Entry::Event(WireEvent::Blocks { blocks, .. })) = self.entries.last_mut() {
            blocks.push((block, data));
        } else {
            let blocks = vec![(block, data)];
            self.push(WireEvent::Blocks { blocks, count: 0 });
        }
    }

    /// Returns what is to be told.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Entry> {
        let mut entries = std::mem::take(&mut self.entries);
        let first = entries.iter_mut().find_map(|entry| match entry {
            Entry::Event(WireEvent::Blocks { count, .. }) => Some(count),
            _ => None,
        });
        if let Some(count) = first {
            (*count, self.bytes, self.told_at) = (self.bytes, 0, now);
        } else if self.bytes > 0 && now.saturating_duration_since(self.told_at) >= TELL {
            entries.push(Entry::Event(WireEvent::Bytes { count: self.bytes }));
            (self.bytes, self.told_at) = (0, now);
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
    fn blocks_that_come_together_are_told_together_and_slow_ones_byte_by_byte() {
        let (pool, begun) = (BufferPool::new(1), Instant::now());
        let geometry = Geometry::new(9, 9).unwrap();
        let block = geometry.block(0, 0, 9).unwrap();
        let mut news = News::new(begun);
        news.bytes(5);
        assert!(news.take(begun).is_empty());
        let [Entry::Event(WireEvent::Bytes { count: 5 })] = news.take(begun + TELL)[..] else {
            panic!("other events")
        };
        news.bytes(4);
        news.block(block, pool.copy_of(&[0; 9]));
        news.block(block, pool.copy_of(&[0; 9]));
        news.gained(geometry.pieces());
        news.gained(geometry.pieces());
        news.block(block, pool.copy_of(&[0; 9]));
        let [
            Entry::Event(WireEvent::Blocks { blocks, count: 4 }),
            Entry::Gained(gained),
            Entry::Event(WireEvent::Blocks { count: 0, .. }),
        ] = &news.take(begun)[..]
        else {
            panic!("other events")
        };
        assert_eq!((blocks.len(), gained.len()), (2, 2));
    }
}
