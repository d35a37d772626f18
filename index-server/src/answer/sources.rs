//! Who has a content and is there.

use protocol::digest::Digest;
use protocol::index::{Share, Source};
use protocol::limits::{MAX_HIT_SOURCES, MAX_SOURCED_HITS};

use crate::catalog::{Catalog, NodeNo};
use crate::random::Random;
use crate::roster::Roster;

/// A sample is made of no more holdings than this, so that one question has an end however many claim to have a content.
const MOST_HOLDINGS: usize = 16_384;

/// The same for each hit of a search, of which a page has up to [`MAX_SOURCED_HITS`]: together not many more than for a locate.
const HOLDINGS_PER_HIT: usize = 1024;
const _: () = assert!(MAX_SOURCED_HITS * HOLDINGS_PER_HIT < 2 * MOST_HOLDINGS);

/// Returns at most `limit` of the listed nodes that have a content, in an order that `seed` decides. If not all fit,
/// those that have all of it come before those that have some of it.
pub(crate) fn sources(
    catalog: &Catalog,
    roster: &Roster,
    digest: Digest,
    (limit, seed): (usize, u64),
) -> Vec<Source> {
    sample(catalog, roster, (digest, MOST_HOLDINGS), (limit, seed))
}

/// Returns a few of the sources of a search hit, in an order that `seed` decides; looks at fewer holdings than [`sources`].
pub(crate) fn some_sources(catalog: &Catalog, roster: &Roster, digest: Digest, seed: u64) -> Vec<Source> {
    sample(catalog, roster, (digest, HOLDINGS_PER_HIT), (MAX_HIT_SOURCES, seed))
}

fn sample(
    catalog: &Catalog,
    roster: &Roster,
    (digest, most_holdings): (Digest, usize),
    (limit, seed): (usize, u64),
) -> Vec<Source> {
    let mut nodes = holders(catalog, roster, digest, most_holdings);
    let mut random = Random::from_seed(seed);
    random.shuffle(&mut nodes);
    if nodes.len() > limit {
        nodes.sort_by_key(|(_, share)| *share);
        nodes.truncate(limit);
        random.shuffle(&mut nodes);
    }
    let source = |(node, share)| {
        Some(Source { node: catalog.list(node)?.id(), address: roster.address(node)?, share })
    };
    nodes.into_iter().filter_map(source).collect()
}

fn holders(catalog: &Catalog, roster: &Roster, digest: Digest, most_holdings: usize) -> Vec<(NodeNo, Share)> {
    let contents = catalog.contents().with_digest(digest);
    let holdings = contents.flat_map(|content| catalog.holdings_of(content)).take(most_holdings);
    let mut nodes: Vec<(NodeNo, Share)> = holdings
        .filter(|holding| roster.is_listed(holding.node()))
        .map(|holding| (holding.node(), holding.share()))
        .collect();
    // A whole copy sorts before a partial one, so it is the one that stays.
    nodes.sort_unstable();
    nodes.dedup_by_key(|(node, _)| *node);
    nodes
}
