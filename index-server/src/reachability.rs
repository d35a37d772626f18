//! Probes nodes on the ports that they claim: only nodes that answer are listed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::frame::{FrameError, encode_frame};
use protocol::index::Notice;
use protocol::peer::PeerMessage;
use protocol::preamble::{self, PreambleError, Service as Kind, Version};
use protocol::probe::probe_answer;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::directory::NodeSession;
use crate::net::frame_stream::{FrameStream, FrameStreamError, FrameTimeouts};
use crate::roster::{AddressFull, ProbeContext};
use crate::service::IndexService;

/// Maximum length of a probe answer in bytes; a valid one has 36.
const MAX_ANSWER_LEN: usize = 64;

/// The protocol version of probes.
const PROBE_VERSION: Version = Version::One;

/// Why a node is not listed, worded for its user.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProbeError {
    /// No program listens on the port.
    #[error("connection refused: nothing listens on that port, or a firewall rejects the index")]
    Refused,
    /// No answer arrived in time.
    #[error("timed out after {} s: a firewall or router may be blocking the connection", .0.as_secs_f32())]
    TimedOut(Duration),
    /// Another node or program answers.
    #[error("another program answers at that address")]
    WrongPeer,
    /// A peer with another protocol version answers.
    #[error("the peer at that address uses protocol version {theirs}, this index uses version {ours}")]
    VersionMismatch {
        /// The peer's version.
        theirs: u16,
        /// The version of probes.
        ours: u16,
    },
    /// The system could not establish the connection.
    #[error("{0}")]
    Network(io::ErrorKind),
    /// The node is not probed, since its address has reached its limit of listed nodes.
    #[error(transparent)]
    AddressFull(#[from] AddressFull),
}

impl From<FrameStreamError> for ProbeError {
    fn from(error: FrameStreamError) -> Self {
        match error {
            FrameStreamError::Io(error) => error.into(),
            FrameStreamError::Idle(after)
            | FrameStreamError::SlowMessage(after)
            | FrameStreamError::WriteTimeout(after) => Self::TimedOut(after),
            FrameStreamError::Closed
            | FrameStreamError::Truncated
            | FrameStreamError::NoMemory
            | FrameStreamError::Frame(_) => Self::WrongPeer,
        }
    }
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::WrongPeer,
            kind => Self::Network(kind),
        }
    }
}

/// A node to probe.
#[derive(Debug)]
pub(crate) struct ProbeTarget {
    pub(crate) session: NodeSession,
    /// The address that its connection comes from, with the port that it claims: never another host.
    pub(crate) address: SocketAddr,
    /// The nonce that the index sent on the node's own connection.
    pub(crate) nonce: [u8; 32],
}

/// Probes a node until it answers, then lists it; sends it a notice of every change of the result. Returns once the node is
/// listed, or its connection has ended.
pub(crate) async fn probe_until_reachable(
    target: ProbeTarget,
    service: &IndexService,
    (notices, ended): (mpsc::Sender<Notice>, CancellationToken),
) {
    let (address, mut last_error) = (target.address, None);
    let (directory, limits) = (&service.directory, &service.limits.probes);
    for attempt in 0_usize.. {
        // Boxed to keep this future small: thousands may be waiting for their next attempt.
        let result = Box::pin(probe_and_list(&target, service)).await;
        let Err(error) = result else {
            info!(%address, "node reachable");
            let context = ProbeContext { nonce: target.nonce, notices: notices.clone(), ended };
            directory.set_probe_context(&target.session, context);
            let _ = notices.send(Notice::Reachable { address }).await;
            return;
        };
        debug!(%address, attempt, %error, "probe failed");
        if let ProbeError::AddressFull(_) = error {
            service.metrics.count_unlisted();
        }
        if last_error.as_ref() != Some(&error) {
            info!(%address, %error, "node not listed");
            let notice = Notice::Unreachable { address, reason: error.to_string() };
            if notices.send(notice).await.is_err() {
                return;
            }
            last_error = Some(error);
        }
        let pause = limits.retry_delays.get(attempt).or(limits.retry_delays.last());
        sleep(pause.copied().unwrap_or(limits.timeout)).await;
    }
}

const fn version_mismatch(theirs: u16) -> ProbeError {
    ProbeError::VersionMismatch { theirs, ours: PROBE_VERSION.number() }
}

/// Probes a node once, and lists it unless its address has reached its limit.
async fn probe_and_list(target: &ProbeTarget, service: &IndexService) -> Result<(), ProbeError> {
    service.directory.check_listing_limit(&target.session)?;
    // The semaphore is never closed.
    let permit = service.probe_permits.acquire().await;
    probe(target, service.limits.probes.timeout).await?;
    drop(permit);
    Ok(service.directory.list_node(&target.session)?)
}

/// Probes a node once.
pub(crate) async fn probe(target: &ProbeTarget, limit: Duration) -> Result<(), ProbeError> {
    timeout(limit, exchange(target, limit)).await.unwrap_or(Err(ProbeError::TimedOut(limit)))
}

async fn exchange(target: &ProbeTarget, limit: Duration) -> Result<(), ProbeError> {
    let mut challenge = [0; 32];
    getrandom::fill(&mut challenge).map_err(|_| ProbeError::Network(io::ErrorKind::Other))?;
    let stream = TcpStream::connect(target.address).await?;
    // Connecting to an unused local port can connect the socket to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ProbeError::Refused);
    }
    stream.set_nodelay(true)?;
    let mut wire =
        FrameStream::new(stream, MAX_ANSWER_LEN, FrameTimeouts { idle: limit, frame: limit, write: limit });
    // Every node accepts version 1, and a probe needs no features. Sending both messages together saves a round trip.
    let mut opening = preamble::encode(Kind::Peer, PROBE_VERSION).to_vec();
    encode_frame(&PeerMessage::Probe { challenge }, &mut opening).map_err(FrameStreamError::from)?;
    wire.write_raw(&opening).await?;
    match preamble::check(wire.read_preamble().await?, Kind::Peer) {
        Ok(PROBE_VERSION) => {}
        Ok(other) => return Err(version_mismatch(other.number())),
        Err(PreambleError::UnsupportedVersion { theirs }) => return Err(version_mismatch(theirs)),
        Err(PreambleError::NotPeerdex | PreambleError::WrongService { .. }) => {
            return Err(ProbeError::WrongPeer);
        }
    }
    let expected = PeerMessage::ProbeAnswer { answer: probe_answer(&target.nonce, &challenge) };
    match wire.next::<PeerMessage>().await {
        Ok(answer) if answer == expected => Ok(()),
        Ok(_) | Err(FrameStreamError::Frame(FrameError::Malformed { .. })) => Err(ProbeError::WrongPeer),
        Err(error) => Err(error.into()),
    }
}
