//! Reads what the other side of a connection sends, and sees to it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BufMut;
use protocol::frame::{FrameBuffer, FrameError, decode_body};
use protocol::geometry::NoSuchBlock;
use protocol::limits::{MAX_DETAILS, MAX_FRAME, MAX_UNSUPPORTED};
use protocol::peer::{BlockRef, Channel, FileDetails, PeerMessage};
use protocol::preamble::Version;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::fetching::{QueuePosition, SourceEvent};
use super::link::Link;
use super::serving::Serving;
use crate::throttle::Lane;
use crate::transport::{BufferPool, Claim, Uploads};

/// A quiet connection is kept alive this often, or closed if neither side uses it.
const QUIET: Duration = Duration::from_mins(1);

/// A connection from which nothing at all came for so long is dead.
const DEAD: Duration = Duration::from_mins(3);

/// How much is read at a time while messages are expected: little, because what is read of a block behind its message
/// is copied once more.
const READ: usize = 4 << 10;

/// How often those who wait for a block are told that it is coming.
const TELL: Duration = Duration::from_millis(50);

/// A block that comes slower than this for so long ends the connection.
const SLOWEST: (u64, Duration) = (1 << 10, Duration::from_secs(30));

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("it broke the protocol: {what}")]
    Violation { what: &'static str },
    #[error("it broke the protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("it broke the protocol: {0}")]
    NoSuchBlock(#[from] NoSuchBlock),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("nothing came for {} s", DEAD.as_secs())]
    Dead,
    #[error("it sends slower than {} B/s", SLOWEST.0)]
    TooSlow,
    #[error("the connection was not used any more")]
    Unused,
    #[error("it closed the connection")]
    Closed,
}

/// A message as it was received.
enum Received {
    Known(PeerMessage),
    Unknown { kind: u32 },
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) stream: OwnedReadHalf,
    pub(super) buffer: FrameBuffer,
    pub(super) link: Link,
    pub(super) serving: Serving,
    pub(super) buffers: BufferPool,
    pub(super) uploads: Uploads,
    pub(super) lane: Lane,
    pub(super) claim: Arc<Claim>,
    /// How many messages of unknown kinds were answered.
    pub(super) unsupported: u32,
}

impl Reader {
    /// Reads until the connection ends, and says why it did.
    pub(super) async fn run(mut self) -> LinkError {
        self.buffer.set_limit(MAX_FRAME);
        loop {
            if let Err(error) = self.step().await {
                return error;
            }
        }
    }

    /// Sees to all messages that are here, then waits for more bytes.
    async fn step(&mut self) -> Result<(), LinkError> {
        while let Some(received) = self.next_message()? {
            self.link.shared.queue.has_room().await;
            match received {
                Received::Known(message) => self.handle(message).await?,
                Received::Unknown { kind } => self.unsupported(kind),
            }
        }
        let mut bytes = [0; READ];
        let heard = Instant::now();
        loop {
            match tokio::time::timeout(QUIET, self.stream.read(&mut bytes)).await {
                Ok(Ok(0)) => return Err(LinkError::Closed),
                Ok(count) => {
                    self.buffer.extend(bytes.get(..count?).unwrap_or_default());
                    return Ok(());
                }
                Err(_) if heard.elapsed() >= DEAD => return Err(LinkError::Dead),
                Err(_) if self.serving.is_empty() && self.link.shared.fetches.is_empty() => {
                    return Err(LinkError::Unused);
                }
                Err(_) => self.link.shared.queue.push(PeerMessage::KeepAlive),
            }
        }
    }

    /// Returns the next message that is here whole. In version 1 a message of an unknown kind is a violation.
    fn next_message(&mut self) -> Result<Option<Received>, FrameError> {
        let version = self.link.shared.version;
        let Some(body) = self.buffer.next_body()? else { return Ok(None) };
        match decode_body(body) {
            Ok(message) => Ok(Some(Received::Known(message))),
            Err(error) => match PeerMessage::unknown_kind(body) {
                Some(kind) if version >= Version::Two => Ok(Some(Received::Unknown { kind })),
                _ => Err(error),
            },
        }
    }

    /// Answers a message of an unknown kind, or ignores it if there were too many.
    fn unsupported(&mut self, kind: u32) {
        if self.unsupported < MAX_UNSUPPORTED {
            self.unsupported += 1;
            tracing::debug!(kind, "message of an unknown kind");
            self.link.shared.queue.push(PeerMessage::Unsupported { kind });
        }
    }

