//! Who takes part in which torrent, by their own announces. Pure: the time and the seeds of what is random are
//! arguments.
//!
//! A peer is an address; it stays until it says that it has stopped, or has said nothing for its lifetime. The table is
//! bounded in four ways: in all, for a torrent, for an address, and for an address within a torrent. When a bound is
//! reached, the peer goes that has been silent longest among those the bound counts.

mod announce_order;
mod peer_set;
mod swarm;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use protocol::infohash::Infohash;

use crate::limits::SwarmLimits;
use crate::random::SplitMix64;
use announce_order::{AnnounceEntry, AnnounceOrder};
pub(super) use peer_set::SwarmPeer;
use swarm::TrackedSwarm;
pub(super) use swarm::is_reachable_from;

/// How many peers that have gone are taken out at one announce.
const MAX_EXPIRED_PER_ANNOUNCE: usize = 1000;

/// What a peer says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAnnounce {
    pub(super) infohash: Infohash,
    pub(super) peer: SwarmPeer,
    /// What the peer's address counts as.
    pub(super) network: IpAddr,
    pub(super) is_seed: bool,
    pub(super) event: PeerEvent,
}

/// What has become of a peer since its last announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerEvent {
    /// It takes part.
    Present,
    /// It has just got the last piece.
    Completed,
    /// It takes part no longer.
    Stopped,
}

/// How many take part in a torrent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SwarmCounts {
    /// With all of it.
    pub(super) complete: usize,
    /// With less.
    pub(super) incomplete: usize,
    /// How often a peer has got the last piece while the torrent was known.
    pub(super) downloaded: u32,
}

/// All torrents that somebody takes part in.
#[derive(Debug)]
pub(super) struct Swarms {
    torrents: HashMap<Infohash, TrackedSwarm>,
    announce_order: AnnounceOrder,
    limits: SwarmLimits,
}

impl Swarms {
    pub(super) fn new(limits: SwarmLimits) -> Self {
        Self { torrents: HashMap::new(), announce_order: AnnounceOrder::default(), limits }
    }

    /// Takes in what a peer says of itself.
    pub(super) fn announce(&mut self, now: Instant, announcement: PeerAnnounce) {
        self.expire(now);
        let PeerAnnounce { infohash, peer, network, is_seed, event: change } = announcement;
        let known = self.torrents.get(&infohash).and_then(|swarm| swarm.sequence_of(peer.address));
        if change == PeerEvent::Stopped {
            if let Some(turn) = known {
                self.remove(turn);
            }
            return;
        }
        if let Some(turn) = known {
            self.announce_order.remove(turn);
        }
        let turn = self.announce_order.add(AnnounceEntry {
            infohash,
            address: peer.address,
            network,
            received_at: now,
        });
        let swarm = self.torrents.entry(infohash).or_default();
        swarm.insert(peer, turn, is_seed, change == PeerEvent::Completed);
        while let Some(oldest) = self.announce_order.oldest_over_limit(turn, &self.limits) {
            self.remove(oldest);
        }
    }

    /// Returns at most `wanted` peers for one that asks, without itself; a seed gets no seeds.
    pub(super) fn choose(
        &self,
        infohash: &Infohash,
        (asker, is_seed): (SocketAddr, bool),
        wanted: usize,
        random: &mut SplitMix64,
    ) -> Vec<SwarmPeer> {
        let swarm = self.torrents.get(infohash);
        swarm.map(|swarm| swarm.choose(asker, is_seed, wanted, random)).unwrap_or_default()
    }

    /// Counts who takes part in a torrent.
    pub(super) fn counts(&self, infohash: &Infohash) -> SwarmCounts {
        self.torrents.get(infohash).map(TrackedSwarm::counts).unwrap_or_default()
    }

    /// Says whether a peer takes part in a torrent.
    pub(super) fn contains(&self, infohash: &Infohash, address: SocketAddr) -> bool {
        self.torrents.get(infohash).is_some_and(|swarm| swarm.sequence_of(address).is_some())
    }

    fn expire(&mut self, now: Instant) {
        for _ in 0..MAX_EXPIRED_PER_ANNOUNCE {
            let Some(turn) = self.announce_order.oldest_expired(now, self.limits.lifetime) else { return };
            self.remove(turn);
        }
    }

    fn remove(&mut self, turn: u64) {
        let Some(entry) = self.announce_order.remove(turn) else { return };
        let Some(swarm) = self.torrents.get_mut(&entry.infohash) else { return };
        swarm.remove(entry.address);
        if swarm.is_empty() {
            self.torrents.remove(&entry.infohash);
        }
    }
}
