//! How a node sends what its peers asked for: in even shares for all peers, in order for each.

use std::collections::{BTreeMap, VecDeque};

use protocol::geometry::Block;

use super::event_queue::SimNodeId;

/// How many bytes go to one peer before it is the next one's turn.
const QUANTUM: u32 = 64 << 10;

/// Bytes that are on their way out.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutgoingBytes {
    pub(super) to: SimNodeId,
    pub(super) block: Block,
    pub(super) bytes: u32,
    pub(super) last: bool,
}

/// A block that a peer asked for.
#[derive(Debug, Clone, Copy)]
struct QueuedBlock {
    block: Block,
    sent: u32,
}

/// A node's uplink.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    queued: BTreeMap<SimNodeId, VecDeque<QueuedBlock>>,
    /// Those for whom there are orders, the next one first.
    turns: VecDeque<SimNodeId>,
    in_progress: Option<OutgoingBytes>,
}

impl Uplink {
    pub(super) fn enqueue(&mut self, peer: SimNodeId, block: Block) {
        let orders = self.queued.entry(peer).or_default();
        if orders.is_empty() {
            self.turns.push_back(peer);
        }
        orders.push_back(QueuedBlock { block, sent: 0 });
    }

    /// Forgets a block that is not being sent yet; says whether there was one.
    pub(super) fn cancel(&mut self, peer: SimNodeId, block: Block) -> bool {
        let dropped = self.drop_queued(peer, |order| order.block == block);
        !dropped.is_empty()
    }

    /// Forgets all that is not being sent yet, and returns it.
    pub(super) fn choke(&mut self, peer: SimNodeId) -> Vec<Block> {
        self.drop_queued(peer, |_| true)
    }

    /// Forgets all orders of a peer that is gone.
    pub(super) fn remove_peer(&mut self, peer: SimNodeId) {
        self.queued.remove(&peer);
        self.turns.retain(|turn| *turn != peer);
    }

    fn drop_queued(&mut self, peer: SimNodeId, fits: impl Fn(&QueuedBlock) -> bool) -> Vec<Block> {
        let Some(orders) = self.queued.get_mut(&peer) else { return Vec::new() };
        let fits = |order: &QueuedBlock| order.sent == 0 && fits(order);
        let dropped = orders.iter().filter(|order| fits(order)).map(|order| order.block).collect();
        orders.retain(|order| !fits(order));
        if orders.is_empty() {
            self.remove_peer(peer);
        }
        dropped
    }

    /// Begins to send the next bytes, unless some are being sent.
    pub(super) fn start_send(&mut self) -> Option<OutgoingBytes> {
        if self.in_progress.is_some() {
            return None;
        }
        let to = self.turns.pop_front()?;
        let orders = self.queued.get_mut(&to)?;
        let order = orders.front_mut()?;
        let bytes = QUANTUM.min(order.block.length - order.sent);
        order.sent += bytes;
        let (block, last) = (order.block, order.sent == order.block.length);
        if last {
            orders.pop_front();
        }
        if orders.is_empty() {
            self.queued.remove(&to);
        } else {
            self.turns.push_back(to);
        }
        self.in_progress = Some(OutgoingBytes { to, block, bytes, last });
        self.in_progress
    }

    /// Returns what was being sent and has left now.
    pub(super) fn finish_send(&mut self) -> Option<OutgoingBytes> {
        self.in_progress.take()
    }
}
