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

/// When so many answers wait, or longer ones that weigh as much, nothing more is read from the other side until it has
/// read some of them.
const MAX_WEIGHT: usize = 256;

/// So many states of a manifest weigh as much as a message without any: of the longest parts, eight make a crowd.
const STATES_PER_WEIGHT: usize = 128;

/// So many files of an answer to a search weigh as much as a message without any.
const FILES_PER_WEIGHT: usize = 8;

/// A block that will be sent.
#[derive(Debug)]
pub(super) struct OutgoingBlock {
    pub(super) reference: BlockRef,
    pub(super) content: ServedContent,
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

/// What became of a block that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkPushOutcome {
    /// It will be sent.
    Queued,
    /// It was rejected, because the other side is choked: for so many times now.
    Choked { times: u32 },
    /// Too many wait already.
    TooMany,
}

/// What waits to be written to one connection: small messages first, then blocks in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct LinkSendQueue {
    waiting: Mutex<LinkOutput>,
    output_added: Arc<Notify>,
    /// Notified when there is a block to write, for all connections but the first.
    block_added: Notify,
    drained: Notify,
    slot_status: Arc<SlotStatus>,
    /// Whether the other side understands how many wait in the queue.
    reports_length: bool,
}

#[derive(Debug, Default)]
struct LinkOutput {
    messages: VecDeque<PeerMessage>,
    /// What the messages weigh.
    weight: usize,
    blocks: VecDeque<OutgoingBlock>,
    /// Partial contents that are followed from now on, or no longer.
    follow_changes: Vec<FollowChange>,
    choke_state: SentChokeState,
}

/// Whether the other side is served.
#[derive(Debug, Default)]
struct SentChokeState {
    is_unchoked: bool,
    /// How often it was choked.
    chokes: u32,
    /// Its place in the queue and how many wait there, if not reported yet. Only the last counts, however long it does not
    /// read.
    position: Option<(u32, u32)>,
}

impl LinkSendQueue {
    /// Makes the queue of a connection whose other side understands such features.
    pub(super) fn new(features: PeerFeatures) -> Self {
        Self { reports_length: features.contains(PeerFeatures::QUEUE_LENGTH), ..Self::default() }
    }

    pub(super) fn push(&self, message: PeerMessage) {
        self.waiting.lock().push(message);
        self.output_added.notify_one();
    }

    /// Offers a content; of a partial one, each piece that comes later is told as well.
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

    /// Returns where the other side stands.
    pub(super) const fn slot_status(&self) -> &Arc<SlotStatus> {
        &self.slot_status
    }

    /// Queues a block, or rejects it if the other side is choked.
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
            // Registered before the queue is looked at, so that no block is missed.
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

    /// Takes a block back; says whether it was still waiting.
    pub(super) fn cancel(&self, reference: BlockRef) -> bool {
        let mut waiting = self.waiting.lock();
        let place = waiting.blocks.iter().position(|block| block.reference == reference);
        let block = place.and_then(|at| waiting.blocks.remove(at));
        drop(waiting);
        block.is_some()
    }

    /// Forgets a channel and takes all its blocks back.
    pub(super) fn cancel_channel(&self, channel: ChannelId) -> Vec<BlockRef> {
        let mut waiting = self.waiting.lock();
        let (gone, kept) = std::mem::take(&mut waiting.blocks)
            .into_iter()
            .partition::<VecDeque<_>, _>(|block| block.reference.channel == channel);
        waiting.blocks = kept;
        waiting.follow_changes.push(FollowChange::End(channel));
        drop(waiting);
        // Otherwise what was followed would be held until there is something else to write.
        self.output_added.notify_one();
        gone.into_iter().map(|block| block.reference).collect()
    }

    #[cfg(test)]
    pub(super) fn follow_change_count(&self) -> usize {
        self.waiting.lock().follow_changes.len()
    }

    /// Says whether messages wait to be written.
    pub(super) fn has_messages(&self) -> bool {
        !self.waiting.lock().messages.is_empty()
    }

    /// Waits until few enough messages wait. Cancel safe.
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

    /// What the followed contents have to tell is taken only now that it can be written, so that one who does not read
    /// costs nothing.
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

    /// Rejects what the other side has asked for, if it was served until now.
    fn choke(&self, place: u32, length: u32) {
        self.slot_status.set(Some(place));
        let mut waiting = self.waiting.lock();
        let mut rejected = VecDeque::new();
        if std::mem::take(&mut waiting.choke_state.is_unchoked) {
            waiting.choke_state.chokes = waiting.choke_state.chokes.wrapping_add(1);
            waiting.push(choke_message(place, length, self.reports_length));
            rejected = std::mem::take(&mut waiting.blocks);
            for block in &rejected {
                waiting.push(PeerMessage::Reject(block.reference));
            }
        } else {
            waiting.choke_state.position = Some((place, length));
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

    /// Takes the oldest messages out; and with the last of them the changes in what is followed, so that a flood of both
    /// leaves neither behind.
    fn take_messages(&mut self, reports_length: bool) -> (Vec<PeerMessage>, Vec<FollowChange>) {
        let messages: Vec<PeerMessage> = if self.messages.is_empty() {
            let position = self.choke_state.position.take();
            position.map(|(place, length)| choke_message(place, length, reports_length)).into_iter().collect()
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

/// Makes the message for a side that is not served.
const fn choke_message(place: u32, length: u32, reports_length: bool) -> PeerMessage {
    if reports_length {
        PeerMessage::Queued { position: place, length }
    } else {
        PeerMessage::Choke { position: place }
    }
}

/// Returns what a message weighs that the other side has caused, also by changing its mind. Our own questions weigh nothing, since we bound them
/// ourselves: if they did, two nodes that both ask much could stop reading because of each other.
fn message_weight(message: &PeerMessage) -> usize {
    match message {
        PeerMessage::ManifestPart { states, .. } => 1 + states.len() / STATES_PER_WEIGHT,
        PeerMessage::Found { files, .. } => 1 + files.len() / FILES_PER_WEIGHT,
        PeerMessage::Details { files, .. } => 1 + files.len(),
        PeerMessage::Offer { .. }
        | PeerMessage::NotShared { .. }
        | PeerMessage::Reject(_)
        | PeerMessage::Choke { .. }
        | PeerMessage::Queued { .. }
        | PeerMessage::Unchoke
        | PeerMessage::Unsupported { .. } => 1,
        _ => 0,
    }
}
