use std::time::{Duration, Instant};

use crate::native::QueuePosition;

/// How long each of those before us in a queue may take: as long as a slot for newcomers is held, and some more.
const MAX_TIME_PER_PLACE: Duration = Duration::from_secs(40);

/// The last place in a queue that is worth waiting for.
const LAST_WORTHWHILE_PLACE: u32 = 1000;

/// How we stand with a source: whether it serves us, and if not, our position in its queue.
#[derive(Debug, Default)]
pub(super) struct ChokeStatus {
    choke: ChokeState,
    /// The foremost place since it last sent us something, and since when: one that sends us back and forth, or says that
    /// it serves us and sends nothing, raises no new hope. As long as it has told no place, that is the last one possible.
    best_place: Option<(u32, Instant)>,
}

/// Whether a source serves us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ChokeState {
    #[default]
    Unchoked,
    /// It does not; the position is what it reported, if it has.
    Choked(Option<QueuePosition>),
}

impl ChokeStatus {
    /// Takes in what the source's offer says of it.
    pub(super) fn offer_received(&mut self, is_choked: bool, now: Instant) {
        match (is_choked, self.choke) {
            (true, ChokeState::Unchoked) => {
                self.choke = ChokeState::Choked(None);
                self.best_place.get_or_insert((u32::MAX, now));
            }
            (false, ChokeState::Choked(_)) => self.choke = ChokeState::Unchoked,
            _ => {}
        }
    }

    /// Takes in a new position in the queue, or that the source serves us.
    pub(super) fn position_changed(&mut self, position: Option<QueuePosition>, now: Instant) {
        self.choke = position.map_or(ChokeState::Unchoked, |position| ChokeState::Choked(Some(position)));
        let place = position.map(|position| position.place);
        // Only who comes forward waits with new hope.
        let ahead = |place: &u32| *place > 0 && self.best_place.is_none_or(|(foremost, _)| *place < foremost);
        if let Some(place) = place.filter(ahead) {
            self.best_place = Some((place, now));
        }
    }

    /// Takes in that the source has sent something.
    pub(super) fn data_received(&mut self, now: Instant) {
        self.best_place = match self.choke {
            ChokeState::Unchoked => None,
            ChokeState::Choked(None) => Some((u32::MAX, now)),
            ChokeState::Choked(Some(position)) => {
                Some(position.place).filter(|place| *place > 0).map(|place| (place, now))
            }
        };
    }

    pub(super) const fn is_choked(&self) -> bool {
        matches!(self.choke, ChokeState::Choked(_))
    }

    /// Returns true if we wait in the source's queue, as far as it has told.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.choke, ChokeState::Choked(position) if position.is_none_or(|position| position.place > 0))
    }

    /// Returns the position in the queue as the source reported it; nothing while it serves us or has not reported one.
    pub(super) const fn position(&self) -> Option<QueuePosition> {
        match self.choke {
            ChokeState::Unchoked => None,
            ChokeState::Choked(position) => position,
        }
    }

    /// Returns true if our turn may still be expected to come.
    pub(super) fn may_be_served(&self, now: Instant) -> bool {
        let Some((_, since)) = self.best_place.filter(|_| self.is_queued()) else { return false };
        let turns = self.position().map_or(1, |position| position.place.saturating_add(1));
        turns <= LAST_WORTHWHILE_PLACE + 1
            && now.saturating_duration_since(since) < MAX_TIME_PER_PLACE * turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(place: u32) -> QueuePosition {
        QueuePosition { place, length: None }
    }

    #[test]
    fn progress_in_the_queue_keeps_the_prospect() {
        let start = Instant::now();
        let mut standing = ChokeStatus::default();
        assert!(!standing.may_be_served(start) && !standing.is_choked());
        standing.position_changed(Some(at(2)), start);
        assert!(standing.may_be_served(start + MAX_TIME_PER_PLACE * 2) && standing.is_choked());
        standing.position_changed(Some(at(2)), start + MAX_TIME_PER_PLACE * 2);
        assert!(!standing.may_be_served(start + MAX_TIME_PER_PLACE * 3));
        standing.position_changed(Some(at(1)), start + MAX_TIME_PER_PLACE * 3);
        assert!(standing.may_be_served(start + MAX_TIME_PER_PLACE * 4));
        standing.position_changed(None, start + MAX_TIME_PER_PLACE * 4);
        assert_eq!((standing.position(), standing.may_be_served(start)), (None, false));
    }

    #[test]
    fn the_reported_position_replaces_the_unknown_one() {
        let start = Instant::now();
        let mut standing = ChokeStatus::default();
        standing.offer_received(true, start);
        assert!(standing.is_queued() && standing.may_be_served(start));
        assert_eq!(standing.position(), None, "no position is made up");
        let reported = QueuePosition { place: 10, length: Some(12) };
        standing.position_changed(Some(reported), start + MAX_TIME_PER_PLACE / 2);
        assert_eq!(standing.position(), Some(reported));
        assert!(
            standing.may_be_served(start + MAX_TIME_PER_PLACE * 11),
            "a late place is no loss of prospects"
        );
        // Another offer over the same connection changes nothing.
        standing.offer_received(true, start + MAX_TIME_PER_PLACE);
        assert_eq!(standing.position(), Some(reported));
    }

    #[test]
    fn moving_back_and_forth_loses_the_prospect() {
        let start = Instant::now();
        for between in [None, Some(at(0)), Some(at(1000))] {
            let mut standing = ChokeStatus::default();
            standing.offer_received(true, start);
            for turn in 1..=3 {
                standing.position_changed(between, start + MAX_TIME_PER_PLACE * turn);
                standing.position_changed(Some(at(1)), start + MAX_TIME_PER_PLACE * turn);
            }
            assert!(!standing.may_be_served(start + MAX_TIME_PER_PLACE * 3), "{between:?}");
            standing.position_changed(None, start + MAX_TIME_PER_PLACE * 4);
            standing.data_received(start + MAX_TIME_PER_PLACE * 4);
            standing.position_changed(Some(at(2)), start + MAX_TIME_PER_PLACE * 5);
            assert!(standing.may_be_served(start + MAX_TIME_PER_PLACE * 7), "it has sent something");
        }
    }

    #[test]
    fn source_without_a_position_gives_no_prospect() {
        let now = Instant::now();
        let mut standing = ChokeStatus::default();
        for place in [0, LAST_WORTHWHILE_PLACE + 1, u32::MAX] {
            standing.position_changed(Some(at(place)), now);
            assert!(!standing.may_be_served(now), "{place}");
        }
        assert!(standing.is_queued());
        standing.position_changed(Some(at(0)), now);
        assert!(!standing.is_queued(), "place 0 is no place in the queue");
    }
}
