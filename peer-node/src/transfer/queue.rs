use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::scheduler::{DownloadScheduler, QueueState, SlotLoad};
use crate::view::{DownloadId, Priority};

/// The queue of a node's downloads, as seen by their tasks; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DownloadQueue {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    scheduler: DownloadScheduler,
    signals: HashMap<DownloadId, watch::Sender<QueueSignal>>,
}

/// The state that the queue signals to one download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct QueueSignal {
    state: QueueState,
    /// Number of times a user asked for an immediate retry.
    nudges: u32,
}

/// One download's entry in the queue, used to read and change its state. Leaves the queue when dropped.
#[derive(Debug)]
pub(crate) struct QueueSlot {
    id: DownloadId,
    queue: DownloadQueue,
    signal: watch::Receiver<QueueSignal>,
}

/// The priority and position of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueRank {
    pub(crate) priority: Priority,
    /// Position among the waiting downloads, from 1; `None` if it is not waiting.
    pub(crate) position: Option<usize>,
}

impl DownloadQueue {
    /// Creates an empty queue that allows `slots` active downloads.
    pub(crate) fn new(slots: usize) -> Self {
        let inner = Inner { scheduler: DownloadScheduler::new(slots), signals: HashMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Adds a download.
    pub(crate) fn join(
        &self,
        id: DownloadId,
        priority: Priority,
        load: SlotLoad,
        is_paused: bool,
    ) -> QueueSlot {
        let state = if is_paused { QueueState::Paused } else { QueueState::Waiting };
        let (sender, signal) = watch::channel(QueueSignal { state, nudges: 0 });
        self.change(|inner| {
            inner.scheduler.join(id, priority, load, is_paused);
            inner.signals.insert(id, sender);
        });
        QueueSlot { id, queue: self.clone(), signal }
    }

    /// Pauses a download. Returns true if its state changed.
    pub(crate) fn pause(&self, id: DownloadId) -> bool {
        self.change_state(id, |scheduler| scheduler.pause(id))
    }

    /// Resumes a paused download, or lets a blocked one try again. Returns true if its state changed.
    pub(crate) fn resume(&self, id: DownloadId) -> bool {
        self.change_state(id, |scheduler| scheduler.resume(id))
    }

    /// Makes a stuck download try again at once, whether or not it still holds a slot.
    pub(crate) fn nudge(&self, id: DownloadId) {
        self.change(|inner| {
            inner.scheduler.resume(id);
            if let Some(signal) = inner.signals.get(&id) {
                signal.send_modify(|signal| signal.nudges = signal.nudges.wrapping_add(1));
            }
            inner.notify(id);
        });
    }

    /// Sets the priority of a download. Returns true if it changed.
    pub(crate) fn prioritise(&self, id: DownloadId, priority: Priority) -> bool {
        self.change_state(id, |scheduler| scheduler.prioritise(id, priority))
    }

    /// Returns the ranks of all downloads.
    pub(crate) fn ranks(&self) -> HashMap<DownloadId, QueueRank> {
        let inner = self.inner.lock();
        let rank = |(id, priority)| (id, QueueRank { priority, position: None });
        let mut ranks: HashMap<_, _> = inner.scheduler.priorities().map(rank).collect();
        for (place, id) in (1..).zip(inner.scheduler.waiting()) {
            if let Some(rank) = ranks.get_mut(&id) {
                rank.position = Some(place);
            }
        }
        ranks
    }

    /// Returns true if no download is active.
    pub(crate) fn is_idle(&self) -> bool {
        self.inner.lock().scheduler.is_idle()
    }

    /// Returns true if a download waits for a slot.
    fn has_waiting(&self) -> bool {
        self.inner.lock().scheduler.waiting().next().is_some()
    }

    fn change_state(&self, id: DownloadId, change: impl FnOnce(&mut DownloadScheduler) -> bool) -> bool {
        self.change(|inner| {
            let is_new = change(&mut inner.scheduler);
            inner.notify(id);
            is_new
        })
    }

    /// Changes the queue and notifies the downloads that become active.
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock();
        let changed = change(&mut inner);
        while let Some(id) = inner.scheduler.poll() {
            inner.notify(id);
        }
        changed
    }
}

impl Inner {
    fn notify(&self, id: DownloadId) {
        if let (Some(sender), Some(state)) = (self.signals.get(&id), self.scheduler.state(id)) {
            sender.send_if_modified(|signal| std::mem::replace(&mut signal.state, state) != state);
        }
    }
}

impl QueueSlot {
    /// Returns the state of the download in the queue.
    pub(crate) fn state(&self) -> QueueState {
        self.signal.borrow().state
    }

