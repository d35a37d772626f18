//! How well a name fits what is searched for.

use super::compound::Compound;
use super::{HashWord, Query};
use crate::digest::Digest;

/// The most places of one name at which a word is looked at.
const MAX_OCCURRENCES: usize = 64;

/// How well a name fits a query; the better, the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// All that is searched for stands in it as words of their own, and what was typed as one word stands together.
    Exact,
    /// All that is searched for stands in it as words of their own.
    Words,
    /// Words of it begin with what is searched for, or are it.
    Prefixes,
    /// Something stands in the middle of a word.
    Substrings,
}

impl Fit {
    /// Returns what comes behind this for a query.
    pub fn next_worse(self, query: &Query) -> Option<Self> {
        let has_compounds = !query.compounds().is_empty();
        let can_fit_less = has_compounds || query.literals().any(|word| open_ends(word) != [false, false]);
        match self {
            _ if !can_fit_less => None,
            Self::Exact if has_compounds => Some(Self::Words),
            Self::Exact | Self::Words => Some(Self::Prefixes),
            Self::Prefixes => Some(Self::Substrings),
            Self::Substrings => None,
        }
    }

    /// Returns how well a folded path fits a query that it matches: as well as what fits worst.
    pub fn of(query: &Query, folded: &str, digest: &Digest) -> Self {
        let words = query.words().iter().map(|word| Self::of_word(folded, word));
        let compounds = query.compounds().iter().map(|compound| Self::of_compound(folded, compound));
        let hashes = query.hash_words().map(|hash| {
            if hash.prefix().matches(digest) { Self::Exact } else { Self::of_word(folded, hash.word()) }
        });
        words.chain(compounds).chain(hashes).max().unwrap_or(Self::Exact)
    }

    fn of_compound(folded: &str, compound: &Compound) -> Self {
        let last = compound.words().last().unwrap_or_default();
        let ends_open = [open_ends(compound.first())[0], open_ends(last)[1]];
        match best_occurrence(folded, compound.first(), ends_open, |text| compound.length_at(text)) {
            Self::Exact => Self::Exact,
            _ => compound
                .words()
                .map(|part| Self::of_word(folded, part))
                .max()
                .map_or(Self::Words, |worst| worst.max(Self::Words)),
        }
    }

    /// Returns how well a word fits where it fits best, or in the first of very many places.
    fn of_word(folded: &str, word: &str) -> Self {
        best_occurrence(folded, word, open_ends(word), |_| Some(word.len()))
    }
}

/// Looks for the best of the places at which a text stands that begins with `beginning` and is as long as `length` says;
/// `[open_before, open_behind]` says at which of its sides a word may go on.
fn best_occurrence(
    folded: &str,
    beginning: &str,
    [open_before, open_behind]: [bool; 2],
    length: impl Fn(&str) -> Option<usize>,
) -> Fit {
    let mut best = Fit::Substrings;
    let mut from = 0;
    for _ in 0..MAX_OCCURRENCES {
        let Some(found) = folded.get(from..).and_then(|rest| rest.find(beginning)) else { break };
        let start = from + found;
        let rest = folded.get(start..).unwrap_or_default();
        if let Some(length) = length(rest) {
            let before = folded.get(..start).and_then(|text| text.chars().next_back());
            let behind = rest.get(length..).and_then(|text| text.chars().next());
            let begins = !open_before || !before.is_some_and(char::is_alphanumeric);
            let ends = !open_behind || !behind.is_some_and(char::is_alphanumeric);
            match (begins, ends) {
                (true, true) => return Fit::Exact,
                (true, false) => best = Fit::Prefixes,
                (false, _) => {}
            }
        }
        from = start + rest.chars().next().map_or(1, char::len_utf8);
    }
    best
}

/// Returns whether a word of a name may go on before the beginning of a text, and behind its end.
pub fn open_ends(text: &str) -> [bool; 2] {
    [text.chars().next(), text.chars().next_back()].map(|end| end.is_some_and(char::is_alphanumeric))
}

impl Query {
    /// Returns the words that are searched for as they were typed, compounds left out.
    fn literals(&self) -> impl Iterator<Item = &str> {
        self.words().iter().map(String::as_str).chain(self.hash_words().map(HashWord::word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(folded: &str, query: &str) -> Fit {
        let query = Query::parse(query).unwrap();
        assert!(query.matches(folded, 1, &Digest::EMPTY), "{folded}");
        Fit::of(&query, folded, &Digest::EMPTY)
    }

    #[test]
    fn whole_words_rank_above_prefixes_and_substrings() {
        assert_eq!(fit("linux/arch-linux.iso", "linux"), Fit::Exact);
        assert_eq!(fit("xlinux linuxy", "linux"), Fit::Prefixes);
        assert_eq!(fit("archlinux", "linux"), Fit::Substrings);
        assert_eq!(fit("ubuntu-24.04-server", "\"-24.04-\""), Fit::Exact);
        assert_eq!(fit("ubuntu-24.04-server", "\"u-24.04\""), Fit::Substrings);
    }

    #[test]
    fn compounds_fit_best_where_they_are_adjacent() {
        assert_eq!(fit("ubuntu-24.04-server", "24.04"), Fit::Exact);
        assert_eq!(fit("ubuntu 24_04 server", "ubuntu-24.04"), Fit::Exact);
        assert_eq!(fit("04/track 24", "24.04"), Fit::Words);
        assert_eq!(fit("0412/track 24", "24.04"), Fit::Prefixes);
        assert_eq!(fit("x04/track 24", "24.04"), Fit::Substrings);
        assert_eq!(fit("old mcdonald", "McDonald"), Fit::Exact);
        assert_eq!(fit("old mc-donald", "McDonald"), Fit::Exact);
        assert_eq!(fit("donald mc", "McDonald"), Fit::Words);
    }

    #[test]
    fn worst_fitting_term_decides() {
        assert_eq!(fit("big bang theory", "big bang"), Fit::Exact);
        assert_eq!(fit("big bang theory", "big theo"), Fit::Prefixes);
        assert_eq!(fit("big bang theory", "big heo"), Fit::Substrings);
    }

    #[test]
    fn digest_terms_fit_like_words() {
        let start = &Digest::EMPTY.to_string()[..9];
        assert_eq!(fit("anything", start), Fit::Exact);
        assert_eq!(fit(&format!("x{start}"), &start[..8]), Fit::Exact);
        assert_eq!(fit("anything", "size:1 -x"), Fit::Exact);
    }
}
