//! What will happen when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use protocol::geometry::{Block, PieceIndex};

/// The number of a node; 0 is the source.
pub(super) type NodeId = u32;

/// The number of a connection, which no later one between the same nodes has.
pub(super) type LinkId = u64;

/// What one node tells another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Message {
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
pub(super) enum Event {
    Deliver {
        from: NodeId,
        to: NodeId,
        link: LinkId,
        message: Message,
    },
    /// The bytes that a node was sending have left it.
    Sent(NodeId),
    /// The engine or the choker of a node wanted to be asked again.
    Wake(NodeId),
    Break {
        one: NodeId,
        other: NodeId,
        link: LinkId,
    },
    Dial(NodeId),
    Leave(NodeId),
    Return(NodeId),
}

/// All events to come, in order of time and then of being planned.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    planned: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, time: Duration, event: Event) {
        self.planned += 1;
        self.events.push(Reverse((time, self.planned, event)));
    }

    pub(super) fn next(&mut self) -> Option<(Duration, Event)> {
        self.events.pop().map(|Reverse((time, _, event))| (time, event))
    }
}
