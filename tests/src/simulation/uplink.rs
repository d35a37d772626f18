//! The uplink of a node: equal shares for all peers, requests of one peer in order.

use std::collections::{BTreeMap, VecDeque};

use protocol::geometry::Block;

use super::event_queue::SimNodeId;

/// Number of bytes sent to one peer before the next peer's turn.
const QUANTUM: u32 = 64 << 10;

/// Bytes being sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutgoingBytes {
    pub(super) to: SimNodeId,
    pub(super) block: Block,
    pub(super) bytes: u32,
    pub(super) last: bool,
}

/// A block that a peer has requested.
#[derive(Debug, Clone, Copy)]
struct QueuedBlock {
    block: Block,
    sent: u32,
}

/// A node's uplink.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    queued: BTreeMap<SimNodeId, VecDeque<QueuedBlock>>,
    /// The peers with queued blocks, the next one first.
    turns: VecDeque<SimNodeId>,
    in_progress: Option<OutgoingBytes>,
}

impl Uplink {
    pub(super) fn enqueue(&mut self, peer: SimNodeId, block: Block) {
        let queue = self.queued.entry(peer).or_default();
        if queue.is_empty() {
            self.turns.push_back(peer);
        }
        queue.push_back(QueuedBlock { block, sent: 0 });
    }

    /// Removes a block that is not being sent yet. Returns false if it was not queued.
    pub(super) fn cancel(&mut self, peer: SimNodeId, block: Block) -> bool {
        let dropped = self.drop_queued(peer, |queued_block| queued_block.block == block);
        !dropped.is_empty()
    }

    /// Removes and returns a peer's blocks that are not being sent yet.
    pub(super) fn choke(&mut self, peer: SimNodeId) -> Vec<Block> {
        self.drop_queued(peer, |_| true)
    }

    /// Removes all blocks of a disconnected peer.
    pub(super) fn remove_peer(&mut self, peer: SimNodeId) {
        self.queued.remove(&peer);
        self.turns.retain(|turn| *turn != peer);
    }

    fn drop_queued(&mut self, peer: SimNodeId, fits: impl Fn(&QueuedBlock) -> bool) -> Vec<Block> {
        let Some(queue) = self.queued.get_mut(&peer) else { return Vec::new() };
        let fits = |queued_block: &QueuedBlock| queued_block.sent == 0 && fits(queued_block);
        let dropped = queue
            .iter()
            .filter(|queued_block| fits(queued_block))
            .map(|queued_block| queued_block.block)
            .collect();
        queue.retain(|queued_block| !fits(queued_block));
        if queue.is_empty() {
            self.remove_peer(peer);
        }
        dropped
    }

    /// Starts sending the next bytes unless a send is in progress.
    pub(super) fn start_send(&mut self) -> Option<OutgoingBytes> {
        if self.in_progress.is_some() {
            return None;
        }
        let to = self.turns.pop_front()?;
        let queue = self.queued.get_mut(&to)?;
        let queued_block = queue.front_mut()?;
        let bytes = QUANTUM.min(queued_block.block.length - queued_block.sent);
        queued_block.sent += bytes;
        let (block, last) = (queued_block.block, queued_block.sent == queued_block.block.length);
        if last {
            queue.pop_front();
        }
        if queue.is_empty() {
            self.queued.remove(&to);
        } else {
            self.turns.push_back(to);
        }
        self.in_progress = Some(OutgoingBytes { to, block, bytes, last });
        self.in_progress
    }

    /// Ends the current send and returns its bytes.
    pub(super) fn finish_send(&mut self) -> Option<OutgoingBytes> {
        self.in_progress.take()
    }
}
