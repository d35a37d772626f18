use std::net::SocketAddr;
use std::sync::Arc;

use protocol::infohash::Infohash;

use super::joined_torrent::JoinedTorrent;
use super::offering::TorrentOffering;
use super::outbound::ConnectMode;
use super::wire_error::PeerWireError;
use super::wires::Wires;

/// A torrent that takes part already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the torrent {infohash} is under way already")]
pub struct AlreadyJoined {
    /// Which.
    pub infohash: Infohash,
}

/// A torrent's part in the swarm; dropped, it closes all its connections.
#[derive(Debug)]
pub struct SwarmMembership {
    pub(super) wires: Wires,
    pub(super) torrent: Arc<JoinedTorrent>,
}

impl SwarmMembership {
    /// Returns what is offered.
    pub fn offering(&self) -> &Arc<TorrentOffering> {
        &self.torrent.offering
    }

    /// Counts the connections.
    pub fn connection_count(&self) -> usize {
        self.torrent.connection_count()
    }

    /// Connects to a peer, and tries `first` how that may begin; returns how it did. Once that is done, the peer is heard of by
    /// events; the first comes soon. Cancel safe.
    pub async fn dial(&self, address: SocketAddr, first: ConnectMode) -> Result<ConnectMode, PeerWireError> {
        self.wires.dial(&self.torrent, address, first).await
    }
}

impl Drop for SwarmMembership {
    fn drop(&mut self) {
        self.wires.remove(&self.torrent);
        self.torrent.closed.cancel();
    }
}
