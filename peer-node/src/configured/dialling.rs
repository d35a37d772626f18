//! Connects to a peer and reconnects until the session ends, because the peer may start later or be restarted.

use std::io;
use std::time::{Duration, Instant};

use protocol::backoff::{Backoff, BackoffRange};
use protocol::configured::{ConfiguredPeerId, ListedPeer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::handshake::{GroupHandshakeError, exchange_handshakes};
use super::link::GroupConnection;
use crate::transport::PeerStream;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Minimum and maximum delay between two attempts.
const RETRY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_millis(100), Duration::from_secs(4));

/// After a connection that lasted this long, the delay is reset.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// Why a connection attempt failed.
#[derive(Debug, thiserror::Error)]
enum GroupDialError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error(transparent)]
    Greeting(#[from] GroupHandshakeError),
}

/// Keeps a connection to a peer open, and passes each new connection to the session.
pub(super) async fn keep_dialling(
    own_id: ConfiguredPeerId,
    target: ListedPeer,
    connections: mpsc::Sender<GroupConnection>,
    cancel: CancellationToken,
) {
    let mut backoff = Backoff::new(RETRY_DELAYS);
    loop {
        let begun = Instant::now();
        match dial(own_id, &target, &cancel).await {
            Ok(connection) => {
                let closed = connection.closed.clone();
                if connections.send(connection).await.is_err() {
                    return;
                }
                closed.cancelled().await;
                if begun.elapsed() >= STABLE_AFTER {
                    backoff.reset();
                }
            }
            Err(error @ GroupDialError::Connect(_)) => {
                tracing::debug!(peer = %target.id, %error, "cannot connect to a peer");
            }
            Err(error) => tracing::warn!(peer = %target.id, %error, "cannot connect to a peer"),
        }
        tokio::time::sleep(backoff.next_delay(getrandom::u64().unwrap_or(0))).await;
    }
}

async fn dial(
    own_id: ConfiguredPeerId,
    target: &ListedPeer,
    cancel: &CancellationToken,
) -> Result<GroupConnection, GroupDialError> {
    let target_address = (target.host.as_str(), target.port);
    let connected = PeerStream::connect_host(target_address, CONNECT_TIMEOUT).await;
    let mut stream = connected.map_err(GroupDialError::Connect)?;
    let address = stream.peer_address().map_err(GroupDialError::Connect)?;
    let judge = |claimed| if claimed == target.id { Ok(()) } else { Err("is not the expected peer") };
    let peer = exchange_handshakes(&mut stream, own_id, judge).await?;
    Ok(GroupConnection { stream, address, peer, is_inbound: false, closed: cancel.child_token() })
}
