//! A reference search that examines every shared file, to test the real one against.

use std::collections::BTreeMap;

use protocol::fold::fold;
use protocol::query::{Fit, Query};

use crate::catalog::Catalog;
use crate::ids::ContentNo;

/// Returns all contents that match a query, each with the best fit of its names.
pub(crate) fn scan(catalog: &Catalog, query: &Query) -> BTreeMap<ContentNo, Fit> {
    let mut found = BTreeMap::new();
    for holding in catalog.all_holdings() {
        let content = catalog.contents().get(holding.content()).unwrap();
        let folded = fold(catalog.names().path(holding.name()).unwrap());
        if holding.is_listed() && query.matches(&folded, content.size, &content.digest) {
            let fit = Fit::of(query, &folded, &content.digest);
            let best = found.entry(holding.content()).or_insert(fit);
            *best = fit.min(*best);
        }
    }
    found
}
