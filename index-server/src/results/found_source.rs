//! Selects online sources of a content.

use std::collections::HashMap;
use std::net::SocketAddr;

use protocol::digest::Digest;
use protocol::index::Share;
use protocol::limits::{MAX_HIT_SOURCES, MAX_SOURCED_HITS};
use protocol::node_id::NodeId;

use crate::address_group::AddressGroup;
use crate::catalog::Catalog;
use crate::ids::NodeNo;
use crate::random::SplitMix64;
use crate::roster::Roster;

/// Maximum number of holdings sampled, which bounds the cost of a query for a content that many nodes claim to have.
const MAX_HOLDINGS: usize = 16_384;

/// The same per hit of a search page, which has up to [`MAX_SOURCED_HITS`]: in total not much more than for a locate request.
const MAX_HOLDINGS_PER_HIT: usize = 1024;
const _: () = assert!(MAX_SOURCED_HITS * MAX_HOLDINGS_PER_HIT < 2 * MAX_HOLDINGS);

/// Maximum number of sources per address in a reply: node keys cost nothing, and a few sources are as useful as all.
const MAX_SOURCES_PER_ADDRESS: usize = 4;

/// A listed node that has a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundSource {
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    /// How much of the content it has.
    pub(crate) share: Share,
}

/// Returns up to `limit` listed nodes that have a content. Every address comes before the second node of any address, no
/// address has more than [`MAX_SOURCES_PER_ADDRESS`], and otherwise `seed` determines the order. If not all fit, complete
/// sources are preferred to partial ones.
pub(crate) fn sources(
    catalog: &Catalog,
    roster: &Roster,
    digest: Digest,
    (limit, seed): (usize, u64),
) -> Vec<FoundSource> {
    sample(catalog, roster, (digest, MAX_HOLDINGS), (limit, seed))
}

/// Returns a few sources of a search hit, in an order that `seed` determines; samples fewer holdings than [`sources`].
pub(crate) fn sources_for_hit(
    catalog: &Catalog,
    roster: &Roster,
    digest: Digest,
    seed: u64,
) -> Vec<FoundSource> {
    sample(catalog, roster, (digest, MAX_HOLDINGS_PER_HIT), (MAX_HIT_SOURCES, seed))
}

fn sample(
    catalog: &Catalog,
    roster: &Roster,
    (digest, max_holdings): (Digest, usize),
    (limit, seed): (usize, u64),
) -> Vec<FoundSource> {
    let mut nodes = holders(catalog, roster, digest, max_holdings);
    let mut random = SplitMix64::from_seed(seed);
    random.shuffle(&mut nodes);
    let mut drawn = choose(nodes, roster, limit);
    // Complete sources were selected first; shuffle within each round, so that only chance determines the order.
    for round in drawn.chunk_by_mut(|one, next| one.round == next.round) {
        random.shuffle(round);
    }
    let source = |drawn: SourceCandidate| {
        let address = roster.address(drawn.node)?;
        Some(FoundSource { node: catalog.list(drawn.node)?.id(), address, share: drawn.share })
    };
    drawn.into_iter().filter_map(source).collect()
}

/// A possible source.
#[derive(Debug, Clone, Copy)]
struct SourceCandidate {
    /// The number of sources at the same address before it.
    round: usize,
    share: Share,
    node: NodeNo,
}

/// Selects up to `limit` nodes in rounds: one node of every address before the second node of any; complete sources come first
/// within an address and within a round.
fn choose(mut nodes: Vec<(NodeNo, Share)>, roster: &Roster, limit: usize) -> Vec<SourceCandidate> {
    // Complete sources get the early rounds of their address.
    nodes.sort_by_key(|(_, share)| *share);
    let mut counts = HashMap::<AddressGroup, usize>::new();
    let mut drawn = Vec::new();
    for (node, share) in nodes {
        // The first round is full.
        if counts.len() == limit {
            break;
        }
        let Some(group) = roster.address_group(node) else { continue };
        let count = counts.entry(group).or_default();
        if *count < MAX_SOURCES_PER_ADDRESS {
            drawn.push(SourceCandidate { round: *count, share, node });
            *count += 1;
        }
    }
    drawn.sort_by_key(|drawn| drawn.round);
    drawn.truncate(limit);
    drawn
}

fn holders(catalog: &Catalog, roster: &Roster, digest: Digest, max_holdings: usize) -> Vec<(NodeNo, Share)> {
    let contents = catalog.contents().with_digest(digest).take(max_holdings);
    let holdings = contents.flat_map(|content| catalog.holdings_of(content)).take(max_holdings);
    // The roster may be ahead of the catalog, whose files are updated in steps.
    let mut nodes: Vec<(NodeNo, Share)> = holdings
        .filter(|holding| roster.is_listed(holding.node()))
        .map(|holding| (holding.node(), holding.share()))
        .collect();
    // A complete copy sorts before a partial one, so deduplication keeps it.
    nodes.sort_unstable();
    nodes.dedup_by_key(|(node, _)| *node);
    nodes
}
