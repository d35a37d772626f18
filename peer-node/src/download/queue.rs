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
    words: HashMap<DownloadId, watch::Sender<Word>>,
}

/// What a download is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    turn: Turn,
    /// Whether it waits for sources as long as it takes.
    is_patient: bool,
}

/// What is asked of the queue for one download, and how that download stands; leaves the queue when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    id: DownloadId,
    queue: Queue,
    word: watch::Receiver<Word>,
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
        let inner = Inner { turns: Turns::new(places), words: HashMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Takes in a download.
    pub(crate) fn join(
        &self,
        id: DownloadId,
        priority: Priority,
        load: Load,
        is_paused: bool,
        is_patient: bool,
    ) -> Place {
        let turn = if is_paused { Turn::Paused } else { Turn::Waiting };
        let (sender, word) = watch::channel(Word { turn, is_patient });
        self.change(|inner| {
            inner.turns.join(id, priority, load, is_paused);
            inner.words.insert(id, sender);
        });
        Place { id, queue: self.clone(), word }
    }

    /// Lets a download rest. Says whether that is new.
    pub(crate) fn pause(&self, id: DownloadId) -> bool {
        self.change_turn(id, |turns| turns.pause(id))
    }

    /// Lets a download go on, or try again what it waits for. Says whether that is new.
    pub(crate) fn resume(&self, id: DownloadId) -> bool {
        self.change_turn(id, |turns| turns.resume(id))
    }

    /// Gives a download another priority. Says whether that is new.
    pub(crate) fn prioritise(&self, id: DownloadId, priority: Priority) -> bool {
        self.change_turn(id, |turns| turns.prioritise(id, priority))
    }

    /// Somebody waits for a download now: it goes on at once, and is given up if nobody has it.
    pub(crate) fn hurry(&self, id: DownloadId) {
        self.change(|inner| {
            if let Some(word) = inner.words.get(&id) {
                word.send_modify(|word| word.is_patient = false);
            }
            inner.turns.resume(id);
            inner.tell(id);
        });
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
        if let (Some(word), Some(turn)) = (self.words.get(&id), self.turns.turn(id)) {
            word.send_if_modified(|word| std::mem::replace(&mut word.turn, turn) != turn);
        }
    }
}

impl Place {
    /// Returns how the download stands.
    pub(crate) fn turn(&self) -> Turn {
        self.word.borrow().turn
    }

    /// Says whether the download waits for sources as long as it takes.
    pub(crate) fn is_patient(&self) -> bool {
        self.word.borrow().is_patient
    }

    /// Waits until the download stands differently. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        // The queue lives at least as long as this does.
        let _ = self.word.changed().await;
    }

    /// Gives the turn up until the download can go on.
    pub(crate) fn stand_aside(&mut self) {
        self.queue.change_turn(self.id, |turns| {
            turns.stand_aside(self.id);
            true
        });
        // What comes from now on is a change.
        self.word.mark_unchanged();
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

    /// Says whether nobody fetches.
    pub(crate) fn is_queue_idle(&self) -> bool {
        self.queue.is_idle()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.change(|inner| {
            inner.turns.leave(self.id);
            inner.words.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(queue: &Queue, number: u32) -> Place {
        queue.join(DownloadId(number), Priority::Normal, Load::Full, false, true)
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

    #[test]
    fn one_that_is_waited_for_goes_on_and_loses_its_patience() {
        let queue = Queue::new(1);
        let place = queue.join(DownloadId(1), Priority::Normal, Load::Full, true, true);
        assert_eq!((place.turn(), place.is_patient()), (Turn::Paused, true));
        queue.hurry(DownloadId(1));
        assert_eq!((place.turn(), place.is_patient()), (Turn::Here, false));
    }
}
