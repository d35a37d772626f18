//! How a connection begins: preambles, then who is who.

use std::io;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::frame::{FrameBuffer, FrameError, encode_frame};
use protocol::node_id::NodeId;
use protocol::peer::PeerMessage;
use protocol::preamble::{self, PREAMBLE_LEN, PreambleError, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the other side may take for its part.
const DEADLINE: Duration = Duration::from_secs(10);

/// The longest first message, in bytes.
const FIRST_FRAME: usize = 1 << 10;

/// A connection that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    /// Other software, or another version of ours.
    #[error(transparent)]
    Preamble(#[from] PreambleError),
    /// Bytes that are no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message that is no greeting.
    #[error("the other side did not say who it is")]
    NotAGreeting,
    /// We have reached ourselves.
    #[error("that address is this node's own")]
    Ourselves,
    /// Somebody else is there.
    #[error("another node answers there")]
    WrongNode,
    /// Nothing came in time.
    #[error("no greeting within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// Who is at the other end, and what it has sent beyond its greeting.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) node: NodeId,
    pub(super) port: u16,
    pub(super) rest: FrameBuffer,
}

/// What somebody who connected to us wants.
#[derive(Debug)]
pub(super) enum Visitor {
    /// A peer.
    Peer(Greeted),
    /// An index that asks whether this port is ours.
    Probe([u8; 32]),
}

/// Greets the peer that we connected to.
pub(super) async fn greet(stream: &mut TcpStream, us: NodeId, port: u16) -> Result<Greeted, GreetingError> {
    within_deadline(async {
        let mut hello = preamble::encode(Service::Peer).to_vec();
        encode_frame(&PeerMessage::Hello { node: us, port }, &mut hello)?;
        stream.write_all(&hello).await?;
        let mut theirs = [0; PREAMBLE_LEN];
        stream.read_exact(&mut theirs).await?;
        preamble::check(theirs, Service::Peer)?;
        match first_message(stream).await? {
            (PeerMessage::Hello { node, .. }, _) if node == us => Err(GreetingError::Ourselves),
            (PeerMessage::Hello { node, port }, rest) => Ok(Greeted { node, port, rest }),
            _ => Err(GreetingError::NotAGreeting),
        }
    })
    .await
}

/// Hears out somebody who connected to us; strangers get no answer at all.
pub(super) async fn hear(stream: &mut TcpStream, us: NodeId, port: u16) -> Result<Visitor, GreetingError> {
    within_deadline(async {
        let mut theirs = [0; PREAMBLE_LEN];
        stream.read_exact(&mut theirs).await?;
        let verdict = preamble::check(theirs, Service::Peer);
        if verdict == Err(PreambleError::NotPeerdex) {
            return Err(PreambleError::NotPeerdex.into());
        }
        stream.write_all(&preamble::encode(Service::Peer)).await?;
        verdict?;
        match first_message(stream).await? {
            (PeerMessage::Hello { node, .. }, _) if node == us => Err(GreetingError::Ourselves),
            (PeerMessage::Hello { node, port: theirs }, rest) => {
                send(stream, &PeerMessage::Hello { node: us, port }).await?;
                Ok(Visitor::Peer(Greeted { node, port: theirs, rest }))
            }
            (PeerMessage::Probe { challenge }, _) => Ok(Visitor::Probe(challenge)),
            _ => Err(GreetingError::NotAGreeting),
        }
    })
    .await
}

/// Answers an index's probe.
pub(super) async fn answer_probe(stream: &mut TcpStream, answer: Digest) -> Result<(), GreetingError> {
    within_deadline(async {
        send(stream, &PeerMessage::ProbeAnswer { answer }).await?;
        stream.shutdown().await?;
        Ok(())
    })
    .await
}

async fn within_deadline<T>(
    work: impl Future<Output = Result<T, GreetingError>>,
) -> Result<T, GreetingError> {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or(Err(GreetingError::TimedOut))
}

async fn send(stream: &mut TcpStream, message: &PeerMessage) -> Result<(), GreetingError> {
    let mut bytes = Vec::new();
    encode_frame(message, &mut bytes)?;
    Ok(stream.write_all(&bytes).await?)
}

async fn first_message(stream: &mut TcpStream) -> Result<(PeerMessage, FrameBuffer), GreetingError> {
    let mut buffer = FrameBuffer::with_limit(FIRST_FRAME);
    let mut bytes = [0; 512];
    loop {
        if let Some(message) = buffer.next_message()? {
            return Ok((message, buffer));
        }
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        buffer.extend(bytes.get(..count).unwrap_or_default());
    }
}
