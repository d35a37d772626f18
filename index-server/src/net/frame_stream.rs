//! Messages on a socket, each under a deadline.

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

/// How much is read at once, in bytes.
const READ_LEN: usize = 16 << 10;

/// What most messages to clients take at most, in bytes: those with a page of hits.
const BUFFERED_ANSWER_LEN: usize = 4 << 10;

/// A message of up to so many bytes needs no room of its own.
const MAX_SHORT_MESSAGE: usize = 16 << 10;

/// How much of what a client still sends is read and dropped when its connection is closed.
const MAX_DRAINED: usize = 256 << 10;

/// How long that may take.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameStreamError {
    /// The other side closed it between two messages.
    #[error("closed by the other side")]
    Closed,
    /// The other side closed it within a message.
    #[error("closed by the other side in the middle of a message")]
    Truncated,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// Nothing came for too long.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    /// A message was begun and not ended in time.
    #[error("a message took longer than {0:?}")]
    SlowMessage(Duration),
    /// There was no room for a long message.
    #[error("too many long messages are under way")]
    NoMemory,
    /// What was sent was not taken in time.
    #[error("the other side took nothing for {0:?}")]
    WriteTimeout(Duration),
    /// What came is no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A socket that carries messages.
#[derive(Debug)]
pub(crate) struct FrameStream {
    stream: TcpStream,
    buffer: FrameBuffer,
    /// When the message that is half here began.
    frame_started: Option<Instant>,
    /// When the last message was whole.
    last_received: Instant,
    timeouts: FrameTimeouts,
    /// What it shares with other connections, if it may carry long messages.
    allowance: Option<MemoryAllowance>,
    /// For the message that is being read or answered, if it is a long one.
    memory: Option<MemoryPermit>,
}

/// The deadlines of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameTimeouts {
    /// From one message to the next.
    pub(crate) idle: Duration,
    /// From a message's first byte to its last.
    pub(crate) frame: Duration,
    /// For a message to be taken.
    pub(crate) write: Duration,
}

/// A message that was read and is not decoded yet.
#[derive(Debug)]
pub(crate) struct MessageBody(Vec<u8>);

impl MessageBody {
    /// Says whether it takes noticeable time to decode.
    pub(crate) const fn is_long(&self) -> bool {
        self.0.len() > MAX_SHORT_MESSAGE
    }

    /// Decodes the message that it must be.
    pub(crate) fn decode<M: Decode<()>>(self) -> Result<M, FrameError> {
        decode_body(&self.0)
    }

    /// Decodes the request of version 2 that it must be.
    pub(crate) fn decode_request(self) -> Result<DecodedRequest, FrameError> {
        RequestEnvelope::decode(&self.0)
    }
}

impl FrameStream {
    pub(crate) fn new(stream: TcpStream, frame_limit: usize, times: FrameTimeouts) -> Self {
        let buffer = FrameBuffer::with_limit(frame_limit);
        Self {
            stream,
            buffer,
            frame_started: None,
            last_received: Instant::now(),
            timeouts: times,
            allowance: None,
            memory: None,
        }
    }

    /// Lets long messages pass as far as there is room for them.
    pub(crate) fn set_allowance(&mut self, allowance: MemoryAllowance) {
        self.allowance = Some(allowance);
    }

    /// Changes the limit for the messages to come.
    pub(crate) const fn set_frame_limit(&mut self, limit: usize) {
        self.buffer.set_limit(limit);
    }

    /// Returns the port on this side of the connection if a host at `address` would be this host.
    pub(crate) fn local_port_seen_at(&self, address: IpAddr) -> Option<u16> {
        let ours = self.stream.local_addr().ok()?;
        (address.is_loopback() || address == ours.ip().to_canonical()).then_some(ours.port())
    }

