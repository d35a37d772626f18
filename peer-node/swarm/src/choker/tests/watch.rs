//! A driver that checks the choker's guarantees at every step.

use super::*;

/// The verdict last sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LastVerdict {
    Nothing,
    Served(Duration),
    Position(u32),
}

/// What an interested peer has received so far.
#[derive(Debug, Clone, Copy)]
struct InterestedPeer {
    last: LastVerdict,
    /// When it must be served at the latest, if it waits.
    due: Duration,
}

/// Drives a choker and checks every verdict.
pub(super) struct ChokerWatch {
    start: Instant,
    now: Duration,
    slots: usize,
    choker: Choker,
    interested: BTreeMap<PeerKey, InterestedPeer>,
    /// When positions were last reported.
    reported: Option<Duration>,
    pub(super) history: Vec<(Duration, ChokerVerdict)>,
}

impl ChokerWatch {
    pub(super) fn new(slots: usize) -> Self {
        let start = Instant::now();
        let (interested, history) = (BTreeMap::new(), Vec::new());
        let choker = Choker::new(ChokerConfig::for_node(slots), start);
        Self { start, now: Duration::ZERO, slots, choker, interested, reported: None, history }
    }

    fn clock(&self) -> Instant {
        self.start + self.now
    }

    /// Lets time pass and polls at every deadline.
    pub(super) fn pass(&mut self, pause: Duration) {
        let end = self.now + pause;
        while let Some(deadline) = self.choker.deadline().map(|deadline| deadline - self.start) {
            if deadline > end {
                break;
            }
            assert!(deadline > self.now, "a deadline in the past");
            self.now = deadline;
            self.check_verdicts(false);
        }
        self.now = end;
    }

    pub(super) fn apply(&mut self, event: ChokerEvent) {
        let now = self.clock();
        let mut is_smaller = false;
        match event {
            ChokerEvent::Interested(peer) => {
                self.choker.interested(peer, now);
                let waiting = u32::try_from(self.interested.len() + 2).unwrap();
                let due = self.now + OPTIMISTIC_INTERVAL * waiting;
                self.interested.entry(peer).or_insert(InterestedPeer { last: LastVerdict::Nothing, due });
            }
            ChokerEvent::NotInterested(peer) => {
                self.choker.not_interested(peer, now);
                self.interested.remove(&peer);
            }
            ChokerEvent::Removed(peer) => {
                self.choker.remove(peer, now);
                self.interested.remove(&peer);
            }
            ChokerEvent::Sent(peer, bytes) => self.choker.sent(peer, bytes, now),
            ChokerEvent::Received(peer, bytes) => self.choker.received(peer, bytes, now),
            ChokerEvent::Slots(slots) => {
                self.choker.set_slots(slots, now);
                is_smaller = slots < self.slots;
                self.slots = slots;
            }
        }
        self.check_verdicts(is_smaller);
    }

    fn check_verdicts(&mut self, fewer_slots: bool) {
        let mut positions_sent = 0;
        while let Some(verdict) = self.choker.poll(self.clock()) {
            self.history.push((self.now, verdict));
            positions_sent += usize::from(matches!(verdict, ChokerVerdict::Position { .. }));
            self.check_verdict(verdict, fewer_slots);
            let fits = self.served() <= self.slots + 1;
            assert!(fits || matches!(verdict, ChokerVerdict::Choke { .. }), "more peers served than slots");
        }
        assert!(self.served() <= self.slots + 1, "more peers served than slots");
        if positions_sent > 0 {
            let pause = self.reported.map(|reported| self.now.abs_diff(reported));
            assert!(
                pause.is_none_or(|pause| pause >= Duration::from_secs(5)),
                "positions reported after {pause:?}"
            );
            self.reported = Some(self.now);
        }
        self.check();
    }

    fn check_verdict(&mut self, verdict: ChokerVerdict, fewer_slots: bool) {
        let waiting = self.interested.len() - self.served();
        let seen = self.interested.get_mut(&verdict.peer()).expect("an interested peer");
        match (verdict, seen.last) {
            (ChokerVerdict::Unchoke { .. }, LastVerdict::Nothing | LastVerdict::Position(_)) => {
                seen.last = LastVerdict::Served(self.now);
            }
            (ChokerVerdict::Choke { position: place, .. }, LastVerdict::Nothing) => {
                seen.last = LastVerdict::Position(place);
            }
            (ChokerVerdict::Choke { position: place, .. }, LastVerdict::Served(since)) => {
                assert!(
                    fewer_slots || self.now.abs_diff(since) >= ROUND_INTERVAL,
                    "choked after {:?}",
                    self.now.abs_diff(since)
                );
                seen.last = LastVerdict::Position(place);
                seen.due = self.now + OPTIMISTIC_INTERVAL * u32::try_from(waiting + 2).unwrap();
            }
            (ChokerVerdict::Position { position: place, .. }, LastVerdict::Position(before)) => {
                assert_ne!(place, before);
                seen.last = LastVerdict::Position(place);
            }
            (verdict, last) => panic!("{verdict:?} after {last:?}"),
        }
    }

    fn served(&self) -> usize {
        self.interested.values().filter(|seen| matches!(seen.last, LastVerdict::Served(_))).count()
    }

    fn check(&self) {
        let waiting: Vec<_> =
            self.interested.iter().filter(|(_, seen)| !matches!(seen.last, LastVerdict::Served(_))).collect();
        if !waiting.is_empty() {
            assert_eq!(self.served(), self.slots + 1, "a slot is free while a peer is waiting");
        }
        for (peer, seen) in &waiting {
            assert!(self.now <= seen.due, "{peer:?} has waited for too long");
            assert_ne!(seen.last, LastVerdict::Nothing, "{peer:?} does not know whether it is served");
        }
        if self.choker.queue.report_due().is_none() {
            let places: BTreeSet<_> = waiting.iter().map(|(_, seen)| seen.last).map(place).collect();
            assert!(places.into_iter().eq(1..=u32::try_from(waiting.len()).unwrap()), "{waiting:?}");
        }
    }
}

fn place(last: LastVerdict) -> u32 {
    if let LastVerdict::Position(place) = last { place } else { 0 }
}
