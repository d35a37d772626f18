//! Who has a content and is there.

use protocol::digest::Digest;
use protocol::index::{Share, Source};

use crate::catalog::{Catalog, NodeNo};
use crate::roster::Roster;

/// Returns at most `limit` of the listed nodes that have a content, in an order that `seed` decides. If not all fit,
/// those that have all of it come before those that have some of it.
pub(crate) fn sources(
    catalog: &Catalog,
    roster: &Roster,
    digest: Digest,
    (limit, seed): (usize, u64),
) -> Vec<Source> {
    let mut nodes = holders(catalog, roster, digest);
    let mut random = Random(seed);
    shuffle(&mut nodes, &mut random);
    if nodes.len() > limit {
        nodes.sort_by_key(|(_, share)| *share);
        nodes.truncate(limit);
        shuffle(&mut nodes, &mut random);
    }
    let source = |(node, share)| {
        Some(Source { node: catalog.list(node)?.id(), address: roster.address(node)?, share })
    };
    nodes.into_iter().filter_map(source).collect()
}

fn holders(catalog: &Catalog, roster: &Roster, digest: Digest) -> Vec<(NodeNo, Share)> {
    let contents = catalog.contents().with_digest(digest);
    let holdings = contents.flat_map(|content| catalog.holdings_of(content));
    let mut nodes: Vec<(NodeNo, Share)> = holdings
        .filter(|((_, node, _), _)| roster.is_listed(*node))
        .map(|((_, node, _), share)| (node, share))
        .collect();
    // A whole copy sorts before a partial one, so it is the one that stays.
    nodes.sort_unstable();
    nodes.dedup_by_key(|(node, _)| *node);
    nodes
}

/// `SplitMix64`: nothing here needs to be hard to guess, only spread.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(word % bound).unwrap_or_default()
    }
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for end in (1..items.len()).rev() {
        items.swap(end, random.below(end + 1));
    }
}
