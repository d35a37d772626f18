//! Whose turn it is: which downloads fetch, and in which order the others wait.
//!
//! Decides and does nothing else: no clock, no task, no lock. Higher priorities come first, and among equals those that
//! came first. Small contents take a quarter of a place, since all their time goes into waiting for answers. A turn that has
//! begun is not taken away for the sake of another; it ends when its download pauses, stands aside or leaves. `queue` drives
//! it.

use std::collections::{BTreeMap, BTreeSet};

use crate::view::{DownloadId, Priority};

/// How a download stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueState {
    /// Others come first.
    Waiting,
    /// It may fetch.
    Active,
    /// A person wants it to rest.
    Paused,
    /// It cannot go on now, for want of sources or of room, and keeps nobody waiting.
    Blocked,
}

/// How much of a node's attention a download takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotLoad {
    /// A whole place.
    Full,
    /// Less, for a content that comes in one answer.
    Small,
}

impl SlotLoad {
    const QUARTERS_PER_SLOT: usize = 4;

    /// Returns how many quarters of a place it takes.
    const fn quarters(self) -> usize {
        match self {
            Self::Full => Self::QUARTERS_PER_SLOT,
            Self::Small => 1,
        }
    }
}

/// The queue of a node's downloads.
#[derive(Debug)]
pub(crate) struct DownloadScheduler {
    /// How many quarters of places there are.
    quarters: usize,
    quarters_taken: usize,
    last_ticket: u64,
    downloads: BTreeMap<DownloadId, ScheduledDownload>,
    /// Those that wait, the next one first.
    waiting: BTreeSet<(Priority, u64, DownloadId)>,
}

#[derive(Debug, Clone, Copy)]
struct ScheduledDownload {
    priority: Priority,
    /// Drawn at its arrival: the lower came earlier.
    ticket: u64,
    state: QueueState,
    load: SlotLoad,
}

impl DownloadScheduler {
    /// Makes a queue in which so many downloads may fetch at once; at least one always may.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            quarters: places.max(1).saturating_mul(SlotLoad::QUARTERS_PER_SLOT),
            quarters_taken: 0,
            last_ticket: 0,
            downloads: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes in a download that waits or is paused.
    pub(crate) fn join(&mut self, id: DownloadId, priority: Priority, load: SlotLoad, is_paused: bool) {
        self.leave(id);
        self.last_ticket += 1;
        let standing =
            ScheduledDownload { priority, ticket: self.last_ticket, state: QueueState::Paused, load };
        self.downloads.insert(id, standing);
        if !is_paused {
            self.set_state(id, QueueState::Waiting);
        }
    }

    /// Forgets a download.
    pub(crate) fn leave(&mut self, id: DownloadId) {
        self.set_state(id, QueueState::Paused);
        self.downloads.remove(&id);
    }

    /// Gives a free place to whoever is next.
    pub(crate) fn poll(&mut self) -> Option<DownloadId> {
        let (_, _, id) = self.waiting.first().copied()?;
        if self.quarters_taken + self.downloads.get(&id)?.load.quarters() > self.quarters {
            return None;
        }
        self.set_state(id, QueueState::Active);
        Some(id)
    }

    /// Lets a download rest. Says whether that is new.
    pub(crate) fn pause(&mut self, id: DownloadId) -> bool {
        self.state(id).is_some_and(|turn| turn != QueueState::Paused)
            && self.set_state(id, QueueState::Paused)
    }

    /// Lets a download that rests or stands aside wait for its turn, where it stood before. Says whether that is new.
    pub(crate) fn resume(&mut self, id: DownloadId) -> bool {
        matches!(self.state(id), Some(QueueState::Paused | QueueState::Blocked))
            && self.set_state(id, QueueState::Waiting)
    }

    /// Lets a download give its place up until it can go on.
    pub(crate) fn yield_slot(&mut self, id: DownloadId) {
        if matches!(self.state(id), Some(QueueState::Active | QueueState::Waiting)) {
            self.set_state(id, QueueState::Blocked);
        }
    }

    /// Lets a download that stood aside wait again where it stood before.
    pub(crate) fn rejoin_in_place(&mut self, id: DownloadId) {
        if self.state(id) == Some(QueueState::Blocked) {
            self.set_state(id, QueueState::Waiting);
        }
    }

    /// Lets a download that stood aside wait again, behind those that are waiting.
    pub(crate) fn rejoin_at_end(&mut self, id: DownloadId) {
        if self.state(id) == Some(QueueState::Blocked)
            && let Some(standing) = self.downloads.get_mut(&id)
        {
            self.last_ticket += 1;
            standing.ticket = self.last_ticket;
            self.rejoin_in_place(id);
        }
    }

    /// Changes the priority of a download. Returns true if it was another one.
    pub(crate) fn prioritise(&mut self, id: DownloadId, priority: Priority) -> bool {
        let Some(standing) = self.downloads.get_mut(&id).filter(|standing| standing.priority != priority)
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
    pub(crate) fn state(&self, id: DownloadId) -> Option<QueueState> {
        self.downloads.get(&id).map(|standing| standing.state)
    }

    /// Returns all downloads with their priorities.
    pub(crate) fn priorities(&self) -> impl Iterator<Item = (DownloadId, Priority)> {
        self.downloads.iter().map(|(id, standing)| (*id, standing.priority))
    }

    /// Returns those that wait, the next one first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = DownloadId> {
        self.waiting.iter().map(|(_, _, id)| *id)
    }

    /// Says whether nobody fetches.
    pub(crate) const fn is_idle(&self) -> bool {
        self.quarters_taken == 0
    }

    fn set_state(&mut self, id: DownloadId, turn: QueueState) -> bool {
        let Some(standing) = self.downloads.get_mut(&id) else { return false };
        let before = std::mem::replace(&mut standing.state, turn);
        match before {
            QueueState::Waiting => _ = self.waiting.remove(&standing.key(id)),
            QueueState::Active => self.quarters_taken -= standing.load.quarters(),
            QueueState::Paused | QueueState::Blocked => {}
        }
        match turn {
            QueueState::Waiting => _ = self.waiting.insert(standing.key(id)),
            QueueState::Active => self.quarters_taken += standing.load.quarters(),
            QueueState::Paused | QueueState::Blocked => {}
        }
        true
    }
}

impl ScheduledDownload {
    const fn key(&self, id: DownloadId) -> (Priority, u64, DownloadId) {
        (self.priority, self.ticket, id)
    }
}

#[cfg(test)]
mod tests;
