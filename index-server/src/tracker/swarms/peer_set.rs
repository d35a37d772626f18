//! A set of peers that supports random sampling by index.

use std::collections::HashMap;
use std::net::SocketAddr;

/// A peer of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tracker) struct SwarmPeer {
    /// The address at which it accepts connections.
    pub(in crate::tracker) address: SocketAddr,
    /// Its peer id, if known.
    pub(in crate::tracker) peer_id: Option<[u8; 20]>,
}

/// Peers by index and by address.
#[derive(Debug, Default)]
pub(super) struct PeerSet {
    peers: Vec<(SwarmPeer, u64)>,
    positions: HashMap<SocketAddr, usize>,
}

impl PeerSet {
    pub(super) const fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns the sequence number of a peer's last announce.
    pub(super) fn sequence_of(&self, address: SocketAddr) -> Option<u64> {
        self.peers.get(*self.positions.get(&address)?).map(|(_, sequence)| *sequence)
    }

    pub(super) fn peer(&self, number: usize) -> Option<SwarmPeer> {
        self.peers.get(number).map(|(peer, _)| *peer)
    }

    /// Adds a peer that is not in the set.
    pub(super) fn insert(&mut self, peer: SwarmPeer, sequence: u64) {
        self.positions.insert(peer.address, self.peers.len());
        self.peers.push((peer, sequence));
    }

    /// Removes a peer; returns true if it was in the set.
    pub(super) fn remove(&mut self, address: SocketAddr) -> bool {
        let Some(index) = self.positions.remove(&address) else { return false };
        if index < self.peers.len() {
            self.peers.swap_remove(index);
        }
        if let Some((moved, _)) = self.peers.get(index) {
            self.positions.insert(moved.address, index);
        }
        true
    }
}
