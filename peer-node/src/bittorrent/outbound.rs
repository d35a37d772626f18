//! Dials peers, in plaintext or with a key exchange.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::handshake::{self, PeerHandshake};
use super::joined_torrent::JoinedTorrent;
use super::wire::WirePeer;
use super::wire_error::PeerWireError;
use super::wire_stream::WireStream;
use super::wires::Wires;
use crate::transport::PeerStream;

/// Allows for a round-trip time of one second, a full send queue and a lost packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a connection to a peer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ConnectMode {
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
    /// Dials a peer of a torrent with mode `first`, then with the other mode if the peer does not accept the first.
    /// Returns the mode that worked.
    pub(super) async fn dial(
        &self,
        torrent: &Arc<JoinedTorrent>,
        address: SocketAddr,
        first: ConnectMode,
    ) -> Result<ConnectMode, PeerWireError> {
        let admission = self.config().transport.admission();
        let most = admission.max_connections();
        let permit =
            admission.admit_outgoing().ok_or(PeerWireError::TooManyConnections { address, max: most })?;
        let mut mode = first;
        let (channel, peer_handshake) = match self.connect(torrent, address, mode).await {
            Err(PeerWireError::Handshake { source, .. }) if source.suggests_other_mode(mode) => {
                tracing::debug!(%address, ?mode, error = %source, "handshake failed; trying the other mode");
                mode = mode.other();
                self.connect(torrent, address, mode).await?
            }
            result => result?,
        };
        if peer_handshake.peer_id == self.peer_id() {
            return Err(PeerWireError::SelfConnection { address });
        }
        let (peer, encryption) =
            (WirePeer { handshake: peer_handshake, address, is_inbound: false }, channel.encryption());
        if !self.starter(torrent).start(channel, peer, permit) {
            return Err(PeerWireError::AlreadyConnected { address });
        }
        tracing::info!(%address, client = %peer_handshake.peer_id, encryption, "connected to a BitTorrent peer");
        Ok(mode)
    }

    /// Opens a connection and performs the handshake.
    async fn connect(
        &self,
        torrent: &Arc<JoinedTorrent>,
        address: SocketAddr,
        mode: ConnectMode,
    ) -> Result<(WireStream, PeerHandshake), PeerWireError> {
        let source = self.config().transport.source_address();
        let connected = PeerStream::connect(source, address, CONNECT_TIMEOUT).await;
        let stream = connected.map_err(|source| PeerWireError::Connect { address, source })?;
        let peer_handshake =
            handshake::initiate(stream, mode, torrent.offering.infohash(), self.peer_id()).await;
        peer_handshake.map_err(|source| PeerWireError::Handshake { address, source })
    }
}
