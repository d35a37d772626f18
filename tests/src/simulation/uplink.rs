//! How a node sends what its peers asked for: in even shares for all peers, in order for each.

use std::collections::{BTreeMap, VecDeque};

use protocol::geometry::Block;

use super::agenda::NodeId;

/// How many bytes go to one peer before it is the next one's turn.
const SHARE: u32 = 64 << 10;

/// Bytes that are on their way out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel {
    pub(super) to: NodeId,
    pub(super) block: Block,
    pub(super) bytes: u32,
    pub(super) last: bool,
}

/// A block that a peer asked for.
#[derive(Debug, Clone, Copy)]
struct Order {
    block: Block,
    sent: u32,
}

/// A node's uplink.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    orders: BTreeMap<NodeId, VecDeque<Order>>,
    /// Those for whom there are orders, the next one first.
    turns: VecDeque<NodeId>,
    sending: Option<Parcel>,
}

impl Uplink {
    pub(super) fn order(&mut self, peer: NodeId, block: Block) {
        let orders = self.orders.entry(peer).or_default();
        if orders.is_empty() {
            self.turns.push_back(peer);
        }
        orders.push_back(Order { block, sent: 0 });
    }

    /// Forgets a block that is not being sent yet; says whether there was one.
    pub(super) fn cancel(&mut self, peer: NodeId, block: Block) -> bool {
        let dropped = self.drop_orders(peer, |order| order.block == block);
        !dropped.is_empty()
    }

    /// Forgets all that is not being sent yet, and returns it.
    pub(super) fn choke(&mut self, peer: NodeId) -> Vec<Block> {
        self.drop_orders(peer, |_| true)
    }

    /// Forgets all orders of a peer that is gone.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.orders.remove(&peer);
        self.turns.retain(|turn| *turn != peer);
    }

    fn drop_orders(&mut self, peer: NodeId, fits: impl Fn(&Order) -> bool) -> Vec<Block> {
        let Some(orders) = self.orders.get_mut(&peer) else { return Vec::new() };
        let fits = |order: &Order| order.sent == 0 && fits(order);
        let dropped = orders.iter().filter(|order| fits(order)).map(|order| order.block).collect();
        orders.retain(|order| !fits(order));
        if orders.is_empty() {
            self.forget(peer);
        }
        dropped
    }

    /// Begins to send the next bytes, unless some are being sent.
    pub(super) fn begin(&mut self) -> Option<Parcel> {
        if self.sending.is_some() {
            return None;
        }
        let to = self.turns.pop_front()?;
        let orders = self.orders.get_mut(&to)?;
        let order = orders.front_mut()?;
        let bytes = SHARE.min(order.block.length - order.sent);
        order.sent += bytes;
        let (block, last) = (order.block, order.sent == order.block.length);
        if last {
            orders.pop_front();
        }
        if orders.is_empty() {
            self.orders.remove(&to);
        } else {
            self.turns.push_back(to);
        }
        self.sending = Some(Parcel { to, block, bytes, last });
        self.sending
    }

    /// Returns what was being sent and has left now.
    pub(super) fn sent(&mut self) -> Option<Parcel> {
        self.sending.take()
    }
}
