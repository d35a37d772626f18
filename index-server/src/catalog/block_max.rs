//! The maximum rank per block of 64 titles and per region of 4,096: lets a search skip titles that cannot be among its hits.

/// Titles per block, and blocks per region, as a power of two.
const BLOCK_BITS: u32 = 6;
const _: () = assert!(2 * BLOCK_BITS < u32::BITS, "a region holds fewer titles than there can be");

/// The maximum rank per block and region: an upper bound, never lower than the true maximum.
#[derive(Debug, Default)]
pub(super) struct BlockMaxRanks {
    blocks: Vec<u64>,
    regions: Vec<u64>,
}

impl BlockMaxRanks {
    /// Records that a title may have a rank.
    pub(super) fn raise(&mut self, title: u32, rank: u64) {
        raise_at(&mut self.blocks, title >> BLOCK_BITS, rank);
        raise_at(&mut self.regions, title >> (2 * BLOCK_BITS), rank);
        debug_assert!(rank <= self.bound_of(title), "a bound is below a rank");
    }

    /// Returns the upper bound of a title's rank.
    pub(super) fn bound_of(&self, title: u32) -> u64 {
        let peak = |peaks: &[u64], index: u32| peaks.get(index as usize).copied().unwrap_or_default();
        let (block, region) = (title >> BLOCK_BITS, title >> (2 * BLOCK_BITS));
        peak(&self.blocks, block).min(peak(&self.regions, region))
    }

    /// Records that a title no longer has a rank; `rank_of` returns the current ranks of the titles in its block.
    pub(super) fn lower(&mut self, title: u32, rank: u64, rank_of: impl Fn(u32) -> u64) {
        let block = title >> BLOCK_BITS;
        // Only a title at the block's maximum can lower it.
        let Some(peak) = self.blocks.get_mut(block as usize).filter(|peak| **peak == rank) else { return };
        let first = block << BLOCK_BITS;
        *peak = (first..=first + ((1 << BLOCK_BITS) - 1)).map(rank_of).max().unwrap_or_default();
        debug_assert!(*peak <= rank, "a block had a title above its bound");
        // Recompute the region's maximum from its blocks.
        let first = (block >> BLOCK_BITS << BLOCK_BITS) as usize;
        let blocks = self.blocks.iter().skip(first).take(1 << BLOCK_BITS);
        if let Some(region) = self.regions.get_mut((block >> BLOCK_BITS) as usize) {
            let highest = blocks.copied().max().unwrap_or_default();
            debug_assert!(highest <= *region, "a region had a block above its bound");
            *region = highest;
        }
    }

    /// Returns the lowest title number from `from` on whose block may have a rank above `rank`.
    pub(super) fn next_above(&self, from: u32, rank: u64) -> Option<u32> {
        let mut block = (from >> BLOCK_BITS) as usize;
        if *self.blocks.get(block)? > rank {
            return Some(from);
        }
        // Skip whole regions, then find the block within the first region that qualifies.
        block += 1;
        loop {
            let region = block >> BLOCK_BITS;
            if *self.regions.get(region)? > rank {
                let end = (region + 1) << BLOCK_BITS;
                let rest = self.blocks.get(block..end.min(self.blocks.len()))?;
                if let Some(offset) = rest.iter().position(|peak| *peak > rank) {
                    return u32::try_from((block + offset) << BLOCK_BITS).ok();
                }
            }
            block = (region + 1) << BLOCK_BITS;
        }
    }
}

fn raise_at(peaks: &mut Vec<u64>, index: u32, rank: u64) {
    let index = index as usize;
    if index >= peaks.len() {
        peaks.resize(index + 1, 0);
    }
    if let Some(peak) = peaks.get_mut(index) {
        *peak = rank.max(*peak);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_title_above_a_rank_is_skipped(
            changes in prop::collection::vec((0_u32..10_000, 0_u64..5), 1..200),
            probes in prop::collection::vec((0_u32..11_000, 0_u64..5), 20),
        ) {
            let (mut peaks, mut ranks) = (BlockMaxRanks::default(), BTreeMap::<u32, u64>::new());
            for (title, rank) in changes {
                let before = ranks.insert(title, rank).unwrap_or(0);
                peaks.raise(title, rank);
                if rank < before {
                    peaks.lower(title, before, |other| ranks.get(&other).copied().unwrap_or(0));
                }
            }
            for (from, rank) in probes {
                let truth = ranks.range(from..).find(|(_, other)| **other > rank).map(|(title, _)| *title);
                match (peaks.next_above(from, rank), truth) {
                    (None, truth) => prop_assert_eq!(truth, None),
                    (Some(found), truth) => {
                        prop_assert!(truth.is_none_or(|truth| from <= found && found <= truth));
                        let block = ranks.range(found >> 6 << 6..(found >> 6 << 6) + 64);
                        prop_assert!(block.into_iter().any(|(_, other)| *other > rank));
                    }
                }
            }
        }
    }
}
