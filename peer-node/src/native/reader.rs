//! Reads and handles the messages of one connection.

use std::io;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::frame::{FrameError, decode_body};
use protocol::geometry::InvalidBlock;
use protocol::limits::{MAX_DETAILS, MAX_FRAME, MAX_UNSUPPORTED};
use protocol::peer::{BlockRef, ChannelId, FileDetails, PeerMessage};
use protocol::preamble::Version;
use tokio::io::AsyncReadExt;

use super::block_reader::{BlockReader, KEEP_ALIVE_INTERVAL};
use super::fetching::{QueuePosition, SourceEvent};
use super::further_readers::FurtherReaders;
use super::peer_listing;
use super::serving::LinkServing;

/// Time without any data after which a connection is considered dead.
const IDLE_TIMEOUT: Duration = Duration::from_mins(3);

/// Size of one read while messages are expected. It is small because block bytes that are read along with their message must
/// be copied once more.
const READ_SIZE: usize = 4 << 10;

/// Minimum rate of a block in bytes per second, and the time after which it is enforced.
pub(super) const MIN_BLOCK_RATE: (u64, Duration) = (1 << 10, Duration::from_secs(30));

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("protocol violation: {what}")]
    Violation { what: &'static str },
    #[error("protocol violation: {0}")]
    Frame(#[from] FrameError),
    #[error("protocol violation: {0}")]
    NoSuchBlock(#[from] InvalidBlock),
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("no data for {} s", IDLE_TIMEOUT.as_secs())]
    IdleTimeout,
    #[error("slower than {} B/s", MIN_BLOCK_RATE.0)]
    TooSlow,
    #[error("the connection was unused")]
    Unused,
    #[error("the peer closed the connection")]
    Closed,
}

/// A received message.
enum ReceivedMessage {
    Known(PeerMessage),
    Unknown { kind: u32 },
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct LinkReader {
    pub(super) blocks: BlockReader,
    pub(super) serving: LinkServing,
    pub(super) further: FurtherReaders,
    /// Number of messages of unknown kinds that were answered.
    pub(super) unsupported: u32,
}

impl LinkReader {
    /// Reads until the connection ends, and returns the reason.
    pub(super) async fn run(mut self) -> LinkError {
        self.blocks.buffer.set_limit(MAX_FRAME);
        loop {
            if let Err(error) = self.step().await {
                return error;
            }
        }
    }

    /// Handles all messages in the buffer, then waits for more bytes.
    async fn step(&mut self) -> Result<(), LinkError> {
        while let Some(received) = self.next_message()? {
            self.blocks.intake.link.shared.queue.has_room().await;
            match received {
                ReceivedMessage::Known(message) => self.handle(message).await?,
                ReceivedMessage::Unknown { kind } => self.unsupported(kind),
            }
        }
        let mut bytes = [0; READ_SIZE];
        let waiting_since = Instant::now();
        loop {
            match tokio::time::timeout(KEEP_ALIVE_INTERVAL, self.blocks.stream.read(&mut bytes)).await {
                Ok(Ok(0)) => return Err(LinkError::Closed),
                Ok(count) => {
                    self.blocks.buffer.extend(bytes.get(..count?).unwrap_or_default());
                    return Ok(());
                }
                Err(_) if waiting_since.elapsed() >= IDLE_TIMEOUT => return Err(LinkError::IdleTimeout),
                Err(_) if self.serving.is_empty() && self.blocks.intake.link.shared.fetches.is_empty() => {
                    return Err(LinkError::Unused);
                }
                Err(_) => self.blocks.intake.link.shared.queue.push(PeerMessage::KeepAlive),
            }
        }
    }

    /// Returns the next complete message. In version 1 a message of an unknown kind is a violation.
    fn next_message(&mut self) -> Result<Option<ReceivedMessage>, FrameError> {
        let version = self.blocks.intake.link.shared.version;
        let Some(body) = self.blocks.buffer.next_body()? else { return Ok(None) };
        match decode_body(body) {
            Ok(message) => Ok(Some(ReceivedMessage::Known(message))),
            Err(error) => match PeerMessage::unknown_kind(body) {
                Some(kind) if version >= Version::Two => Ok(Some(ReceivedMessage::Unknown { kind })),
                _ => Err(error),
            },
        }
    }

    /// Answers a message of an unknown kind, or ignores it after [`MAX_UNSUPPORTED`] of them.
    fn unsupported(&mut self, kind: u32) {
        if self.unsupported < MAX_UNSUPPORTED {
            self.unsupported += 1;
            tracing::debug!(kind, "message of an unknown kind");
            self.blocks.intake.link.shared.queue.push(PeerMessage::Unsupported { kind });
        }
    }

    /// Returns an error for a message that is only valid in a greeting, or that this connection does not support.
    fn check_allowed(&self, message: &PeerMessage) -> Result<(), LinkError> {
        let what = match message {
            PeerMessage::Hello { .. }
            | PeerMessage::Greet { .. }
            | PeerMessage::Join { .. }
            | PeerMessage::Probe { .. }
            | PeerMessage::ProbeAnswer { .. } => "it sent a second greeting",
            PeerMessage::OpenWithManifest { .. }
            | PeerMessage::Unsupported { .. }
            | PeerMessage::WrongPiece { .. }
            | PeerMessage::Details { .. }
            | PeerMessage::Browse { .. }
            | PeerMessage::Listing { .. }
            | PeerMessage::BrowseLater { .. }
                if self.blocks.intake.link.shared.version == Version::One =>
            {
                "it sent a message of version 2 in version 1"
            }
            PeerMessage::Browse { .. } if !self.serving.context.is_searchable => {
                "it sent a message of a feature that was not announced"
            }
            PeerMessage::Widen { .. } if !self.further.is_supported() => {
                "it sent a message of a feature that was not announced"
            }
            _ => return Ok(()),
        };
        Err(LinkError::Violation { what })
    }

    /// Reports a content that the peer offers on a channel.
    async fn offered(&mut self, channel: u32, (size, manifest): (u64, Digest), pieces: Option<Vec<u8>>) {
        let choked = self.blocks.intake.link.shared.fetches.is_choked();
        self.send_event(channel, SourceEvent::Offered { size, manifest, pieces, choked }).await;
        // A new channel missed an earlier report.
        if let Some(position) = self.blocks.intake.link.shared.fetches.position() {
            self.send_event(channel, SourceEvent::Choked { position }).await;
        }
    }

    async fn handle(&mut self, message: PeerMessage) -> Result<(), LinkError> {
        self.check_allowed(&message)?;
        let queue = &self.blocks.intake.link.shared.queue;
        match message {
            PeerMessage::Open { channel, digest } => {
                self.serving.open(channel, digest, 0, &self.blocks.intake.link).await?;
            }
            PeerMessage::WantManifest { channel, first, count } => {
                self.serving.send_states(channel, first, count, queue)?;
            }
            PeerMessage::Request(reference) => self.serving.send_block(reference, queue).await?,
            PeerMessage::Cancel(reference) => LinkServing::cancel(reference, queue),
            PeerMessage::Close { channel } => self.serving.close(channel, queue),
            PeerMessage::Interested { channel } => self.serving.set_interested(channel, true),
            PeerMessage::NotInterested { channel } => self.serving.set_interested(channel, false),
            PeerMessage::Choke { position } => {
                self.report_position(Some(QueuePosition { position, length: None })).await;
            }
            PeerMessage::Queued { position, length } => {
                self.report_position(Some(QueuePosition { position, length: Some(length) })).await;
            }
            PeerMessage::Unchoke => self.report_position(None).await,
            PeerMessage::Offer { channel, size, manifest, pieces } => {
                self.offered(channel, (size, manifest), pieces).await;
            }
            PeerMessage::NotShared { channel } => {
                self.send_event(channel, SourceEvent::NotShared).await;
                self.blocks.intake.link.shared.fetches.close(channel);
            }
            PeerMessage::ManifestPart { channel, first, states } => {
                self.send_event(channel, SourceEvent::ManifestPart { first, states }).await;
            }
            PeerMessage::Have { channel, piece } => {
                self.send_event(channel, SourceEvent::Has { piece }).await;
            }
            PeerMessage::Reject(reference) => self.rejected(reference).await?,
            PeerMessage::Block(reference) => self.blocks.receive(reference).await?,
            PeerMessage::Search { number, query, limit } => {
                self.serving.search((number, query, limit), &self.blocks.intake.link).await?;
            }
            PeerMessage::Found { number, files, more } => {
                self.blocks.intake.link.shared.pending_searches.answered(number, (files, more))?;
            }
            // `check_allowed` has refused all of them but the keep-alive.
            PeerMessage::KeepAlive
            | PeerMessage::Hello { .. }
            | PeerMessage::Greet { .. }
            | PeerMessage::Join { .. }
            | PeerMessage::Probe { .. }
            | PeerMessage::ProbeAnswer { .. } => {}
            PeerMessage::OpenWithManifest { .. }
            | PeerMessage::Unsupported { .. }
            | PeerMessage::WrongPiece { .. }
            | PeerMessage::Details { .. }
            | PeerMessage::Widen { .. }
            | PeerMessage::Browse { .. }
            | PeerMessage::Listing { .. }
            | PeerMessage::BrowseLater { .. } => self.handle_version_2(message).await?,
        }
        Ok(())
    }

    /// Handles a message that version 1 does not have.
    async fn handle_version_2(&mut self, message: PeerMessage) -> Result<(), LinkError> {
        match message {
            PeerMessage::OpenWithManifest { channel, digest, states } => {
                self.serving.open(channel, digest, states, &self.blocks.intake.link).await
            }
            PeerMessage::WrongPiece { channel, piece } => {
                self.serving.wrong_piece(channel, piece, self.blocks.intake.link.address().ip())
            }
            PeerMessage::Widen { key, connections } => {
                self.further.open_connections(key, connections.into(), Instant::now());
                Ok(())
            }
            PeerMessage::Details { channel, files } => self.details(channel, files).await,
            PeerMessage::Browse { number, after, limit } => {
                let link = &self.blocks.intake.link;
                peer_listing::serve(&self.serving.context, (number, after, limit), link).await
            }
            PeerMessage::Listing { number, files, more } => {
                self.blocks.intake.link.shared.pending_listings.listed(number, (files, more))
            }
            PeerMessage::BrowseLater { number, milliseconds } => {
                self.blocks.intake.link.shared.pending_listings.postponed(number, milliseconds);
                Ok(())
            }
            other => {
                debug_assert!(matches!(other, PeerMessage::Unsupported { .. }), "version 1 has {other:?}");
                tracing::debug!(message = ?other, "peer does not support a message that we sent");
                Ok(())
            }
        }
    }

    /// Forwards the valid details.
    async fn details(&self, channel: ChannelId, mut files: Vec<FileDetails>) -> Result<(), LinkError> {
        if files.len() > MAX_DETAILS {
            return Err(LinkError::Violation { what: "it sent too many details" });
        }
        files.retain(FileDetails::is_valid);
        self.send_event(channel, SourceEvent::Details { files }).await;
        Ok(())
    }

    async fn send_event(&self, channel: ChannelId, event: SourceEvent) {
        if let Some((source, events)) = self.blocks.intake.link.shared.fetches.listener(channel) {
            // A closed receiver has no more interest in events.
            let _ = events.send((source, event)).await;
        }
    }

    /// Notifies all fetches over this connection that the peer serves us, or of our position in its queue.
    async fn report_position(&self, position: Option<QueuePosition>) {
        for (source, events) in self.blocks.intake.link.shared.fetches.position_changed(position) {
            let event = position.map_or(SourceEvent::Unchoked, |position| SourceEvent::Choked { position });
            let _ = events.send((source, event)).await;
        }
    }

    async fn rejected(&self, reference: BlockRef) -> Result<(), LinkError> {
        let Some(listener) = self.blocks.intake.link.shared.fetches.answered(reference) else {
            return Err(LinkError::Violation { what: "it rejected a block that was not requested" });
        };
        if let Some((source, events)) = listener {
            let _ = events.send((source, SourceEvent::Rejected { reference })).await;
        }
        Ok(())
    }
}
