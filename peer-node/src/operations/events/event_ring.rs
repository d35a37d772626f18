//! The latest events, by number. Pure and bounded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::event::{Condition, Event, EventRecord};

/// The latest events, and those that describe lasting conditions.
#[derive(Debug)]
pub(super) struct EventRing {
    capacity: usize,
    /// Number of the latest event; 0 before the first.
    latest: u64,
    /// In the order of their numbers.
    records: VecDeque<Arc<EventRecord>>,
    /// Number of the latest event that was dropped because the ring was full. A replaced sample is not
    /// dropped: the one that replaces it says more.
    dropped: u64,
    conditions: BTreeMap<Condition, Arc<EventRecord>>,
}

impl EventRing {
    /// Creates a ring for at most `capacity` events.
    pub(super) const fn new(capacity: usize) -> Self {
        debug_assert!(capacity > 0);
        Self { capacity, latest: 0, records: VecDeque::new(), dropped: 0, conditions: BTreeMap::new() }
    }

    /// Adds an event and returns its number.
    pub(super) fn push(&mut self, event: Event, unix_ms: u64) -> u64 {
        if let Some(kind) = event.sample_kind()
            && let Some(at) = self.records.iter().rposition(|record| record.event.sample_kind() == Some(kind))
        {
            self.records.remove(at);
        }
        self.latest += 1;
        let record = Arc::new(EventRecord { seq: self.latest, unix_ms, event });
        match record.event.condition() {
            Some((condition, true)) => drop(self.conditions.insert(condition, Arc::clone(&record))),
            Some((condition, false)) => drop(self.conditions.remove(&condition)),
            None => {}
        }
        self.records.push_back(record);
        while self.records.len() > self.capacity {
            let Some(record) = self.records.pop_front() else { break };
            self.dropped = record.seq;
        }
        debug_assert!(self.dropped < self.latest);
        self.latest
    }

    /// Returns the number of the latest event; 0 before the first.
    pub(super) const fn latest(&self) -> u64 {
        self.latest
    }

    /// Returns the first event after number `seq`; `None` if there is none yet. If events after `seq` were dropped, or `seq` is
    /// of an earlier run of the node, returns [`Event::Lagged`] with the number after which to continue.
    pub(super) fn after(&self, seq: u64) -> Option<Arc<EventRecord>> {
        let lagged = |continue_after| {
            let event = Event::Lagged { after: seq };
            Some(Arc::new(EventRecord { seq: continue_after, unix_ms: 0, event }))
        };
        if seq > self.latest {
            return lagged(self.latest);
        }
        if seq < self.dropped {
            return lagged(self.dropped);
        }
        let at = self.records.partition_point(|record| record.seq <= seq);
        self.records.get(at).map(Arc::clone)
    }

    /// Returns the events that describe lasting conditions, in the order of their numbers.
    pub(super) fn conditions(&self) -> VecDeque<Arc<EventRecord>> {
        let mut lasting: Vec<_> = self.conditions.values().map(Arc::clone).collect();
        lasting.sort_by_key(|record| record.seq);
        lasting.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::display_text::DisplayText;
    use crate::operations::events::IndexNews;
    use crate::operations::status::HashingStatus;

    fn shares(generation: u64) -> Event {
        Event::SharesChanged { generation, files: 0, bytes: 0 }
    }

    fn finished(files: u64) -> Event {
        Event::HashingFinished { files, left_out: None }
    }

    fn lost() -> Event {
        Event::Index(IndexNews::Lost { error: DisplayText::new("refused") })
    }

    /// Returns the events after a number, up to the latest or to a lag.
    fn read(ring: &EventRing, mut seq: u64) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(record) = ring.after(seq) {
            seq = record.seq;
            events.push(record.event.clone());
        }
        events
    }

    #[test]
    fn nothing_is_missed_when_resuming_inside_the_ring() {
        let mut ring = EventRing::new(4);
        assert_eq!((ring.after(0), ring.latest()), (None, 0));
        for files in 1..=6 {
            assert_eq!(ring.push(finished(files), 0), files);
        }
        // Events 1 and 2 were dropped; a subscriber that knows them continues without a gap.
        assert_eq!(read(&ring, 2), [3, 4, 5, 6].map(finished));
        assert_eq!(read(&ring, 5), [finished(6)]);
        assert_eq!(read(&ring, 6), []);
    }

    #[test]
    fn lag_is_reported_before_the_events_that_are_left() {
        let mut ring = EventRing::new(2);
        for files in 1..=4 {
            ring.push(finished(files), 0);
        }
        assert_eq!(read(&ring, 1), [Event::Lagged { after: 1 }, finished(3), finished(4)]);
        assert_eq!(read(&ring, 0), [Event::Lagged { after: 0 }, finished(3), finished(4)]);
    }

    #[test]
    fn number_of_an_earlier_run_is_a_lag() {
        let mut ring = EventRing::new(2);
        ring.push(finished(1), 0);
        assert_eq!(read(&ring, 900), [Event::Lagged { after: 900 }]);
    }

    #[test]
    fn sample_replaces_the_one_before_and_causes_no_lag() {
        let mut ring = EventRing::new(3);
        ring.push(finished(1), 0);
        for generation in 1..=100 {
            ring.push(shares(generation), 0);
            ring.push(Event::HashingProgress(HashingStatus::default()), 0);
        }
        let progress = Event::HashingProgress(HashingStatus::default());
        assert_eq!(read(&ring, 0), [finished(1), shares(100), progress.clone()]);
        ring.push(finished(2), 0);
        ring.push(finished(3), 0);
        ring.push(finished(4), 0);
        // The latest samples no longer fit, so they must be read anew.
        let left = [2, 3, 4].map(finished);
        assert_eq!(read(&ring, 1), [&[Event::Lagged { after: 1 }], &left[..]].concat());
    }

    #[test]
    fn condition_is_kept_until_it_ends() {
        let mut ring = EventRing::new(1);
        ring.push(lost(), 0);
        ring.push(finished(1), 0);
        let lasting: Vec<_> = ring.conditions().iter().map(|record| record.event.clone()).collect();
        assert_eq!(lasting, [lost()]);
        let within = Event::Index(IndexNews::WithinLimits);
        ring.push(within, 0);
        assert_eq!(ring.conditions().len(), 1);
    }
}
