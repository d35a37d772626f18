//! How a list is packed on disk: in blocks of a few KiB, so that a change rewrites little.
//!
//! This module assigns blocks only; [`writes`](super::writes) assembles their contents. New files join the last block. An empty
//! block is removed; a block less than a quarter full is merged into the last one. So all blocks but the last are at least a
//! quarter full, and a change touches at most three blocks.

use std::collections::{BTreeMap, BTreeSet};

use protocol::limits::MAX_PATH;

use super::NameNo;

/// A block's number in its node's list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockNo(pub(crate) u32);

/// Maximum length of a block in bytes, unless a single file is longer. The store's tree keeps up to 16 values on a page, and
/// pages over 128 KiB become separate files whose folder it does not sync: 17 blocks and their keys must stay below that.
pub(crate) const BLOCK_LEN: usize = 6 << 10;

/// Bytes that a file takes in its block beside its path.
pub(crate) const FILE_OVERHEAD: usize = 49;

/// The values on a page of the store's tree, and its length from which on it is a separate file.
const PAGE_VALUES: usize = 16;
const MAX_PAGE_LEN: usize = 128 << 10;
const _: () = assert!(
    (PAGE_VALUES + 1) * (BLOCK_LEN + 64) < MAX_PAGE_LEN,
    "a page of blocks stays in the database file"
);
const _: () = assert!(MAX_PATH + FILE_OVERHEAD <= BLOCK_LEN, "the longest path fits a block");

/// Which files are in which block, and which blocks have changed since they were last written. The block of a file is stored
/// with its list entry only.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    blocks: BTreeMap<BlockNo, PackedBlock>,
    dirty: BTreeSet<BlockNo>,
    /// The bytes of all files.
    bytes: u64,
}

#[derive(Debug, Default)]
struct PackedBlock {
    len: usize,
    /// The files, each with its length in bytes.
    files: Vec<(NameNo, u32)>,
}

impl Packing {
    /// Returns how many bytes all files take.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Marks the file's block as changed, or assigns one; returns the block.
    pub(super) fn assign(&mut self, name: NameNo, path_len: usize, block: Option<BlockNo>) -> BlockNo {
        if let Some(block) = block {
            debug_assert!(self.blocks.contains_key(&block), "a file is in a block that does not exist");
            self.dirty.insert(block);
            return block;
        }
        let len = path_len + FILE_OVERHEAD;
        self.bytes += len as u64;
        self.append(name, len)
    }

    /// Removes a file from its block. Returns the files that moved to another block, and that block.
    pub(super) fn remove(&mut self, name: NameNo, number: BlockNo) -> Vec<(NameNo, BlockNo)> {
        self.dirty.insert(number);
        let Some(block) = self.blocks.get_mut(&number) else {
            impossible!("a file was in a block that does not exist", name = name, block = number);
            return Vec::new();
        };
        let index = block.files.iter().position(|(other, _)| *other == name);
        if index.is_none() {
            impossible!("a file is not in its block", name = name, block = number);
        }
        if let Some(index) = index {
            let (_, len) = block.files.swap_remove(index);
            debug_assert!(
                len as usize <= block.len && u64::from(len) <= self.bytes,
                "a block is longer than counted"
            );
            block.len = block.len.saturating_sub(len as usize);
            self.bytes = self.bytes.saturating_sub(len.into());
        }
        let (sparse, empty) = (block.len < BLOCK_LEN / 4, block.files.is_empty());
        let last = self.blocks.last_key_value().map(|(number, _)| *number);
        if !empty && (!sparse || last == Some(number)) {
            return Vec::new();
        }
        // Move the files of a sparse block to the last one.
        let remaining = self.blocks.remove(&number).unwrap_or_default().files;
        remaining.into_iter().map(|(name, len)| (name, self.append(name, len as usize))).collect()
    }

    /// Adds a file to the block in which it is stored.
    pub(super) fn restore(&mut self, name: NameNo, path_len: usize, number: BlockNo) {
        let (block, len) = (self.blocks.entry(number).or_default(), path_len + FILE_OVERHEAD);
        block.len += len;
        block.files.push((name, u32::try_from(len).unwrap_or(u32::MAX)));
        self.bytes += len as u64;
    }

