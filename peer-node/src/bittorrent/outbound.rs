//! Connects to peers, in plaintext or with a key exchange.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::channel::Channel;
use super::greeting::{self, Greeted};
use super::torrent::Torrent;
use super::wire::Peer;
use super::wire_error::WireError;
use super::wires::Wires;

/// Enough for a round-trip time of a second behind a full queue, and a lost packet.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How a connection to a peer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Approach {
    /// With a BitTorrent handshake.
    #[default]
    Plain,
    /// With a key exchange (MSE).
    Encrypted,
}

impl Approach {
    const fn other(self) -> Self {
        match self {
            Self::Plain => Self::Encrypted,
            Self::Encrypted => Self::Plain,
        }
    }
}

impl Wires {
    /// Connects to a peer of a torrent: first in one way, and in the other one if the peer does not take that. Returns which way
    /// it was.
    pub(super) async fn dial(
        &self,
        torrent: &Arc<Torrent>,
        address: SocketAddr,
        first: Approach,
    ) -> Result<Approach, WireError> {
        let admission = self.config().transport.admission();
        let most = admission.most();
        let ticket = admission.dial().ok_or(WireError::TooMany { address, most })?;
        let mut approach = first;
        let (channel, greeted) = match self.call(torrent, address, approach).await {
            Err(WireError::Greeting { source, .. }) if source.suggests_other_than(approach) => {
                tracing::debug!(%address, ?approach, error = %source, "handshake failed; trying the other approach");
                approach = approach.other();
                self.call(torrent, address, approach).await?
            }
            called => called?,
        };
        if greeted.peer_id == self.peer_id() {
            return Err(WireError::Ourselves { address });
        }
        let (peer, encryption) = (Peer { greeted, address, is_inbound: false }, channel.encryption());
        if !self.running(torrent).begin(channel, peer, ticket) {
            return Err(WireError::AlreadyConnected { address });
        }
        tracing::info!(%address, client = %greeted.peer_id, encryption, "connected to a BitTorrent peer");
        Ok(approach)
    }

    /// Connects to a peer and greets it.
    async fn call(
        &self,
        torrent: &Arc<Torrent>,
        address: SocketAddr,
        approach: Approach,
    ) -> Result<(Channel, Greeted), WireError> {
        let connecting = self.config().transport.source().connect(address);
        let connecting = tokio::time::timeout(CONNECT_DEADLINE, connecting);
        let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected.map_err(|source| WireError::Connect { address, source })?;
        let greeted = greeting::greet(stream, approach, torrent.offering.infohash(), self.peer_id()).await;
        greeted.map_err(|source| WireError::Greeting { address, source })
    }
}