    async fn handle(&mut self, message: PeerMessage) -> Result<(), LinkError> {
        let queue = &self.link.shared.queue;
        match message {
            PeerMessage::KeepAlive => {}
            PeerMessage::Open { channel, digest } => {
                self.serving.open(channel, digest, 0, &self.link).await?;
            }
            PeerMessage::WantManifest { channel, first, count } => {
                self.serving.send_states(channel, first, count, queue)?;
            }
            PeerMessage::Request(reference) => self.serving.send_block(reference, queue).await?,
            PeerMessage::Cancel(reference) => Serving::cancel(reference, queue),
            PeerMessage::Close { channel } => self.serving.close(channel, queue),
            PeerMessage::Interested { channel } => self.serving.interest(channel, true),
            PeerMessage::NotInterested { channel } => self.serving.interest(channel, false),
            PeerMessage::Choke { place } => self.standing(Some(QueuePosition { place, length: None })).await,
            PeerMessage::Queued { place, length } => {
                self.standing(Some(QueuePosition { place, length: Some(length) })).await;
            }
            PeerMessage::Unchoke => self.standing(None).await,
            PeerMessage::Offer { channel, size, manifest, pieces } => {
                let choked = self.link.shared.fetches.is_choked();
                self.tell(channel, SourceEvent::Offered { size, manifest, pieces, choked }).await;
                // What was reported before the channel was opened is not reported again.
                if let Some(position) = self.link.shared.fetches.position() {
                    self.tell(channel, SourceEvent::Choked { position }).await;
                }
            }
            PeerMessage::NotShared { channel } => {
                self.tell(channel, SourceEvent::NotShared).await;
                self.link.shared.fetches.close(channel);
            }
            PeerMessage::ManifestPart { channel, first, states } => {
                self.tell(channel, SourceEvent::ManifestPart { first, states }).await;
            }
            PeerMessage::Have { channel, piece } => self.tell(channel, SourceEvent::Has { piece }).await,
            PeerMessage::Reject(reference) => self.rejected(reference).await?,
            PeerMessage::Block(reference) => self.receive_block(reference).await?,
            PeerMessage::Search { number, query, limit } => {
                self.serving.search((number, query, limit), &self.link).await?;
            }
            PeerMessage::Found { number, files, more } => {
                self.link.shared.searches.answered(number, (files, more))?;
            }
            PeerMessage::Hello { .. }
            | PeerMessage::Greet { .. }
            | PeerMessage::Probe { .. }
            | PeerMessage::ProbeAnswer { .. } => {
                return Err(LinkError::Violation { what: "it greeted twice" });
            }
            PeerMessage::OpenWithManifest { .. }
            | PeerMessage::Unsupported { .. }
            | PeerMessage::WrongPiece { .. }
            | PeerMessage::Details { .. } => self.handle_later(message).await?,
        }
        Ok(())
    }

    /// Handles a message that version 1 does not have.
    async fn handle_later(&mut self, message: PeerMessage) -> Result<(), LinkError> {
        if self.link.shared.version == Version::One {
            return Err(LinkError::Violation { what: "it sent a message of version 2 in version 1" });
        }
        match message {
            PeerMessage::OpenWithManifest { channel, digest, states } => {
                self.serving.open(channel, digest, states, &self.link).await
            }
            PeerMessage::WrongPiece { channel, piece } => {
                self.serving.wrong_piece(channel, piece, self.link.address().ip())
            }
            PeerMessage::Details { channel, files } => self.details(channel, files).await,
            other => {
                debug_assert!(matches!(other, PeerMessage::Unsupported { .. }), "version 1 has {other:?}");
                tracing::debug!(message = ?other, "the peer does not support a message of ours");
                Ok(())
            }
        }
    }

    /// Passes on the details that are valid.
    async fn details(&self, channel: Channel, mut files: Vec<FileDetails>) -> Result<(), LinkError> {
        if files.len() > MAX_DETAILS {
            return Err(LinkError::Violation { what: "it sent too many details" });
        }
        files.retain(FileDetails::is_valid);
        self.tell(channel, SourceEvent::Details { files }).await;
        Ok(())
    }

    async fn tell(&self, channel: Channel, event: SourceEvent) {
        if let Some((source, events)) = self.link.shared.fetches.listener(channel) {
            // Nobody listens any more: then nobody needs to know.
            let _ = events.send((source, event)).await;
        }
    }

    /// Notifies everybody who fetches over the connection that the other side serves, or of their position in its queue.
    async fn standing(&self, position: Option<QueuePosition>) {
        for (source, events) in self.link.shared.fetches.stands(position) {
            let event = position.map_or(SourceEvent::Unchoked, |position| SourceEvent::Choked { position });
            let _ = events.send((source, event)).await;
        }
    }

