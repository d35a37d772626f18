//! One search result as it goes out.

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

/// What the names of one hit may take, in bytes, so that a full page fits a frame with its cursor; the first name always
/// fits.
const MAX_NAMES_LEN: usize = (MAX_FRAME - 8 * MAX_CURSOR_HITS) / MAX_HITS as usize - REST_LEN;

/// What is set aside for the rest of a hit, in bytes: its fields, and its share of the sources of the page.
const REST_LEN: usize = 200;
const _: () =
    assert!(MAX_SOURCED_HITS * MAX_HIT_SOURCES * 64 + MAX_HITS as usize * 80 < MAX_HITS as usize * REST_LEN);

/// No more different names of one content are weighed against each other.
const MAX_NAMES_COMPARED: usize = 100;

/// Describes a content that was found by one of its titles: the names that match first, and among them those that most
/// nodes use.
pub(crate) fn hit(catalog: &Catalog, query: &Query, place: &RankedHit) -> Option<Hit> {
    let content = catalog.contents().get(place.content)?;
    let names = names(catalog, query, (place, content));
    if names.is_empty() {
        return None;
    }
    let (whole, partial) = (content.availability.complete, content.availability.partial);
    Some(Hit { digest: content.digest, size: content.size, names, complete: whole, partial })
}

fn names(catalog: &Catalog, query: &Query, (place, content): (&RankedHit, &Content)) -> Vec<String> {
    // The title may have gone since it was found, and its number been given to another.
    let listed = |title| {
        let title = catalog.titles().get(title)?;
        (title.content == place.content && title.listed_groups() > 0).then_some(title)
    };
    if content.has_one_name()
        && let Some(path) = listed(place.title).and_then(|title| catalog.names().path(title.name))
    {
        return vec![String::from(&**path)];
    }
    let titles = catalog.titles().titles_of(place.content, NameNo(0)).take(MAX_NAMES_COMPARED);
    let others = titles.filter(|title| *title != place.title);
    let weigh = |title| {
        let title = listed(title)?;
        let path = catalog.names().path(title.name)?;
        let matches = query.matches(&fold(path), content.size, &content.digest);
        Some((Reverse(matches), Reverse(title.listed_groups()), path))
    };
    let mut weighed: Vec<(_, _, &Arc<str>)> =
        std::iter::once(place.title).chain(others).filter_map(weigh).collect();
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
