use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::features::PeerFeatures;
use protocol::limits::{MAX_CHANNELS, MAX_REQUESTS};
use protocol::peer::{BlockRef, ChannelId, PeerMessage};
use tokio::sync::Notify;

use super::content::ServedContent;
use super::followed_content::{FollowChange, FollowedContent};
use crate::transport::{ChokeTarget, SlotStatus, UploadGuard};

#[cfg(test)]
mod tests;

/// Total weight of waiting answers at which nothing more is read from the peer until it has read some of them.
const MAX_WEIGHT: usize = 256;

/// Number of manifest states that weigh as much as one message. Eight manifest parts of maximum length reach the limit.
const STATES_PER_WEIGHT: usize = 128;

/// Number of files in a search answer that weigh as much as one message.
const FILES_PER_WEIGHT: usize = 8;

/// A block to be sent.
#[derive(Debug)]
pub(super) struct OutgoingBlock {
    pub(super) reference: BlockRef,
    pub(super) content: ServedContent,
    /// Offset of the block in the file.
    pub(super) offset: u64,
    pub(super) upload: Arc<UploadGuard>,
}

/// What the writer writes next.
#[derive(Debug)]
pub(super) enum Outgoing {
    Messages(Vec<PeerMessage>),
    Block(OutgoingBlock),
}

/// The outcome of a block request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkPushOutcome {
    /// The block will be sent.
    Queued,
    /// The request was rejected because the peer is choked. `times` counts the chokes of this peer.
    Choked { times: u32 },
    /// Too many blocks are queued.
    TooMany,
}

/// The send queue of one link: messages first, then blocks in the order of their requests.
#[derive(Debug, Default)]
pub(super) struct LinkSendQueue {
    waiting: Mutex<LinkOutput>,
    output_added: Arc<Notify>,
    /// Wakes the further connections when a block is added.
    block_added: Notify,
    drained: Notify,
    slot_status: Arc<SlotStatus>,
    /// Whether the peer understands the length of the slot queue.
    reports_length: bool,
}

#[derive(Debug, Default)]
struct LinkOutput {
    messages: VecDeque<PeerMessage>,
    /// Total weight of `messages`.
    weight: usize,
    blocks: VecDeque<OutgoingBlock>,
    /// Changes in which partial contents are followed.
    follow_changes: Vec<FollowChange>,
    choke_state: SentChokeState,
}

/// The choke state that the peer knows or will be sent.
#[derive(Debug, Default)]
struct SentChokeState {
    is_unchoked: bool,
    /// How often the peer was choked.
    chokes: u32,
    /// Position and length of the slot queue, if not yet sent. Only the latest is kept, however long the peer does not read.
    position: Option<(u32, u32)>,
}

impl LinkSendQueue {
    /// Creates the send queue for a peer with these features.
    pub(super) fn new(features: PeerFeatures) -> Self {
        Self { reports_length: features.contains(PeerFeatures::QUEUE_LENGTH), ..Self::default() }
    }

    pub(super) fn push(&self, message: PeerMessage) {
        self.waiting.lock().push(message);
        self.output_added.notify_one();
    }

    /// Offers a content. The peer is notified of every further piece of a partial content.
    pub(super) fn offer(&self, channel: ChannelId, size: u64, manifest: Digest, content: &ServedContent) {
        let following = match content {
            ServedContent::Shared(_) => None,
            ServedContent::Partial(partial) => {
                Some(FollowedContent::begin(channel, Arc::clone(partial), &self.output_added))
            }
        };
        let mut waiting = self.waiting.lock();
        let (pieces, following) = following.unzip();
        waiting.push(PeerMessage::Offer { channel, size, manifest, pieces });
        waiting.follow_changes.extend(following.map(FollowChange::Begin));
        drop(waiting);
        self.output_added.notify_one();
    }

    /// Returns the peer's upload slot status.
    pub(super) const fn slot_status(&self) -> &Arc<SlotStatus> {
        &self.slot_status
    }