    async fn rejected(&self, reference: BlockRef) -> Result<(), LinkError> {
        let Some(listener) = self.link.shared.fetches.answered(reference) else {
            return Err(LinkError::Violation { what: "it rejected what it was not asked for" });
        };
        if let Some((source, events)) = listener {
            let _ = events.send((source, SourceEvent::Rejected { reference })).await;
        }
        Ok(())
    }

    /// Reads a block's bytes straight to their place.
    async fn receive_block(&mut self, reference: BlockRef) -> Result<(), LinkError> {
        // Only now is the length believed: it is that of a request of ours.
        let Some(listener) = self.link.shared.fetches.answered(reference) else {
            return Err(LinkError::Violation { what: "it sent a block that it was not asked for" });
        };
        let length = reference.length as usize;
        let mut data = self.buffers.take(length);
        data.vec().extend_from_slice(self.buffer.take_raw(length));
        // What came with the message is counted as well: small files come like that as a whole.
        let (mut passed, mut progress) = (0, Progress::begin(Instant::now()));
        while passed < length || data.bytes().len() < length {
            let here = data.bytes().len();
            if here >= passed {
                let asked = Instant::now();
                passed += self.lane.pass(length - passed).await;
                progress.paused(asked.elapsed());
                continue;
            }
            let mut place = data.vec().limit(passed - here);
            let reading = tokio::time::timeout(SLOWEST.1, self.stream.read_buf(&mut place)).await;
            if reading.map_err(|_| LinkError::TooSlow)?? == 0 {
                return Err(LinkError::Closed);
            }
            if let Some(count) = progress.news(data.bytes().len() as u64, Instant::now())? {
                self.uploads.received(count);
                self.claim.received(count);
                if let Some((source, events)) = &listener {
                    let _ = events.send((*source, SourceEvent::Bytes { count })).await;
                }
                self.link.shared.fetches.excuse(Some(reference.channel));
                if progress.is_long(Instant::now()) {
                    self.link.shared.queue.push(PeerMessage::KeepAlive);
                }
            }
        }
        let count = length as u64 - progress.told;
        self.uploads.received(count);
        self.claim.received(count);
        if let Some((source, events)) = listener {
            let _ = events.send((source, SourceEvent::Block { reference, data, count })).await;
        }
        Ok(())
    }
}

/// How a block comes in.
#[derive(Debug)]
struct Progress {
    begun: Instant,
    told_at: Instant,
    /// The bytes that those who wait for the block know of.
    told: u64,
    /// When the other side last heard of us, as far as is known here.
    alive_at: Instant,
}

impl Progress {
    const fn begin(now: Instant) -> Self {
        Self { begun: now, told_at: now, told: 0, alive_at: now }
    }

    /// Leaves a time out that was no fault of the other side.
    fn paused(&mut self, time: Duration) {
        self.begun += time;
    }

    /// Says whether the other side, which may hear nothing else while its block comes in, is to know that we are alive.
    fn is_long(&mut self, now: Instant) -> bool {
        let is_long = now.saturating_duration_since(self.alive_at) >= QUIET;
        if is_long {
            self.alive_at = now;
        }
        is_long
    }

    /// Takes in how many bytes are here; returns how many of them to tell of now.
    fn news(&mut self, here: u64, now: Instant) -> Result<Option<u64>, LinkError> {
        if now.saturating_duration_since(self.told_at) < TELL {
            return Ok(None);
        }
        let taken = now.saturating_duration_since(self.begun);
        if taken >= SLOWEST.1 && here < SLOWEST.0 * taken.as_secs() {
            return Err(LinkError::TooSlow);
        }
        let count = here - self.told;
        (self.told, self.told_at) = (here, now);
        Ok(Some(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_takes_minutes_keeps_the_connection_alive_now_and_then() {
        let begun = Instant::now();
        let mut progress = Progress::begin(begun);
        let told = (0..1800).filter(|tenths| progress.is_long(begun + Duration::from_millis(tenths * 100)));
        assert_eq!(told.count(), 2);
    }

    #[test]
    fn what_a_limit_holds_back_is_not_put_down_to_the_other_side() {
        let begun = Instant::now();
        let mut progress = Progress::begin(begun);
        progress.paused(Duration::from_secs(590));
        assert!(progress.news(10 << 10, begun + Duration::from_mins(10)).is_ok());
        assert!(progress.news(11 << 10, begun + Duration::from_secs(640)).is_err());
    }
}