    /// Returns the blocks changed since the last call, each with its files; empty blocks are to be deleted.
    pub(super) fn take_dirty(&mut self) -> Vec<(BlockNo, Vec<NameNo>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|number| (number, self.files_in(number))).collect()
    }

    fn files_in(&self, number: BlockNo) -> Vec<NameNo> {
        let block = self.blocks.get(&number);
        block.map(|block| block.files.iter().map(|(name, _)| *name).collect()).unwrap_or_default()
    }

    fn append(&mut self, name: NameNo, len: usize) -> BlockNo {
        let last = self.blocks.last_key_value();
        let number = match last {
            Some((number, block)) if block.len + len <= BLOCK_LEN => *number,
            // At one new block per second, the numbers last for 136 years.
            Some((number, _)) => BlockNo(number.0.saturating_add(1)),
            None => BlockNo::default(),
        };
        let block = self.blocks.entry(number).or_default();
        block.len += len;
        block.files.push((name, u32::try_from(len).unwrap_or(u32::MAX)));
        debug_assert!(block.len <= BLOCK_LEN || block.files.len() == 1, "a block is too long");
        self.dirty.insert(number);
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn all_in_order(packing: &Packing, homes: &HashMap<NameNo, (BlockNo, usize)>) {
        let last = packing.blocks.last_key_value().map(|(number, _)| *number);
        for (number, block) in &packing.blocks {
            let len: usize = block.files.iter().map(|(_, len)| *len as usize).sum();
            assert_eq!(block.len, len);
            assert!(!block.files.is_empty() && (len <= BLOCK_LEN || block.files.len() == 1), "{block:?}");
            assert!(Some(*number) == last || len >= BLOCK_LEN / 4, "block {number:?} has {len} bytes");
            assert!(
                block.files.iter().all(|(name, _)| homes.get(name).map(|(home, _)| home) == Some(number))
            );
        }
        let files: usize = packing.blocks.values().map(|block| block.files.len()).sum();
        assert_eq!(files, homes.len());
        let bytes: usize = packing.blocks.values().map(|block| block.len).sum();
        assert_eq!(packing.bytes(), bytes as u64);
    }

    #[test]
    fn change_in_long_list_touches_one_block() {
        let mut packing = Packing::default();
        let homes: Vec<BlockNo> = (0..100_000).map(|name| packing.assign(NameNo(name), 40, None)).collect();
        assert!(packing.take_dirty().len() < 2000);
        packing.assign(NameNo(50_000), 40, Some(homes[50_000]));
        assert_eq!(packing.take_dirty().len(), 1);
        packing.assign(NameNo(100_000), 40, None);
        assert_eq!(packing.take_dirty().len(), 1);
        packing.remove(NameNo(50_000), homes[50_000]);
        assert_eq!(packing.take_dirty().len(), 1);
    }

    proptest! {
        #[test]
        fn written_blocks_match_the_list(
            changes in prop::collection::vec((any::<bool>(), 0u32..200, 1usize..4096), 1..400),
            writes in prop::collection::vec(any::<bool>(), 400),
        ) {
            let mut packing = Packing::default();
            let mut disk = BTreeMap::new();
            let mut homes: HashMap<NameNo, (BlockNo, usize)> = HashMap::new();
            for ((put, name, len), write) in changes.into_iter().zip(writes) {
                let name = NameNo(name);
                if put {
                    let home = homes.get(&name).copied();
                    let len = home.map_or(len, |(_, len)| len);
                    let block = packing.assign(name, len, home.map(|(block, _)| block));
                    homes.insert(name, (block, len));
                } else if let Some((home, _)) = homes.remove(&name) {
                    for (moved, block) in packing.remove(name, home) {
                        homes.entry(moved).and_modify(|home| home.0 = block);
                    }
                }
                all_in_order(&packing, &homes);
                if write {
                    for (number, files) in packing.take_dirty() {
                        if files.is_empty() { disk.remove(&number); } else { disk.insert(number, files); }
                    }
                    let in_memory: BTreeMap<_, _> = packing.blocks.keys().map(|no| (*no, packing.files_in(*no))).collect();
                    prop_assert_eq!(&in_memory, &disk);
                }
            }
        }
    }
}
