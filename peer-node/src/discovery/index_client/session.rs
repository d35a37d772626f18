//! Moves the bytes of a session between the socket and its [`IndexSessionCore`].

use protocol::frame::FrameBuffer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::command::Command;
use super::greeting::READ_SIZE;
use super::session_core::IndexSessionCore;
use super::session_error::{IndexSessionError, IndexViolation};
use super::share_source::ShareFeed;
use super::status_channel::StatusPublisher;

/// How long closing the connection may take.
const CLOSE_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(300);

/// The node's inputs to a session.
pub(super) struct SessionInputs {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) feed: ShareFeed,
}

/// The connection of a session.
pub(super) struct SessionConnection {
    pub(super) stream: TcpStream,
    pub(super) frames: FrameBuffer,
}

impl SessionConnection {
    /// Runs the session until it fails; returns the error. If the future is dropped, the session cannot be continued.
    pub(super) async fn drive(
        &mut self,
        session: &mut IndexSessionCore<'_>,
        inputs: &mut SessionInputs,
        publisher: &StatusPublisher,
    ) -> IndexSessionError {
        let mut chunk = vec![0; READ_SIZE];
        // The handshake may have read messages that follow the greeting.
        if let Err(error) = self.handle_buffered(session) {
            return error;
        }
        loop {
            if let Err(error) = session.queue_requests(Instant::now()) {
                return error;
            }
            if let Some(status) = session.status() {
                publisher.publish(status, session.acknowledged_generation());
            }
            if let Err(error) = self.step(session, inputs, &mut chunk).await {
                return error;
            }
        }
    }

    /// Waits for the next event and handles it.
    async fn step(
        &mut self,
        session: &mut IndexSessionCore<'_>,
        inputs: &mut SessionInputs,
        chunk: &mut [u8],
    ) -> Result<(), IndexSessionError> {
        let Self { stream, frames } = self;
        let (mut reader, mut writer) = stream.split();
        // Read even while a write is blocked. Otherwise both sides could wait for each other.
        tokio::select! {
            read = reader.read(chunk) => {
                let read = read?;
                if read == 0 {
                    return Err(IndexSessionError::Closed { greeted: true });
                }
                frames.extend(chunk.get(..read).unwrap_or_default());
                self.handle_buffered(session)
            }
            written = writer.write(session.outgoing()), if !session.outgoing().is_empty() => {
                let written = written?;
                if written == 0 {
                    return Err(IndexSessionError::Closed { greeted: true });
                }
                session.mark_sent(Instant::now(), written);
                Ok(())
            }
            Some(command) = inputs.commands.recv(), if session.has_capacity() => {
                session.call(Instant::now(), command);
                Ok(())
            }
            snapshot = inputs.feed.next() => {
                session.update_shares(snapshot);
                Ok(())
            }
            () = sleep_until(session.deadline()) => session.tick(Instant::now()),
        }
    }

    /// Handles all complete messages in the buffer.
    fn handle_buffered(&mut self, session: &mut IndexSessionCore<'_>) -> Result<(), IndexSessionError> {
        let now = Instant::now();
        while let Some(message) = self.frames.next_message().map_err(IndexViolation::from)? {
            session.handle_message(now, message)?;
        }
        // A busy index must not delay the deadlines.
        session.tick(now)
    }

    /// Closes the connection cleanly, if the index cooperates.
    pub(super) async fn close(mut self) {
        // Nothing depends on it: whatever was not acknowledged is sent again.
        let _ = timeout(CLOSE_TIMEOUT, self.stream.shutdown()).await;
    }
}
