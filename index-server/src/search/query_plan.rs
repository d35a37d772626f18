//! Where the titles are looked for that may fit a query.
//!
//! Everything that a query requires says which words its titles have; the requirement with the fewest titles is
//! followed, and the others are held against each title on the way.

use std::cmp::Reverse;

use protocol::digest::Digest;
use protocol::query::{Compound, DigestPrefix, Fit, Query, open_ends};

use super::candidates::Candidates;
use crate::catalog::{Catalog, DigestHead, NameNo, digest_head};
use crate::ids::ContentNo;
use crate::words::{PatternPosition, WordNo, WordPattern, words};

/// No more words than this are put together to follow a requirement, or looked at to find them: it has so many titles
/// then that all titles are gone through instead.
const MAX_WORDS: usize = 4096;

/// So many pieces are looked for among the words of which they may be parts, the longest ones.
const MAX_PARTS: usize = 4;

/// So many requirements are held against each title, beside the look at its name.
const MAX_FILTERS: usize = 4;

/// A requirement of no more words than this is held against titles word by word.
const FEW_WORDS: usize = 8;

/// Somewhere to find titles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TitleSource {
    /// All titles there are.
    Everything,
    /// Those that contain one of some words, the last word first.
    Words(Vec<WordNo>),
    /// Those that contain a word of each of several requirements.
    Candidates(Candidates),
    /// Those whose digest starts with up to `high`: from a content and one of its names on.
    Digests { from: (DigestHead, ContentNo), name: NameNo, high: DigestHead },
}

/// The way to the titles that may fit as well as one fit says.
#[derive(Debug)]
pub(super) struct QueryPlan {
    /// What is still to be gone through, the next one last.
    pub(super) sources: Vec<TitleSource>,
    /// The number of the title from which the next source is gone through.
    pub(super) next: u32,
    /// Of each of these, a title must contain a word.
    pub(super) filters: Vec<Vec<WordNo>>,
    /// The same for all that is required, what is followed included, if it can be intersected.
    requirements: Vec<Vec<WordNo>>,
}

impl QueryPlan {
    /// Finds the shortest way.
    pub(super) fn new(query: &Query, fit: Fit, catalog: &Catalog) -> Self {
        let mut shortest = plan_by_digest(query, fit, catalog);
        let alternatives = query.extensions().filter_map(|endings| words_with_endings(endings, catalog));
        let pieces = required_patterns(query, fit);
        let mut found: Vec<Vec<WordNo>> =
            pieces.iter().filter_map(|piece| find_words(piece, catalog)).chain(alternatives).collect();
        // Few words have few titles, mostly; and what is the only way need not be weighed.
        found.sort_by_key(Vec::len);
        let is_only = shortest.is_none() && found.len() == 1;
        let mut requirements = if found.len() > 1 { found.clone() } else { Vec::new() };
        let mut filters: Vec<(usize, Vec<WordNo>)> = Vec::new();
        for words in found {
            let is_filter = words.len() <= FEW_WORDS && !is_only;
            let most = shortest.as_ref().map_or(usize::MAX, |(weight, _)| *weight);
            let weight = if is_only {
                0
            } else {
                count_titles(&words, catalog, if is_filter { usize::MAX } else { most })
            };
            if is_filter {
                filters.push((weight, words.clone()));
            }
            if weight < most {
                shortest = Some((weight, vec![TitleSource::Words(words)]));
            }
        }
        let (_, sources) = shortest.unwrap_or_else(|| (0, vec![TitleSource::Everything]));
        if let [TitleSource::Words(followed)] = sources.as_slice() {
            filters.retain(|(_, words)| words != followed);
        } else {
            requirements.clear();
        }
        filters.sort_by_key(|(weight, _)| *weight);
        filters.truncate(MAX_FILTERS);
        let filters = filters.into_iter().map(|(_, words)| words).collect();
        Self { sources, next: 0, filters, requirements }
    }

    /// Returns true if there is more than one requirement, and they have not been intersected.
    pub(super) const fn can_intersect(&self) -> bool {
        !self.requirements.is_empty()
    }

    /// Goes on with the intersection of all requirements, from the first title on, unless one has fewer titles than `least`.
    pub(super) fn intersect(&mut self, least: usize, catalog: &Catalog) {
        let requirements = std::mem::take(&mut self.requirements);
        if let Some(candidates) = Candidates::intersect(requirements, least, catalog) {
            self.sources = vec![TitleSource::Candidates(candidates)];
            self.next = 0;
            self.filters.clear();
        }
    }
}

