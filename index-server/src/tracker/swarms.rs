//! The peers of each torrent, from their announces. Pure: the time and the random seeds are arguments.
//!
//! A peer is an address; it stays until it announces that it stops, or has not announced for its lifetime. The table has four
//! limits: in total, per torrent, per address, and per address within a torrent. When a limit is exceeded, the peer within its
//! scope that announced longest ago is removed.

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

/// Maximum number of expired peers removed per announce.
const MAX_EXPIRED_PER_ANNOUNCE: usize = 1000;

/// A peer's announce.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAnnounce {
    pub(super) infohash: Infohash,
    pub(super) peer: SwarmPeer,
    /// The address group of the peer.
    pub(super) network: IpAddr,
    pub(super) is_seed: bool,
    pub(super) event: PeerEvent,
}

/// What has changed since a peer's last announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerEvent {
    /// The peer is active.
    Present,
    /// The peer has completed the download.
    Completed,
    /// The peer has left the swarm.
    Stopped,
}

/// The number of peers of a torrent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SwarmCounts {
    /// Seeds.
    pub(super) complete: usize,
    /// Leechers.
    pub(super) incomplete: usize,
    /// The number of completed downloads while the torrent was known.
    pub(super) downloaded: u32,
}

/// All torrents with at least one peer.
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

    /// Handles an announce.
    pub(super) fn announce(&mut self, now: Instant, announcement: PeerAnnounce) {
        self.expire(now);
        let PeerAnnounce { infohash, peer, network, is_seed, event } = announcement;
        let known = self.torrents.get(&infohash).and_then(|swarm| swarm.sequence_of(peer.address));
        if event == PeerEvent::Stopped {
            if let Some(sequence) = known {
                self.remove(sequence);
            }
            return;
        }
        if let Some(sequence) = known {
            self.announce_order.remove(sequence);
        }
        let sequence = self.announce_order.add(AnnounceEntry {
            infohash,
            address: peer.address,
            network,
            received_at: now,
        });
        let swarm = self.torrents.entry(infohash).or_default();
        swarm.insert(peer, sequence, is_seed, event == PeerEvent::Completed);
        while let Some(oldest) = self.announce_order.oldest_over_limit(sequence, &self.limits) {
            self.remove(oldest);
        }
    }

    /// Returns up to `wanted` peers for `asker`, excluding itself; a seed gets no seeds.
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

    /// Returns the number of peers of a torrent.
    pub(super) fn counts(&self, infohash: &Infohash) -> SwarmCounts {
        self.torrents.get(infohash).map(TrackedSwarm::counts).unwrap_or_default()
    }

    /// Returns true if a peer is in the swarm of a torrent.
    pub(super) fn contains(&self, infohash: &Infohash, address: SocketAddr) -> bool {
        self.torrents.get(infohash).is_some_and(|swarm| swarm.sequence_of(address).is_some())
    }

    fn expire(&mut self, now: Instant) {
        for _ in 0..MAX_EXPIRED_PER_ANNOUNCE {
            let Some(sequence) = self.announce_order.oldest_expired(now, self.limits.lifetime) else {
                return;
            };
            self.remove(sequence);
        }
    }

    fn remove(&mut self, sequence: u64) {
        let Some(entry) = self.announce_order.remove(sequence) else {
            return impossible!("an unknown announce is removed", sequence = sequence);
        };
        let Some(swarm) = self.torrents.get_mut(&entry.infohash) else {
            return impossible!("a peer has no swarm", torrent = entry.infohash);
        };
        swarm.remove(entry.address);
        if swarm.is_empty() {
            self.torrents.remove(&entry.infohash);
        }
    }
}
