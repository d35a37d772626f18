//! Writes the send queue of a link to its connections.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::frame::encode_frame;
use protocol::peer::PeerMessage;
use tokio::io::AsyncWriteExt;

use super::link::PeerLinkState;
use super::link_width::LinkWidth;
use super::send_queue::{Outgoing, OutgoingBlock};
use crate::throttle::SharedPeerLimiter;
use crate::transport::{MAX_SEND, PeerWriteHalf, SlotClaim};

/// Maximum time without the peer reading anything.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Interval at which fetches are notified that their requests wait behind a block.
const HOLD_UP_INTERVAL: Duration = Duration::from_secs(1);

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct LinkWriter {
    pub(super) stream: PeerWriteHalf,
    pub(super) state: Arc<PeerLinkState>,
    pub(super) limiter: SharedPeerLimiter,
    pub(super) claim: Arc<SlotClaim>,
}

impl LinkWriter {
    /// Writes until the connection breaks or the future is dropped.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut following = Vec::new();
        loop {
            match self.state.queue.next(&mut following).await {
                Outgoing::Messages(messages) => self.write_messages(&messages).await?,
                Outgoing::Block(block) => self.write_block(block).await?,
            }
        }
    }

    /// Writes blocks on the further connection with this number, from 1, until the link is narrowed.
    pub(super) async fn run_further(mut self, number: usize) -> io::Result<()> {
        let state = Arc::clone(&self.state);
        let mut width = state.width.subscribe();
        loop {
            let LinkWidth { open, used } = *width.borrow_and_update();
            if number >= open {
                return with_timeout(self.stream.shutdown()).await;
            }
            tokio::select! {
                biased;
                changed = width.changed() => if changed.is_err() { return Ok(()) },
                block = state.queue.next_block(), if number < used => self.write_block(block).await?,
            }
        }
    }

    async fn write_messages(&mut self, messages: &[PeerMessage]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            encode_frame(message, &mut bytes).map_err(io::Error::other)?;
        }
        with_timeout(self.stream.write_all(&bytes)).await
    }

    /// Writes a block, or rejects it if the file has changed since it was hashed.
    async fn write_block(&mut self, block: OutgoingBlock) -> io::Result<()> {
        let OutgoingBlock { reference, content, offset, upload } = block;
        if !content.is_valid() {
            tracing::warn!(offset, "shared file was changed or removed; block rejected");
            self.state.queue.push(PeerMessage::Reject(reference));
            return Ok(());
        }
        let _writing = self.state.send_activity.begin_writing();
        let mut header = Vec::with_capacity(32);
        encode_frame(&PeerMessage::Block(reference), &mut header).map_err(io::Error::other)?;
        with_timeout(self.stream.write_all_corked(&header)).await?;
        let length = reference.length as usize;
        let (mut sent, mut granted, mut notified_at) = (0, 0, Instant::now());
        while sent < length {
            if sent == granted {
                granted += self.limiter.acquire(MAX_SEND.min(length - sent)).await;
            }
            let from = offset + sent as u64;
            let count = with_timeout(self.stream.send_file(content.file(), from, granted - sent)).await?;
            sent += count;
            upload.add_sent(count as u64);
            self.claim.sent(count as u64);
            self.state.send_activity.add_sent(count as u64);
            if notified_at.elapsed() >= HOLD_UP_INTERVAL {
                notified_at = Instant::now();
                // Our requests may be among the waiting messages; the peer is not to blame for their delay.
                if self.state.queue.has_messages() {
                    self.state.fetches.notify_held_up(None);
                }
            }
        }
        tracing::trace!(channel = reference.channel, piece = reference.piece, length, "block sent");
        Ok(())
    }
}

async fn with_timeout<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing");
    tokio::time::timeout(WRITE_TIMEOUT, work).await.unwrap_or_else(|_| Err(stuck()))
}
