use std::time::{Duration, Instant};

use crate::native::QueuePosition;

/// Maximum time per download ahead of us in a queue: the time for which newcomers hold a slot, plus a margin.
const MAX_TIME_PER_POSITION: Duration = Duration::from_secs(40);

/// The last queue position worth waiting for.
const LAST_WORTHWHILE_POSITION: u32 = 1000;

/// Our standing with a source: whether it serves us, and otherwise our position in its queue.
#[derive(Debug, Default)]
pub(super) struct ChokeStatus {
    choke: ChokeState,
    /// Our best position since the source last sent data, and since when. Only a better position renews our patience; a source
    /// that moves us back and forth, or claims to serve us and sends nothing, gains no time. `u32::MAX` until one is reported.
    best_position: Option<(u32, Instant)>,
}

/// Whether a source serves us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ChokeState {
    #[default]
    Unchoked,
    /// It does not; with the position that it reported, if any.
    Choked(Option<QueuePosition>),
}

impl ChokeStatus {
    /// Handles the choke state in a source's offer.
    pub(super) fn offer_received(&mut self, is_choked: bool, now: Instant) {
        match (is_choked, self.choke) {
            (true, ChokeState::Unchoked) => {
                self.choke = ChokeState::Choked(None);
                self.best_position.get_or_insert((u32::MAX, now));
            }
            (false, ChokeState::Choked(_)) => self.choke = ChokeState::Unchoked,
            _ => {}
        }
    }

    /// Handles a new queue position; `None` means that the source serves us.
    pub(super) fn position_changed(&mut self, position: Option<QueuePosition>, now: Instant) {
        self.choke = position.map_or(ChokeState::Unchoked, |position| ChokeState::Choked(Some(position)));
        let place = position.map(|position| position.position);
        // Only moving forward renews our patience.
        let ahead =
            |place: &u32| *place > 0 && self.best_position.is_none_or(|(foremost, _)| *place < foremost);
        if let Some(place) = place.filter(ahead) {
            self.best_position = Some((place, now));
        }
    }

    /// Records that the source has sent data.
    pub(super) fn data_received(&mut self, now: Instant) {
        self.best_position = match self.choke {
            ChokeState::Unchoked => None,
            ChokeState::Choked(None) => Some((u32::MAX, now)),
            ChokeState::Choked(Some(position)) => {
                Some(position.position).filter(|place| *place > 0).map(|place| (place, now))
            }
        };
    }

    pub(super) const fn is_choked(&self) -> bool {
        matches!(self.choke, ChokeState::Choked(_))
    }

    /// Returns true if we wait in the source's queue, as far as it has reported.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.choke, ChokeState::Choked(position) if position.is_none_or(|position| position.position > 0))
    }

    /// Returns the reported queue position; `None` while the source serves us or has not reported one.
    pub(super) const fn position(&self) -> Option<QueuePosition> {
        match self.choke {
            ChokeState::Unchoked => None,
            ChokeState::Choked(position) => position,
        }
    }

    /// Returns true if the source can still be expected to serve us.
    pub(super) fn may_be_served(&self, now: Instant) -> bool {
        let Some((_, since)) = self.best_position.filter(|_| self.is_queued()) else { return false };
        let turns = self.position().map_or(1, |position| position.position.saturating_add(1));
        turns <= LAST_WORTHWHILE_POSITION + 1
            && now.saturating_duration_since(since) < MAX_TIME_PER_POSITION * turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(place: u32) -> QueuePosition {
        QueuePosition { position: place, length: None }
    }

    #[test]
    fn progress_in_the_queue_keeps_the_prospect() {
        let start = Instant::now();
        let mut status = ChokeStatus::default();
        assert!(!status.may_be_served(start) && !status.is_choked());
        status.position_changed(Some(at(2)), start);
        assert!(status.may_be_served(start + MAX_TIME_PER_POSITION * 2) && status.is_choked());
        status.position_changed(Some(at(2)), start + MAX_TIME_PER_POSITION * 2);
        assert!(!status.may_be_served(start + MAX_TIME_PER_POSITION * 3));
        status.position_changed(Some(at(1)), start + MAX_TIME_PER_POSITION * 3);
        assert!(status.may_be_served(start + MAX_TIME_PER_POSITION * 4));
        status.position_changed(None, start + MAX_TIME_PER_POSITION * 4);
        assert_eq!((status.position(), status.may_be_served(start)), (None, false));
    }

    #[test]
    fn the_reported_position_replaces_the_unknown_one() {
        let start = Instant::now();
        let mut status = ChokeStatus::default();
        status.offer_received(true, start);
        assert!(status.is_queued() && status.may_be_served(start));
        assert_eq!(status.position(), None, "no position is invented");
        let reported = QueuePosition { position: 10, length: Some(12) };
        status.position_changed(Some(reported), start + MAX_TIME_PER_POSITION / 2);
        assert_eq!(status.position(), Some(reported));
        assert!(
            status.may_be_served(start + MAX_TIME_PER_POSITION * 11),
            "a late position keeps the prospect"
        );
        // A repeated offer over the same connection changes nothing.
        status.offer_received(true, start + MAX_TIME_PER_POSITION);
        assert_eq!(status.position(), Some(reported));
    }

    #[test]
    fn moving_back_and_forth_loses_the_prospect() {
        let start = Instant::now();
        for between in [None, Some(at(0)), Some(at(1000))] {
            let mut status = ChokeStatus::default();
            status.offer_received(true, start);
            for turn in 1..=3 {
                status.position_changed(between, start + MAX_TIME_PER_POSITION * turn);
                status.position_changed(Some(at(1)), start + MAX_TIME_PER_POSITION * turn);
            }
            assert!(!status.may_be_served(start + MAX_TIME_PER_POSITION * 3), "{between:?}");
            status.position_changed(None, start + MAX_TIME_PER_POSITION * 4);
            status.data_received(start + MAX_TIME_PER_POSITION * 4);
            status.position_changed(Some(at(2)), start + MAX_TIME_PER_POSITION * 5);
            assert!(status.may_be_served(start + MAX_TIME_PER_POSITION * 7), "it has sent something");
        }
    }

    #[test]
    fn source_without_a_position_gives_no_prospect() {
        let now = Instant::now();
        let mut status = ChokeStatus::default();
        for place in [0, LAST_WORTHWHILE_POSITION + 1, u32::MAX] {
            status.position_changed(Some(at(place)), now);
            assert!(!status.may_be_served(now), "{place}");
        }
        assert!(status.is_queued());
        status.position_changed(Some(at(0)), now);
        assert!(!status.is_queued(), "place 0 is not a queue position");
    }
}
