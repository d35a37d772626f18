//! How well a name fits what is searched for.

use protocol::digest::Digest;
use protocol::query::Query;

/// In no more places than this a word is looked at in one name.
const PLACES: usize = 64;

/// How well a name fits; the better, the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// All that is searched for stands in it as words of their own.
    Words,
    /// All words of it begin with what is searched for, or are it.
    Beginnings,
    /// Something stands in the middle of a word.
    Parts,
}

impl Fit {
    /// Returns what comes behind this.
    pub(super) const fn next(self) -> Option<Self> {
        match self {
            Self::Words => Some(Self::Beginnings),
            Self::Beginnings => Some(Self::Parts),
            Self::Parts => None,
        }
    }

    /// Says how well a folded path fits a query that it matches: as well as what fits worst.
    pub(crate) fn of(query: &Query, folded: &str, digest: &Digest) -> Self {
        let words = query.words().iter().map(|word| Self::of_word(folded, word));
        let hashes = query.hash_words().map(|hash| {
            if hash.prefix().matches(digest) { Self::Words } else { Self::of_word(folded, hash.word()) }
        });
        words.chain(hashes).max().unwrap_or(Self::Words)
    }

    /// Says how well a word fits where it fits best, or in the first of very many places.
    fn of_word(folded: &str, word: &str) -> Self {
        let [open_before, open_behind] = open(word);
        let mut best = Self::Parts;
        let mut from = 0;
        for _ in 0..PLACES {
            let Some(found) = folded.get(from..).and_then(|rest| rest.find(word)) else { break };
            let (start, end) = (from + found, from + found + word.len());
            let before = folded.get(..start).and_then(|text| text.chars().next_back());
            let behind = folded.get(end..).and_then(|text| text.chars().next());
            let begins = !open_before || !before.is_some_and(char::is_alphanumeric);
            let ends = !open_behind || !behind.is_some_and(char::is_alphanumeric);
            match (begins, ends) {
                (true, true) => return Self::Words,
                (true, false) => best = Self::Beginnings,
                (false, _) => {}
            }
            from = start + folded.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        }
        best
    }
}

/// Says whether a word may go on before its beginning, and behind its end.
pub(super) fn open(word: &str) -> [bool; 2] {
    [word.chars().next(), word.chars().next_back()].map(|char| char.is_some_and(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(folded: &str, query: &str) -> Fit {
        let query = Query::parse(query).unwrap();
        assert!(query.matches(folded, 1, &Digest::OF_NOTHING), "{folded}");
        Fit::of(&query, folded, &Digest::OF_NOTHING)
    }

    #[test]
    fn words_of_their_own_fit_better_than_beginnings_and_these_better_than_parts() {
        assert_eq!(fit("linux/arch-linux.iso", "linux"), Fit::Words);
        assert_eq!(fit("xlinux linuxy", "linux"), Fit::Beginnings);
        assert_eq!(fit("archlinux", "linux"), Fit::Parts);
        assert_eq!(fit("ubuntu-24.04-server", "u-24.04"), Fit::Parts);
        assert_eq!(fit("ubuntu-24.04-server", "ubuntu-24.0"), Fit::Beginnings);
        assert_eq!(fit("ubuntu-24.04-server", "\"-24.04-\""), Fit::Words);
    }

    #[test]
    fn what_fits_worst_counts() {
        assert_eq!(fit("big bang theory", "big bang"), Fit::Words);
        assert_eq!(fit("big bang theory", "big theo"), Fit::Beginnings);
        assert_eq!(fit("big bang theory", "big heo"), Fit::Parts);
    }

    #[test]
    fn a_digest_fits_as_a_word_does() {
        let start = &Digest::OF_NOTHING.to_string()[..9];
        assert_eq!(fit("anything", start), Fit::Words);
        assert_eq!(fit(&format!("x{start}"), &start[..8]), Fit::Words);
        assert_eq!(fit("anything", "size:1 -x"), Fit::Words);
    }
}
