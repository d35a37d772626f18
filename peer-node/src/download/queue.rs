use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::turns::{Load, Turn, Turns};
use crate::transfers::{DownloadId, Priority};

/// The queue of a node's downloads, as their tasks see it; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    turns: Turns,
    signals: HashMap<DownloadId, watch::Sender<Signal>>,
}

/// What a download is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signal {
    turn: Turn,
    /// How often a person wanted it to try at once.
    nudges: u32,
}

/// What is asked of the queue for one download, and how that download stands; leaves the queue when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    id: DownloadId,
    queue: Queue,
    signal: watch::Receiver<Signal>,
}

/// How a download stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank {
    pub(crate) priority: Priority,
    /// How many come before it and itself, if it waits.
    pub(crate) place: Option<usize>,
}

impl Queue {
    /// Makes an empty queue in which so many fetch at once.
    pub(crate) fn new(places: usize) -> Self {
        let inner = Inner { turns: Turns::new(places), signals: HashMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Takes in a download.
    pub(crate) fn join(&self, id: DownloadId, priority: Priority, load: Load, is_paused: bool) -> Place {
        let turn = if is_paused { Turn::Paused } else { Turn::Waiting };
        let (sender, signal) = watch::channel(Signal { turn, nudges: 0 });
        self.change(|inner| {
            inner.turns.join(id, priority, load, is_paused);
            inner.signals.insert(id, sender);
        });
        Place { id, queue: self.clone(), signal }
    }

    /// Lets a download rest. Says whether that is new.
    pub(crate) fn pause(&self, id: DownloadId) -> bool {
        self.change_turn(id, |turns| turns.pause(id))
    }

    /// Lets a download go on, or try again what it waits for. Says whether that is new.
    pub(crate) fn resume(&self, id: DownloadId) -> bool {
        self.change_turn(id, |turns| turns.resume(id))
    }

    /// Lets a download that is stuck try again at once, whether it keeps its turn meanwhile or not.
    pub(crate) fn nudge(&self, id: DownloadId) {
        self.change(|inner| {
            inner.turns.resume(id);
            if let Some(signal) = inner.signals.get(&id) {
                signal.send_modify(|signal| signal.nudges = signal.nudges.wrapping_add(1));
            }
            inner.tell(id);
        });
    }

    /// Changes the priority of a download. Returns true if it was another one.
    pub(crate) fn prioritise(&self, id: DownloadId, priority: Priority) -> bool {
        self.change_turn(id, |turns| turns.prioritise(id, priority))
    }

    /// Returns how all downloads stand.
    pub(crate) fn ranks(&self) -> HashMap<DownloadId, Rank> {
        let inner = self.inner.lock();
        let rank = |(id, priority)| (id, Rank { priority, place: None });
        let mut ranks: HashMap<_, _> = inner.turns.priorities().map(rank).collect();
        for (place, id) in (1..).zip(inner.turns.waiting()) {
            if let Some(rank) = ranks.get_mut(&id) {
                rank.place = Some(place);
            }
        }
        ranks
    }

    /// Says whether nobody fetches.
    pub(crate) fn is_idle(&self) -> bool {
        self.inner.lock().turns.is_idle()
    }

    /// Returns true if a download waits for its turn.
    fn has_waiting(&self) -> bool {
        self.inner.lock().turns.waiting().next().is_some()
    }

    fn change_turn(&self, id: DownloadId, change: impl FnOnce(&mut Turns) -> bool) -> bool {
        self.change(|inner| {
            let is_new = change(&mut inner.turns);
            inner.tell(id);
            is_new
        })
    }

    /// Changes the queue and tells those whose turn it has become.
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock();
        let changed = change(&mut inner);
        while let Some(id) = inner.turns.poll() {
            inner.tell(id);
        }
        changed
    }
}

impl Inner {
    fn tell(&self, id: DownloadId) {
        if let (Some(sender), Some(turn)) = (self.signals.get(&id), self.turns.turn(id)) {
            sender.send_if_modified(|signal| std::mem::replace(&mut signal.turn, turn) != turn);
        }
    }
}

impl Place {
    /// Returns how the download stands.
    pub(crate) fn turn(&self) -> Turn {
        self.signal.borrow().turn
    }

    /// Waits until the download stands differently, or a person wants it to try at once. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        // The queue lives at least as long as this does.
        let _ = self.signal.changed().await;
    }

    /// Gives the turn up until the download can go on.
    pub(crate) fn stand_aside(&mut self) {
        self.queue.change_turn(self.id, |turns| {
            turns.stand_aside(self.id);
            true
        });
        // What comes from now on is a change.
        self.signal.mark_unchanged();
    }

    /// Waits for a turn again, where it stood before.
    pub(crate) fn go_on(&self) {
        self.queue.change_turn(self.id, |turns| {
            turns.go_on(self.id);
            true
        });
    }

    /// Waits for a turn again, behind those that wait.
    pub(crate) fn come_back(&self) {
        self.queue.change_turn(self.id, |turns| {
            turns.come_back(self.id);
            true
        });
    }

    /// Returns true if another download waits for its turn.
    pub(crate) fn has_waiting(&self) -> bool {
        self.queue.has_waiting()
    }

    /// Says whether nobody fetches.
    pub(crate) fn is_queue_idle(&self) -> bool {
        self.queue.is_idle()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.change(|inner| {
            inner.turns.leave(self.id);
            inner.signals.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(queue: &Queue, number: u32) -> Place {
        queue.join(DownloadId(number), Priority::Normal, Load::Full, false)
    }

    #[tokio::test]
    async fn a_place_that_is_left_goes_to_the_next() {
        let queue = Queue::new(1);
        let (first, mut second) = (join(&queue, 1), join(&queue, 2));
        assert_eq!((first.turn(), second.turn()), (Turn::Here, Turn::Waiting));
        drop(first);
        second.changed().await;
        assert_eq!(second.turn(), Turn::Here);
        drop(second);
        assert!(queue.is_idle() && queue.ranks().is_empty());
    }

    #[test]
    fn ranks_tell_who_comes_before() {
        let queue = Queue::new(1);
        let _places: Vec<Place> = (1..=4).map(|number| join(&queue, number)).collect();
        queue.prioritise(DownloadId(4), Priority::High);
        queue.pause(DownloadId(2));
        let ranks = queue.ranks();
        let place = |number| ranks.get(&DownloadId(number)).and_then(|rank| rank.place);
        assert_eq!([1, 2, 3, 4].map(place), [None, None, Some(2), Some(1)]);
    }

    #[tokio::test]
    async fn a_download_that_is_nudged_is_told_even_if_it_has_its_turn() {
        let queue = Queue::new(1);
        let (mut first, mut second) = (join(&queue, 1), join(&queue, 2));
        queue.nudge(DownloadId(1));
        first.changed().await;
        assert_eq!(first.turn(), Turn::Here);
        queue.pause(DownloadId(2));
        second.changed().await;
        queue.nudge(DownloadId(2));
        second.changed().await;
        assert_eq!(second.turn(), Turn::Waiting);
    }

    #[test]
    fn a_download_knows_whether_another_waits_for_its_turn() {
        let queue = Queue::new(1);
        let first = join(&queue, 1);
        assert!(!first.has_waiting());
        let second = join(&queue, 2);
        assert!(first.has_waiting());
        queue.pause(DownloadId(2));
        assert!(!first.has_waiting());
        drop(second);
    }
}
