use std::time::{Duration, Instant};

use crate::native::QueuePosition;

/// How long each of those before us in a queue may take: as long as a slot for newcomers is held, and some more.
const TURN: Duration = Duration::from_secs(40);

/// The last place in a queue that is worth waiting for.
const LAST_PLACE: u32 = 1000;

/// How we stand with a source: whether it serves us, and if not, our position in its queue.
#[derive(Debug, Default)]
pub(super) struct Standing {
    stance: Stance,
    /// The foremost place since it last sent us something, and since when: one that sends us back and forth, or says that
    /// it serves us and sends nothing, raises no new hope. As long as it has told no place, that is the last one possible.
    foremost: Option<(u32, Instant)>,
}

/// Whether a source serves us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stance {
    #[default]
    Serves,
    /// It does not; the position is what it reported, if it has.
    Waits(Option<QueuePosition>),
}

impl Standing {
    /// Takes in what the source's offer says of it.
    pub(super) fn offered(&mut self, is_choked: bool, now: Instant) {
        match (is_choked, self.stance) {
            (true, Stance::Serves) => {
                self.stance = Stance::Waits(None);
                self.foremost.get_or_insert((u32::MAX, now));
            }
            (false, Stance::Waits(_)) => self.stance = Stance::Serves,
            _ => {}
        }
    }

    /// Takes in a new position in the queue, or that the source serves us.
    pub(super) fn changed(&mut self, position: Option<QueuePosition>, now: Instant) {
        self.stance = position.map_or(Stance::Serves, |position| Stance::Waits(Some(position)));
        let place = position.map(|position| position.place);
        // Only who comes forward waits with new hope.
        let ahead = |place: &u32| *place > 0 && self.foremost.is_none_or(|(foremost, _)| *place < foremost);
        if let Some(place) = place.filter(ahead) {
            self.foremost = Some((place, now));
        }
    }

    /// Takes in that the source has sent something.
    pub(super) fn gave(&mut self, now: Instant) {
        self.foremost = match self.stance {
            Stance::Serves => None,
            Stance::Waits(None) => Some((u32::MAX, now)),
            Stance::Waits(Some(position)) => {
                Some(position.place).filter(|place| *place > 0).map(|place| (place, now))
            }
        };
    }

    pub(super) const fn is_choked(&self) -> bool {
        matches!(self.stance, Stance::Waits(_))
    }

    /// Returns true if we wait in the source's queue, as far as it has told.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.stance, Stance::Waits(position) if position.is_none_or(|position| position.place > 0))
    }

    /// Returns the position in the queue as the source reported it; nothing while it serves us or has not reported one.
    pub(super) const fn position(&self) -> Option<QueuePosition> {
        match self.stance {
            Stance::Serves => None,
            Stance::Waits(position) => position,
        }
    }

    /// Returns true if our turn may still be expected to come.
    pub(super) fn has_prospect(&self, now: Instant) -> bool {
        let Some((_, since)) = self.foremost.filter(|_| self.is_queued()) else { return false };
        let turns = self.position().map_or(1, |position| position.place.saturating_add(1));
        turns <= LAST_PLACE + 1 && now.saturating_duration_since(since) < TURN * turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(place: u32) -> QueuePosition {
        QueuePosition { place, length: None }
    }

    #[test]
    fn who_comes_forward_has_prospects_and_who_stands_still_loses_them() {
        let start = Instant::now();
        let mut standing = Standing::default();
        assert!(!standing.has_prospect(start) && !standing.is_choked());
        standing.changed(Some(at(2)), start);
        assert!(standing.has_prospect(start + TURN * 2) && standing.is_choked());
        standing.changed(Some(at(2)), start + TURN * 2);
        assert!(!standing.has_prospect(start + TURN * 3));
        standing.changed(Some(at(1)), start + TURN * 3);
        assert!(standing.has_prospect(start + TURN * 4));
        standing.changed(None, start + TURN * 4);
        assert_eq!((standing.position(), standing.has_prospect(start)), (None, false));
    }

    #[test]
    fn the_reported_position_replaces_the_unknown_one() {
        let start = Instant::now();
        let mut standing = Standing::default();
        standing.offered(true, start);
        assert!(standing.is_queued() && standing.has_prospect(start));
        assert_eq!(standing.position(), None, "no position is made up");
        let reported = QueuePosition { place: 10, length: Some(12) };
        standing.changed(Some(reported), start + TURN / 2);
        assert_eq!(standing.position(), Some(reported));
        assert!(standing.has_prospect(start + TURN * 11), "a late place is no loss of prospects");
        // Another offer over the same connection changes nothing.
        standing.offered(true, start + TURN);
        assert_eq!(standing.position(), Some(reported));
    }

    #[test]
    fn a_source_that_sends_us_back_and_forth_loses_its_prospects() {
        let start = Instant::now();
        for between in [None, Some(at(0)), Some(at(1000))] {
            let mut standing = Standing::default();
            standing.offered(true, start);
            for turn in 1..=3 {
                standing.changed(between, start + TURN * turn);
                standing.changed(Some(at(1)), start + TURN * turn);
            }
            assert!(!standing.has_prospect(start + TURN * 3), "{between:?}");
            standing.changed(None, start + TURN * 4);
            standing.gave(start + TURN * 4);
            standing.changed(Some(at(2)), start + TURN * 5);
            assert!(standing.has_prospect(start + TURN * 7), "it has sent something");
        }
    }

    #[test]
    fn a_source_that_promises_nothing_gives_no_prospects() {
        let now = Instant::now();
        let mut standing = Standing::default();
        for place in [0, LAST_PLACE + 1, u32::MAX] {
            standing.changed(Some(at(place)), now);
            assert!(!standing.has_prospect(now), "{place}");
        }
        assert!(standing.is_queued());
        standing.changed(Some(at(0)), now);
        assert!(!standing.is_queued(), "place 0 is no place in the queue");
    }
}
