use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::infohash::Infohash;

/// How long a torrent that could not be made is not tried again.
const FOR: Duration = Duration::from_mins(1);

/// How many such are remembered; beyond that the oldest may be tried again.
const MOST: usize = 1000;

/// The torrents that were called for and could not be made. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct Refused(HashMap<Infohash, Instant>);

impl Refused {
    /// Says whether a torrent could not be made a short while ago.
    pub(super) fn has(&self, infohash: Infohash, now: Instant) -> bool {
        self.0.get(&infohash).is_some_and(|since| now.saturating_duration_since(*since) < FOR)
    }

    /// Remembers a torrent that could not be made.
    pub(super) fn insert(&mut self, infohash: Infohash, now: Instant) {
        if self.0.len() >= MOST && !self.0.contains_key(&infohash) {
            let oldest = self.0.iter().min_by_key(|(_, since)| **since).map(|(infohash, _)| *infohash);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(infohash, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infohash(number: u32) -> Infohash {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Infohash::from_bytes(bytes)
    }

    #[test]
    fn what_was_refused_is_refused_for_a_minute() {
        let (mut refused, now) = (Refused::default(), Instant::now());
        refused.insert(infohash(1), now);
        assert!(refused.has(infohash(1), now) && !refused.has(infohash(2), now));
        assert!(!refused.has(infohash(1), now + FOR));
    }

    #[test]
    fn a_flood_of_strange_torrents_makes_the_oldest_forgotten_and_refuses_no_other() {
        let (mut refused, begun) = (Refused::default(), Instant::now());
        let at = |number: u32| begun + Duration::from_millis(number.into());
        (0..5000).for_each(|number| refused.insert(infohash(number), at(number)));
        assert_eq!(refused.0.len(), MOST);
        assert!(!refused.has(infohash(3999), at(5000)) && refused.has(infohash(4000), at(5000)));
        assert!(!refused.has(infohash(5000), at(5000)));
    }
}
