use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::limits::{MAX_CHANNELS, MAX_REQUESTS};
use protocol::peer::{BlockRef, Channel, PeerMessage};
use tokio::sync::Notify;

use super::uploads::UploadGuard;
use crate::library::OpenFile;

/// When so many messages wait, nothing more is read from the other side until it has read some of ours.
const CROWDED: usize = 256;

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
    blocks: VecDeque<OutgoingBlock>,
}

impl SendQueue {
    pub(super) fn push(&self, message: PeerMessage) {
        self.waiting.lock().messages.push_back(message);
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
        while self.waiting.lock().messages.len() >= CROWDED {
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
            let messages = waiting.messages.drain(..count).collect();
            drop(waiting);
            self.drained.notify_one();
            return Some(Outgoing::Messages(messages));
        }
        waiting.blocks.pop_front().map(Outgoing::Block)
    }
}