    /// Queues a block, or rejects it if the peer is choked.
    pub(super) fn push_block(&self, block: OutgoingBlock) -> LinkPushOutcome {
        let mut waiting = self.waiting.lock();
        let pushed = if !waiting.choke_state.is_unchoked {
            waiting.push(PeerMessage::Reject(block.reference));
            LinkPushOutcome::Choked { times: waiting.choke_state.chokes }
        } else if waiting.blocks.len() < MAX_REQUESTS * MAX_CHANNELS {
            waiting.blocks.push_back(block);
            LinkPushOutcome::Queued
        } else {
            LinkPushOutcome::TooMany
        };
        drop(waiting);
        self.output_added.notify_one();
        self.block_added.notify_waiters();
        pushed
    }

    /// Waits for the next block to write. Cancel safe.
    pub(super) async fn next_block(&self) -> OutgoingBlock {
        loop {
            // Registered before the queue is checked, so that no notification is missed.
            let mut offered = std::pin::pin!(self.block_added.notified());
            offered.as_mut().enable();
            if let Some(block) = self.waiting.lock().blocks.pop_front() {
                return block;
            }
            offered.await;
        }
    }

    /// Waits until there are blocks to write. Cancel safe.
    pub(super) async fn blocks_added(&self) {
        loop {
            let mut offered = std::pin::pin!(self.block_added.notified());
            offered.as_mut().enable();
            if self.has_blocks() {
                return;
            }
            offered.await;
        }
    }

    /// Returns true if blocks wait to be written.
    pub(super) fn has_blocks(&self) -> bool {
        !self.waiting.lock().blocks.is_empty()
    }

    /// Removes a queued block. Returns true if it was still queued.
    pub(super) fn cancel(&self, reference: BlockRef) -> bool {
        let mut waiting = self.waiting.lock();
        let at = waiting.blocks.iter().position(|block| block.reference == reference);
        let block = at.and_then(|at| waiting.blocks.remove(at));
        drop(waiting);
        block.is_some()
    }

    /// Stops following a channel and removes its queued blocks. Returns the removed requests.
    pub(super) fn cancel_channel(&self, channel: ChannelId) -> Vec<BlockRef> {
        let mut waiting = self.waiting.lock();
        let (removed, kept) = std::mem::take(&mut waiting.blocks)
            .into_iter()
            .partition::<VecDeque<_>, _>(|block| block.reference.channel == channel);
        waiting.blocks = kept;
        waiting.follow_changes.push(FollowChange::End(channel));
        drop(waiting);
        // Otherwise the followed content would stay open until the next write.
        self.output_added.notify_one();
        removed.into_iter().map(|block| block.reference).collect()
    }

    #[cfg(test)]
    pub(super) fn follow_change_count(&self) -> usize {
        self.waiting.lock().follow_changes.len()
    }

    /// Returns true if messages wait to be written.
    pub(super) fn has_messages(&self) -> bool {
        !self.waiting.lock().messages.is_empty()
    }

    /// Waits until the peer has read enough of the waiting answers. Cancel safe.
    pub(super) async fn has_room(&self) {
        while self.waiting.lock().weight >= MAX_WEIGHT {
            self.drained.notified().await;
        }
    }

    /// Waits for the next thing to write. Cancel safe.
    pub(super) async fn next(&self, following: &mut Vec<FollowedContent>) -> Outgoing {
        loop {
            if let Some(outgoing) = self.take(following) {
                return outgoing;
            }
            self.output_added.notified().await;
        }
    }

