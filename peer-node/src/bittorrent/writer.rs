//! Writes the contents of a connection's send queue.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bittorrent::BitTorrentMessage;
use protocol::bittorrent::mse::StreamCipher;
use protocol::geometry::Block;
use tokio::io::AsyncWriteExt;

use super::batch_read::read_blocks;
use super::close_reason::CloseReason;
use super::event::WireEvent;
use super::joined_torrent::WireReporter;
use super::offering::TorrentOffering;
use super::wire::WireState;
use crate::platform::is_transient;
use crate::throttle::PeerLimiter;
use crate::transport::{PeerWriteHalf, SlotClaim, UploadGuard};

/// How long the peer may accept no data.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A keep-alive is sent after this time without data; BEP 3 recommends two minutes.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(110);

/// Delay of the first keep-alive. Transmission 3.00 processes data received together with the end of the handshake,
/// such as our bitfield, only when more data arrives.
const FIRST_KEEP_ALIVE_DELAY: Duration = Duration::from_secs(1);

/// Bytes of blocks read and written per batch: large enough to save system calls, small enough for the processor cache
/// (docs/performance.md).
const MAX_BATCH: usize = 128 << 10;

/// After a batch slower than this, the next batch is a single block, so that messages and cancellations do not wait
/// long.
const SLOW_BATCH: Duration = Duration::from_millis(50);

/// Pause after the system lacked resources to open or read a file.
const READ_RETRY_DELAY: Duration = Duration::from_millis(200);

/// How often requests waiting behind blocks are reported.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Number of verified pieces read from the log at once.
const MAX_HAVES_PER_READ: usize = 1024;

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct WireWriter {
    pub(super) stream: PeerWriteHalf,
    /// Encrypts outgoing bytes on an encrypted connection.
    pub(super) cipher: Option<StreamCipher>,
    pub(super) wire: Arc<WireState>,
    pub(super) reporter: WireReporter,
    pub(super) claim: Arc<SlotClaim>,
    pub(super) upload: UploadGuard,
    pub(super) budget: SendBudget,
    /// Position in the offering's log up to which the peer was notified.
    pub(super) cursor: usize,
}

/// How many bytes of the queued blocks may be sent now.
#[derive(Debug)]
pub(super) struct SendBudget {
    limiter: PeerLimiter,
    /// Bytes already granted by the upload limit.
    credit: usize,
    /// Maximum bytes per batch.
    batch: usize,
}

impl WireWriter {
    /// Writes until the connection ends; returns the reason.
    pub(super) async fn run(mut self) -> CloseReason {
        let (mut out, mut keep_alive_after) = (Vec::new(), FIRST_KEEP_ALIVE_DELAY);
        loop {
            match self.step(&mut out, &mut keep_alive_after).await {
                Ok(()) => out.clear(),
                Err(reason) => return reason,
            }
            if out.capacity() > 4 * MAX_BATCH {
                out = Vec::new();
            }
        }
    }

    /// Writes what is queued, or waits for data; sends a keep-alive after `keep_alive_after` without any.
    async fn step(&mut self, out: &mut Vec<u8>, keep_alive_after: &mut Duration) -> Result<(), CloseReason> {
        self.wire.queue.take_messages(out);
        self.append_haves(out)?;
        let blocks = self.budget.take_blocks(&self.wire);
        if out.is_empty() && blocks.is_empty() {
            out.shrink_to(0);
            self.wait(keep_alive_after).await;
            return Ok(());
        }
        let offering = Arc::clone(&self.reporter.torrent.offering);
        if let Err(error) = read_blocks(&offering, &blocks, out) {
            return self.reject_blocks(error, blocks, out).await;
        }
        let started_at = Instant::now();
        self.write(out, blocks.iter().map(|block| block.length as usize).sum()).await?;
        if !blocks.is_empty() {
            self.budget.adapt_batch(started_at.elapsed());
        }
        Ok(())
    }

    /// Rejects blocks that cannot be read. Withdraws the torrent unless the error is transient.
    async fn reject_blocks(
        &mut self,
        error: io::Error,
        blocks: Vec<Block>,
        out: &mut [u8],
    ) -> Result<(), CloseReason> {
        let offering = &self.reporter.torrent.offering;
        let is_temporary = is_transient(&error);
        if is_temporary {
            tracing::warn!(torrent = %offering.infohash(), %error, "files cannot be served at the moment");
            // A rejected peer requests again at once.
            tokio::time::sleep(READ_RETRY_DELAY).await;
        } else {
            tracing::warn!(torrent = %offering.infohash(), %error, "files cannot be served; torrent withdrawn");
            offering.withdraw();
        }
        for block in blocks {
            self.wire.queue.reject(block);
        }
        self.write(out, 0).await?;
        // Without the fast extension the peer gets no rejection and would wait forever.
        if is_temporary && !self.wire.peer.handshake.has_fast { Err(error.into()) } else { Ok(()) }
    }

