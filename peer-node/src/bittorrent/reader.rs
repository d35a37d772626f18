//! Reads what the other side of a connection sends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bittorrent::BitTorrentDecoder;
use protocol::bittorrent::mse::StreamCipher;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::close_reason::{CloseReason, IDLE_TIMEOUT};
use super::event::WireEvent;
use super::event_batch::BatchedEvent;
use super::joined_torrent::WireReporter;
use super::message_handler::WireMessageHandler;
use super::receive_buffer::WireReceiveBuffer;
use crate::throttle::PeerLimiter;
use crate::transport::{SlotClaim, Uploads};

/// How often it is looked at a connection from which nothing comes.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// A peer that has not said what it has is taken to have nothing after this time.
const BITFIELD_TIMEOUT: Duration = Duration::from_secs(2);

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct WireReader {
    pub(super) stream: OwnedReadHalf,
    /// Decrypts what comes, if it is encrypted.
    pub(super) cipher: Option<StreamCipher>,
    pub(super) decoder: BitTorrentDecoder,
    pub(super) buffer: WireReceiveBuffer,
    pub(super) handler: WireMessageHandler,
    pub(super) reporter: WireReporter,
    pub(super) lane: PeerLimiter,
    pub(super) claim: Arc<SlotClaim>,
    pub(super) uploads: Uploads,
    /// When something was last read.
    pub(super) last_received: Instant,
}

impl WireReader {
    /// Reads until the connection ends, and says why it did.
    pub(super) async fn run(&mut self) -> CloseReason {
        // What came with the handshake: more may not come until it is answered.
        let mut seen = if self.buffer.is_empty() { Ok(()) } else { self.handle_received().await };
        loop {
            if let Err(ending) = seen {
                return ending;
            }
            seen = self.read_and_handle().await;
        }
    }

    /// Tells that the connection is over.
    pub(super) async fn report_closed(mut self, ending: &CloseReason) {
        self.handler.report_joined();
        self.report_events().await;
        let (reason, again) = (ending.to_string(), ending.is_retryable());
        self.reporter.report(WireEvent::Disconnected { reason, can_retry: again }).await;
    }

    /// Reads some bytes and sees to all that is here.
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
        // What came before an offence was honest.
        self.report_events().await;
        outcome
    }

    /// Waits for bytes, or for something else to see to.
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

    /// Has the limit let blocks pass: as many bytes as can be used if that needs no waiting, otherwise some.
    async fn await_credit(&mut self) {
        let (begun, credit) = (Instant::now(), self.buffer.credit());
        tokio::select! {
            biased;
            passed = self.lane.acquire(WireReceiveBuffer::MAX_READ.saturating_sub(credit)) => self.buffer.add_credit(passed),
            () = std::future::ready(()), if credit > 0 => {}
        }
        self.handler.blocks.exclude_pause(begun.elapsed());
    }

    /// Sees to all that is here whole.
    fn handle_buffered(&mut self) -> Result<(), CloseReason> {
        let Self { buffer: inbox, decoder, handler: hearing, .. } = self;
        let outcome = inbox.consume(|input| {
            while let Some(item) = decoder.next(input)? {
                hearing.handle(item)?;
            }
            Ok(())
        });
        hearing.report_rejected();
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
