use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::bittorrent::BitTorrentMessage;
use protocol::geometry::Block;
use protocol::limits::MAX_BITTORRENT_REQUESTS;
use tokio::sync::Notify;

use crate::transport::{ChokeTarget, SlotStatus};

#[cfg(test)]
mod tests;

/// When this many bytes of replies wait, nothing more is read from the peer until it has read some of them.
const REPLY_HIGH_WATERMARK: usize = 64 << 10;

/// What happened to a requested block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockPushOutcome {
    /// The block will be sent.
    Queued,
    /// The peer is choked, for the `choke_count`th time.
    Choked { choke_count: u32 },
    /// The queue is full: the block is rejected.
    TooMany,
}

/// Data waiting to be written to one connection: messages first, then blocks in request order.
#[derive(Debug)]
pub(super) struct WireSendQueue {
    has_fast: bool,
    waiting: Mutex<WireQueueContents>,
    filled: Arc<Notify>,
    drained: Notify,
    slot_status: Arc<SlotStatus>,
}

#[derive(Debug, Default)]
struct WireQueueContents {
    /// Encoded messages.
    messages: Vec<u8>,
    /// How many of these bytes are replies to the peer. Our own requests do not count: otherwise two nodes that both
    /// request a lot could each stop reading because of the other.
    reply_bytes: usize,
    blocks: VecDeque<Block>,
    is_unchoked: bool,
    /// How many times the peer was choked.
    choke_count: u32,
}

impl WireSendQueue {
    /// Creates an empty queue; the peer is choked. `has_fast`: the peer supports the fast extension.
    pub(super) fn new(has_fast: bool) -> Self {
        let slot_status = Arc::<SlotStatus>::default();
        slot_status.set(Some(0));
        let (filled, drained) = (Arc::default(), Notify::new());
        Self { has_fast, waiting: Mutex::default(), filled, drained, slot_status }
    }

    /// Queues a message that is not a reply.
    pub(super) fn push(&self, message: BitTorrentMessage<'_>) {
        message.encode(&mut self.waiting.lock().messages);
        self.filled.notify_one();
    }

    /// Returns the status of the peer's upload slot.
    pub(super) const fn slot_status(&self) -> &Arc<SlotStatus> {
        &self.slot_status
    }

    /// Returns the notifier for new data to write.
    pub(super) const fn filled(&self) -> &Arc<Notify> {
        &self.filled
    }

    /// Queues a block, or rejects it if the peer is choked or the queue is full.
    pub(super) fn push_block(&self, block: Block) -> BlockPushOutcome {
        let mut waiting = self.waiting.lock();
        if !waiting.is_unchoked {
            let choke_count = waiting.choke_count;
            drop(waiting);
            self.reject(block);
            return BlockPushOutcome::Choked { choke_count };
        }
        if waiting.blocks.len() >= MAX_BITTORRENT_REQUESTS {
            drop(waiting);
            self.reject(block);
            return BlockPushOutcome::TooMany;
        }
        waiting.blocks.push_back(block);
        drop(waiting);
        self.filled.notify_one();
        BlockPushOutcome::Queued
    }

    /// Removes a block from the queue, and rejects it if it was there.
    pub(super) fn cancel(&self, block: Block) {
        let mut waiting = self.waiting.lock();
        let position = waiting.blocks.iter().position(|other| *other == block);
        let was_waiting = position.and_then(|at| waiting.blocks.remove(at)).is_some();
        drop(waiting);
        if was_waiting {
            self.reject(block);
        }
    }

    /// Queues a rejection, if the peer supports the fast extension.
    pub(super) fn reject(&self, block: Block) {
        if self.has_fast {
            self.waiting.lock().push_reply(BitTorrentMessage::Reject(block.into()));
            self.filled.notify_one();
        }
    }

    /// Waits until few enough replies wait. Cancel safe.
    pub(super) async fn wait_for_room(&self) {
        while self.waiting.lock().reply_bytes >= REPLY_HIGH_WATERMARK {
            self.drained.notified().await;
        }
    }

    /// Moves all waiting messages to the end of `out`.
    pub(super) fn take_messages(&self, out: &mut Vec<u8>) {
        let mut waiting = self.waiting.lock();
        out.append(&mut waiting.messages);
        waiting.reply_bytes = 0;
        drop(waiting);
        self.drained.notify_one();
    }

    /// Returns true if messages wait.
    pub(super) fn has_messages(&self) -> bool {
        !self.waiting.lock().messages.is_empty()
    }

    /// Returns the length of the first waiting block, and the total length of as many blocks as fit into `max` bytes
    /// (at least one).
    pub(super) fn queued_lengths(&self, max: usize) -> Option<(usize, usize)> {
        let waiting = self.waiting.lock();
        let mut lengths = waiting.blocks.iter().map(|block| block.length as usize);
        let first = lengths.next()?;
        let mut total = first;
        for length in lengths {
            if total + length > max {
                break;
            }
            total += length;
        }
        Some((first, total))
    }

    /// Takes blocks of at most `credit` bytes in total and, beyond the first block, of at most `max` bytes.
    pub(super) fn take_blocks(&self, credit: usize, max: usize) -> Vec<Block> {
        let (mut waiting, mut total, mut taken) = (self.waiting.lock(), 0, Vec::new());
        let mut fits = |block: &mut Block| {
            let new_total = total + block.length as usize;
            let is_fitting = new_total <= credit && (total == 0 || new_total <= max);
            if is_fitting {
                total = new_total;
            }
            is_fitting
        };
        while let Some(block) = waiting.blocks.pop_front_if(&mut fits) {
            taken.push(block);
        }
        taken
    }
}

impl ChokeTarget for WireSendQueue {
    fn unchoke(&self) {
        self.slot_status.set(None);
        let mut waiting = self.waiting.lock();
        if !std::mem::replace(&mut waiting.is_unchoked, true) {
            waiting.push_reply(BitTorrentMessage::Unchoke);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Drops the queued blocks; with the fast extension, rejects each of them.
    fn choke(&self, position: u32, _length: u32) {
        self.slot_status.set(Some(position));
        let mut waiting = self.waiting.lock();
        if !std::mem::take(&mut waiting.is_unchoked) {
            return;
        }
        waiting.choke_count = waiting.choke_count.wrapping_add(1);
        waiting.push_reply(BitTorrentMessage::Choke);
        for block in std::mem::take(&mut waiting.blocks) {
            if self.has_fast {
                waiting.push_reply(BitTorrentMessage::Reject(block.into()));
            }
        }
        drop(waiting);
        self.filled.notify_one();
    }
}

impl WireQueueContents {
    fn push_reply(&mut self, message: BitTorrentMessage<'_>) {
        let before = self.messages.len();
        message.encode(&mut self.messages);
        self.reply_bytes += self.messages.len() - before;
    }
}
