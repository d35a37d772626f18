//! Peers from which some are drawn at random without a look at the others.

use std::collections::HashMap;
use std::net::SocketAddr;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tracker) struct SwarmPeer {
    /// Where it is reached.
    pub(in crate::tracker) address: SocketAddr,
    /// What it calls itself, if it is known.
    pub(in crate::tracker) peer_id: Option<[u8; 20]>,
}

/// Peers by number and by address.
#[derive(Debug, Default)]
pub(super) struct PeerSet {
    peers: Vec<(SwarmPeer, u64)>,
    positions: HashMap<SocketAddr, usize>,
}

impl PeerSet {
    pub(super) const fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns the turn of a peer's last announce.
    pub(super) fn sequence_of(&self, address: SocketAddr) -> Option<u64> {
        self.peers.get(*self.positions.get(&address)?).map(|(_, turn)| *turn)
    }

    pub(super) fn peer(&self, number: usize) -> Option<SwarmPeer> {
        self.peers.get(number).map(|(peer, _)| *peer)
    }

    /// Enters a peer that is not in here.
    pub(super) fn insert(&mut self, peer: SwarmPeer, turn: u64) {
        self.positions.insert(peer.address, self.peers.len());
        self.peers.push((peer, turn));
    }

    /// Takes a peer out; says whether it was in here.
    pub(super) fn remove(&mut self, address: SocketAddr) -> bool {
        let Some(place) = self.positions.remove(&address) else { return false };
        if place < self.peers.len() {
            self.peers.swap_remove(place);
        }
        if let Some((moved, _)) = self.peers.get(place) {
            self.positions.insert(moved.address, place);
        }
        true
    }
}
