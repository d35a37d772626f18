//! What will happen when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use protocol::geometry::{Block, PieceIndex};

/// The number of a node; 0 is the source.
pub(super) type SimNodeId = u32;

/// The number of a connection, which no later one between the same nodes has.
pub(super) type SimLinkId = u64;

/// What one node tells another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SimMessage {
    Have(PieceIndex),
    Interest(bool),
    Choke,
    Unchoke,
    Request(Block),
    Cancel(Block),
    Reject(Block),
    /// Some bytes of a block, perhaps its last ones.
    Bytes {
        block: Block,
        bytes: u32,
        last: bool,
    },
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SimEvent {
    Deliver {
        from: SimNodeId,
        to: SimNodeId,
        link: SimLinkId,
        message: SimMessage,
    },
    /// The bytes that a node was sending have left it.
    SendComplete(SimNodeId),
    /// The engine or the choker of a node wanted to be asked again.
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

/// All events to come, in order of time and then of being planned.
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
