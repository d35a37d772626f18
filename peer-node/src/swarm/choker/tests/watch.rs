//! A driver that holds the choker to its promises at every step.

use super::*;

/// What a peer was told last.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    Nothing,
    Served(Duration),
    Place(u32),
}

/// What an interested peer has seen so far.
#[derive(Debug, Clone, Copy)]
struct Seen {
    last: Last,
    /// When it must be served at the latest, if it waits.
    due: Duration,
}

/// Drives a choker and checks every verdict.
pub(super) struct Watch {
    start: Instant,
    now: Duration,
    slots: usize,
    choker: Choker,
    interested: BTreeMap<PeerKey, Seen>,
    /// When places were last told.
    reported: Option<Duration>,
    pub(super) history: Vec<(Duration, Verdict)>,
}

impl Watch {
    pub(super) fn new(slots: usize) -> Self {
        let start = Instant::now();
        let (interested, history) = (BTreeMap::new(), Vec::new());
        let choker = Choker::new(ChokerConfig::of_node(slots), start);
        Self { start, now: Duration::ZERO, slots, choker, interested, reported: None, history }
    }

    fn clock(&self) -> Instant {
        self.start + self.now
    }

    /// Lets time pass, polling whenever the choker wants it.
    pub(super) fn pass(&mut self, pause: Duration) {
        let end = self.now + pause;
        while let Some(deadline) = self.choker.deadline().map(|deadline| deadline - self.start) {
            if deadline > end {
                break;
            }
            assert!(deadline > self.now, "a deadline that has passed already");
            self.now = deadline;
            self.hear(false);
        }
        self.now = end;
    }

    pub(super) fn happen(&mut self, event: Event) {
        let now = self.clock();
        let mut is_smaller = false;
        match event {
            Event::Interested(peer) => {
                self.choker.interested(peer, now);
                let waiting = u32::try_from(self.interested.len() + 2).unwrap();
                let due = self.now + OPTIMISTIC * waiting;
                self.interested.entry(peer).or_insert(Seen { last: Last::Nothing, due });
            }
            Event::NotInterested(peer) => {
                self.choker.not_interested(peer, now);
                self.interested.remove(&peer);
            }
            Event::Gone(peer) => {
                self.choker.gone(peer, now);
                self.interested.remove(&peer);
            }
            Event::Sent(peer, bytes) => self.choker.sent(peer, bytes, now),
            Event::Received(peer, bytes) => self.choker.received(peer, bytes, now),
            Event::Slots(slots) => {
                self.choker.set_slots(slots, now);
                is_smaller = slots < self.slots;
                self.slots = slots;
            }
        }
        self.hear(is_smaller);
    }

    fn hear(&mut self, fewer_slots: bool) {
        let mut told = 0;
        while let Some(verdict) = self.choker.poll(self.clock()) {
            self.history.push((self.now, verdict));
            told += usize::from(matches!(verdict, Verdict::Place { .. }));
            self.note(verdict, fewer_slots);
            let fits = self.served() <= self.slots + 1;
            assert!(fits || matches!(verdict, Verdict::Choke { .. }), "more are served than there are slots");
        }
        assert!(self.served() <= self.slots + 1, "more are served than there are slots");
        if told > 0 {
            let pause = self.reported.map(|reported| self.now.abs_diff(reported));
            assert!(pause.is_none_or(|pause| pause >= Duration::from_secs(5)), "places told after {pause:?}");
            self.reported = Some(self.now);
        }
        self.check();
    }

    fn note(&mut self, verdict: Verdict, fewer_slots: bool) {
        let waiting = self.interested.len() - self.served();
        let seen = self.interested.get_mut(&verdict.peer()).expect("a peer that is interested");
        match (verdict, seen.last) {
            (Verdict::Unchoke { .. }, Last::Nothing | Last::Place(_)) => seen.last = Last::Served(self.now),
            (Verdict::Choke { place, .. }, Last::Nothing) => seen.last = Last::Place(place),
            (Verdict::Choke { place, .. }, Last::Served(since)) => {
                assert!(
                    fewer_slots || self.now.abs_diff(since) >= ROUND,
                    "choked after {:?}",
                    self.now.abs_diff(since)
                );
                seen.last = Last::Place(place);
                seen.due = self.now + OPTIMISTIC * u32::try_from(waiting + 2).unwrap();
            }
            (Verdict::Place { place, .. }, Last::Place(before)) => {
                assert_ne!(place, before);
                seen.last = Last::Place(place);
            }
            (verdict, last) => panic!("{verdict:?} after {last:?}"),
        }
    }

    fn served(&self) -> usize {
        self.interested.values().filter(|seen| matches!(seen.last, Last::Served(_))).count()
    }

    fn check(&self) {
        let waiting: Vec<_> =
            self.interested.iter().filter(|(_, seen)| !matches!(seen.last, Last::Served(_))).collect();
        if !waiting.is_empty() {
            assert_eq!(self.served(), self.slots + 1, "a slot is free while somebody waits");
        }
        for (peer, seen) in &waiting {
            assert!(self.now <= seen.due, "{peer:?} waits for too long");
            assert_ne!(seen.last, Last::Nothing, "{peer:?} does not know whether it is served");
        }
        if self.choker.queue.report_due().is_none() {
            let places: BTreeSet<_> = waiting.iter().map(|(_, seen)| seen.last).map(place).collect();
            assert!(places.into_iter().eq(1..=u32::try_from(waiting.len()).unwrap()), "{waiting:?}");
        }
    }
}

fn place(last: Last) -> u32 {
    if let Last::Place(place) = last { place } else { 0 }
}
