//! The hits of a search.

use std::cmp::Reverse;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::limits::{
    MAX_CURSOR_HITS, MAX_FRAME, MAX_HIT_NAMES, MAX_HIT_SOURCES, MAX_HITS, MAX_SOURCED_HITS,
};
use protocol::query::Query;

use super::FoundSource;
use super::basic_names::retain_basic;
use crate::availability::Availability;
use crate::catalog::{Catalog, Content, NameNo};
use crate::ranking::RankedHit;
use crate::request::SentMarks;

/// Maximum bytes of the names of one hit, so that a full page with its cursor fits into a frame. The first name always fits.
const MAX_NAMES_LEN: usize = (MAX_FRAME - 8 * MAX_CURSOR_HITS) / MAX_HITS as usize - REST_LEN;

/// Bytes reserved for the rest of a hit: its fields, and its share of the page's sources.
const REST_LEN: usize = 200;
const _: () =
    assert!(MAX_SOURCED_HITS * MAX_HIT_SOURCES * 64 + MAX_HITS as usize * 80 < MAX_HITS as usize * REST_LEN);

/// Maximum number of names of one content that are ranked.
const MAX_NAMES_COMPARED: usize = 100;

/// A content that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundHit {
    pub(crate) digest: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its names, matching ones first; at least one.
    pub(crate) names: Vec<String>,
    pub(crate) availability: Availability,
    /// Some of its sources, if the search asks for them and the hit is among the first.
    pub(crate) sources: Vec<FoundSource>,
}

/// One page of the hits of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundHits {
    /// The hits, in order.
    pub(crate) hits: Vec<FoundHit>,
    /// Everything sent up to and including this page, if there is another page.
    pub(crate) more: Option<SentMarks>,
    /// True if a time or result limit stopped the search, so there may be hits beyond those listed.
    pub(crate) truncated: bool,
}

impl FoundHits {
    /// Removes names that release 0.1.0 does not accept, and hits without other names. A page without hits ends the search,
    /// which then counts as truncated.
    pub(crate) fn retain_basic_names(&mut self) {
        self.hits.retain_mut(|hit| {
            retain_basic(&mut hit.names);
            !hit.names.is_empty()
        });
        if self.hits.is_empty() {
            self.truncated |= self.more.take().is_some();
        }
    }
}

/// Returns the hit for a content found by one of its titles, without sources, with the matching names first, and those used by most nodes first
/// among them.
pub(crate) fn found_hit(catalog: &Catalog, query: &Query, ranked: &RankedHit) -> Option<FoundHit> {
    let content = catalog.contents().get(ranked.content)?;
    let names = names(catalog, query, (ranked, content));
    if names.is_empty() {
        return None;
    }
    Some(FoundHit {
        digest: content.digest,
        size: content.size,
        names,
        availability: content.availability,
        sources: Vec::new(),
    })
}

fn names(catalog: &Catalog, query: &Query, (ranked, content): (&RankedHit, &Content)) -> Vec<String> {
    // The title may have been removed since the search found it, and its number reused.
    let listed = |title| {
        let title = catalog.titles().get(title)?;
        (title.content == ranked.content && title.listed_groups() > 0).then_some(title)
    };
    // Most contents have a single name, which needs no ranking.
    if content.has_one_name()
        && let Some(path) = listed(ranked.title).and_then(|title| catalog.names().path(title.name))
    {
        return vec![String::from(&**path)];
    }
    let titles = catalog.titles().titles_of(ranked.content, NameNo(0)).take(MAX_NAMES_COMPARED);
    let others = titles.filter(|title| *title != ranked.title);
    // Matching names come first, then those used by more address groups.
    let weigh = |title| {
        let title = listed(title)?;
        let path = catalog.names().path(title.name)?;
        let matches = query.matches(&fold(path), content.size, &content.digest);
        Some((Reverse(matches), Reverse(title.listed_groups()), path))
    };
    let mut weighed: Vec<(_, _, &Arc<str>)> =
        std::iter::once(ranked.title).chain(others).filter_map(weigh).collect();
    weighed.sort_unstable();
    let mut len = 0;
    let fits = |name: &&Arc<str>| {
        len += name.len() + 8;
        len <= MAX_NAMES_LEN
    };
    weighed
        .into_iter()
        .map(|(_, _, name)| name)
        .take_while(fits)
        .take(MAX_HIT_NAMES)
        .map(|name| String::from(&**name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[&[&str]], more: Option<SentMarks>, truncated: bool) -> FoundHits {
        let hit = |names: &&[&str]| FoundHit {
            digest: Digest::EMPTY,
            size: 0,
            names: names.iter().copied().map(str::to_owned).collect(),
            availability: Availability { complete: 1, partial: 0 },
            sources: Vec::new(),
        };
        FoundHits { hits: names.iter().map(hit).collect(), more, truncated }
    }

    fn basic(mut page: FoundHits) -> FoundHits {
        page.retain_basic_names();
        page
    }

    #[test]
    fn old_node_gets_only_basic_names() {
        let all = page(&[&["K: x", "x"], &["a\\b"], &["y"]], None, false);
        assert_eq!(basic(all), page(&[&["x"], &["y"]], None, false));
    }

    #[test]
    fn page_without_hits_is_the_last() {
        let more = || Some(SentMarks::from(vec![1]));
        assert_eq!(basic(page(&[&["a\\b"]], more(), false)), page(&[], None, true));
        assert_eq!(basic(page(&[&["y"]], more(), false)), page(&[&["y"]], more(), false));
    }
}
