//! Connects to a peer, again and again until the end: it may start later, or be started anew.

use std::io;
use std::time::{Duration, Instant};

use protocol::configured::{ConfiguredPeerId, ListedPeer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::handshake::{GroupHandshakeError, exchange_handshakes};
use super::link::GroupConnection;
use crate::backoff::Backoff;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest and the longest pause between two attempts.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// A connection that has held so long was worth the attempt.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// A peer that was dialled in vain.
#[derive(Debug, thiserror::Error)]
enum GroupDialError {
    #[error("it does not answer: {0}")]
    Connect(io::Error),
    #[error(transparent)]
    Greeting(#[from] GroupHandshakeError),
}

/// Keeps a connection to a peer, and tells of each.
pub(super) async fn keep_dialling(
    us: ConfiguredPeerId,
    target: ListedPeer,
    connections: mpsc::Sender<GroupConnection>,
    cancel: CancellationToken,
) {
    let mut backoff = Backoff::between(RETRY_DELAYS.0, RETRY_DELAYS.1);
    loop {
        let begun = Instant::now();
        match dial(us, &target, &cancel).await {
            Ok(greeted) => {
                let closed = greeted.closed.clone();
                if connections.send(greeted).await.is_err() {
                    return;
                }
                closed.cancelled().await;
                if begun.elapsed() >= STABLE_AFTER {
                    backoff.reset();
                }
            }
            Err(error @ GroupDialError::Connect(_)) => {
                tracing::debug!(peer = %target.id, %error, "dialled in vain");
            }
            Err(error) => tracing::warn!(peer = %target.id, %error, "dialled in vain"),
        }
        tokio::time::sleep(backoff.next_delay(getrandom::u64().unwrap_or(0))).await;
    }
}

async fn dial(
    us: ConfiguredPeerId,
    target: &ListedPeer,
    cancel: &CancellationToken,
) -> Result<GroupConnection, GroupDialError> {
    let target_address = (target.host.as_str(), target.port);
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(target_address)).await;
    let connected = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let mut stream = connected.map_err(GroupDialError::Connect)?;
    let address = stream.peer_addr().map_err(GroupDialError::Connect)?;
    let judge = |claimed| if claimed == target.id { Ok(()) } else { Err("does not belong there") };
    let peer = exchange_handshakes(&mut stream, us, judge).await?;
    Ok(GroupConnection { stream, address, peer, is_inbound: false, closed: cancel.child_token() })
}
