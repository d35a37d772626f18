//! How well a name matches a search.

use super::compound::Compound;
use super::{HashWord, Query};
use crate::digest::Digest;

/// The maximum number of occurrences of a word in one name that are examined.
const MAX_OCCURRENCES: usize = 64;

/// How well a name matches a query; better fits are smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// All terms occur as whole words, and the parts of compound words are adjacent.
    Exact,
    /// All terms occur as whole words.
    Words,
    /// All terms occur as whole words or at the beginning of words.
    Prefixes,
    /// A term occurs only in the middle or at the end of a word.
    Substrings,
}

impl Fit {
    /// Returns the next worse fit that is possible for a query.
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

    /// Returns how well a folded path fits a query that it matches: the fit of the worst term.
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

    /// Returns the best fit of a word among its first occurrences.
    fn of_word(folded: &str, word: &str) -> Self {
        best_occurrence(folded, word, open_ends(word), |_| Some(word.len()))
    }
}

/// Returns the best fit among the occurrences of a text that begins with `beginning` and whose length is determined
/// by `length`. `[open_before, open_after]` are the sides at which the text is part of a word, so a word could
/// continue there.
fn best_occurrence(
    folded: &str,
    beginning: &str,
    [open_before, open_after]: [bool; 2],
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
            let after = rest.get(length..).and_then(|text| text.chars().next());
            let begins = !open_before || !before.is_some_and(char::is_alphanumeric);
            let ends = !open_after || !after.is_some_and(char::is_alphanumeric);
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

/// Returns for both ends of a text whether it is a letter or digit, so a word of a name could continue there.
pub fn open_ends(text: &str) -> [bool; 2] {
    [text.chars().next(), text.chars().next_back()].map(|end| end.is_some_and(char::is_alphanumeric))
}

impl Query {
    /// Returns all words except compounds.
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
