//! Connects to a peer, again and again until the end: it may start later, or be started anew.

use std::io;
use std::time::{Duration, Instant};

use protocol::configured::{ListedPeer, PeerId};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::greeting::{GreetingError, greet};
use super::link::Greeted;
use crate::backoff::Backoff;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// The shortest and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// A connection that has held so long was worth the attempt.
const STEADY: Duration = Duration::from_secs(5);

/// A peer that was dialled in vain.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("it does not answer: {0}")]
    Connect(io::Error),
    #[error(transparent)]
    Greeting(#[from] GreetingError),
}

/// Keeps a connection to a peer, and tells of each.
pub(super) async fn keep_dialling(
    us: PeerId,
    target: ListedPeer,
    met: mpsc::Sender<Greeted>,
    cancel: CancellationToken,
) {
    let mut backoff = Backoff::between(PAUSES.0, PAUSES.1);
    loop {
        let begun = Instant::now();
        match dial(us, &target, &cancel).await {
            Ok(greeted) => {
                let closed = greeted.closed.clone();
                if met.send(greeted).await.is_err() {
                    return;
                }
                closed.cancelled().await;
                if begun.elapsed() >= STEADY {
                    backoff.reset();
                }
            }
            Err(error @ DialError::Connect(_)) => {
                tracing::debug!(peer = %target.id, %error, "dialled in vain");
            }
            Err(error) => tracing::warn!(peer = %target.id, %error, "dialled in vain"),
        }
        tokio::time::sleep(backoff.pause(getrandom::u64().unwrap_or(0))).await;
    }
}

async fn dial(us: PeerId, target: &ListedPeer, cancel: &CancellationToken) -> Result<Greeted, DialError> {
    let place = (target.host.as_str(), target.port);
    let connecting = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(place)).await;
    let connected = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let mut stream = connected.map_err(DialError::Connect)?;
    let address = stream.peer_addr().map_err(DialError::Connect)?;
    let judge = |said| if said == target.id { Ok(()) } else { Err("does not belong there") };
    let peer = greet(&mut stream, us, judge).await?;
    Ok(Greeted { stream, address, peer, is_inbound: false, closed: cancel.child_token() })
}
