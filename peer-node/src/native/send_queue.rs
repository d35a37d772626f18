use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::limits::{MAX_CHANNELS, MAX_REQUESTS};
use protocol::peer::{BlockRef, Channel, PeerMessage};
use tokio::sync::Notify;

use super::uploads::UploadGuard;
use crate::library::OpenFile;

/// When so many answers wait, or longer ones that weigh as much, nothing more is read from the other side until it has
/// read some of them.
const CROWDED: usize = 256;

/// So many states of a manifest weigh as much as a message without any: of the longest parts, eight make a crowd.
const STATES_PER_WEIGHT: usize = 128;

/// A block that will be sent.
#[derive(Debug)]
pub(super) struct OutgoingBlock {
    pub(super) reference: BlockRef,
    pub(super) file: Arc<OpenFile>,
    /// Where the block begins in the file.
    pub(super) offset: u64,
    pub(super) upload: Arc<UploadGuard>,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Outgoing {
    Messages(Vec<PeerMessage>),
    Block(OutgoingBlock),
}

/// What waits to be written to one connection: small messages first, then blocks in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    waiting: Mutex<Waiting>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<PeerMessage>,
    /// What the messages weigh.
    weight: usize,
    blocks: VecDeque<OutgoingBlock>,
}

impl SendQueue {
    pub(super) fn push(&self, message: PeerMessage) {
        let mut waiting = self.waiting.lock();
        waiting.weight += weight(&message);
        waiting.messages.push_back(message);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Queues a block; says no if the other side has asked for too many.
    pub(super) fn push_block(&self, block: OutgoingBlock) -> bool {
        let mut waiting = self.waiting.lock();
        let fits = waiting.blocks.len() < MAX_REQUESTS * MAX_CHANNELS;
        if fits {
            waiting.blocks.push_back(block);
            self.filled.notify_one();
        }
        fits
    }

    /// Takes a block back; says whether it was still waiting.
    pub(super) fn cancel(&self, reference: BlockRef) -> bool {
        let mut waiting = self.waiting.lock();
        let before = waiting.blocks.len();
        waiting.blocks.retain(|block| block.reference != reference);
        waiting.blocks.len() < before
    }

    /// Takes all blocks of a channel back.
    pub(super) fn cancel_channel(&self, channel: Channel) -> Vec<BlockRef> {
        let mut waiting = self.waiting.lock();
        let (gone, kept) = std::mem::take(&mut waiting.blocks)
            .into_iter()
            .partition::<VecDeque<_>, _>(|block| block.reference.channel == channel);
        waiting.blocks = kept;
        gone.into_iter().map(|block| block.reference).collect()
    }

    /// Waits until few enough messages wait. Cancel safe.
    pub(super) async fn has_room(&self) {
        while self.waiting.lock().weight >= CROWDED {
            self.drained.notified().await;
        }
    }

    /// Waits for the next thing to write. Cancel safe.
    pub(super) async fn next(&self) -> Outgoing {
        loop {
            if let Some(outgoing) = self.take() {
                return outgoing;
            }
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Outgoing> {
        let mut waiting = self.waiting.lock();
        if !waiting.messages.is_empty() {
            let count = waiting.messages.len().min(CROWDED);
            let messages: Vec<PeerMessage> = waiting.messages.drain(..count).collect();
            waiting.weight -= messages.iter().map(weight).sum::<usize>();
            drop(waiting);
            self.drained.notify_one();
            return Some(Outgoing::Messages(messages));
        }
        waiting.blocks.pop_front().map(Outgoing::Block)
    }
}

/// Returns what a message weighs that the other side has caused. Our own questions weigh nothing, since we bound them
/// ourselves: if they did, two nodes that both ask much could stop reading because of each other.
fn weight(message: &PeerMessage) -> usize {
    match message {
        PeerMessage::ManifestPart { states, .. } => 1 + states.len() / STATES_PER_WEIGHT,
        PeerMessage::Offer { .. } | PeerMessage::NotShared { .. } | PeerMessage::Reject(_) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use protocol::limits::MAX_STATES;

    use super::*;

    fn has_room(queue: &SendQueue) -> bool {
        let room = std::pin::pin!(queue.has_room());
        room.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn a_few_long_messages_are_a_crowd_like_many_short_ones() {
        let states = vec![[0; 32]; MAX_STATES as usize];
        let queue = SendQueue::default();
        let mut parts = 0;
        while has_room(&queue) {
            queue.push(PeerMessage::ManifestPart { channel: 0, first: 0, states: states.clone() });
            parts += 1;
        }
        assert_eq!(parts, 8);
        assert!(matches!(queue.take(), Some(Outgoing::Messages(messages)) if messages.len() == parts));
        assert!(has_room(&queue));
        (0..CROWDED).for_each(|_| queue.push(PeerMessage::KeepAlive));
        assert!(has_room(&queue), "our own questions are no crowd");
        (0..CROWDED).for_each(|_| queue.push(PeerMessage::NotShared { channel: 0 }));
        assert!(!has_room(&queue));
    }
}
