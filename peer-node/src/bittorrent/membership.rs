use std::net::SocketAddr;
use std::sync::Arc;

use protocol::infohash::Infohash;

use super::joined_torrent::JoinedTorrent;
use super::outbound::ConnectMode;
use super::wire_error::PeerWireError;
use super::wires::Wires;

/// The torrent has joined already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("torrent {infohash} is already active")]
pub(crate) struct AlreadyJoined {
    /// Infohash of the torrent.
    pub infohash: Infohash,
}

/// A torrent's membership in its swarm. Dropping it closes all its connections.
#[derive(Debug)]
pub(crate) struct SwarmMembership {
    pub(super) wires: Wires,
    pub(super) torrent: Arc<JoinedTorrent>,
}

impl SwarmMembership {
    /// Returns the offered torrent.
    #[cfg(test)]
    pub(crate) fn offering(&self) -> &Arc<super::offering::TorrentOffering> {
        &self.torrent.offering
    }

    /// Returns the number of connections.
    #[cfg(test)]
    pub(crate) fn connection_count(&self) -> usize {
        self.torrent.connection_count()
    }

    /// Dials a peer with mode `first`, then with the other mode; returns the mode that worked. After success, the first
    /// event of the connection follows soon. If the future is dropped, the attempt is abandoned.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        first: ConnectMode,
    ) -> Result<ConnectMode, PeerWireError> {
        self.wires.dial(&self.torrent, address, first).await
    }
}

impl Drop for SwarmMembership {
    fn drop(&mut self) {
        self.wires.remove(&self.torrent);
        self.torrent.closed.cancel();
    }
}
