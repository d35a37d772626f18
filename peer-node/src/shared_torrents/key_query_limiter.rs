use std::time::{Duration, Instant};

use protocol::bittorrent::mse::TorrentKey;
use protocol::infohash::Infohash;
use protocol::rate_limiter::{RateBucket, RateLimit};

use super::recent_cache::RecentCache;

/// Rate of queries to the index, for all callers: a small part of what a node may query. Callers are limited per
/// address by the key exchange limit.
const PACE: RateLimit = RateLimit { interval: Duration::from_millis(20), burst: 200 };

/// What to do about an unknown key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyQueryDecision {
    /// The index answered recently: with a torrent, or that it knows none.
    Answered(Option<Infohash>),
    /// Query the index.
    Query,
    /// Too many queries.
    RateLimited,
}

/// Limits and caches key queries to the index. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct KeyQueryLimiter {
    answers: RecentCache<TorrentKey, Option<Infohash>>,
    /// The queries, as far as they still count against [`PACE`].
    recent_queries: RateBucket,
}

impl KeyQueryLimiter {
    /// Decides what to do about a key; counts a query.
    pub(super) fn decide(&mut self, key: &TorrentKey, now: Instant) -> KeyQueryDecision {
        if let Some(answer) = self.answers.get(key, now) {
            return KeyQueryDecision::Answered(*answer);
        }
        match self.recent_queries.try_take(PACE, now) {
            Ok(()) => KeyQueryDecision::Query,
            Err(_) => KeyQueryDecision::RateLimited,
        }
    }

    /// Caches an answer of the index.
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
        let (mut limiter, now) = (KeyQueryLimiter::default(), Instant::now());
        let infohash = Infohash::from_bytes([1; 20]);
        for (number, answer) in [(1, Some(infohash)), (2, None)] {
            assert_eq!(limiter.decide(&key(number), now), KeyQueryDecision::Query);
            limiter.record_answer(key(number), answer, now);
            for seconds in [0, 59] {
                let later = now + Duration::from_secs(seconds);
                assert_eq!(limiter.decide(&key(number), later), KeyQueryDecision::Answered(answer));
            }
        }
        assert_eq!(limiter.decide(&key(2), now + Duration::from_mins(1)), KeyQueryDecision::Query);
    }

    #[test]
    fn key_queries_are_rate_limited() {
        let (mut limiter, start) = (KeyQueryLimiter::default(), Instant::now());
        let mut queries = 0;
        for number in 0..100_000 {
            // 10,000 per second.
            let now = start + Duration::from_micros(100) * number;
            if limiter.decide(&key(number), now) == KeyQueryDecision::Query {
                queries += 1;
                limiter.record_answer(key(number), None, now);
            }
        }
        assert!((690..=710).contains(&queries), "{queries} queries in ten seconds");
    }
}
