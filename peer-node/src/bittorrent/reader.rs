//! Reads messages from a peer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bittorrent::BitTorrentDecoder;
use protocol::bittorrent::mse::StreamCipher;
use tokio::io::AsyncReadExt;

use super::close_reason::{CloseReason, IDLE_TIMEOUT};
use super::event::WireEvent;
use super::event_batch::BatchedEvent;
use super::joined_torrent::WireReporter;
use super::message_handler::WireMessageHandler;
use super::receive_buffer::WireReceiveBuffer;
use crate::throttle::PeerLimiter;
use crate::transport::{PeerReadHalf, SlotClaim, Uploads};

/// How often an idle connection is checked.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// A peer that has sent no bitfield after this time counts as having no pieces.
const BITFIELD_TIMEOUT: Duration = Duration::from_secs(2);

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct WireReader {
    pub(super) stream: PeerReadHalf,
    /// Decrypts incoming bytes on an encrypted connection.
    pub(super) cipher: Option<StreamCipher>,
    pub(super) decoder: BitTorrentDecoder,
    pub(super) buffer: WireReceiveBuffer,
    pub(super) handler: WireMessageHandler,
    pub(super) reporter: WireReporter,
    pub(super) limiter: PeerLimiter,
    pub(super) claim: Arc<SlotClaim>,
    pub(super) uploads: Uploads,
    /// Time of the last read.
    pub(super) last_received: Instant,
}

impl WireReader {
    /// Reads until the connection ends; returns the reason.
    pub(super) async fn run(&mut self) -> CloseReason {
        // Handle bytes received with the handshake first: the peer may wait for our answer before it sends more.
        let mut outcome = if self.buffer.is_empty() { Ok(()) } else { self.handle_received().await };
        loop {
            if let Err(reason) = outcome {
                return reason;
            }
            outcome = self.read_and_handle().await;
        }
    }

    /// Reports that the connection is closed.
    pub(super) async fn report_closed(mut self, close_reason: &CloseReason) {
        self.handler.report_joined();
        self.report_events().await;
        let (reason, can_retry) = (close_reason.to_string(), close_reason.is_retryable());
        self.reporter.report(WireEvent::Disconnected { reason, can_retry }).await;
    }

    /// Reads some bytes and handles every complete message.
    async fn read_and_handle(&mut self) -> Result<(), CloseReason> {
        self.handler.wire.queue.wait_for_room().await;
        self.read().await?;
        self.handle_received().await
    }

    async fn handle_received(&mut self) -> Result<(), CloseReason> {
        let outcome = self.handle_buffered();
        let received = self.handler.take_received();
        if received > 0 {
            self.buffer.spend_credit(received);
            self.claim.received(received as u64);
            self.uploads.add_received(received as u64);
        }
        // Events received before a violation are still valid.
        self.report_events().await;
        outcome
    }

    /// Waits for bytes, or for rejections to report.
    async fn read(&mut self) -> Result<(), CloseReason> {
        let wire = Arc::clone(&self.handler.wire);
        let expects_blocks = self.decoder.is_in_block() || wire.requests.lock().has_outstanding();
        if expects_blocks {
            self.await_credit().await;
        }
        let timeout = if self.handler.has_joined() { IDLE_CHECK_INTERVAL } else { BITFIELD_TIMEOUT };
        let room = self.buffer.unfilled(expects_blocks);
        let read = tokio::select! {
            read = tokio::time::timeout(timeout, self.stream.read(room)) => read,
            () = wire.has_rejections.notified() => return Ok(()),
        };
        let now = Instant::now();
        match read {
            Ok(Ok(0)) => return Err(CloseReason::ClosedByPeer),
            Ok(count) => {
                let count = count?;
                if let (Some(cipher), Some(bytes)) = (&mut self.cipher, room.get_mut(..count)) {
                    cipher.apply(bytes);
                }
                self.buffer.advance(count);
                self.last_received = now;
            }
            Err(_) if now.saturating_duration_since(self.last_received) >= IDLE_TIMEOUT => {
                return Err(CloseReason::IdleTimeout);
            }
            Err(_) => {
                self.handler.report_joined();
                self.buffer.shrink();
            }
        }
        self.handler.blocks.check_rate(now)
    }

    /// Waits for the download limit: takes as many bytes as one read can use if they are available at once, otherwise
    /// the first bytes granted.
    async fn await_credit(&mut self) {
        let (started_at, credit) = (Instant::now(), self.buffer.credit());
        tokio::select! {
            biased;
            passed = self.limiter.acquire(WireReceiveBuffer::MAX_READ.saturating_sub(credit)) => self.buffer.add_credit(passed),
            () = std::future::ready(()), if credit > 0 => {}
        }
        self.handler.blocks.exclude_pause(started_at.elapsed());
    }

    /// Handles every complete message in the buffer.
    fn handle_buffered(&mut self) -> Result<(), CloseReason> {
        let Self { buffer: inbox, decoder, handler, .. } = self;
        let outcome = inbox.consume(|input| {
            while let Some(item) = decoder.next(input)? {
                handler.handle(item)?;
            }
            Ok(())
        });
        handler.report_rejected();
        outcome
    }

    async fn report_events(&mut self) {
        for entry in self.handler.events.take(Instant::now()) {
            match entry {
                BatchedEvent::Event(event) => self.reporter.report(event).await,
                BatchedEvent::NewPieces(pieces) => {
                    for piece in pieces {
                        self.reporter.report(WireEvent::Has { piece }).await;
                    }
                }
            }
        }
    }
}
