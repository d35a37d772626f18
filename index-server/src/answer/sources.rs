//! Who has a content and is there.

use protocol::digest::Digest;
use protocol::index::{Share, Source};

use crate::catalog::{Catalog, ContentNo, NodeNo};
use crate::random::Random;
use crate::roster::Roster;

/// Returns at most `limit` of the listed nodes that have a content, in an order that `seed` decides. If not all fit,
/// those that have all of it come before those that have some of it.
pub(crate) fn sources(
    catalog: &Catalog,
    roster: &Roster,
    digest: Digest,
    (limit, seed): (usize, u64),
) -> Vec<Source> {
    let mut random = Random::from_seed(seed);
    let mut nodes = holders(catalog, roster, digest, &mut random);
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

fn holders(catalog: &Catalog, roster: &Roster, digest: Digest, random: &mut Random) -> Vec<(NodeNo, Share)> {
    let contents = catalog.contents();
    let first = u32::try_from(random.below(contents.len())).map_or(ContentNo(0), ContentNo);
    let sizes = contents.with_digest(digest, first);
    let holdings = sizes.flat_map(|content| catalog.holdings_of(content));
    let mut nodes: Vec<(NodeNo, Share)> = holdings
        .filter(|holding| roster.is_listed(holding.node()))
        .map(|holding| (holding.node(), holding.share()))
        .collect();
    // A whole copy sorts before a partial one, so it is the one that stays.
    nodes.sort_unstable();
    nodes.dedup_by_key(|(node, _)| *node);
    nodes
}
