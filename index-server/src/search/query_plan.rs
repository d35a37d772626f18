//! Plans where to look for titles that may match a query.
//!
//! Each requirement of a query implies a set of words, one of which every matching title contains. The requirement with the
//! fewest titles is scanned, and the others filter its titles.

use std::cmp::Reverse;

use protocol::digest::Digest;
use protocol::query::{Compound, DigestPrefix, Fit, Query, open_ends};

use super::candidates::Candidates;
use crate::catalog::{Catalog, DigestHead, NameNo, digest_head};
use crate::ids::ContentNo;
use crate::words::{PatternPosition, WordNo, WordPattern, words};

/// Maximum number of words examined or combined for one requirement. A requirement with more words has so many titles that
/// scanning all titles is cheaper.
const MAX_WORDS: usize = 4096;

/// Maximum number of partial-word patterns looked up, the longest ones first.
const MAX_PARTS: usize = 4;

/// Maximum number of filters applied before a title's name is examined.
const MAX_FILTERS: usize = 4;

/// A requirement of at most this many words can be a filter.
const FEW_WORDS: usize = 8;

/// A source of candidate titles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TitleSource {
    /// All titles.
    Everything,
    /// Titles that contain one of these words, the last word first.
    Words(Vec<WordNo>),
    /// Titles that contain a word of each of several requirements.
    Candidates(Candidates),
    /// Titles whose digest starts with at most `high`, starting at a content and one of its names.
    Digests { from: (DigestHead, ContentNo), name: NameNo, high: DigestHead },
}

/// The plan for one fit.
#[derive(Debug)]
pub(super) struct QueryPlan {
    /// The remaining sources, the next one last.
    pub(super) sources: Vec<TitleSource>,
    /// The title number from which the next source is scanned.
    pub(super) next: u32,
    /// A title must contain a word of each of these.
    pub(super) filters: Vec<Vec<WordNo>>,
    /// All requirements including the scanned one, if they can be intersected.
    requirements: Vec<Vec<WordNo>>,
}

impl QueryPlan {
    /// Finds the cheapest plan.
    pub(super) fn new(query: &Query, fit: Fit, catalog: &Catalog) -> Self {
        // A digest in the query names few contents and usually beats every word.
        let mut shortest = plan_by_digest(query, fit, catalog);
        // A title has one of the wanted extensions, so their words form one requirement together.
        let alternatives = query.extensions().filter_map(|endings| words_with_endings(endings, catalog));
        let patterns = required_patterns(query, fit);
        let mut found: Vec<Vec<WordNo>> =
            patterns.iter().filter_map(|pattern| find_words(pattern, catalog)).chain(alternatives).collect();
        // Few words usually have few titles, and a single option need not be weighed.
        found.sort_by_key(Vec::len);
        let is_only = shortest.is_none() && found.len() == 1;
        let mut requirements = if found.len() > 1 { found.clone() } else { Vec::new() };
        let mut filters: Vec<(usize, Vec<WordNo>)> = Vec::new();
        for words in found {
            let is_filter = words.len() <= FEW_WORDS && !is_only;
            // Counting stops at the best weight so far, unless the exact weight orders the filters.
            let lowest = shortest.as_ref().map_or(usize::MAX, |(weight, _)| *weight);
            let weight = if is_only {
                0
            } else {
                count_titles(&words, catalog, if is_filter { usize::MAX } else { lowest })
            };
            // Requirements of few words can be checked for each title at little cost.
            if is_filter {
                filters.push((weight, words.clone()));
            }
            if weight < lowest {
                shortest = Some((weight, vec![TitleSource::Words(words)]));
            }
        }
        let (_, sources) = shortest.unwrap_or_else(|| (0, vec![TitleSource::Everything]));
        // Scanned words need not filter themselves, and only a scan of words can be replaced by an intersection.
        if let [TitleSource::Words(followed)] = sources.as_slice() {
            filters.retain(|(_, words)| words != followed);
        } else {
            requirements.clear();
        }
        // The rarest filter rejects most titles, so it comes first; further ones hardly help.
        filters.sort_by_key(|(weight, _)| *weight);
        filters.truncate(MAX_FILTERS);
        let filters = filters.into_iter().map(|(_, words)| words).collect();
        Self { sources, next: 0, filters, requirements }
    }

    /// Returns true if there are several requirements that have not been intersected.
    pub(super) const fn can_intersect(&self) -> bool {
        !self.requirements.is_empty()
    }

