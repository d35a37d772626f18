use std::time::{Duration, Instant};

/// How long each of those before us in a queue may take: as long as a slot for newcomers is held, and some more.
const TURN: Duration = Duration::from_secs(40);

/// The last place in a queue that is worth waiting for.
const LAST_PLACE: u32 = 1000;

/// How we stand with a source: whether it serves us, and if not, our place in its queue.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The place, and since when; nothing while it serves us.
    queued: Option<(u32, Instant)>,
    is_choked: bool,
}

impl Standing {
    /// Takes in what the source's offer says of it.
    pub(super) fn offered(&mut self, is_choked: bool, now: Instant) {
        self.is_choked = is_choked;
        self.queued = if is_choked { self.queued.or(Some((1, now))) } else { None };
    }

    /// Takes in a new place in the queue, or that there is none any more.
    pub(super) fn changed(&mut self, place: Option<u32>, now: Instant) {
        self.is_choked = place.is_some();
        self.queued = match (self.queued, place) {
            // Only who comes forward waits with new hope.
            (Some((before, since)), Some(place)) if place >= before => Some((place, since)),
            (_, place) => place.map(|place| (place, now)),
        };
    }

    pub(super) const fn is_choked(&self) -> bool {
        self.is_choked
    }

    /// Returns the place in the queue, 1 being next; nothing while the source serves us.
    pub(super) fn place(&self) -> Option<u32> {
        self.queued.map(|(place, _)| place)
    }

    /// Says whether our turn may still be expected to come.
    pub(super) fn has_prospect(&self, now: Instant) -> bool {
        self.queued.is_some_and(|(place, since)| {
            (1..=LAST_PLACE).contains(&place) && now.saturating_duration_since(since) < TURN * (place + 1)
        })
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
    fn a_source_that_promises_nothing_gives_no_prospects() {
        let now = Instant::now();
        let mut standing = Standing::default();
        for place in [0, LAST_PLACE + 1, u32::MAX] {
            standing.changed(Some(place), now);
            assert!(!standing.has_prospect(now), "{place}");
        }
    }
}
