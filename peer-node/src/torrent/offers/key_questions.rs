use std::time::{Duration, Instant};

use protocol::bittorrent::mse::TorrentKey;
use protocol::infohash::Infohash;

use super::recent::Recent;
use crate::gate::Pace;

/// How often the index is asked, whoever calls: a twentieth of what a node may ask. How often one address calls is limited
/// before, as key exchanges are.
const PACE: Pace = Pace { each: Duration::from_millis(20), burst: 200 };

/// What to do about a key that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyLookup {
    /// The index answered a short while ago: with a torrent, or that it knows none.
    Answered(Option<Infohash>),
    /// Ask the index.
    Ask,
    /// The index is asked for too many keys.
    TooMany,
}

/// The keys that the index is asked for. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct KeyQuestions {
    answers: Recent<TorrentKey, Option<Infohash>>,
    /// When the budget of [`PACE`] is whole again.
    whole: Option<Instant>,
}

impl KeyQuestions {
    /// Decides what to do about a key; a question is counted.
    pub(super) fn look_up(&mut self, key: &TorrentKey, now: Instant) -> KeyLookup {
        if let Some(answer) = self.answers.get(key, now) {
            return KeyLookup::Answered(*answer);
        }
        let Some(whole) = PACE.spend(self.whole, now) else { return KeyLookup::TooMany };
        self.whole = Some(whole);
        KeyLookup::Ask
    }

    /// Remembers what the index answered.
    pub(super) fn answered(&mut self, key: TorrentKey, answer: Option<Infohash>, now: Instant) {
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
    fn the_index_is_asked_once_a_minute_for_one_key() {
        let (mut questions, now) = (KeyQuestions::default(), Instant::now());
        let infohash = Infohash::from_bytes([1; 20]);
        for (number, answer) in [(1, Some(infohash)), (2, None)] {
            assert_eq!(questions.look_up(&key(number), now), KeyLookup::Ask);
            questions.answered(key(number), answer, now);
            for seconds in [0, 59] {
                let later = now + Duration::from_secs(seconds);
                assert_eq!(questions.look_up(&key(number), later), KeyLookup::Answered(answer));
            }
        }
        assert_eq!(questions.look_up(&key(2), now + Duration::from_mins(1)), KeyLookup::Ask);
    }

    #[test]
    fn the_index_is_not_asked_for_any_number_of_keys() {
        let (mut questions, begun) = (KeyQuestions::default(), Instant::now());
        let mut asked = 0;
        for number in 0..100_000 {
            // Ten thousand a second.
            let now = begun + Duration::from_micros(100) * number;
            if questions.look_up(&key(number), now) == KeyLookup::Ask {
                asked += 1;
                questions.answered(key(number), None, now);
            }
        }
        assert!((690..=710).contains(&asked), "{asked} questions in ten seconds");
    }
}
