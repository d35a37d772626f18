//! Who takes part in which torrent, by their own announces. Pure: the time and the seeds of what is random are
//! arguments.
//!
//! A peer is an address; it stays until it says that it has stopped, or has said nothing for its lifetime. The table is
//! bounded in four ways: in all, for a torrent, for an address, and for an address within a torrent. When a bound is
//! reached, the peer goes that has been silent longest among those the bound counts.

mod ages;
mod crowd;
mod swarm;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use protocol::infohash::Infohash;

use crate::limits::SwarmLimits;
use crate::random::Random;
use ages::{Ages, Entry};
pub(super) use crowd::Peer;
use swarm::Swarm;
pub(super) use swarm::is_near_enough;

/// How many peers that have gone are taken out at one announce.
const SWEEP: usize = 1000;

/// What a peer says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announcement {
    pub(super) infohash: Infohash,
    pub(super) peer: Peer,
    /// What the peer's address counts as.
    pub(super) network: IpAddr,
    pub(super) is_seed: bool,
    pub(super) change: Change,
}

/// What has become of a peer since its last announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It takes part.
    Here,
    /// It has just got the last piece.
    Completed,
    /// It takes part no longer.
    Stopped,
}

/// How many take part in a torrent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
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
    torrents: HashMap<Infohash, Swarm>,
    ages: Ages,
    limits: SwarmLimits,
}

impl Swarms {
    pub(super) fn new(limits: SwarmLimits) -> Self {
        Self { torrents: HashMap::new(), ages: Ages::default(), limits }
    }

    /// Takes in what a peer says of itself.
    pub(super) fn hear(&mut self, now: Instant, announcement: Announcement) {
        self.expire(now);
        let Announcement { infohash, peer, network, is_seed, change } = announcement;
        let known = self.torrents.get(&infohash).and_then(|swarm| swarm.turn_of(peer.address));
        if change == Change::Stopped {
            if let Some(turn) = known {
                self.take_out(turn);
            }
            return;
        }
        if let Some(turn) = known {
            self.ages.remove(turn);
        }
        let turn = self.ages.add(Entry { infohash, address: peer.address, network, heard: now });
        let swarm = self.torrents.entry(infohash).or_default();
        swarm.put(peer, turn, is_seed, change == Change::Completed);
        while let Some(oldest) = self.ages.over(turn, &self.limits) {
            self.take_out(oldest);
        }
    }

    /// Returns at most `wanted` peers for one that asks, without itself; a seed gets no seeds.
    pub(super) fn choose(
        &self,
        infohash: &Infohash,
        (asker, is_seed): (SocketAddr, bool),
        wanted: usize,
        random: &mut Random,
    ) -> Vec<Peer> {
        let swarm = self.torrents.get(infohash);
        swarm.map(|swarm| swarm.choose(asker, is_seed, wanted, random)).unwrap_or_default()
    }

    /// Counts who takes part in a torrent.
    pub(super) fn counts(&self, infohash: &Infohash) -> Counts {
        self.torrents.get(infohash).map(Swarm::counts).unwrap_or_default()
    }

    /// Says whether a peer takes part in a torrent.
    pub(super) fn contains(&self, infohash: &Infohash, address: SocketAddr) -> bool {
        self.torrents.get(infohash).is_some_and(|swarm| swarm.turn_of(address).is_some())
    }

    fn expire(&mut self, now: Instant) {
        for _ in 0..SWEEP {
            let Some(turn) = self.ages.expired(now, self.limits.lifetime) else { return };
            self.take_out(turn);
        }
    }

    fn take_out(&mut self, turn: u64) {
        let Some(entry) = self.ages.remove(turn) else { return };
        let Some(swarm) = self.torrents.get_mut(&entry.infohash) else { return };
        swarm.take(entry.address);
        if swarm.is_empty() {
            self.torrents.remove(&entry.infohash);
        }
    }
}
