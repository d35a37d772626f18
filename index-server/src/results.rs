//! What the directory finds for a request, built from the catalog and the roster: hits, sources, listings. Pure; results are
//! bounded in size and cost. The connection turns them into replies.

mod basic_names;
mod found_hit;
mod found_source;
mod listing;
mod statistics;
mod suggestions;

#[cfg(test)]
mod tests;

pub(crate) use basic_names::retain_basic_hints;
pub(crate) use found_hit::{FoundHit, FoundHits, found_hit};
pub(crate) use found_source::{FoundSource, sources, sources_for_hit};
pub(crate) use listing::{Listing, ListingPage, listing};
pub(crate) use statistics::DirectoryStatistics;
pub(crate) use suggestions::UnknownWord;

use std::net::SocketAddr;

use protocol::node_id::NodeId;

/// A listed node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedNode {
    pub(crate) id: NodeId,
    pub(crate) address: SocketAddr,
}
