//! The bus: one publisher side, any number of subscribers, bounded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::event::{Event, EventRecord};
use super::event_ring::EventRing;

/// Maximum number of events that are kept for subscribers that are slow or resume: some minutes of a busy node, about a
/// megabyte.
const CAPACITY: usize = 4096;

/// All events of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventBus {
    shared: Arc<SharedBus>,
}

#[derive(Debug)]
struct SharedBus {
    ring: Mutex<EventRing>,
    /// Wakes the subscribers.
    progress: watch::Sender<BusProgress>,
}

/// How far the bus is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct BusProgress {
    latest: u64,
    is_closed: bool,
}

impl Default for SharedBus {
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl SharedBus {
    fn new(capacity: usize) -> Self {
        let (progress, _) = watch::channel(BusProgress::default());
        Self { ring: Mutex::new(EventRing::new(capacity)), progress }
    }
}

impl EventBus {
    /// Publishes an event. Never waits: a subscriber that is too slow misses events, and learns that it did.
    pub(in crate::operations) fn publish(&self, event: Event) {
        self.push(event, false);
    }

    /// Publishes that the node stops. Subscribers end after this event; later ones are not published.
    pub(super) fn close(&self) {
        self.push(Event::Stopping, true);
    }

    fn push(&self, event: Event, is_last: bool) {
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // The progress changes within the lock, so that the numbers only grow and nothing follows the last event.
        let mut ring = self.shared.ring.lock();
        if self.shared.progress.borrow().is_closed {
            return;
        }
        let latest = ring.push(event, u64::try_from(unix_ms).unwrap_or(u64::MAX));
        self.shared.progress.send_modify(|progress| *progress = BusProgress { latest, is_closed: is_last });
    }

    /// Subscribes to the events from now on, beginning with those that describe lasting conditions.
    pub(crate) fn subscribe(&self) -> EventStream {
        let (latest, lasting) = {
            let ring = self.shared.ring.lock();
            (ring.latest(), ring.conditions())
        };
        EventStream { lasting, ..self.resume_after(latest) }
    }

    /// Subscribes to the events after number `seq`.
    pub(crate) fn resume_after(&self, seq: u64) -> EventStream {
        let progress = self.shared.progress.subscribe();
        EventStream { bus: self.clone(), position: seq, lasting: VecDeque::new(), progress }
    }
}

/// The events that one subscriber receives.
#[derive(Debug)]
pub(crate) struct EventStream {
    bus: EventBus,
    /// Number of the last received event.
    position: u64,
    /// Events that describe lasting conditions, received first.
    lasting: VecDeque<Arc<EventRecord>>,
    progress: watch::Receiver<BusProgress>,
}

impl EventStream {
    /// Returns the next event of the ring, if there is one. After a lag, the conditions that began among the missed events
    /// follow, because they still last.
    fn receive(&mut self) -> Option<Arc<EventRecord>> {
        let ring = self.bus.shared.ring.lock();
        let record = ring.after(self.position)?;
        if matches!(record.event, Event::Lagged { .. }) {
            // The number of an earlier run is higher than all of this one, which were then all missed.
            let received = if self.position > record.seq { 0 } else { self.position };
            self.lasting = ring.conditions();
            self.lasting.retain(|condition| condition.seq > received && condition.seq <= record.seq);
        }
        self.position = record.seq;
        Some(record)
    }

    /// Waits for the next event. Returns `None` after the last one of a stopped node. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Arc<EventRecord>> {
        if let Some(record) = self.lasting.pop_front() {
            return Some(record);
        }
        loop {
            // Read before the ring, so that an event published in between wakes this task again.
            let is_closed = self.progress.borrow_and_update().is_closed;
            if let Some(record) = self.receive() {
                return Some(record);
            }
            if is_closed {
                return None;
            }
            self.progress.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::display_text::DisplayText;
    use crate::operations::events::IndexNews;

    fn bus(capacity: usize) -> EventBus {
        EventBus { shared: Arc::new(SharedBus::new(capacity)) }
    }

    fn finished(files: u64) -> Event {
        Event::HashingFinished { files, left_out: None }
    }

    async fn next(stream: &mut EventStream) -> Option<Event> {
        stream.next().await.map(|record| record.event.clone())
    }

    #[tokio::test]
    async fn every_subscriber_receives_all_events_in_order() {
        let bus = bus(8);
        let (mut one, mut two) = (bus.subscribe(), bus.subscribe());
        let publisher = bus.clone();
        let publishing = async move {
            for files in 1..=5 {
                publisher.publish(finished(files));
                tokio::task::yield_now().await;
            }
            publisher.close();
        };
        let receive = async |stream: &mut EventStream| {
            let mut events = Vec::new();
            while let Some(event) = next(stream).await {
                events.push(event);
            }
            events
        };
        let (first, second, ()) = tokio::join!(receive(&mut one), receive(&mut two), publishing);
        let all: Vec<Event> = (1..=5).map(finished).chain([Event::Stopping]).collect();
        assert_eq!((first, second), (all.clone(), all));
    }

    #[tokio::test]
    async fn subscriber_resumes_after_a_number() {
        let bus = bus(8);
        (1..=3).for_each(|files| bus.publish(finished(files)));
        let mut resumed = bus.resume_after(1);
        assert_eq!(
            (next(&mut resumed).await, next(&mut resumed).await),
            (Some(finished(2)), Some(finished(3)))
        );
    }

    #[tokio::test]
    async fn slow_subscriber_learns_that_it_lagged() {
        let bus = bus(2);
        let mut slow = bus.subscribe();
        (1..=5).for_each(|files| bus.publish(finished(files)));
        assert_eq!(next(&mut slow).await, Some(Event::Lagged { after: 0 }));
        assert_eq!((next(&mut slow).await, next(&mut slow).await), (Some(finished(4)), Some(finished(5))));
    }

    #[tokio::test]
    async fn condition_that_began_among_missed_events_is_received() {
        let bus = bus(2);
        let mut slow = bus.subscribe();
        let lost = Event::Index(IndexNews::Lost { error: DisplayText::new("refused") });
        bus.publish(lost.clone());
        (1..=5).for_each(|files| bus.publish(finished(files)));
        let mut received = Vec::new();
        for _ in 0..4 {
            received.extend(next(&mut slow).await);
        }
        assert_eq!(received, [Event::Lagged { after: 0 }, lost, finished(4), finished(5)]);
    }

    #[tokio::test]
    async fn nothing_follows_the_last_event() {
        let bus = bus(8);
        let mut stream = bus.subscribe();
        bus.close();
        bus.publish(finished(1));
        assert_eq!((next(&mut stream).await, next(&mut stream).await), (Some(Event::Stopping), None));
    }

    #[tokio::test]
    async fn new_subscriber_receives_lasting_conditions_first() {
        let bus = bus(2);
        let lost = Event::Index(IndexNews::Lost { error: DisplayText::new("refused") });
        bus.publish(lost.clone());
        (1..=5).for_each(|files| bus.publish(finished(files)));
        let mut stream = bus.subscribe();
        bus.publish(finished(6));
        assert_eq!((next(&mut stream).await, next(&mut stream).await), (Some(lost), Some(finished(6))));
    }
}
