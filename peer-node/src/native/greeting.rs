//! The start of a connection: both sides exchange preambles, then identify themselves.

use std::io;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::features::PeerFeatures;
use protocol::frame::{FrameBuffer, FrameError, encode_frame};
use protocol::node_id::NodeId;
use protocol::peer::{ConnectionKey, PeerMessage};
use protocol::preamble::{self, PREAMBLE_LEN, PreambleError, Service, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::transport::PeerStream;

/// The features that every node announces.
pub(super) const FEATURES: PeerFeatures = PeerFeatures::ANY_NAMES
    .with(PeerFeatures::WRONG_PIECES)
    .with(PeerFeatures::QUEUE_LENGTH)
    .with(PeerFeatures::DETAILS)
    .with(PeerFeatures::PARALLEL_CONNECTIONS);

/// Maximum time of one handshake.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// Minimum timeout for the greeting of a peer that we dial, used for near peers: a source that accepts connections but sends
/// nothing must not delay the next one. Distant peers get [`TIMEOUT_IN_ROUND_TRIPS`] times the connect time.
const NEAR_PEER_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT_IN_ROUND_TRIPS: u32 = 10;

/// Maximum size of the first message, in bytes.
const MAX_FIRST_FRAME: usize = 1 << 10;

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkGreetingError {
    /// The peer runs other software, or an incompatible version.
    #[error(transparent)]
    Preamble(#[from] PreambleError),
    /// The peer answered with a version other than ours.
    #[error("the peer speaks version {} of the protocol", .0.number())]
    OtherVersion(Version),
    /// The bytes are not a valid message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The first message is not a greeting.
    #[error("the peer sent no greeting")]
    NotAGreeting,
    /// We connected to ourselves.
    #[error("the address is this node's own")]
    SelfConnection,
    /// The node that answered is not the expected one.
    #[error("another node answers at that address")]
    WrongNode,
    /// The greeting did not arrive in time.
    #[error("no greeting within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
}

impl LinkGreetingError {
    /// Returns true if the peer may speak only version 1. Such a listener answers a later version with its own preamble and
    /// closes the connection; the resulting reset can overtake the preamble.
    pub(super) fn suggests_version_1(&self) -> bool {
        match self {
            Self::OtherVersion(version) => *version == Version::One,
            Self::Io(error) => error.kind() == io::ErrorKind::ConnectionReset,
            _ => false,
        }
    }
}

/// This node, as its greeting presents it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalNode {
    pub(super) node: NodeId,
    /// Port on which this node accepts connections.
    pub(super) port: u16,
    /// The features that it announces.
    pub(super) features: PeerFeatures,
}

impl LocalNode {
    const fn greeting(self, version: Version) -> PeerMessage {
        let Self { node, port, features } = self;
        match version {
            Version::One => PeerMessage::Hello { node, port },
            Version::Two => PeerMessage::Greet { node, port, features },
        }
    }
}

/// The identity of the peer, and the bytes that arrived after its greeting.
#[derive(Debug)]
pub(super) struct GreetedPeer {
    pub(super) version: Version,
    pub(super) node: NodeId,
    pub(super) port: u16,
    pub(super) features: PeerFeatures,
    pub(super) rest: FrameBuffer,
}

/// What an incoming connection is for.
#[derive(Debug)]
pub(super) enum IncomingConnection {
    /// A new link.
    Peer(GreetedPeer),
    /// A further connection of the link with this key.
    Further(ConnectionKey),
    /// An index checks that this port is ours.
    Probe([u8; 32]),
}

/// Returns the greeting timeout for a peer that took `connecting` to connect to.
pub(super) fn greeting_timeout(connecting: Duration) -> Duration {
    connecting.saturating_mul(TIMEOUT_IN_ROUND_TRIPS).clamp(NEAR_PEER_TIMEOUT, GREETING_TIMEOUT)
}

/// Greets a peer that we dialled. `opening` is sent along with the greeting, which requires version 2.
pub(super) async fn greet(
    stream: &mut PeerStream,
    local_node: LocalNode,
    version: Version,
    opening: Option<&PeerMessage>,
    timeout: Duration,
) -> Result<GreetedPeer, LinkGreetingError> {
    debug_assert!(opening.is_none() || version >= Version::Two, "version 1 waits for the other greeting");
    within_limit(timeout, async {
        let mut bytes = preamble::encode(Service::Peer, version).to_vec();
        encode_frame(&local_node.greeting(version), &mut bytes)?;
        if let Some(opening) = opening {
            encode_frame(opening, &mut bytes)?;
        }
        stream.write_all(&bytes).await?;
        let mut theirs = [0; PREAMBLE_LEN];
        stream.read_exact(&mut theirs).await?;
        let answered = preamble::check(theirs, Service::Peer)?;
        if answered != version {
            return Err(LinkGreetingError::OtherVersion(answered));
        }
        let (message, rest) = first_message(stream).await?;
        check_greeting(local_node, version, message, rest)
    })
    .await
}

/// Receives the greeting of an incoming connection whose preamble has already been read, and answers it. Clients of other
/// software get no answer.
pub(super) async fn receive(
    stream: &mut PeerStream,
    theirs: [u8; PREAMBLE_LEN],
    local_node: LocalNode,
) -> Result<IncomingConnection, LinkGreetingError> {
    within_timeout(async {
        let checked = preamble::check(theirs, Service::Peer);
        if checked == Err(PreambleError::NotPeerdex) {
            return Err(PreambleError::NotPeerdex.into());
        }
        stream.write_all(&preamble::encode(Service::Peer, preamble::reply_version(&checked))).await?;
        let version = checked?;
        let (message, rest) = first_message(stream).await?;
        if let PeerMessage::Probe { challenge } = message {
            return Ok(IncomingConnection::Probe(challenge));
        }
        if let (Version::Two, PeerMessage::Join { key }) = (version, &message) {
            return Ok(IncomingConnection::Further(*key));
        }
        let greeted = check_greeting(local_node, version, message, rest)?;
        send(stream, &local_node.greeting(version)).await?;
        Ok(IncomingConnection::Peer(greeted))
    })
    .await
}

/// Interprets the first message as a greeting.
fn check_greeting(
    local_node: LocalNode,
    version: Version,
    message: PeerMessage,
    rest: FrameBuffer,
) -> Result<GreetedPeer, LinkGreetingError> {
    let (node, port, features) = match (version, message) {
        (Version::One, PeerMessage::Hello { node, port }) => (node, port, PeerFeatures::NONE),
        (Version::Two, PeerMessage::Greet { node, port, features }) => (node, port, features),
        _ => return Err(LinkGreetingError::NotAGreeting),
    };
    if node == local_node.node {
        return Err(LinkGreetingError::SelfConnection);
    }
    Ok(GreetedPeer { version, node, port, features, rest })
}

/// Joins a connection that we opened to the link with this key. Returns the bytes that arrived after the answer.
pub(super) async fn join_link(
    stream: &mut PeerStream,
    key: ConnectionKey,
) -> Result<FrameBuffer, LinkGreetingError> {
    within_timeout(async {
        let mut bytes = preamble::encode(Service::Peer, Version::Two).to_vec();
        encode_frame(&PeerMessage::Join { key }, &mut bytes)?;
        stream.write_all(&bytes).await?;
        let mut theirs = [0; PREAMBLE_LEN];
        stream.read_exact(&mut theirs).await?;
        preamble::check(theirs, Service::Peer)?;
        match first_message(stream).await? {
            (PeerMessage::Join { key: answer }, rest) if answer == key => Ok(rest),
            _ => Err(LinkGreetingError::NotAGreeting),
        }
    })
    .await
}

/// Confirms a further connection of the link with this key.
pub(super) async fn accept_further(
    stream: &mut PeerStream,
    key: ConnectionKey,
) -> Result<(), LinkGreetingError> {
    within_timeout(send(stream, &PeerMessage::Join { key })).await
}

/// Answers a probe of an index.
pub(super) async fn answer_probe(stream: &mut PeerStream, answer: Digest) -> Result<(), LinkGreetingError> {
    within_timeout(async {
        send(stream, &PeerMessage::ProbeAnswer { answer }).await?;
        stream.shutdown().await?;
        Ok(())
    })
    .await
}

async fn within_timeout<T>(
    work: impl Future<Output = Result<T, LinkGreetingError>>,
) -> Result<T, LinkGreetingError> {
    within_limit(GREETING_TIMEOUT, work).await
}

async fn within_limit<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, LinkGreetingError>>,
) -> Result<T, LinkGreetingError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(LinkGreetingError::TimedOut(limit)))
}

async fn send(stream: &mut PeerStream, message: &PeerMessage) -> Result<(), LinkGreetingError> {
    let mut bytes = Vec::new();
    encode_frame(message, &mut bytes)?;
    Ok(stream.write_all(&bytes).await?)
}

async fn first_message(stream: &mut PeerStream) -> Result<(PeerMessage, FrameBuffer), LinkGreetingError> {
    let mut buffer = FrameBuffer::with_limit(MAX_FIRST_FRAME);
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

#[cfg(test)]
mod tests;
