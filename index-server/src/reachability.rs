//! Calls nodes back on the ports that they claim: only who answers is listed.

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

/// The longest answer to a probe, in bytes: it has 36.
const MAX_ANSWER_LEN: usize = 64;

/// The version in which nodes are called.
const PROBE_VERSION: Version = Version::One;

/// Why a node is not listed, in words for its owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProbeError {
    /// Nobody listens there.
    #[error("connection refused: nothing listens on that port, or a firewall turns the index away")]
    Refused,
    /// No answer in time.
    #[error("timed out after {} s: a firewall or a router may be in the way", .0.as_secs_f32())]
    TimedOut(Duration),
    /// Somebody answers, but not the node.
    #[error("something else answers there")]
    WrongPeer,
    /// A peer of another version answers.
    #[error("the peer there speaks version {theirs} of the protocol, this index version {ours}")]
    VersionMismatch {
        /// Its version.
        theirs: u16,
        /// Ours.
        ours: u16,
    },
    /// The system could not make the connection.
    #[error("{0}")]
    Network(io::ErrorKind),
    /// It is not called, since it could not be listed.
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

/// A node to be called back.
#[derive(Debug)]
pub(crate) struct ProbeTarget {
    pub(crate) session: NodeSession,
    /// Where its connection comes from, with the port that it claims: never another host.
    pub(crate) address: SocketAddr,
    /// What the index gave it on its own connection.
    pub(crate) nonce: [u8; 32],
}

/// Calls a node until it answers, then lists it; tells it how that went, once for every change. Runs until then, or
/// until it is dropped.
pub(crate) async fn probe_until_reachable(
    callee: ProbeTarget,
    service: &IndexService,
    (notices, ended): (mpsc::Sender<Notice>, CancellationToken),
) {
    let (address, mut told) = (callee.address, None);
    let (directory, limits) = (&service.directory, &service.limits.probes);
    for attempt in 0_usize.. {
        // In a place of its own: thousands may wait for their next attempt.
        let result = Box::pin(probe_and_list(&callee, service)).await;
        let Err(error) = result else {
            info!(%address, "reached");
            let recall = ProbeContext { nonce: callee.nonce, notices: notices.clone(), ended };
            directory.set_probe_context(&callee.session, recall);
            let _ = notices.send(Notice::Reachable { address }).await;
            return;
        };
        debug!(%address, attempt, %error, "not listed");
        if let ProbeError::AddressFull(_) = error {
            service.metrics.count_unlisted();
        }
        if told.as_ref() != Some(&error) {
            info!(%address, %error, "is not listed");
            let notice = Notice::Unreachable { address, reason: error.to_string() };
            if notices.send(notice).await.is_err() {
                return;
            }
            told = Some(error);
        }
        let pause = limits.retry_delays.get(attempt).or(limits.retry_delays.last());
        sleep(pause.copied().unwrap_or(limits.timeout)).await;
    }
}

const fn version_mismatch(theirs: u16) -> ProbeError {
    ProbeError::VersionMismatch { theirs, ours: PROBE_VERSION.number() }
}

/// Calls a node once and lists it, if there is room for another one at its address.
async fn probe_and_list(callee: &ProbeTarget, service: &IndexService) -> Result<(), ProbeError> {
    service.directory.check_listing_limit(&callee.session)?;
    // The semaphore is never closed.
    let permit = service.probe_permits.acquire().await;
    probe(callee, service.limits.probes.timeout).await?;
    drop(permit);
    Ok(service.directory.list_node(&callee.session)?)
}

/// Calls a node once.
pub(crate) async fn probe(callee: &ProbeTarget, limit: Duration) -> Result<(), ProbeError> {
    timeout(limit, exchange(callee, limit)).await.unwrap_or(Err(ProbeError::TimedOut(limit)))
}

async fn exchange(callee: &ProbeTarget, limit: Duration) -> Result<(), ProbeError> {
    let mut challenge = [0; 32];
    getrandom::fill(&mut challenge).map_err(|_| ProbeError::Network(io::ErrorKind::Other))?;
    let stream = TcpStream::connect(callee.address).await?;
    // A port that nobody listens on can be given to the very connection that is made to it.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ProbeError::Refused);
    }
    stream.set_nodelay(true)?;
    let mut wire =
        FrameStream::new(stream, MAX_ANSWER_LEN, FrameTimeouts { idle: limit, frame: limit, write: limit });
    // Every node accepts version 1, and its probe needs no features. Both messages go out together, which saves a round trip.
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
    let expected = PeerMessage::ProbeAnswer { answer: probe_answer(&callee.nonce, &challenge) };
    match wire.next::<PeerMessage>().await {
        Ok(answer) if answer == expected => Ok(()),
        Ok(_) | Err(FrameStreamError::Frame(FrameError::Malformed { .. })) => Err(ProbeError::WrongPeer),
        Err(error) => Err(error.into()),
    }
}
