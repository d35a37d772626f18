use std::collections::BTreeMap;

use protocol::geometry::{Block, PieceIndex};

use crate::transport::Buffer;

/// The blocks of unfinished pieces, as they came. The engine's budget bounds how many there are.
#[derive(Debug, Default)]
pub(crate) struct BlockAssembly {
    pieces: BTreeMap<PieceIndex, BTreeMap<u32, Buffer>>,
}

impl BlockAssembly {
    pub(crate) fn put(&mut self, block: Block, data: Buffer) {
        self.pieces.entry(block.piece).or_default().insert(block.begin, data);
    }

    /// Takes a piece's blocks out, in order.
    pub(crate) fn take(&mut self, piece: PieceIndex) -> Vec<Buffer> {
        self.pieces.remove(&piece).unwrap_or_default().into_values().collect()
    }
}
