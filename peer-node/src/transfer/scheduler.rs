//! Decides which downloads are active and in which order the others wait.
//!
//! Pure: no clock, no task, no lock. Higher priorities come first, then earlier arrivals. Small contents take a quarter of a
//! slot, since they spend their time waiting for answers. An active download is never preempted; its slot is freed when it
//! pauses, blocks or leaves. `queue` drives this module.

use std::collections::{BTreeMap, BTreeSet};

use crate::view::{DownloadId, Priority};

/// State of a download in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueState {
    /// Waiting for a slot.
    Waiting,
    /// Has a slot and may fetch.
    Active,
    /// Paused by the user.
    Paused,
    /// Cannot continue now, for lack of sources or disk space; takes no slot.
    Blocked,
}

/// How much of a slot a download takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotLoad {
    /// A full slot.
    Full,
    /// A quarter of a slot, for content that arrives in one answer.
    Small,
}

impl SlotLoad {
    const QUARTERS_PER_SLOT: usize = 4;

    /// Returns how many quarters of a slot it takes.
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
    /// Total number of slot quarters.
    quarters: usize,
    quarters_taken: usize,
    last_ticket: u64,
    downloads: BTreeMap<DownloadId, ScheduledDownload>,
    /// The waiting downloads, in queue order.
    waiting: BTreeSet<(Priority, u64, DownloadId)>,
}

#[derive(Debug, Clone, Copy)]
struct ScheduledDownload {
    priority: Priority,
    /// Arrival order: lower tickets came earlier.
    ticket: u64,
    state: QueueState,
    load: SlotLoad,
}

impl DownloadScheduler {
    /// Creates a queue with `slots` slots, at least one.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            quarters: slots.max(1).saturating_mul(SlotLoad::QUARTERS_PER_SLOT),
            quarters_taken: 0,
            last_ticket: 0,
            downloads: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Adds a download that is waiting or paused.
    pub(crate) fn join(&mut self, id: DownloadId, priority: Priority, load: SlotLoad, is_paused: bool) {
        self.leave(id);
        self.last_ticket += 1;
        let scheduled =
            ScheduledDownload { priority, ticket: self.last_ticket, state: QueueState::Paused, load };
        self.downloads.insert(id, scheduled);
        if !is_paused {
            self.set_state(id, QueueState::Waiting);
        }
    }

    /// Removes a download.
    pub(crate) fn leave(&mut self, id: DownloadId) {
        self.set_state(id, QueueState::Paused);
        self.downloads.remove(&id);
    }

    /// Activates the next waiting download if a slot is free, and returns it.
    pub(crate) fn poll(&mut self) -> Option<DownloadId> {
        let (_, _, id) = self.waiting.first().copied()?;
        if self.quarters_taken + self.downloads.get(&id)?.load.quarters() > self.quarters {
            return None;
        }
        self.set_state(id, QueueState::Active);
        Some(id)
    }

    /// Pauses a download. Returns true if its state changed.
    pub(crate) fn pause(&mut self, id: DownloadId) -> bool {
        self.state(id).is_some_and(|state| state != QueueState::Paused)
            && self.set_state(id, QueueState::Paused)
    }

    /// Makes a paused or blocked download wait again at its previous position. Returns true if its state changed.
    pub(crate) fn resume(&mut self, id: DownloadId) -> bool {
        matches!(self.state(id), Some(QueueState::Paused | QueueState::Blocked))
            && self.set_state(id, QueueState::Waiting)
    }

    /// Blocks a download, which frees its slot until it can continue.
    pub(crate) fn yield_slot(&mut self, id: DownloadId) {
        if matches!(self.state(id), Some(QueueState::Active | QueueState::Waiting)) {
            self.set_state(id, QueueState::Blocked);
        }
    }

    /// Makes a blocked download wait again at its previous position.
    pub(crate) fn rejoin_in_place(&mut self, id: DownloadId) {
        if self.state(id) == Some(QueueState::Blocked) {
            self.set_state(id, QueueState::Waiting);
        }
    }

    /// Makes a blocked download wait again behind all waiting downloads.
    pub(crate) fn rejoin_at_end(&mut self, id: DownloadId) {
        if self.state(id) == Some(QueueState::Blocked)
            && let Some(scheduled) = self.downloads.get_mut(&id)
        {
            self.last_ticket += 1;
            scheduled.ticket = self.last_ticket;
            self.rejoin_in_place(id);
        }
    }

    /// Sets the priority of a download. Returns true if it changed.
    pub(crate) fn prioritise(&mut self, id: DownloadId, priority: Priority) -> bool {
        let Some(scheduled) = self.downloads.get_mut(&id).filter(|scheduled| scheduled.priority != priority)
        else {
            return false;
        };
        let was_waiting = self.waiting.remove(&scheduled.key(id));
        scheduled.priority = priority;
        if was_waiting {
            self.waiting.insert(scheduled.key(id));
        }
        true
    }

    /// Returns the state of a download.
    pub(crate) fn state(&self, id: DownloadId) -> Option<QueueState> {
        self.downloads.get(&id).map(|scheduled| scheduled.state)
    }

    /// Returns all downloads with their priorities.
    pub(crate) fn priorities(&self) -> impl Iterator<Item = (DownloadId, Priority)> {
        self.downloads.iter().map(|(id, scheduled)| (*id, scheduled.priority))
    }

    /// Returns the waiting downloads in queue order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = DownloadId> {
        self.waiting.iter().map(|(_, _, id)| *id)
    }

    /// Returns true if no download is active.
    pub(crate) const fn is_idle(&self) -> bool {
        self.quarters_taken == 0
    }

    fn set_state(&mut self, id: DownloadId, state: QueueState) -> bool {
        let Some(scheduled) = self.downloads.get_mut(&id) else { return false };
        let before = std::mem::replace(&mut scheduled.state, state);
        match before {
            QueueState::Waiting => _ = self.waiting.remove(&scheduled.key(id)),
            QueueState::Active => self.quarters_taken -= scheduled.load.quarters(),
            QueueState::Paused | QueueState::Blocked => {}
        }
        match state {
            QueueState::Waiting => _ = self.waiting.insert(scheduled.key(id)),
            QueueState::Active => self.quarters_taken += scheduled.load.quarters(),
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