    /// Waits until the state changes or a user asks for an immediate retry. If the future is dropped, no signal is lost.
    pub(crate) async fn changed(&mut self) {
        // The sender lives in the queue, which this slot keeps alive.
        let _ = self.signal.changed().await;
    }

    /// Releases the slot until the download can continue.
    pub(crate) fn yield_slot(&mut self) {
        self.queue.change_state(self.id, |scheduler| {
            scheduler.yield_slot(self.id);
            true
        });
        // Only later signals count as changes.
        self.signal.mark_unchanged();
    }

    /// Waits for a slot again at its previous position.
    pub(crate) fn rejoin_in_place(&self) {
        self.queue.change_state(self.id, |scheduler| {
            scheduler.rejoin_in_place(self.id);
            true
        });
    }

    /// Waits for a slot again, behind all waiting downloads.
    pub(crate) fn rejoin_at_end(&self) {
        self.queue.change_state(self.id, |scheduler| {
            scheduler.rejoin_at_end(self.id);
            true
        });
    }

    /// Returns true if another download waits for a slot.
    pub(crate) fn has_waiting(&self) -> bool {
        self.queue.has_waiting()
    }

    /// Returns true if no download is active.
    pub(crate) fn is_queue_idle(&self) -> bool {
        self.queue.is_idle()
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.queue.change(|inner| {
            inner.scheduler.leave(self.id);
            inner.signals.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(queue: &DownloadQueue, number: u32) -> QueueSlot {
        queue.join(DownloadId(number), Priority::Normal, SlotLoad::Full, false)
    }

    #[tokio::test]
    async fn dropped_slot_goes_to_the_next_download() {
        let queue = DownloadQueue::new(1);
        let (first, mut second) = (join(&queue, 1), join(&queue, 2));
        assert_eq!((first.state(), second.state()), (QueueState::Active, QueueState::Waiting));
        drop(first);
        second.changed().await;
        assert_eq!(second.state(), QueueState::Active);
        drop(second);
        assert!(queue.is_idle() && queue.ranks().is_empty());
    }

    #[test]
    fn rank_counts_the_downloads_ahead() {
        let queue = DownloadQueue::new(1);
        let _places: Vec<QueueSlot> = (1..=4).map(|number| join(&queue, number)).collect();
        queue.prioritise(DownloadId(4), Priority::High);
        queue.pause(DownloadId(2));
        let ranks = queue.ranks();
        let place = |number| ranks.get(&DownloadId(number)).and_then(|rank| rank.position);
        assert_eq!([1, 2, 3, 4].map(place), [None, None, Some(2), Some(1)]);
    }

    #[tokio::test]
    async fn nudge_reaches_an_active_download() {
        let queue = DownloadQueue::new(1);
        let (mut first, mut second) = (join(&queue, 1), join(&queue, 2));
        queue.nudge(DownloadId(1));
        first.changed().await;
        assert_eq!(first.state(), QueueState::Active);
        queue.pause(DownloadId(2));
        second.changed().await;
        queue.nudge(DownloadId(2));
        second.changed().await;
        assert_eq!(second.state(), QueueState::Waiting);
    }

    #[test]
    fn slot_shows_whether_other_downloads_wait() {
        let queue = DownloadQueue::new(1);
        let first = join(&queue, 1);
        assert!(!first.has_waiting());
        let second = join(&queue, 2);
        assert!(first.has_waiting());
        queue.pause(DownloadId(2));
        assert!(!first.has_waiting());
        drop(second);
    }
}
