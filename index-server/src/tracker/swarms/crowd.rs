//! Peers from which some are drawn at random without a look at the others.

use std::collections::HashMap;
use std::net::SocketAddr;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tracker) struct Peer {
    /// Where it is reached.
    pub(in crate::tracker) address: SocketAddr,
    /// What it calls itself, if it is known.
    pub(in crate::tracker) peer_id: Option<[u8; 20]>,
}

/// Peers by number and by address.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    peers: Vec<(Peer, u64)>,
    places: HashMap<SocketAddr, usize>,
}

impl Crowd {
    pub(super) const fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns the turn of a peer's last announce.
    pub(super) fn turn_of(&self, address: SocketAddr) -> Option<u64> {
        self.peers.get(*self.places.get(&address)?).map(|(_, turn)| *turn)
    }

    pub(super) fn peer(&self, number: usize) -> Option<Peer> {
        self.peers.get(number).map(|(peer, _)| *peer)
    }

    /// Enters a peer that is not in here.
    pub(super) fn put(&mut self, peer: Peer, turn: u64) {
        self.places.insert(peer.address, self.peers.len());
        self.peers.push((peer, turn));
    }

    /// Takes a peer out; says whether it was in here.
    pub(super) fn take(&mut self, address: SocketAddr) -> bool {
        let Some(place) = self.places.remove(&address) else { return false };
        if place < self.peers.len() {
            self.peers.swap_remove(place);
        }
        if let Some((moved, _)) = self.peers.get(place) {
            self.places.insert(moved.address, place);
        }
        true
    }
}