    /// Appends "have" messages for newly verified pieces that the peer lacks.
    fn append_haves(&mut self, out: &mut Vec<u8>) -> Result<(), CloseReason> {
        let offering = &self.reporter.torrent.offering;
        let is_clean = out.is_empty();
        loop {
            let verified = offering.verified_since(&mut self.cursor, MAX_HAVES_PER_READ);
            let theirs = self.wire.remote_pieces.lock();
            for piece in verified.iter().filter(|piece| !theirs.has(**piece)) {
                BitTorrentMessage::Have { piece: piece.get() }.encode(out);
            }
            drop(theirs);
            if !verified.is_empty() && self.wire.are_both_complete(offering) {
                return Err(CloseReason::BothComplete);
            }
            // Stop at the end of the log, or as soon as there is something to send.
            if verified.len() < MAX_HAVES_PER_READ || is_clean && !out.is_empty() {
                break;
            }
        }
        if offering.is_withdrawn() && !self.wire.peer.handshake.has_fast {
            return Err(CloseReason::Withdrawn);
        }
        Ok(())
    }

    /// Waits until there may be data to write.
    async fn wait(&mut self, keep_alive_after: &mut Duration) {
        let queue = &self.wire.queue;
        let Some((first, max)) = queue.queued_lengths(self.budget.batch) else {
            if tokio::time::timeout(*keep_alive_after, queue.filled().notified()).await.is_err() {
                queue.push(BitTorrentMessage::KeepAlive);
                *keep_alive_after = KEEP_ALIVE_INTERVAL;
            }
            return;
        };
        // Wait for credit for at least one block; messages do not wait for it.
        tokio::select! {
            () = self.budget.await_credit(first, max) => {}
            () = queue.filled().notified() => {}
        }
    }

    /// Writes all bytes, `content` of which belong to blocks. Encrypts them in place first on an encrypted connection.
    async fn write(&mut self, bytes: &mut [u8], content: usize) -> io::Result<()> {
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(bytes);
        }
        let (mut written, mut counted, mut reported_at) = (0, 0, Instant::now());
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing");
            let writing = tokio::time::timeout(WRITE_TIMEOUT, self.stream.write(rest));
            let count = writing.await.map_err(|_| stuck())??;
            written += count;
            // Heads and messages are small, so a proportional share is accurate enough until everything is written.
            let share = content * written / bytes.len();
            self.claim.sent((share - counted) as u64);
            self.upload.add_sent((share - counted) as u64);
            self.reporter.torrent.offering.add_sent((share - counted) as u64);
            counted = share;
            if reported_at.elapsed() >= PROGRESS_INTERVAL {
                reported_at = Instant::now();
                // Our own requests may still be queued here: the peer is not to blame for missing answers.
                if self.wire.queue.has_messages() && self.wire.requests.lock().has_outstanding() {
                    self.reporter.try_report(WireEvent::Bytes { count: 0 });
                }
            }
        }
        Ok(())
    }
}

impl SendBudget {
    pub(super) const fn new(limiter: PeerLimiter) -> Self {
        Self { limiter, credit: 0, batch: MAX_BATCH }
    }

    /// Takes the blocks that may be sent now.
    fn take_blocks(&mut self, wire: &WireState) -> Vec<Block> {
        if self.credit == 0 {
            return Vec::new();
        }
        let blocks = wire.queue.take_blocks(self.credit, self.batch);
        self.credit -= blocks.iter().map(|block| block.length as usize).sum::<usize>().min(self.credit);
        blocks
    }

    /// Waits until the upload limit grants `min` bytes, taking up to `max`. Cancel safe.
    async fn await_credit(&mut self, min: usize, max: usize) {
        while self.credit < min {
            self.credit += self.limiter.acquire(max.saturating_sub(self.credit)).await;
        }
    }

    /// Adapts the batch size to the duration of the last batch.
    fn adapt_batch(&mut self, time: Duration) {
        self.batch = if time > SLOW_BATCH { 1 } else { (self.batch * 2).clamp(16 << 10, MAX_BATCH) };
    }
}

impl WireState {
    /// Returns true if neither side needs anything from the other.
    pub(super) fn are_both_complete(&self, offering: &TorrentOffering) -> bool {
        self.remote_pieces.lock().is_full() && offering.is_complete()
    }
}
