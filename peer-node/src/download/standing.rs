use std::time::{Duration, Instant};

/// How long each of those before us in a queue may take: as long as a slot for newcomers is held, and some more.
const TURN: Duration = Duration::from_secs(40);

/// The last place in a queue that is worth waiting for.
const LAST_PLACE: u32 = 1000;

/// How we stand with a source: whether it serves us, and if not, our place in its queue.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The place, 0 for none in the queue; nothing while it serves us.
    place: Option<u32>,
    /// The foremost place since it last sent us something, and since when: one that sends us back and forth, or says that
    /// it serves us and sends nothing, raises no new hope.
    foremost: Option<(u32, Instant)>,
}

impl Standing {
    /// Takes in what the source's offer says of it.
    pub(super) fn offered(&mut self, is_choked: bool, now: Instant) {
        if is_choked != self.is_choked() {
            self.changed(is_choked.then_some(1), now);
        }
    }

    /// Takes in a new place in the queue, or that there is none any more.
    pub(super) fn changed(&mut self, place: Option<u32>, now: Instant) {
        self.place = place;
        // Only who comes forward waits with new hope.
        let ahead = |place: &u32| *place > 0 && self.foremost.is_none_or(|(foremost, _)| *place < foremost);
        if let Some(place) = place.filter(ahead) {
            self.foremost = Some((place, now));
        }
    }

    /// Takes in that the source has sent something.
    pub(super) fn gave(&mut self, now: Instant) {
        self.foremost = self.place.filter(|place| *place > 0).map(|place| (place, now));
    }

    pub(super) const fn is_choked(&self) -> bool {
        self.place.is_some()
    }

    /// Returns the place in the queue, 1 being next; nothing while the source serves us.
    pub(super) const fn place(&self) -> Option<u32> {
        self.place
    }

    /// Says whether our turn may still be expected to come.
    pub(super) fn has_prospect(&self, now: Instant) -> bool {
        let (Some(place), Some((_, since))) = (self.place, self.foremost) else { return false };
        (1..=LAST_PLACE).contains(&place) && now.saturating_duration_since(since) < TURN * (place + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_forward_has_prospects_and_who_stands_still_loses_them() {
        let start = Instant::now();
        let mut standing = Standing::default();
        assert!(!standing.has_prospect(start) && !standing.is_choked());
        standing.changed(Some(2), start);
        assert!(standing.has_prospect(start + TURN * 2) && standing.is_choked());
        standing.changed(Some(2), start + TURN * 2);
        assert!(!standing.has_prospect(start + TURN * 3));
        standing.changed(Some(1), start + TURN * 3);
        assert!(standing.has_prospect(start + TURN * 4));
        standing.changed(None, start + TURN * 4);
        assert_eq!((standing.place(), standing.has_prospect(start)), (None, false));
    }

    #[test]
    fn a_source_that_sends_us_back_and_forth_is_not_waited_for_for_ever() {
        let start = Instant::now();
        for between in [None, Some(0), Some(1000)] {
            let mut standing = Standing::default();
            standing.offered(true, start);
            for turn in 1..=3 {
                standing.changed(between, start + TURN * turn);
                standing.changed(Some(1), start + TURN * turn);
            }
            assert!(!standing.has_prospect(start + TURN * 3), "{between:?}");
            standing.changed(None, start + TURN * 4);
            standing.gave(start + TURN * 4);
            standing.changed(Some(2), start + TURN * 5);
            assert!(standing.has_prospect(start + TURN * 7), "it has sent something");
        }
    }

    #[test]
    fn a_source_that_promises_nothing_gives_no_prospects() {
        let now = Instant::now();
        let mut standing = Standing::default();
        for place in [0, LAST_PLACE + 1, u32::MAX] {
            standing.changed(Some(place), now);
            assert!(!standing.has_prospect(now), "{place}");
        }
    }
}
