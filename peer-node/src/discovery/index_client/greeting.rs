//! Connects to the index and performs the handshake.

use std::io;
use std::time::{Duration, SystemTime};

use protocol::features::IndexFeatures;
use protocol::frame::{FrameBuffer, encode_frame};
use protocol::index::{IndexMessage, Notice, Reply, Request, RequestEnvelope, RequestId, proof_text};
use protocol::limits::{MAX_AGENT, MAX_FRAME};
use protocol::preamble::{self, PREAMBLE_LEN, Service, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::IndexConfig;
use super::sanitize::sanitize_refusal;
use super::session_error::{IndexSessionError, IndexViolation};
use super::status::IndexInfo;
use crate::identity::Identity;
use crate::native::{ProbeKey, ProbeKeyGuard};
use crate::transport::detect_dead_peer;

/// Timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for each reply of the handshake.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes per read.
pub(super) const READ_SIZE: usize = 64 << 10;

/// The features that this node announces to an index.
const FEATURES: IndexFeatures = IndexFeatures::ANY_NAMES.with(IndexFeatures::BUDGETS);

/// A connection on which the index has replied to the greeting. The proof of identity is still to be sent.
pub(super) struct GreetedIndex {
    pub(super) stream: TcpStream,
    pub(super) frames: FrameBuffer,
    pub(super) index_info: IndexInfo,
    /// The proof of identity that the index requires.
    pub(super) proof: Request,
    /// Enables replies to the index's probes for as long as the session lasts.
    pub(super) key: ProbeKeyGuard,
}

/// The request id of the greeting.
const GREETING_ID: RequestId = 1;

/// The id of the next request.
pub(super) const NEXT_ID: RequestId = GREETING_ID + 1;

/// Connects to the index and greets it. An index of version 1 is contacted again with its own version. That version is not
/// remembered: connections to the index are rare, and it may be upgraded at any time.
pub(super) async fn greet(
    config: &IndexConfig,
    identity: &Identity,
    probe_key: &ProbeKey,
) -> Result<GreetedIndex, IndexSessionError> {
    match greet_with_version(Version::LATEST, config, identity, probe_key).await {
        Err(error) if suggests_version_1(&error) => {
            greet_with_version(Version::One, config, identity, probe_key).await
        }
        greeted => greeted,
    }
}

/// Returns true if the index may support only version 1. Such an index replies to a later version with its own preamble and
/// closes the connection; a reset may arrive before the preamble.
fn suggests_version_1(error: &IndexSessionError) -> bool {
    match error {
        IndexSessionError::Violation(IndexViolation::OtherVersion { theirs }) => *theirs == Version::One,
        IndexSessionError::Broken(error) => error.kind() == io::ErrorKind::ConnectionReset,
        _ => false,
    }
}

async fn greet_with_version(
    version: Version,
    config: &IndexConfig,
    identity: &Identity,
    probe_key: &ProbeKey,
) -> Result<GreetedIndex, IndexSessionError> {
    let node = identity.node_id();
    let stream = connect(config).await?;
    let mut greeting = GreetingConnection { stream, frames: FrameBuffer::with_limit(MAX_FRAME) };
    let (port, agent) = (config.port, truncate_agent(&config.agent));
    let hello = match version {
        Version::One => Request::Hello { node, port, agent },
        Version::Two => Request::Greet { node, port, agent, features: FEATURES },
    };
    let (nonce, index_info) = match greeting.exchange_greeting(version, hello).await? {
        Reply::Challenge { nonce } if version == Version::One => (nonce, IndexInfo::default()),
        Reply::Greeting { nonce, features, time } if version >= Version::Two => {
            (nonce, IndexInfo { features, clock_ahead: clock_ahead(time) })
        }
        _ => return Err(IndexViolation::WrongReply { expected: "a challenge" }.into()),
    };
    let key = probe_key.set(nonce);
    let signature = identity.sign(&proof_text(&nonce, &node, config.port));
    let GreetingConnection { stream, frames } = greeting;
    Ok(GreetedIndex { stream, frames, index_info, proof: Request::Proof { signature }, key })
}

async fn connect(config: &IndexConfig) -> Result<TcpStream, IndexSessionError> {
    let address = config.address.as_str();
    let resolve = |source| IndexSessionError::Resolve { address: address.to_owned(), source };
    let attempt = async {
        let addresses: Vec<_> = lookup_host(address).await.map_err(resolve)?.collect();
        let stream = config.source.connect_any(&addresses);
        stream.await.map_err(|source| IndexSessionError::Connect { address: address.to_owned(), source })
    };
    let stream = timeout(CONNECT_TIMEOUT, attempt).await.map_err(|_| IndexSessionError::Connect {
        address: address.to_owned(),
        source: io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        ),
    })??;
    stream.set_nodelay(true)?;
    // If this fails, a dead connection is noticed later, by the missing reply.
    let _ = detect_dead_peer(&stream);
    Ok(stream)
}

