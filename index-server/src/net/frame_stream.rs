//! Reads and writes length-prefixed messages on a socket, each with a timeout.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bincode::{Decode, Encode};
use protocol::frame::{FrameBuffer, FrameError, decode_body, encode_frame};
use protocol::index::{DecodedRequest, RequestEnvelope};
use protocol::preamble::PREAMBLE_LEN;
use tokio::io::{AsyncRead as _, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};

use crate::net::admission::{MemoryAllowance, MemoryPermit};

/// Maximum number of bytes per read.
const READ_LEN: usize = 16 << 10;

/// Initial capacity for an outgoing message in bytes: enough for most replies, including a page of hits.
const BUFFERED_ANSWER_LEN: usize = 4 << 10;

/// Longer messages need a memory permit.
const MAX_SHORT_MESSAGE: usize = 16 << 10;

/// Maximum number of unread bytes that are read and dropped when a connection is closed.
const MAX_DRAINED: usize = 256 << 10;

/// Maximum time to drain a connection.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameStreamError {
    /// The other side closed the connection between two messages.
    #[error("closed by the other side")]
    Closed,
    /// The other side closed the connection within a message.
    #[error("closed by the other side in the middle of a message")]
    Truncated,
    /// The connection failed.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    /// Nothing was received for too long.
    #[error("no data for {0:?}")]
    Idle(Duration),
    /// A message was not complete in time.
    #[error("a message took longer than {0:?}")]
    SlowMessage(Duration),
    /// There was no memory for a long message.
    #[error("too many long messages in memory")]
    NoMemory,
    /// The other side did not accept a message in time.
    #[error("the other side accepted no data for {0:?}")]
    WriteTimeout(Duration),
    /// The message is malformed.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A socket that carries messages.
#[derive(Debug)]
pub(crate) struct FrameStream {
    stream: TcpStream,
    buffer: FrameBuffer,
    /// When the incomplete message in the buffer started.
    frame_started: Option<Instant>,
    /// When the last message was complete.
    last_received: Instant,
    timeouts: FrameTimeouts,
    /// The share of memory for long messages, if the connection may carry any.
    allowance: Option<MemoryAllowance>,
    /// The permit for the long message that is being read or answered.
    memory: Option<MemoryPermit>,
}

/// The timeouts of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameTimeouts {
    /// From one message to the next.
    pub(crate) idle: Duration,
    /// From the first byte of a message to its last.
    pub(crate) frame: Duration,
    /// For the other side to accept a message.
    pub(crate) write: Duration,
}

/// A message that is not decoded yet.
#[derive(Debug)]
pub(crate) struct MessageBody(Vec<u8>);

impl MessageBody {
    /// Returns true if decoding takes noticeable time.
    pub(crate) const fn is_long(&self) -> bool {
        self.0.len() > MAX_SHORT_MESSAGE
    }

    /// Decodes the message.
    pub(crate) fn decode<M: Decode<()>>(self) -> Result<M, FrameError> {
        decode_body(&self.0)
    }

    /// Decodes a request of protocol version 2.
    pub(crate) fn decode_request(self) -> Result<DecodedRequest, FrameError> {
        RequestEnvelope::decode(&self.0)
    }
}

impl FrameStream {
    pub(crate) fn new(stream: TcpStream, frame_limit: usize, timeouts: FrameTimeouts) -> Self {
        let buffer = FrameBuffer::with_limit(frame_limit);
        Self {
            stream,
            buffer,
            frame_started: None,
            last_received: Instant::now(),
            timeouts,
            allowance: None,
            memory: None,
        }
    }

    /// Allows long messages while memory for them is available.
    pub(crate) fn set_allowance(&mut self, allowance: MemoryAllowance) {
        self.allowance = Some(allowance);
    }

    /// Sets the maximum length of messages received from now on.
    pub(crate) const fn set_frame_limit(&mut self, limit: usize) {
        self.buffer.set_limit(limit);
    }

    /// Returns the local port of the connection if `address` belongs to this host.
    pub(crate) fn local_port_seen_at(&self, address: IpAddr) -> Option<u16> {
        let ours = self.stream.local_addr().ok()?;
        (address.is_loopback() || address == ours.ip().to_canonical()).then_some(ours.port())
    }

    /// Reads the preamble of the connection.
    pub(crate) async fn read_preamble(&mut self) -> Result<[u8; PREAMBLE_LEN], FrameStreamError> {
        let mut bytes = [0; PREAMBLE_LEN];
        match timeout(self.timeouts.frame, self.stream.read_exact(&mut bytes)).await {
            Ok(Ok(_)) => Ok(bytes),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(FrameStreamError::Closed),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(FrameStreamError::Idle(self.timeouts.frame)),
        }
    }