    /// Reads the first bytes of a connection.
    pub(crate) async fn read_preamble(&mut self) -> Result<[u8; PREAMBLE_LEN], FrameStreamError> {
        let mut bytes = [0; PREAMBLE_LEN];
        match timeout(self.timeouts.frame, self.stream.read_exact(&mut bytes)).await {
            Ok(Ok(_)) => Ok(bytes),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(FrameStreamError::Closed),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(FrameStreamError::Idle(self.timeouts.frame)),
        }
    }

    /// Writes bytes that are no message.
    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) -> Result<(), FrameStreamError> {
        match timeout(self.timeouts.write, self.stream.write_all(bytes)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(FrameStreamError::WriteTimeout(self.timeouts.write)),
        }
    }

    /// Writes a message. One that is long and is not taken at once may wait only while there is room.
    pub(crate) async fn send(&mut self, message: &impl Encode) -> Result<(), FrameStreamError> {
        // The request that is being answered is not needed any more.
        self.memory = None;
        let mut bytes = Vec::with_capacity(BUFFERED_ANSWER_LEN);
        encode_frame(message, &mut bytes)?;
        let taken = match self.stream.try_write(&bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            taken => taken?,
        };
        let rest = bytes.get(taken..).unwrap_or_default();
        let _room = match &self.allowance {
            Some(allowance) if rest.len() > MAX_SHORT_MESSAGE => {
                Some(allowance.try_reserve(rest.len()).ok_or(FrameStreamError::NoMemory)?)
            }
            _ => None,
        };
        self.write_raw(rest).await
    }

    /// Reads the next message. Loses nothing when it is dropped early; after an error nothing more can be read.
    pub(crate) async fn next<M: Decode<()>>(&mut self) -> Result<M, FrameStreamError> {
        Ok(self.next_body().await?.decode()?)
    }

    /// Reads the next message and leaves it as it came. Loses nothing when it is dropped early; after an error nothing
    /// more can be read.
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
            let (deadline, late) = self.deadline();
            if let (None, Some(allowance), Some(length)) = (
                &self.memory,
                &self.allowance,
                self.buffer.announced_len().filter(|length| *length > MAX_SHORT_MESSAGE),
            ) {
                let room = timeout_at(deadline, allowance.reserve(length)).await;
                self.memory = Some(room.map_err(|_| FrameStreamError::NoMemory)?);
                // Who had to wait is not late for that.
                self.frame_started = Some(Instant::now());
                continue;
            }
            timeout_at(deadline, self.fill()).await.map_err(|_| late)??;
            if self.memory.is_some() {
                // A long message comes in many parts, and short ones of others go between them.
                yield_now().await;
            }
        }
    }

    /// Returns when the wait for the next byte ends, and with what.
    fn deadline(&mut self) -> (Instant, FrameStreamError) {
        if self.buffer.pending() == 0 {
            return (self.last_received + self.timeouts.idle, FrameStreamError::Idle(self.timeouts.idle));
        }
        let begun = *self.frame_started.get_or_insert_with(Instant::now);
        (begun + self.timeouts.frame, FrameStreamError::SlowMessage(self.timeouts.frame))
    }

    /// Takes in what has come, or what comes next. Loses nothing when it is dropped early.
    async fn fill(&mut self) -> Result<(), FrameStreamError> {
        let Self { stream, buffer, .. } = self;
        poll_fn(|context| {
            // Here only while something is read: most connections wait.
            let mut room = [const { MaybeUninit::uninit() }; READ_LEN];
            let mut read = ReadBuf::uninit(&mut room);
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

    /// Closes the connection so that what was sent last still arrives: a socket closed with unread bytes in it would
    /// be reset, and the last message lost with it.
    pub(crate) async fn close(mut self) {
        let (mut scrap, mut left) = ([0; 1024], MAX_DRAINED);
        let drain = async {
            self.stream.shutdown().await?;
            while left > 0 {
                match self.stream.read(&mut scrap).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            Ok::<(), io::Error>(())
        };
        // However this ends, the connection is over.
        let _ = timeout(DRAIN_TIMEOUT, drain).await;
    }
}
