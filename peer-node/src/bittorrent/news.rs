use std::time::{Duration, Instant};

use protocol::geometry::Block;

use super::event::WireEvent;
use crate::transport::Buffer;

/// How often those who wait for a block are told that it is coming.
const TELL: Duration = Duration::from_millis(200);

/// What one reading of a connection has brought, in order: as few events as that takes.
#[derive(Debug)]
pub(super) struct News {
    events: Vec<WireEvent>,
    /// Bytes of blocks that nobody was told of yet.
    bytes: u64,
    told_at: Instant,
}

impl News {
    pub(super) const fn new(now: Instant) -> Self {
        Self { events: Vec::new(), bytes: 0, told_at: now }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: WireEvent) {
        self.events.push(event);
    }

    /// Adds bytes of a block.
    pub(super) const fn bytes(&mut self, count: usize) {
        self.bytes += count as u64;
    }

    /// Adds a whole block.
    pub(super) fn block(&mut self, block: Block, data: Buffer) {
        if let Some(WireEvent::Blocks { blocks, .. }) = self.events.last_mut() {
            blocks.push((block, data));
        } else {
            let blocks = vec![(block, data)];
            self.events.push(WireEvent::Blocks { blocks, count: 0 });
        }
    }

    /// Returns what is to be told.
    pub(super) fn take(&mut self, now: Instant) -> Vec<WireEvent> {
        let mut events = std::mem::take(&mut self.events);
        let first = events.iter_mut().find_map(|event| match event {
            WireEvent::Blocks { count, .. } => Some(count),
            _ => None,
        });
        if let Some(count) = first {
            (*count, self.bytes, self.told_at) = (self.bytes, 0, now);
        } else if self.bytes > 0 && now.saturating_duration_since(self.told_at) >= TELL {
            events.push(WireEvent::Bytes { count: self.bytes });
            (self.bytes, self.told_at) = (0, now);
        }
        events
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
        assert!(matches!(news.take(begun + TELL)[..], [WireEvent::Bytes { count: 5 }]));
        news.bytes(4);
        news.block(block, pool.copy_of(&[0; 9]));
        news.block(block, pool.copy_of(&[0; 9]));
        news.push(WireEvent::Choked);
        news.block(block, pool.copy_of(&[0; 9]));
        let [WireEvent::Blocks { blocks, count: 4 }, WireEvent::Choked, WireEvent::Blocks { count: 0, .. }] =
            &news.take(begun)[..]
        else {
            panic!("other events")
        };
        assert_eq!(blocks.len(), 2);
    }
}