    /// Writes raw bytes without framing.
    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) -> Result<(), FrameStreamError> {
        match timeout(self.timeouts.write, self.stream.write_all(bytes)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(FrameStreamError::WriteTimeout(self.timeouts.write)),
        }
    }

    /// Sends a message. A long message that the socket does not accept immediately needs a memory permit.
    pub(crate) async fn send(&mut self, message: &impl Encode) -> Result<(), FrameStreamError> {
        // The request that is being answered is no longer needed.
        self.memory = None;
        let mut bytes = Vec::with_capacity(BUFFERED_ANSWER_LEN);
        encode_frame(message, &mut bytes)?;
        // Most messages fit into the socket's send buffer and need no permit.
        let written = match self.stream.try_write(&bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            written => written?,
        };
        let rest = bytes.get(written..).unwrap_or_default();
        let _permit = match &self.allowance {
            Some(allowance) if rest.len() > MAX_SHORT_MESSAGE => {
                Some(allowance.try_reserve(rest.len()).ok_or(FrameStreamError::NoMemory)?)
            }
            _ => None,
        };
        self.write_raw(rest).await
    }

    /// Receives the next message. Cancel safe; after an error nothing more can be read.
    pub(crate) async fn next<M: Decode<()>>(&mut self) -> Result<M, FrameStreamError> {
        Ok(self.next_body().await?.decode()?)
    }

    /// Receives the next message without decoding it. Cancel safe; after an error nothing more can be read.
    pub(crate) async fn next_body(&mut self) -> Result<MessageBody, FrameStreamError> {
        if self.buffer.pending() == 0 {
            self.memory = None;
            self.buffer.shrink();
        }
        loop {
            if let Some(body) = self.buffer.next_body()? {
                let body = MessageBody(body.to_vec());
                self.buffer.shrink();
                self.last_received = Instant::now();
                self.frame_started = None;
                return Ok(body);
            }
            let (deadline, timeout_error) = self.deadline();
            if let (None, Some(allowance), Some(length)) = (
                &self.memory,
                &self.allowance,
                self.buffer.announced_len().filter(|length| *length > MAX_SHORT_MESSAGE),
            ) {
                let permit = timeout_at(deadline, allowance.reserve(length)).await;
                self.memory = Some(permit.map_err(|_| FrameStreamError::NoMemory)?);
                // Waiting for memory does not count against the client.
                self.frame_started = Some(Instant::now());
                continue;
            }
            timeout_at(deadline, self.fill()).await.map_err(|_| timeout_error)??;
            if self.memory.is_some() {
                // A long message arrives in many parts; give other connections their turn between them.
                yield_now().await;
            }
        }
    }

    /// Returns when the wait for the next byte ends, and the error for that case.
    fn deadline(&mut self) -> (Instant, FrameStreamError) {
        if self.buffer.pending() == 0 {
            return (self.last_received + self.timeouts.idle, FrameStreamError::Idle(self.timeouts.idle));
        }
        let started = *self.frame_started.get_or_insert_with(Instant::now);
        (started + self.timeouts.frame, FrameStreamError::SlowMessage(self.timeouts.frame))
    }

    /// Reads available bytes into the buffer, or waits for some. Cancel safe.
    async fn fill(&mut self) -> Result<(), FrameStreamError> {
        let Self { stream, buffer, .. } = self;
        poll_fn(|context| {
            // On the stack, and only while reading: most connections are idle.
            let mut space = [const { MaybeUninit::uninit() }; READ_LEN];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
            Poll::Ready(match read.filled() {
                [] if buffer.pending() == 0 => Err(FrameStreamError::Closed),
                [] => Err(FrameStreamError::Truncated),
                bytes => {
                    buffer.extend(bytes);
                    Ok(())
                }
            })
        })
        .await
    }

    /// Closes the connection so that the last message still arrives: closing a socket with unread bytes would reset it, and the
    /// message would be lost.
    pub(crate) async fn close(mut self) {
        let (mut scrap, mut budget) = ([0; 1024], MAX_DRAINED);
        let drain = async {
            self.stream.shutdown().await?;
            while budget > 0 {
                match self.stream.read(&mut scrap).await? {
                    0 => break,
                    read => budget = budget.saturating_sub(read),
                }
            }
            Ok::<(), io::Error>(())
        };
        // The connection ends in any case.
        let _ = timeout(DRAIN_TIMEOUT, drain).await;
    }
}
