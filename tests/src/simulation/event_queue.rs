//! The queue of future events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use protocol::geometry::{Block, PieceIndex};

/// The number of a node; 0 is the source.
pub(super) type SimNodeId = u32;

/// The number of a connection; numbers are never reused.
pub(super) type SimLinkId = u64;

/// A message between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SimMessage {
    Have(PieceIndex),
    Interest(bool),
    Choke,
    Unchoke,
    Request(Block),
    Cancel(Block),
    Reject(Block),
    /// Bytes of a block; possibly its last ones.
    Bytes {
        block: Block,
        bytes: u32,
        last: bool,
    },
}

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SimEvent {
    Deliver {
        from: SimNodeId,
        to: SimNodeId,
        link: SimLinkId,
        message: SimMessage,
    },
    /// The uplink of a node has finished sending its current bytes.
    SendComplete(SimNodeId),
    /// The engine or the choker of a node requested to be polled.
    Wake(SimNodeId),
    Disconnect {
        one: SimNodeId,
        other: SimNodeId,
        link: SimLinkId,
    },
    Dial(SimNodeId),
    Leave(SimNodeId),
    Rejoin(SimNodeId),
}

/// All future events, ordered by time and then by insertion.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    events: BinaryHeap<Reverse<(Duration, u64, SimEvent)>>,
    scheduled: u64,
}

impl EventQueue {
    pub(super) fn schedule(&mut self, time: Duration, event: SimEvent) {
        self.scheduled += 1;
        self.events.push(Reverse((time, self.scheduled, event)));
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, SimEvent)> {
        self.events.pop().map(|Reverse((time, _, event))| (time, event))
    }
}
