//! Writes what waits in a connection's queue.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bittorrent::BitTorrentMessage;
use protocol::bittorrent::mse::StreamCipher;
use protocol::geometry::Block;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::batch_read::{is_transient, read_blocks};
use super::close_reason::CloseReason;
use super::event::WireEvent;
use super::joined_torrent::WireReporter;
use super::offering::TorrentOffering;
use super::wire::WireState;
use crate::throttle::PeerLimiter;
use crate::transport::{SlotClaim, SocketTuner, UploadGuard};

/// How long the other side may take nothing off our hands.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// When nothing was written for so long, the other side is told that we are alive; BEP 3 speaks of two minutes.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(110);

/// The same for the first time. Transmission 3.00 handles what came in one piece with the end of the handshake, such as our
/// bitfield, only when something more comes.
const FIRST_KEEP_ALIVE_DELAY: Duration = Duration::from_secs(1);

/// How many bytes of blocks are read and written at once. Measured for blocks of 16 KiB over loopback, CPU seconds per GiB of the
/// sender and of the receiver: 0.43 and 0.47 like this, 0.46 and 0.57 with twice as much, 0.52 and 0.57 with half; 0.78 and 0.88
/// with a `sendfile` behind each head, which saves a copy and costs two calls a block.
const MAX_BATCH: usize = 128 << 10;

/// If a batch takes longer than this, the next is a single block, so that messages and changes of mind need not wait.
const SLOW_BATCH: Duration = Duration::from_millis(50);

/// How long nothing is read after the system could not read, or open, a file.
const READ_RETRY_DELAY: Duration = Duration::from_millis(200);

/// How often those whose requests wait behind blocks are told so.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How many pieces are looked at at once, to tell a peer of them.
const MAX_HAVES_PER_READ: usize = 1024;

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct WireWriter {
    pub(super) stream: OwnedWriteHalf,
    /// Encrypts what is sent, if it has to be.
    pub(super) cipher: Option<StreamCipher>,
    pub(super) tuner: SocketTuner,
    pub(super) wire: Arc<WireState>,
    pub(super) reporter: WireReporter,
    pub(super) claim: Arc<SlotClaim>,
    pub(super) upload: UploadGuard,
    pub(super) budget: SendBudget,
    /// How far the peer was told of what is here.
    pub(super) cursor: usize,
}

/// How much of the blocks that wait may be sent at once.
#[derive(Debug)]
pub(super) struct SendBudget {
    lane: PeerLimiter,
    /// The bytes that the limit lets pass already.
    credit: usize,
    /// The most that is read and written at once.
    batch: usize,
}

impl WireWriter {
    /// Writes until the connection ends, and says why it did.
    pub(super) async fn run(mut self) -> CloseReason {
        let (mut out, mut silence) = (Vec::new(), FIRST_KEEP_ALIVE_DELAY);
        loop {
            match self.step(&mut out, &mut silence).await {
                Ok(()) => out.clear(),
                Err(ending) => return ending,
            }
            if out.capacity() > 4 * MAX_BATCH {
                out = Vec::new();
            }
        }
    }