    /// Takes the next thing to write, if any. News of followed contents is taken only when it can be written, so that a
    /// peer that does not read costs no memory.
    pub(super) fn take(&self, following: &mut Vec<FollowedContent>) -> Option<Outgoing> {
        let (messages, changes) = self.waiting.lock().take_messages(self.reports_length);
        for change in changes {
            change.apply(following);
        }
        if !messages.is_empty() {
            self.drained.notify_one();
            return Some(Outgoing::Messages(messages));
        }
        let mut news = Vec::new();
        following.retain_mut(|one| one.take_news(MAX_WEIGHT, &mut news));
        if !news.is_empty() {
            return Some(Outgoing::Messages(news));
        }
        self.waiting.lock().blocks.pop_front().map(Outgoing::Block)
    }
}

impl ChokeTarget for LinkSendQueue {
    fn unchoke(&self) {
        self.slot_status.set(None);
        let mut waiting = self.waiting.lock();
        if !std::mem::replace(&mut waiting.choke_state.is_unchoked, true) {
            waiting.choke_state.position = None;
            waiting.push(PeerMessage::Unchoke);
        }
        drop(waiting);
        self.output_added.notify_one();
    }

    /// Rejects all queued requests if the peer was unchoked.
    fn choke(&self, position: u32, length: u32) {
        self.slot_status.set(Some(position));
        let mut waiting = self.waiting.lock();
        let mut rejected = VecDeque::new();
        if std::mem::take(&mut waiting.choke_state.is_unchoked) {
            waiting.choke_state.chokes = waiting.choke_state.chokes.wrapping_add(1);
            waiting.push(choke_message(position, length, self.reports_length));
            rejected = std::mem::take(&mut waiting.blocks);
            for block in &rejected {
                waiting.push(PeerMessage::Reject(block.reference));
            }
        } else {
            waiting.choke_state.position = Some((position, length));
        }
        drop(waiting);
        drop(rejected);
        self.output_added.notify_one();
    }
}

impl LinkOutput {
    fn push(&mut self, message: PeerMessage) {
        self.weight += message_weight(&message);
        self.messages.push_back(message);
    }

    /// Takes the oldest messages, and along with the last of them the changes in what is followed, so that a flood of both
    /// leaves neither behind.
    fn take_messages(&mut self, reports_length: bool) -> (Vec<PeerMessage>, Vec<FollowChange>) {
        let messages: Vec<PeerMessage> = if self.messages.is_empty() {
            let position = self.choke_state.position.take();
            position
                .map(|(position, length)| choke_message(position, length, reports_length))
                .into_iter()
                .collect()
        } else {
            let count = self.messages.len().min(MAX_WEIGHT);
            let messages: Vec<PeerMessage> = self.messages.drain(..count).collect();
            self.weight -= messages.iter().map(message_weight).sum::<usize>();
            messages
        };
        let changes =
            if self.messages.is_empty() { std::mem::take(&mut self.follow_changes) } else { Vec::new() };
        (messages, changes)
    }
}

/// Returns the message for a choked peer.
const fn choke_message(position: u32, length: u32, reports_length: bool) -> PeerMessage {
    if reports_length { PeerMessage::Queued { position, length } } else { PeerMessage::Choke { position } }
}

/// Returns the weight of a message that the peer can cause. Our own requests weigh nothing because we bound them ourselves:
/// otherwise two busy nodes could both stop reading while waiting for each other.
fn message_weight(message: &PeerMessage) -> usize {
    match message {
        PeerMessage::ManifestPart { states, .. } => 1 + states.len() / STATES_PER_WEIGHT,
        PeerMessage::Found { files, .. } | PeerMessage::Listing { files, .. } => {
            1 + files.len() / FILES_PER_WEIGHT
        }
        PeerMessage::Details { files, .. } => 1 + files.len(),
        PeerMessage::Offer { .. }
        | PeerMessage::NotShared { .. }
        | PeerMessage::Reject(_)
        | PeerMessage::Choke { .. }
        | PeerMessage::Queued { .. }
        | PeerMessage::Unchoke
        | PeerMessage::BrowseLater { .. }
        | PeerMessage::Unsupported { .. } => 1,
        _ => 0,
    }
}
