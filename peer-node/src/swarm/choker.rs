//! The choker: decides for a whole node which of the peers that want something from it are served.
//!
//! The rules are those of BitTorrent (BEP 3, "choking algorithms"), for a node that serves many contents. Each round the
//! regular slots go to the peers that give most, or, if none gives anything, to those that take fastest. One optimistic
//! slot on top goes in turn to whoever has waited longest, so that everybody gets a chance to show how fast it is. All
//! others are choked and know their place in the queue.
//!
//! A closed group chooses by the clock alone: [`IntervalChoker`](super::IntervalChoker).
//!
//! It is a pure machine like the [`Swarm`](super::Swarm): whoever drives it tells it what happens and when, and asks it
//! for verdicts ([`Choker::poll`]) until it has no more. It leaves alone what was asked for and what is sent.

mod contender;
mod queue;
mod round;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use contender::{Contender, Standing, Told};
use queue::Queue;

/// How often the regular slots are given anew, and how long a slot is kept at least (BEP 3).
const ROUND: Duration = Duration::from_secs(10);

/// How long the optimistic slot is kept while somebody waits.
const OPTIMISTIC: Duration = Duration::from_secs(30);

/// How slots are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChokerConfig {
    /// How many regular slots there are; the optimistic one comes on top.
    pub slots: usize,
    /// How often the regular slots are given anew.
    pub round: Duration,
    /// How long the optimistic slot is kept while somebody waits.
    pub optimistic: Duration,
}

impl ChokerConfig {
    /// Returns what suits a node that serves many contents.
    pub const fn of_node(slots: usize) -> Self {
        Self { slots, round: ROUND, optimistic: OPTIMISTIC }
    }
}

/// A peer, numbered by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u64);

/// What a peer is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is served from now on.
    Unchoke {
        /// Who.
        peer: PeerKey,
    },
    /// It is not served, or no longer, and waits.
    Choke {
        /// Who.
        peer: PeerKey,
        /// Its place in the queue; 1 is next.
        place: u32,
    },
    /// It is still not served, and its place in the queue has changed.
    Place {
        /// Who.
        peer: PeerKey,
        /// Its new place; 1 is next.
        place: u32,
    },
}

impl Verdict {
    /// Returns who is to be told.
    pub const fn peer(&self) -> PeerKey {
        match self {
            Self::Unchoke { peer } | Self::Choke { peer, .. } | Self::Place { peer, .. } => *peer,
        }
    }
}

/// Who is served, who waits, and what is known of them.
#[derive(Debug)]
pub struct Choker {
    config: ChokerConfig,
    peers: BTreeMap<PeerKey, Contender>,
    regular: BTreeSet<PeerKey>,
    optimistic: Option<PeerKey>,
    queue: Queue,
    verdicts: VecDeque<Verdict>,
    round_due: Instant,
    /// Whether something happened that may let somebody have a slot or lose one.
    disturbed: bool,
}

impl Choker {
    /// Starts serving nobody.
    pub const fn new(config: ChokerConfig, now: Instant) -> Self {
        Self {
            config,
            peers: BTreeMap::new(),
            regular: BTreeSet::new(),
            optimistic: None,
            queue: Queue::new(now),
            verdicts: VecDeque::new(),
            round_due: now,
            disturbed: false,
        }
    }

    /// Changes the number of regular slots. If it is less than before, the weakest lose theirs at once.
    pub const fn set_slots(&mut self, slots: usize, _now: Instant) {
        self.config.slots = slots;
        self.disturbed = true;
    }

    /// Notes that a peer wants something from us.
    pub fn interested(&mut self, peer: PeerKey, _now: Instant) {
        let contender = self.peers.entry(peer).or_default();
        if contender.standing == Standing::Idle {
            contender.standing = Standing::Waiting { ticket: self.queue.join(peer) };
            self.disturbed = true;
        }
    }

    /// Notes that a peer wants nothing from us any more. It loses its slot without a verdict: if it was served, whoever
    /// drives this has to tell it, or it would take itself for served when it wants something again.
    pub fn not_interested(&mut self, peer: PeerKey, _now: Instant) {
        let Some(contender) = self.peers.get_mut(&peer) else { return };
        match std::mem::take(&mut contender.standing) {
            Standing::Idle => return,
            Standing::Waiting { ticket } => self.queue.leave(ticket),
            Standing::Served { .. } if self.optimistic == Some(peer) => self.optimistic = None,
            Standing::Served { .. } => {
                self.regular.remove(&peer);
            }
        }
        contender.told = Told::Nothing;
        self.verdicts.retain(|verdict| verdict.peer() != peer);
        self.disturbed = true;
    }

    /// Forgets a peer.
    pub fn gone(&mut self, peer: PeerKey, now: Instant) {
        self.not_interested(peer, now);
        self.peers.remove(&peer);
    }

    /// Counts bytes that were sent to a peer. What is told of a peer that is gone begins it anew.
    pub fn sent(&mut self, peer: PeerKey, bytes: u64, _now: Instant) {
        self.peers.entry(peer).or_default().sent.add(bytes);
    }

    /// Counts bytes that came from a peer. What is told of a peer that is gone begins it anew.
    pub fn received(&mut self, peer: PeerKey, bytes: u64, _now: Instant) {
        self.peers.entry(peer).or_default().received.add(bytes);
    }

    /// Counts the peers that wait for a slot.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Returns the next thing to tell a peer, or nothing until something happens or [`Choker::deadline`] passes.
    pub fn poll(&mut self, now: Instant) -> Option<Verdict> {
        let is_due = self.disturbed || self.deadline().is_some_and(|deadline| now >= deadline);
        if self.verdicts.is_empty() && is_due {
            self.decide(now);
        }
        self.verdicts.pop_front()
    }

    /// Returns when to poll again if nothing happens before. While nobody wants anything, there is nothing to wait for.
    pub fn deadline(&self) -> Option<Instant> {
        let is_idle = self.regular.is_empty() && self.optimistic.is_none() && self.queue.is_empty();
        let rotation = self.rotation_due();
        let round = (!is_idle).then_some(self.round_due);
        [round, rotation, self.queue.report_due()].into_iter().flatten().min()
    }

    /// Returns when the optimistic slot passes on: never while nobody waits for it.
    fn rotation_due(&self) -> Option<Instant> {
        let holder = self.peers.get(&self.optimistic?)?;
        holder.served_since().filter(|_| !self.queue.is_empty()).map(|since| since + self.config.optimistic)
    }
}
