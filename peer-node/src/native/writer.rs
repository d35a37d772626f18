//! Writes what waits in a connection's queue.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::frame::encode_frame;
use protocol::peer::{BlockRef, PeerMessage};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::link::PeerLinkState;
use super::link_width::LinkWidth;
use super::send_queue::{Outgoing, OutgoingBlock};
use crate::throttle::SharedPeerLimiter;
use crate::transport::{MAX_SEND, SlotClaim, SocketTuner, send_some};

/// How long the other side may take nothing off our hands.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often those whose questions wait behind a block are told so.
const HOLD_UP_INTERVAL: Duration = Duration::from_secs(1);

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct LinkWriter {
    pub(super) stream: OwnedWriteHalf,
    pub(super) state: Arc<PeerLinkState>,
    pub(super) tuner: SocketTuner,
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

    /// Writes blocks as the connection with this number of the link, counted from 1, until it is to be closed.
    pub(super) async fn run_further(mut self, number: usize) -> io::Result<()> {
        let state = Arc::clone(&self.state);
        let mut extent = state.width.subscribe();
        loop {
            let LinkWidth { open, used } = *extent.borrow_and_update();
            if number >= open {
                return with_timeout(self.stream.shutdown()).await;
            }
            tokio::select! {
                biased;
                changed = extent.changed() => if changed.is_err() { return Ok(()) },
                block = state.queue.next_block(), if number < used => self.write_block(block).await?,
            }
        }
    }

    async fn write_messages(&mut self, messages: &[PeerMessage]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            encode_frame(message, &mut bytes).map_err(io::Error::other)?;
        }
        with_timeout(self.stream.write_all(&bytes)).await?;
        self.tuner.sent(self.stream.as_ref(), bytes.len());
        Ok(())
    }

    /// Writes a block, or its rejection if the file is not any more what it was when it was hashed.
    async fn write_block(&mut self, block: OutgoingBlock) -> io::Result<()> {
        let OutgoingBlock { reference, content, offset, upload } = block;
        if !content.is_valid() {
            tracing::warn!(offset, "a shared file has changed or is gone; block rejected");
            self.state.queue.push(PeerMessage::Reject(reference));
            return Ok(());
        }
        let _writing = self.state.send_activity.begin_writing();
        let stream: &TcpStream = self.stream.as_ref();
        write_header(stream, reference).await?;
        let length = reference.length as usize;
        let (mut sent, mut passed, mut told) = (0, 0, Instant::now());
        while sent < length {
            if sent == passed {
                passed += self.limiter.acquire(MAX_SEND.min(length - sent)).await;
            }
            let from = offset + sent as u64;
            let count = with_timeout(send_some(stream, content.file(), from, passed - sent)).await?;
            sent += count;
            self.tuner.sent(stream, count);
            upload.add_sent(count as u64);
            self.claim.sent(count as u64);
            self.state.send_activity.add_sent(count as u64);
            if told.elapsed() >= HOLD_UP_INTERVAL {
                told = Instant::now();
                // Our requests may be among what waits: that they are not answered is no fault of the other side.
                if self.state.queue.has_messages() {
                    self.state.fetches.notify_held_up(None);
                }
            }
        }
        tracing::trace!(channel = reference.channel, piece = reference.piece, length, "block sent");
        Ok(())
    }
}

/// Writes a block's header, told to be followed by more, so that it makes no packet of its own.
async fn write_header(stream: &TcpStream, reference: BlockRef) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(32);
    encode_frame(&PeerMessage::Block(reference), &mut bytes).map_err(io::Error::other)?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let count = with_timeout(stream.async_io(Interest::WRITABLE, || send_more(stream, rest))).await?;
        rest = rest.get(count..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn send_more(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    Ok(send(stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

#[cfg(not(target_os = "linux"))]
fn send_more(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.try_write(bytes)
}

async fn with_timeout<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the other side reads nothing");
    tokio::time::timeout(WRITE_TIMEOUT, work).await.unwrap_or_else(|_| Err(stuck()))
}
