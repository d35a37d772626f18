//! Whose turn it is: which downloads fetch, and in which order the others wait.
//!
//! Decides and does nothing else: no clock, no task, no lock. Higher priorities come first, and among equals those that
//! came first. Small contents take a quarter of a place, since all their time goes into waiting for answers. A turn that has
//! begun is not taken away for the sake of another; it ends when its download pauses, stands aside or leaves. `queue` drives
//! it.

use std::collections::{BTreeMap, BTreeSet};

use crate::transfers::{DownloadId, Priority};

/// How a download stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Others come first.
    Waiting,
    /// It may fetch.
    Here,
    /// A person wants it to rest.
    Paused,
    /// It cannot go on now, for want of sources or of room, and keeps nobody waiting.
    Aside,
}

/// How much of a node's attention a download takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// A whole place.
    Full,
    /// Less, for a content that comes in one answer.
    Small,
}

impl Load {
    const PLACE: usize = 4;

    /// Returns how many quarters of a place it takes.
    const fn quarters(self) -> usize {
        match self {
            Self::Full => Self::PLACE,
            Self::Small => 1,
        }
    }
}

/// The queue of a node's downloads.
#[derive(Debug)]
pub(crate) struct Turns {
    /// How many quarters of places there are.
    quarters: usize,
    taken: usize,
    tickets: u64,
    standings: BTreeMap<DownloadId, Standing>,
    /// Those that wait, the next one first.
    waiting: BTreeSet<(Priority, u64, DownloadId)>,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    priority: Priority,
    /// Drawn at its arrival: the lower came earlier.
    ticket: u64,
    turn: Turn,
    load: Load,
}

impl Turns {
    /// Makes a queue in which so many downloads may fetch at once; at least one always may.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            quarters: places.max(1).saturating_mul(Load::PLACE),
            taken: 0,
            tickets: 0,
            standings: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes in a download that waits or is paused.
    pub(crate) fn join(&mut self, id: DownloadId, priority: Priority, load: Load, is_paused: bool) {
        self.leave(id);
        self.tickets += 1;
        let standing = Standing { priority, ticket: self.tickets, turn: Turn::Paused, load };
        self.standings.insert(id, standing);
        if !is_paused {
            self.turn_to(id, Turn::Waiting);
        }
    }

    /// Forgets a download.
    pub(crate) fn leave(&mut self, id: DownloadId) {
        self.turn_to(id, Turn::Paused);
        self.standings.remove(&id);
    }

    /// Gives a free place to whoever is next.
    pub(crate) fn poll(&mut self) -> Option<DownloadId> {
        let (_, _, id) = self.waiting.first().copied()?;
        if self.taken + self.standings.get(&id)?.load.quarters() > self.quarters {
            return None;
        }
        self.turn_to(id, Turn::Here);
        Some(id)
    }

    /// Lets a download rest. Says whether that is new.
    pub(crate) fn pause(&mut self, id: DownloadId) -> bool {
        self.turn(id).is_some_and(|turn| turn != Turn::Paused) && self.turn_to(id, Turn::Paused)
    }

    /// Lets a download that rests or stands aside wait for its turn, where it stood before. Says whether that is new.
    pub(crate) fn resume(&mut self, id: DownloadId) -> bool {
        matches!(self.turn(id), Some(Turn::Paused | Turn::Aside)) && self.turn_to(id, Turn::Waiting)
    }

    /// Lets a download give its place up until it can go on.
    pub(crate) fn stand_aside(&mut self, id: DownloadId) {
        if matches!(self.turn(id), Some(Turn::Here | Turn::Waiting)) {
            self.turn_to(id, Turn::Aside);
        }
    }

    /// Lets a download that stood aside wait again where it stood before.
    pub(crate) fn go_on(&mut self, id: DownloadId) {
        if self.turn(id) == Some(Turn::Aside) {
            self.turn_to(id, Turn::Waiting);
        }
    }

    /// Lets a download that stood aside wait again, behind those that are waiting.
    pub(crate) fn come_back(&mut self, id: DownloadId) {
        if self.turn(id) == Some(Turn::Aside)
            && let Some(standing) = self.standings.get_mut(&id)
        {
            self.tickets += 1;
            standing.ticket = self.tickets;
            self.go_on(id);
        }
    }

    /// Changes the priority of a download. Returns true if it was another one.
    pub(crate) fn prioritise(&mut self, id: DownloadId, priority: Priority) -> bool {
        let Some(standing) = self.standings.get_mut(&id).filter(|standing| standing.priority != priority)
        else {
            return false;
        };
        let was_waiting = self.waiting.remove(&standing.key(id));
        standing.priority = priority;
        if was_waiting {
            self.waiting.insert(standing.key(id));
        }
        true
    }

    /// Returns how a download stands.
    pub(crate) fn turn(&self, id: DownloadId) -> Option<Turn> {
        self.standings.get(&id).map(|standing| standing.turn)
    }

    /// Returns all downloads with their priorities.
    pub(crate) fn priorities(&self) -> impl Iterator<Item = (DownloadId, Priority)> {
        self.standings.iter().map(|(id, standing)| (*id, standing.priority))
    }

    /// Returns those that wait, the next one first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = DownloadId> {
        self.waiting.iter().map(|(_, _, id)| *id)
    }

    /// Says whether nobody fetches.
    pub(crate) const fn is_idle(&self) -> bool {
        self.taken == 0
    }

    fn turn_to(&mut self, id: DownloadId, turn: Turn) -> bool {
        let Some(standing) = self.standings.get_mut(&id) else { return false };
        let before = std::mem::replace(&mut standing.turn, turn);
        match before {
            Turn::Waiting => _ = self.waiting.remove(&standing.key(id)),
            Turn::Here => self.taken -= standing.load.quarters(),
            Turn::Paused | Turn::Aside => {}
        }
        match turn {
            Turn::Waiting => _ = self.waiting.insert(standing.key(id)),
            Turn::Here => self.taken += standing.load.quarters(),
            Turn::Paused | Turn::Aside => {}
        }
        true
    }
}

impl Standing {
    const fn key(&self, id: DownloadId) -> (Priority, u64, DownloadId) {
        (self.priority, self.ticket, id)
    }
}

#[cfg(test)]
mod tests;
