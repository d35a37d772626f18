use std::collections::BTreeMap;

use protocol::geometry::{Block, PieceIndex};

use crate::transport::Buffer;

/// The received blocks of unfinished pieces. Their number is bounded by the engine's budget.
#[derive(Debug, Default)]
pub(crate) struct BlockAssembly {
    pieces: BTreeMap<PieceIndex, BTreeMap<u32, Buffer>>,
}

impl BlockAssembly {
    pub(crate) fn put(&mut self, block: Block, data: Buffer) {
        debug_assert_eq!(
            data.bytes().len(),
            block.length as usize,
            "a block is assembled once it is complete"
        );
        self.pieces.entry(block.piece).or_default().insert(block.begin, data);
    }

    /// Returns the number of bytes in all blocks.
    #[cfg(test)]
    pub(crate) fn byte_count(&self) -> u64 {
        let blocks = self.pieces.values().flat_map(BTreeMap::values);
        blocks.map(|block| block.bytes().len() as u64).sum()
    }

    /// Removes a piece and returns its blocks in order.
    pub(crate) fn take(&mut self, piece: PieceIndex) -> Vec<Buffer> {
        self.pieces.remove(&piece).unwrap_or_default().into_values().collect()
    }
}
