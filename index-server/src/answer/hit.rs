//! One search result as it goes out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use protocol::index::Hit;
use protocol::limits::{MAX_FRAME, MAX_HIT_NAMES, MAX_HITS};
use protocol::query::Query;

use crate::catalog::{Catalog, Content, ContentNo, NameNo};
use crate::roster::Roster;
use crate::search::availability;

/// What the names of one hit may take, in bytes, so that a full page fits a frame; the first name always fits.
const NAMES_LEN: usize = MAX_FRAME / MAX_HITS as usize - 200;

/// No more different names of one content are weighed against each other.
const NAMES_WEIGHED: usize = 1000;

/// Describes a content: the names that match first, and among them those that most nodes use.
pub(crate) fn hit(catalog: &Catalog, roster: &Roster, query: &Query, number: ContentNo) -> Option<Hit> {
    let content = catalog.contents().get(number)?;
    let available = availability(catalog, roster, number);
    let names = names(catalog, roster, query, (number, content));
    if names.is_empty() {
        return None;
    }
    let (whole, partial) = (available.whole, available.partial);
    Some(Hit { digest: content.digest, size: content.size, names, whole, partial })
}

fn names(
    catalog: &Catalog,
    roster: &Roster,
    query: &Query,
    (number, content): (ContentNo, &Content),
) -> Vec<String> {
    let mut uses: HashMap<NameNo, u32> = HashMap::new();
    for ((_, node, name), _) in catalog.holdings_of(number) {
        if roster.is_listed(node) && (uses.len() < NAMES_WEIGHED || uses.contains_key(&name)) {
            *uses.entry(name).or_default() += 1;
        }
    }
    let weigh = |(name, uses): (NameNo, u32)| {
        let matches = query.matches(catalog.names().folded(name)?, content.size, &content.digest);
        Some((Reverse(matches), Reverse(uses), catalog.names().path(name)?))
    };
    let mut weighed: Vec<(_, _, &Arc<str>)> = uses.into_iter().filter_map(weigh).collect();
    weighed.sort_unstable();
    let mut len = 0;
    let fits = |name: &&Arc<str>| {
        len += name.len() + 8;
        len <= NAMES_LEN
    };
    weighed
        .into_iter()
        .map(|(_, _, name)| name)
        .take_while(fits)
        .take(MAX_HIT_NAMES)
        .map(ToString::to_string)
        .collect()
}
