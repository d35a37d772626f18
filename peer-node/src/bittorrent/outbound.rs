//! Connects to peers, in plaintext or with a key exchange.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::handshake::{self, PeerHandshake};
use super::joined_torrent::JoinedTorrent;
use super::peer_stream::PeerStream;
use super::wire::WirePeer;
use super::wire_error::PeerWireError;
use super::wires::Wires;

/// Enough for a round-trip time of a second behind a full queue, and a lost packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a connection to a peer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectMode {
    /// With a BitTorrent handshake.
    #[default]
    Plain,
    /// With a key exchange (MSE).
    Encrypted,
}

impl ConnectMode {
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
        torrent: &Arc<JoinedTorrent>,
        address: SocketAddr,
        first: ConnectMode,
    ) -> Result<ConnectMode, PeerWireError> {
        let admission = self.config().transport.admission();
        let most = admission.max_connections();
        let ticket = admission.admit_outgoing().ok_or(PeerWireError::TooManyConnections { address, most })?;
        let mut approach = first;
        let (channel, greeted) = match self.connect(torrent, address, approach).await {
            Err(PeerWireError::Handshake { source, .. }) if source.suggests_other_mode(approach) => {
                tracing::debug!(%address, ?approach, error = %source, "handshake failed; trying the other approach");
                approach = approach.other();
                self.connect(torrent, address, approach).await?
            }
            called => called?,
        };
        if greeted.peer_id == self.peer_id() {
            return Err(PeerWireError::SelfConnection { address });
        }
        let (peer, encryption) =
            (WirePeer { handshake: greeted, address, is_inbound: false }, channel.encryption());
        if !self.starter(torrent).start(channel, peer, ticket) {
            return Err(PeerWireError::AlreadyConnected { address });
        }
        tracing::info!(%address, client = %greeted.peer_id, encryption, "connected to a BitTorrent peer");
        Ok(approach)
    }

    /// Connects to a peer and greets it.
    async fn connect(
        &self,
        torrent: &Arc<JoinedTorrent>,
        address: SocketAddr,
        approach: ConnectMode,
    ) -> Result<(PeerStream, PeerHandshake), PeerWireError> {
        let connecting = self.config().transport.source_address().connect(address);
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, connecting);
        let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected.map_err(|source| PeerWireError::Connect { address, source })?;
        let greeted =
            handshake::initiate(stream, approach, torrent.offering.infohash(), self.peer_id()).await;
        greeted.map_err(|source| PeerWireError::Handshake { address, source })
    }
}
