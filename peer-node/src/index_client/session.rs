//! Moves the bytes of a session between the socket and its [`Conversation`].

use protocol::frame::FrameBuffer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::board::Board;
use super::command::Command;
use super::conversation::Conversation;
use super::greeting::READ;
use super::session_error::{SessionError, Violation};
use super::shares::ShareFeed;

/// How long an index may take to let us go.
const FAREWELL: std::time::Duration = std::time::Duration::from_millis(300);

/// What drives a session from our side.
pub(super) struct Inputs {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) feed: ShareFeed,
}

/// The connection of a session.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    pub(super) frames: FrameBuffer,
}

impl Line {
    /// Talks until the session breaks, and says why it did. Cancel safe in so far as the session is over then.
    pub(super) async fn talk(
        &mut self,
        conversation: &mut Conversation<'_>,
        inputs: &mut Inputs,
        board: &Board,
    ) -> SessionError {
        let mut chunk = vec![0; READ];
        // What the index sent right behind its greeting was read along with it.
        if let Err(error) = self.take_in(conversation) {
            return error;
        }
        loop {
            if let Err(error) = conversation.fill(Instant::now()) {
                return error;
            }
            if let Some(status) = conversation.status() {
                board.online(status, conversation.acknowledged_generation());
            }
            if let Err(error) = self.turn(conversation, inputs, &mut chunk).await {
                return error;
            }
        }
    }

    /// Waits for the next thing to happen and does what follows.
    async fn turn(
        &mut self,
        conversation: &mut Conversation<'_>,
        inputs: &mut Inputs,
        chunk: &mut [u8],
    ) -> Result<(), SessionError> {
        let Self { stream, frames } = self;
        let (mut reader, mut writer) = stream.split();
        // Reading goes on while writing waits, so that two full directions do not wait for each other.
        tokio::select! {
            read = reader.read(chunk) => {
                let read = read?;
                if read == 0 {
                    return Err(SessionError::Closed { greeted: true });
                }
                frames.extend(chunk.get(..read).unwrap_or_default());
                self.take_in(conversation)
            }
            written = writer.write(conversation.outgoing()), if !conversation.outgoing().is_empty() => {
                let written = written?;
                if written == 0 {
                    return Err(SessionError::Closed { greeted: true });
                }
                conversation.sent(Instant::now(), written);
                Ok(())
            }
            Some(command) = inputs.commands.recv(), if conversation.has_room() => {
                conversation.ask(Instant::now(), command);
                Ok(())
            }
            snapshot = inputs.feed.next() => {
                conversation.share(snapshot);
                Ok(())
            }
            () = sleep_until(conversation.deadline()) => conversation.tick(Instant::now()),
        }
    }

    /// Sees to all whole messages that are here.
    fn take_in(&mut self, conversation: &mut Conversation<'_>) -> Result<(), SessionError> {
        let now = Instant::now();
        while let Some(message) = self.frames.next_message().map_err(Violation::from)? {
            conversation.take_in(now, message)?;
        }
        // An index that chatters must not keep the deadlines from being looked at.
        conversation.tick(now)
    }

    /// Closes the connection in order, if the index lets us.
    pub(super) async fn close(mut self) {
        // Nothing depends on it: whatever was not acknowledged is told again.
        let _ = timeout(FAREWELL, self.stream.shutdown()).await;
    }
}
