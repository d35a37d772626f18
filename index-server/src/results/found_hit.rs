//! Builds one search hit.

use std::cmp::Reverse;
use std::sync::Arc;

use protocol::fold::fold;
use protocol::index::Hit;
use protocol::limits::{
    MAX_CURSOR_HITS, MAX_FRAME, MAX_HIT_NAMES, MAX_HIT_SOURCES, MAX_HITS, MAX_SOURCED_HITS,
};
use protocol::query::Query;

use crate::catalog::{Catalog, Content, NameNo};
use crate::ranking::RankedHit;

/// Maximum bytes of the names of one hit, so that a full page with its cursor fits into a frame. The first name always fits.
const MAX_NAMES_LEN: usize = (MAX_FRAME - 8 * MAX_CURSOR_HITS) / MAX_HITS as usize - REST_LEN;

/// Bytes reserved for the rest of a hit: its fields, and its share of the page's sources.
const REST_LEN: usize = 200;
const _: () =
    assert!(MAX_SOURCED_HITS * MAX_HIT_SOURCES * 64 + MAX_HITS as usize * 80 < MAX_HITS as usize * REST_LEN);

/// Maximum number of names of one content that are ranked.
const MAX_NAMES_COMPARED: usize = 100;

/// Returns the hit for a content found by one of its titles, with the matching names first, and those used by most nodes first
/// among them.
pub(crate) fn hit(catalog: &Catalog, query: &Query, ranked: &RankedHit) -> Option<Hit> {
    let content = catalog.contents().get(ranked.content)?;
    let names = names(catalog, query, (ranked, content));
    if names.is_empty() {
        return None;
    }
    let (complete, partial) = (content.availability.complete, content.availability.partial);
    Some(Hit { digest: content.digest, size: content.size, names, complete, partial })
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
