//! Who has a content and is there.

use std::collections::HashMap;

use protocol::digest::Digest;
use protocol::index::{ContentSource, Share};
use protocol::limits::{MAX_HIT_SOURCES, MAX_SOURCED_HITS};

use crate::address_group::AddressGroup;
use crate::catalog::Catalog;
use crate::ids::NodeNo;
use crate::random::SplitMix64;
use crate::roster::Roster;

/// A sample is made of no more holdings than this, so that one question has an end however many claim to have a content.
const MAX_HOLDINGS: usize = 16_384;

/// The same for each hit of a search, of which a page has up to [`MAX_SOURCED_HITS`]: together not many more than for a locate.
const MAX_HOLDINGS_PER_HIT: usize = 1024;
const _: () = assert!(MAX_SOURCED_HITS * MAX_HOLDINGS_PER_HIT < 2 * MAX_HOLDINGS);

/// The most nodes of one address that are named in an answer: keys cost nothing, and a few tell as much as all.
const MAX_SOURCES_PER_ADDRESS: usize = 4;

/// Returns at most `limit` of the listed nodes that have a content. Every address comes before the second node of any, and no address
/// has more than [`MAX_SOURCES_PER_ADDRESS`]; apart from that `seed` decides the order. If not all fit, those that have all of it come
/// before those that have some of it.
pub(crate) fn sources(
    catalog: &Catalog,
    roster: &Roster,
    digest: Digest,
    (limit, seed): (usize, u64),
) -> Vec<ContentSource> {
    sample(catalog, roster, (digest, MAX_HOLDINGS), (limit, seed))
}

/// Returns a few of the sources of a search hit, in an order that `seed` decides; looks at fewer holdings than [`sources`].
pub(crate) fn sources_for_hit(
    catalog: &Catalog,
    roster: &Roster,
    digest: Digest,
    seed: u64,
) -> Vec<ContentSource> {
    sample(catalog, roster, (digest, MAX_HOLDINGS_PER_HIT), (MAX_HIT_SOURCES, seed))
}

fn sample(
    catalog: &Catalog,
    roster: &Roster,
    (digest, most_holdings): (Digest, usize),
    (limit, seed): (usize, u64),
) -> Vec<ContentSource> {
    let mut nodes = holders(catalog, roster, digest, most_holdings);
    let mut random = SplitMix64::from_seed(seed);
    random.shuffle(&mut nodes);
    let mut drawn = choose(nodes, roster, limit);
    // Those that have all of it came first, so that they are among those that fit; now chance alone decides.
    for round in drawn.chunk_by_mut(|one, next| one.round == next.round) {
        random.shuffle(round);
    }
    let source = |drawn: SourceCandidate| {
        let address = roster.address(drawn.node)?;
        Some(ContentSource { node: catalog.list(drawn.node)?.id(), address, share: drawn.share })
    };
    drawn.into_iter().filter_map(source).collect()
}

/// A node that may be named.
#[derive(Debug, Clone, Copy)]
struct SourceCandidate {
    /// How many of its address come before it.
    round: usize,
    share: Share,
    node: NodeNo,
}

/// Draws at most `limit` nodes, an address after the other before the second node of any; of an address, and among those drawn in the
/// same round, those with all of the content first.
fn choose(mut nodes: Vec<(NodeNo, Share)>, roster: &Roster, limit: usize) -> Vec<SourceCandidate> {
    nodes.sort_by_key(|(_, share)| *share);
    let mut counts = HashMap::<AddressGroup, usize>::new();
    let mut drawn = Vec::new();
    for (node, share) in nodes {
        if counts.len() == limit {
            break;
        }
        let Some(household) = roster.address_group(node) else { continue };
        let count = counts.entry(household).or_default();
        if *count < MAX_SOURCES_PER_ADDRESS {
            drawn.push(SourceCandidate { round: *count, share, node });
            *count += 1;
        }
    }
    drawn.sort_by_key(|drawn| drawn.round);
    drawn.truncate(limit);
    drawn
}

fn holders(catalog: &Catalog, roster: &Roster, digest: Digest, most_holdings: usize) -> Vec<(NodeNo, Share)> {
    let contents = catalog.contents().with_digest(digest).take(most_holdings);
    let holdings = contents.flat_map(|content| catalog.holdings_of(content)).take(most_holdings);
    // The roster is ahead of the catalog while a node's files are gone through.
    let mut nodes: Vec<(NodeNo, Share)> = holdings
        .filter(|holding| roster.is_listed(holding.node()))
        .map(|holding| (holding.node(), holding.share()))
        .collect();
    // A whole copy sorts before a partial one, so it is the one that stays.
    nodes.sort_unstable();
    nodes.dedup_by_key(|(node, _)| *node);
    nodes
}
