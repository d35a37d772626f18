use std::time::{Duration, Instant};

use protocol::bittorrent::mse::TorrentKey;
use protocol::infohash::Infohash;

use super::recent_cache::RecentCache;
use crate::rate_limiter::RateLimit;

/// How often the index is asked, whoever calls: a twentieth of what a node may ask. How often one address calls is limited
/// before, as key exchanges are.
const PACE: RateLimit = RateLimit { interval: Duration::from_millis(20), burst: 200 };

/// What to do about a key that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyQueryDecision {
    /// The index answered a short while ago: with a torrent, or that it knows none.
    Answered(Option<Infohash>),
    /// Ask the index.
    Query,
    /// The index is asked for too many keys.
    RateLimited,
}

/// The keys that the index is asked for. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct KeyQueryLimiter {
    answers: RecentCache<TorrentKey, Option<Infohash>>,
    /// When the budget of [`PACE`] is whole again.
    full_at: Option<Instant>,
}

impl KeyQueryLimiter {
    /// Decides what to do about a key; a question is counted.
    pub(super) fn decide(&mut self, key: &TorrentKey, now: Instant) -> KeyQueryDecision {
        if let Some(answer) = self.answers.get(key, now) {
            return KeyQueryDecision::Answered(*answer);
        }
        let Some(whole) = PACE.spend(self.full_at, now) else { return KeyQueryDecision::RateLimited };
        self.full_at = Some(whole);
        KeyQueryDecision::Query
    }

    /// Remembers what the index answered.
    pub(super) fn record_answer(&mut self, key: TorrentKey, answer: Option<Infohash>, now: Instant) {
        self.answers.insert(key, answer, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> TorrentKey {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        TorrentKey::from_bytes(bytes)
    }

    #[test]
    fn a_key_is_queried_once_per_minute() {
        let (mut questions, now) = (KeyQueryLimiter::default(), Instant::now());
        let infohash = Infohash::from_bytes([1; 20]);
        for (number, answer) in [(1, Some(infohash)), (2, None)] {
            assert_eq!(questions.decide(&key(number), now), KeyQueryDecision::Query);
            questions.record_answer(key(number), answer, now);
            for seconds in [0, 59] {
                let later = now + Duration::from_secs(seconds);
                assert_eq!(questions.decide(&key(number), later), KeyQueryDecision::Answered(answer));
            }
        }
        assert_eq!(questions.decide(&key(2), now + Duration::from_mins(1)), KeyQueryDecision::Query);
    }

    #[test]
    fn key_queries_are_rate_limited() {
        let (mut questions, begun) = (KeyQueryLimiter::default(), Instant::now());
        let mut asked = 0;
        for number in 0..100_000 {
            // Ten thousand a second.
            let now = begun + Duration::from_micros(100) * number;
            if questions.decide(&key(number), now) == KeyQueryDecision::Query {
                asked += 1;
                questions.record_answer(key(number), None, now);
            }
        }
        assert!((690..=710).contains(&asked), "{asked} questions in ten seconds");
    }
}
