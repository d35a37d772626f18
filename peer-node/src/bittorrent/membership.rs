use std::net::SocketAddr;
use std::sync::Arc;

use protocol::infohash::Infohash;

use super::offering::Offering;
use super::outbound::Approach;
use super::torrent::Torrent;
use super::wire_error::WireError;
use super::wires::Wires;

/// A torrent that takes part already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the torrent {infohash} is under way already")]
pub struct AlreadyHere {
    /// Which.
    pub infohash: Infohash,
}

/// A torrent's part in the swarm; dropped, it closes all its connections.
#[derive(Debug)]
pub struct Membership {
    pub(super) wires: Wires,
    pub(super) torrent: Arc<Torrent>,
}

impl Membership {
    /// Returns what is offered.
    pub fn offering(&self) -> &Arc<Offering> {
        &self.torrent.offering
    }

    /// Counts the connections.
    pub fn count(&self) -> usize {
        self.torrent.count()
    }

    /// Connects to a peer, and tries `first` how that may begin; returns how it did. Once that is done, the peer is heard of by
    /// events; the first comes soon. Cancel safe.
    pub async fn dial(&self, address: SocketAddr, first: Approach) -> Result<Approach, WireError> {
        self.wires.dial(&self.torrent, address, first).await
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.wires.forget(&self.torrent);
        self.torrent.closed.cancel();
    }
}
