//! The swarm of one torrent.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::SwarmCounts;
use super::peer_set::{PeerSet, SwarmPeer};
use crate::random::SplitMix64;

/// Seeds and leechers, kept apart because seeds do not need other seeds.
#[derive(Debug, Default)]
pub(super) struct TrackedSwarm {
    leechers: PeerSet,
    seeds: PeerSet,
    downloaded: u32,
}

impl TrackedSwarm {
    /// Adds a peer, or updates it.
    pub(super) fn insert(&mut self, peer: SwarmPeer, sequence: u64, is_seed: bool, completed: bool) {
        let was_seed = self.seeds.remove(peer.address);
        self.leechers.remove(peer.address);
        // A repeated `completed` event of a seed belongs to the same download.
        if completed && is_seed && !was_seed {
            self.downloaded = self.downloaded.saturating_add(1);
        }
        if is_seed { self.seeds.insert(peer, sequence) } else { self.leechers.insert(peer, sequence) }
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        let _ = self.leechers.remove(address) || self.seeds.remove(address);
    }

    pub(super) fn sequence_of(&self, address: SocketAddr) -> Option<u64> {
        self.leechers.sequence_of(address).or_else(|| self.seeds.sequence_of(address))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.leechers.len() == 0 && self.seeds.len() == 0
    }

    pub(super) const fn counts(&self) -> SwarmCounts {
        SwarmCounts {
            complete: self.seeds.len(),
            incomplete: self.leechers.len(),
            downloaded: self.downloaded,
        }
    }

    /// Returns up to `wanted` random peers that are useful to `asker`.
    pub(super) fn choose(
        &self,
        asker: SocketAddr,
        is_seed: bool,
        wanted: usize,
        random: &mut SplitMix64,
    ) -> Vec<SwarmPeer> {
        let seeds = if is_seed { 0 } else { self.seeds.len() };
        let all = self.leechers.len() + seeds;
        // Draw one more than wanted, since the asker itself may be among them.
        let mut chosen: Vec<SwarmPeer> = sample_indices(all, wanted + 1, random)
            .into_iter()
            .filter_map(|number| self.peer(number))
            .filter(|peer| peer.address != asker && is_reachable_from(asker, peer.address))
            .collect();
        chosen.truncate(wanted);
        chosen
    }

    fn peer(&self, number: usize) -> Option<SwarmPeer> {
        match number.checked_sub(self.leechers.len()) {
            None => self.leechers.peer(number),
            Some(seed) => self.seeds.peer(seed),
        }
    }
}

/// Returns true if `peer` is reachable from `asker`: a loopback address only means the same machine to loopback clients.
pub(in crate::tracker) const fn is_reachable_from(asker: SocketAddr, peer: SocketAddr) -> bool {
    !peer.ip().is_loopback() || asker.ip().is_loopback()
}

/// Returns up to `wanted` distinct numbers below `all`, in random order (Floyd's sampling, then a shuffle).
fn sample_indices(all: usize, wanted: usize, random: &mut SplitMix64) -> Vec<usize> {
    let mut drawn = HashSet::new();
    for number in all.saturating_sub(wanted)..all {
        let any = random.below(number + 1);
        // A number drawn before is replaced by the highest so far, which cannot have been drawn yet.
        if !drawn.insert(any) {
            drawn.insert(number);
        }
    }
    let mut drawn: Vec<usize> = drawn.into_iter().collect();
    // The iteration order of the set is not determined by the seed, so sort first.
    drawn.sort_unstable();
    random.shuffle(&mut drawn);
    drawn
}
