//! Answers to questions, made from the catalog and the roster. Pure; what is asked often or of much is cut to size.

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

/// Counts what the index holds; searches and uptime are the caller's to fill in.
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