/// Finds the shortest way through what a query says of digests, if it says something.
fn plan_by_digest(query: &Query, fit: Fit, catalog: &Catalog) -> Option<(usize, Vec<TitleSource>)> {
    let whole = query.digest_prefix().map(|prefix| digest_source(prefix, catalog));
    let hashes = query.hash_words().filter_map(|hash| {
        let words = find_words(patterns_of(hash.word(), open_sides(fit)).first()?, catalog)?;
        let (weight, mut sources) = digest_source(hash.prefix(), catalog);
        let weight = weight + count_titles(&words, catalog, usize::MAX);
        sources.push(TitleSource::Words(words));
        Some((weight, sources))
    });
    whole.into_iter().chain(hashes).min_by_key(|(weight, _)| *weight)
}

/// Returns the pieces that stand in every title that fits that well; of parts of words only a few.
fn required_patterns(query: &Query, fit: Fit) -> Vec<WordPattern> {
    let by_fit = open_sides(fit);
    let words = query.words().iter().flat_map(|word| patterns_of(word, by_fit));
    let compounds = query.compounds().iter().flat_map(Compound::parts);
    // Where a capital joins two parts, a name may have them in one word.
    let parts = compounds
        .flat_map(|(part, [before, behind])| patterns_of(part, [before || by_fit[0], behind || by_fit[1]]));
    let all = words.chain(parts);
    let (mut whole, mut parts): (Vec<WordPattern>, Vec<WordPattern>) =
        all.partition(|piece| piece.position == PatternPosition::Whole);
    parts.sort_by_key(|piece| Reverse(piece.text.len()));
    parts.truncate(MAX_PARTS);
    whole.append(&mut parts);
    whole
}

/// Returns at which sides a word of a name may go on around what is searched for, if the name fits that well.
const fn open_sides(fit: Fit) -> [bool; 2] {
    [matches!(fit, Fit::Substrings), matches!(fit, Fit::Prefixes | Fit::Substrings)]
}

/// Returns which pieces stand how in a title that contains a text, if a word may go on at the sides that are `open_sides`.
fn patterns_of(word: &str, [loose_before, loose_behind]: [bool; 2]) -> Vec<WordPattern> {
    let [before, behind] = open_ends(word);
    let texts: Vec<&str> = words(word).collect();
    let last = texts.len().saturating_sub(1);
    let piece = |(index, text): (usize, &&str)| {
        let may_begin_before = index == 0 && before && loose_before;
        let may_end_behind = index == last && behind && loose_behind;
        let stand = match (may_begin_before, may_end_behind) {
            (false, false) => PatternPosition::Whole,
            (false, true) => PatternPosition::Beginning,
            (true, false) => PatternPosition::End,
            (true, true) => PatternPosition::Inside,
        };
        WordPattern { text: (*text).to_owned(), position: stand }
    };
    texts.iter().enumerate().map(piece).collect()
}

fn find_words(piece: &WordPattern, catalog: &Catalog) -> Option<Vec<WordNo>> {
    catalog.words().find(piece, MAX_WORDS)
}

/// Finds the last words of some endings, of which a title has one; nothing if an ending has no word.
fn words_with_endings(endings: &[String], catalog: &Catalog) -> Option<Vec<WordNo>> {
    let mut found = Vec::new();
    for ending in endings {
        let text = words(ending).last()?.to_owned();
        found.extend(find_words(&WordPattern { text, position: PatternPosition::Whole }, catalog)?);
    }
    Some(found)
}

/// Counts the titles of some words, but stops when there are at least `most`.
fn count_titles(words: &[WordNo], catalog: &Catalog, most: usize) -> usize {
    let mut weight = 0;
    for word in words {
        if weight >= most {
            break;
        }
        weight += catalog.words().titles(*word).map_or(0, crate::words::NumberSet::len);
    }
    weight
}

fn digest_source(prefix: &DigestPrefix, catalog: &Catalog) -> (usize, Vec<TitleSource>) {
    let (low, high) = prefix.range();
    let [low, high] = [low, high].map(|digest| digest_head(&Digest::from_bytes(digest)));
    let weight = catalog.contents().count_between(low, high);
    (weight, vec![TitleSource::Digests { from: (low, ContentNo(0)), name: NameNo(0), high }])
}
