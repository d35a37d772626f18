//! Builds replies from the catalog and the roster. Pure; replies are bounded in size and cost.

mod basic_names;
mod hit;
mod listing;
mod sources;

#[cfg(test)]
mod tests;

pub(crate) use basic_names::with_basic_names;
pub(crate) use hit::hit;
pub(crate) use listing::{ListingPage, listing};
pub(crate) use sources::{sources, sources_for_hit};

use protocol::index::Statistics;

use crate::catalog::Catalog;
use crate::roster::Roster;

/// Returns the statistics of the index; the caller fills in searches and uptime.
pub(crate) fn statistics(catalog: &Catalog, roster: &Roster) -> Statistics {
    let (nodes, files) = catalog.count_files();
    Statistics {
        online: roster.count_listed(),
        nodes,
        files,
        contents: catalog.contents().len() as u64,
        bytes: catalog.contents().bytes(),
        ..Statistics::default()
    }
}