/// Returns by how many seconds the index's clock is ahead of the local clock. The network delay counts as part of the
/// difference.
fn clock_ahead(time: u64) -> Option<i64> {
    let ours = SystemTime::UNIX_EPOCH.elapsed().ok()?.as_secs();
    i64::try_from(time).ok()?.checked_sub(i64::try_from(ours).ok()?)
}

async fn read_preamble(stream: &mut TcpStream, version: Version) -> Result<(), IndexSessionError> {
    let mut theirs = [0; PREAMBLE_LEN];
    let read = stream.read_exact(&mut theirs).await;
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => IndexSessionError::Closed { greeted: false },
        _ => error.into(),
    })?;
    let answered = preamble::check(theirs, Service::Index).map_err(IndexViolation::from)?;
    if answered != version {
        return Err(IndexViolation::OtherVersion { theirs: answered }.into());
    }
    Ok(())
}

async fn with_timeout<T>(
    waiting_for: &'static str,
    work: impl Future<Output = Result<T, IndexSessionError>>,
) -> Result<T, IndexSessionError> {
    timeout(ANSWER_TIMEOUT, work)
        .await
        .unwrap_or(Err(IndexSessionError::Silent { waiting_for, after: ANSWER_TIMEOUT }))
}

fn truncate_agent(agent: &str) -> String {
    let mut agent = agent.to_owned();
    agent.truncate(agent.floor_char_boundary(MAX_AGENT));
    agent
}

/// The connection during the handshake.
struct GreetingConnection {
    stream: TcpStream,
    frames: FrameBuffer,
}

impl GreetingConnection {
    /// Sends the preamble and the first request together; returns the reply.
    async fn exchange_greeting(
        &mut self,
        version: Version,
        request: Request,
    ) -> Result<Reply, IndexSessionError> {
        with_timeout("the greeting of the index", async {
            let mut bytes = preamble::encode(Service::Index, version).to_vec();
            encode_frame(&RequestEnvelope { id: GREETING_ID, request }, &mut bytes)
                .map_err(IndexViolation::from)?;
            self.stream.write_all(&bytes).await?;
            read_preamble(&mut self.stream, version).await?;
            match self.next_message().await? {
                IndexMessage::Reply { reply: Reply::Refused(refusal), .. }
                | IndexMessage::Notice(Notice::Refused(refusal)) => {
                    Err(IndexSessionError::Refused(sanitize_refusal(refusal)))
                }
                IndexMessage::Reply { id: GREETING_ID, reply } => Ok(reply),
                IndexMessage::Reply { id, .. } => Err(IndexViolation::UnknownReply { id }.into()),
                IndexMessage::Notice(Notice::ShuttingDown) => Err(IndexSessionError::ShuttingDown),
                IndexMessage::Notice(_) => Err(IndexViolation::WrongReply { expected: "a challenge" }.into()),
            }
        })
        .await
    }

    async fn next_message(&mut self) -> Result<IndexMessage, IndexSessionError> {
        let mut chunk = [0; 1024];
        loop {
            if let Some(message) = self.frames.next_message().map_err(IndexViolation::from)? {
                return Ok(message);
            }
            match self.stream.read(&mut chunk).await? {
                0 => return Err(IndexSessionError::Closed { greeted: true }),
                read => self.frames.extend(chunk.get(..read).unwrap_or_default()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_agent_is_truncated_at_a_char_boundary() {
        assert_eq!(truncate_agent("peer-node/1"), "peer-node/1");
        assert_eq!(truncate_agent(&"é".repeat(40)).len(), MAX_AGENT);
        assert_eq!(truncate_agent(&format!("x{}", "é".repeat(40))).len(), MAX_AGENT - 1);
    }
}
