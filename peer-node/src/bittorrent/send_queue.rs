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

/// When so many bytes of answers wait, nothing more is read from the other side until it has read some of them.
const REPLY_HIGH_WATERMARK: usize = 64 << 10;

/// What became of a block that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockPushOutcome {
    /// It will be sent.
    Queued,
    /// The other side is choked: for so many times now.
    Choked { choke_count: u32 },
    /// Too many wait already: it is rejected.
    TooMany,
}

/// What waits to be written to one connection: messages first, then blocks in the order in which they were asked for.
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
    /// Messages as they will be written.
    messages: Vec<u8>,
    /// How many of their bytes the other side has caused. Our own requests do not count: if they did, two nodes that both
    /// ask much could stop reading because of each other.
    reply_bytes: usize,
    blocks: VecDeque<Block>,
    is_unchoked: bool,
    /// How often the other side was choked.
    choke_count: u32,
}

impl WireSendQueue {
    /// Makes an empty queue to a peer that does, or does not, speak the fast extension. It is not served yet.
    pub(super) fn new(has_fast: bool) -> Self {
        let stand = Arc::<SlotStatus>::default();
        stand.set(Some(0));
        let (filled, drained) = (Arc::default(), Notify::new());
        Self { has_fast, waiting: Mutex::default(), filled, drained, slot_status: stand }
    }

    /// Queues a message of our own.
    pub(super) fn push(&self, message: BitTorrentMessage<'_>) {
        message.encode(&mut self.waiting.lock().messages);
        self.filled.notify_one();
    }

    /// Returns where the other side stands.
    pub(super) const fn slot_status(&self) -> &Arc<SlotStatus> {
        &self.slot_status
    }

    /// Returns what is rung when there may be something to write.
    pub(super) const fn filled(&self) -> &Arc<Notify> {
        &self.filled
    }

    /// Queues a block, or rejects it if the other side is choked or waits for too many.
    pub(super) fn push_block(&self, block: Block) -> BlockPushOutcome {
        let mut waiting = self.waiting.lock();
        if !waiting.is_unchoked {
            let times = waiting.choke_count;
            drop(waiting);
            self.reject(block);
            return BlockPushOutcome::Choked { choke_count: times };
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

    /// Takes a block back, if it still waits.
    pub(super) fn cancel(&self, block: Block) {
        let mut waiting = self.waiting.lock();
        let place = waiting.blocks.iter().position(|other| *other == block);
        let was_waiting = place.and_then(|at| waiting.blocks.remove(at)).is_some();
        drop(waiting);
        if was_waiting {
            self.reject(block);
        }
    }

    /// Says that a block will not come, to those who can be told so.
    pub(super) fn reject(&self, block: Block) {
        if self.has_fast {
            self.waiting.lock().push_reply(BitTorrentMessage::Reject(block.into()));
            self.filled.notify_one();
        }
    }

    /// Waits until few enough answers wait. Cancel safe.
    pub(super) async fn wait_for_room(&self) {
        while self.waiting.lock().reply_bytes >= REPLY_HIGH_WATERMARK {
            self.drained.notified().await;
        }
    }

    /// Moves all messages that wait behind what is in `out`.
    pub(super) fn take_messages(&self, out: &mut Vec<u8>) {
        let mut waiting = self.waiting.lock();
        out.append(&mut waiting.messages);
        waiting.reply_bytes = 0;
        drop(waiting);
        self.drained.notify_one();
    }

    /// Says whether messages wait.
    pub(super) fn has_messages(&self) -> bool {
        !self.waiting.lock().messages.is_empty()
    }

    /// Returns the length of the first block that waits, and of it with as many more as make at most `most` bytes.
    pub(super) fn queued_lengths(&self, most: usize) -> Option<(usize, usize)> {
        let waiting = self.waiting.lock();
        let mut lengths = waiting.blocks.iter().map(|block| block.length as usize);
        let first = lengths.next()?;
        let mut all = first;
        for length in lengths {
            if all + length > most {
                break;
            }
            all += length;
        }
        Some((first, all))
    }

    /// Takes blocks of at most `credit` bytes together; beyond the first one, of at most `most`.
    pub(super) fn take_blocks(&self, credit: usize, most: usize) -> Vec<Block> {
        let (mut waiting, mut all, mut taken) = (self.waiting.lock(), 0, Vec::new());
        let mut fits = |block: &mut Block| {
            let with = all + block.length as usize;
            let is_fitting = with <= credit && (all == 0 || with <= most);
            if is_fitting {
                all = with;
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

    /// What was asked for is forgotten; with the fast extension, each block is rejected.
    fn choke(&self, place: u32, _length: u32) {
        self.slot_status.set(Some(place));
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
