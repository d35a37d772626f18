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

use crate::directory::Arrival;
use crate::roster::{AddressFull, Recall};
use crate::server::Service;
use crate::wire::{Times, Wire, WireError};

/// The longest answer to a probe, in bytes: it has 36.
const ANSWER_LEN: usize = 64;

/// The version in which nodes are called.
const VERSION: Version = Version::One;

/// Why a node is not listed, in words for its owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody listens there.
    #[error("connection refused: nothing listens on that port, or a firewall turns the index away")]
    Refused,
    /// No answer in time.
    #[error("timed out after {} s: a firewall or a router may be in the way", .0.as_secs_f32())]
    TimedOut(Duration),
    /// Somebody answers, but not the node.
    #[error("something else answers there")]
    Stranger,
    /// A peer of another version answers.
    #[error("the peer there speaks version {theirs} of the protocol, this index version {ours}")]
    OtherVersion {
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

impl From<WireError> for CallError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Broken(error) => error.into(),
            WireError::Silent(after) | WireError::SlowMessage(after) | WireError::NotTaken(after) => {
                Self::TimedOut(after)
            }
            WireError::Closed | WireError::Truncated | WireError::Crowded | WireError::Frame(_) => {
                Self::Stranger
            }
        }
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Stranger,
            kind => Self::Network(kind),
        }
    }
}

/// A node to be called back.
#[derive(Debug)]
pub(crate) struct Callee {
    pub(crate) arrival: Arrival,
    /// Where its connection comes from, with the port that it claims: never another host.
    pub(crate) address: SocketAddr,
    /// What the index gave it on its own connection.
    pub(crate) nonce: [u8; 32],
}

/// Calls a node until it answers, then lists it; tells it how that went, once for every change. Runs until then, or
/// until it is dropped.
pub(crate) async fn call_until_reached(
    callee: Callee,
    service: &Service,
    (notices, ended): (mpsc::Sender<Notice>, CancellationToken),
) {
    let (address, mut told) = (callee.address, None);
    let (directory, limits) = (&service.directory, &service.limits.calls);
    for attempt in 0_usize.. {
        // In a place of its own: thousands may wait for their next attempt.
        let result = Box::pin(call_and_list(&callee, service)).await;
        let Err(error) = result else {
            info!(%address, "reached");
            let recall = Recall { nonce: callee.nonce, notices: notices.clone(), ended };
            directory.keep(&callee.arrival, recall);
            let _ = notices.send(Notice::Reachable { address }).await;
            return;
        };
        debug!(%address, attempt, %error, "not listed");
        if let CallError::AddressFull(_) = error {
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
        let pause = limits.pauses.get(attempt).or(limits.pauses.last());
        sleep(pause.copied().unwrap_or(limits.timeout)).await;
    }
}

const fn other_version(theirs: u16) -> CallError {
    CallError::OtherVersion { theirs, ours: VERSION.number() }
}

/// Calls a node once and lists it, if there is room for another one at its address.
async fn call_and_list(callee: &Callee, service: &Service) -> Result<(), CallError> {
    service.directory.has_room(&callee.arrival)?;
    // The semaphore is never closed.
    let permit = service.calls.acquire().await;
    call(callee, service.limits.calls.timeout).await?;
    drop(permit);
    Ok(service.directory.list(&callee.arrival)?)
}

/// Calls a node once.
pub(crate) async fn call(callee: &Callee, limit: Duration) -> Result<(), CallError> {
    timeout(limit, converse(callee, limit)).await.unwrap_or(Err(CallError::TimedOut(limit)))
}

async fn converse(callee: &Callee, limit: Duration) -> Result<(), CallError> {
    let mut challenge = [0; 32];
    getrandom::fill(&mut challenge).map_err(|_| CallError::Network(io::ErrorKind::Other))?;
    let stream = TcpStream::connect(callee.address).await?;
    // A port that nobody listens on can be given to the very connection that is made to it.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(CallError::Refused);
    }
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream, ANSWER_LEN, Times { silence: limit, frame: limit, write: limit });
    // Every node accepts version 1, and its probe needs no features. Both messages go out together, which saves a round trip.
    let mut opening = preamble::encode(Kind::Peer, VERSION).to_vec();
    encode_frame(&PeerMessage::Probe { challenge }, &mut opening).map_err(WireError::from)?;
    wire.write_raw(&opening).await?;
    match preamble::check(wire.read_preamble().await?, Kind::Peer) {
        Ok(VERSION) => {}
        Ok(other) => return Err(other_version(other.number())),
        Err(PreambleError::UnsupportedVersion { theirs }) => return Err(other_version(theirs)),
        Err(PreambleError::NotPeerdex | PreambleError::WrongService { .. }) => {
            return Err(CallError::Stranger);
        }
    }
    let expected = PeerMessage::ProbeAnswer { answer: probe_answer(&callee.nonce, &challenge) };
    match wire.next::<PeerMessage>().await {
        Ok(answer) if answer == expected => Ok(()),
        Ok(_) | Err(WireError::Frame(FrameError::Malformed { .. })) => Err(CallError::Stranger),
        Err(error) => Err(error.into()),
    }
}