    /// Switches to the intersection of all requirements and starts over, unless a requirement has fewer titles than `min_titles`.
    pub(super) fn intersect(&mut self, min_titles: usize, catalog: &Catalog) {
        // Tried once: if an intersection is not worthwhile now, it will not be later.
        let requirements = std::mem::take(&mut self.requirements);
        if let Some(candidates) = Candidates::intersect(requirements, min_titles, catalog) {
            self.sources = vec![TitleSource::Candidates(candidates)];
            self.next = 0;
            self.filters.clear();
        }
    }
}

/// Finds the cheapest plan that uses the digests in a query, if it contains any.
fn plan_by_digest(query: &Query, fit: Fit, catalog: &Catalog) -> Option<(usize, Vec<TitleSource>)> {
    let by_prefix = query.digest_prefix().map(|prefix| digest_source(prefix, catalog));
    let hashes = query.hash_words().filter_map(|hash| {
        let words = find_words(patterns_of(hash.word(), open_sides(fit)).first()?, catalog)?;
        let (weight, mut sources) = digest_source(hash.prefix(), catalog);
        // The word may also be part of a name, so both kinds of titles are scanned.
        let weight = weight + count_titles(&words, catalog, usize::MAX);
        sources.push(TitleSource::Words(words));
        Some((weight, sources))
    });
    by_prefix.into_iter().chain(hashes).min_by_key(|(weight, _)| *weight)
}

/// Returns the patterns that every title matching with this fit contains; only a few of those for parts of words.
fn required_patterns(query: &Query, fit: Fit) -> Vec<WordPattern> {
    let by_fit = open_sides(fit);
    let words = query.words().iter().flat_map(|word| patterns_of(word, by_fit));
    let compounds = query.compounds().iter().flat_map(Compound::parts);
    // Parts joined by a capital letter may be a single word in a name.
    let parts = compounds
        .flat_map(|(part, [before, behind])| patterns_of(part, [before || by_fit[0], behind || by_fit[1]]));
    let all = words.chain(parts);
    let (mut whole_words, mut parts): (Vec<WordPattern>, Vec<WordPattern>) =
        all.partition(|pattern| pattern.position == PatternPosition::Whole);
    // Long parts occur in few words, while short ones match too many to be useful.
    parts.sort_by_key(|pattern| Reverse(pattern.text.len()));
    parts.truncate(MAX_PARTS);
    whole_words.append(&mut parts);
    whole_words
}

/// Returns on which sides of a query word a name's word may be longer, for this fit.
const fn open_sides(fit: Fit) -> [bool; 2] {
    [matches!(fit, Fit::Substrings), matches!(fit, Fit::Prefixes | Fit::Substrings)]
}

/// Returns the patterns of a text; its first and last word may be longer in a title on the sides that `open_sides` allows.
fn patterns_of(word: &str, [loose_before, loose_behind]: [bool; 2]) -> Vec<WordPattern> {
    let [before, behind] = open_ends(word);
    let texts: Vec<&str> = words(word).collect();
    let last = texts.len().saturating_sub(1);
    let pattern = |(index, text): (usize, &&str)| {
        // Only the outer ends of a text can lie within a longer word; inner words are whole.
        let may_begin_before = index == 0 && before && loose_before;
        let may_end_behind = index == last && behind && loose_behind;
        let position = match (may_begin_before, may_end_behind) {
            (false, false) => PatternPosition::Whole,
            (false, true) => PatternPosition::Beginning,
            (true, false) => PatternPosition::End,
            (true, true) => PatternPosition::Inside,
        };
        WordPattern { text: (*text).to_owned(), position }
    };
    texts.iter().enumerate().map(pattern).collect()
}

fn find_words(pattern: &WordPattern, catalog: &Catalog) -> Option<Vec<WordNo>> {
    catalog.words().find(pattern, MAX_WORDS)
}

/// Returns the last words of some extensions, one of which a title contains; `None` if an extension has no word.
fn words_with_endings(endings: &[String], catalog: &Catalog) -> Option<Vec<WordNo>> {
    let mut found = Vec::new();
    for ending in endings {
        let text = words(ending).last()?.to_owned();
        found.extend(find_words(&WordPattern { text, position: PatternPosition::Whole }, catalog)?);
    }
    Some(found)
}

/// Counts the titles of some words, but stops at `limit`.
fn count_titles(words: &[WordNo], catalog: &Catalog, limit: usize) -> usize {
    let mut weight = 0;
    for word in words {
        if weight >= limit {
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