    /// Writes what there is, or waits for something; after that long a silence, sends a keep-alive.
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
        let begun = Instant::now();
        self.write(out, blocks.iter().map(|block| block.length as usize).sum()).await?;
        if !blocks.is_empty() {
            self.budget.adapt_batch(begun.elapsed());
        }
        Ok(())
    }

    /// Answers blocks that cannot be read: for now, or for good if it is the files' fault.
    async fn reject_blocks(
        &mut self,
        error: io::Error,
        blocks: Vec<Block>,
        out: &mut [u8],
    ) -> Result<(), CloseReason> {
        let offering = &self.reporter.torrent.offering;
        let is_passing = is_transient(&error);
        if is_passing {
            tracing::warn!(torrent = %offering.infohash(), %error, "files cannot be served at the moment");
            // Whoever is told asks again at once.
            tokio::time::sleep(READ_RETRY_DELAY).await;
        } else {
            tracing::warn!(torrent = %offering.infohash(), %error, "files cannot be served; torrent withdrawn");
            offering.withdraw();
        }
        for block in blocks {
            self.wire.queue.reject(block);
        }
        self.write(out, 0).await?;
        // Others cannot be told, and would wait for ever.
        if is_passing && !self.wire.peer.handshake.has_fast { Err(error.into()) } else { Ok(()) }
    }

    /// Adds the pieces that have come since, for a peer that lacks them.
    fn append_haves(&mut self, out: &mut Vec<u8>) -> Result<(), CloseReason> {
        let offering = &self.reporter.torrent.offering;
        let is_clean = out.is_empty();
        loop {
            let news = offering.verified_since(&mut self.cursor, MAX_HAVES_PER_READ);
            let theirs = self.wire.remote_pieces.lock();
            for piece in news.iter().filter(|piece| !theirs.has(**piece)) {
                BitTorrentMessage::Have { piece: piece.get() }.encode(out);
            }
            drop(theirs);
            if !news.is_empty() && self.wire.are_both_complete(offering) {
                return Err(CloseReason::BothComplete);
            }
            if news.len() < MAX_HAVES_PER_READ || is_clean && !out.is_empty() {
                break;
            }
        }
        if offering.is_withdrawn() && !self.wire.peer.handshake.has_fast {
            return Err(CloseReason::Withdrawn);
        }
        Ok(())
    }

    /// Waits until there may be something to write.
    async fn wait(&mut self, keep_alive_after: &mut Duration) {
        let queue = &self.wire.queue;
        let Some((first, most)) = queue.queued_lengths(self.budget.batch) else {
            if tokio::time::timeout(*keep_alive_after, queue.filled().notified()).await.is_err() {
                queue.push(BitTorrentMessage::KeepAlive);
                *keep_alive_after = KEEP_ALIVE_INTERVAL;
            }
            return;
        };
        // Enough for one block at least; messages need not wait for that.
        tokio::select! {
            () = self.budget.await_credit(first, most) => {}
            () = queue.filled().notified() => {}
        }
    }

    /// Writes all bytes, of which `content` are content. Encrypts them in place first if the connection is encrypted.
    async fn write(&mut self, bytes: &mut [u8], content: usize) -> io::Result<()> {
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(bytes);
        }
        let (mut written, mut counted, mut told) = (0, 0, Instant::now());
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the other side reads nothing");
            let writing = tokio::time::timeout(WRITE_TIMEOUT, self.stream.write(rest));
            let count = writing.await.map_err(|_| stuck())??;
            self.tuner.sent(self.stream.as_ref(), count);
            written += count;
            // Heads and messages are little beside the blocks, so a share is exact enough until all is written.
            let share = content * written / bytes.len();
            self.claim.sent((share - counted) as u64);
            self.upload.add_sent((share - counted) as u64);
            self.reporter.torrent.offering.add_sent((share - counted) as u64);
            counted = share;
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                // Our requests may be among what waits: that they are not answered is no fault of the other side.
                if self.wire.queue.has_messages() && self.wire.requests.lock().has_outstanding() {
                    self.reporter.try_report(WireEvent::Bytes { count: 0 });
                }
            }
        }
        Ok(())
    }
}

impl SendBudget {
    pub(super) const fn new(lane: PeerLimiter) -> Self {
        Self { lane, credit: 0, batch: MAX_BATCH }
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

    /// Waits until the limit lets so many bytes pass, and has it let pass as many as can be used. Cancel safe.
    async fn await_credit(&mut self, least: usize, most: usize) {
        while self.credit < least {
            self.credit += self.lane.acquire(most.saturating_sub(self.credit)).await;
        }
    }

    /// Takes in how long a batch took.
    fn adapt_batch(&mut self, time: Duration) {
        self.batch = if time > SLOW_BATCH { 1 } else { (self.batch * 2).clamp(16 << 10, MAX_BATCH) };
    }
}

impl WireState {
    /// Says whether neither side can give the other anything any more.
    pub(super) fn are_both_complete(&self, offering: &TorrentOffering) -> bool {
        self.remote_pieces.lock().is_full() && offering.is_complete()
    }
}
