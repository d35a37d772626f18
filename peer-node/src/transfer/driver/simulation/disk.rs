//! A simulated disk: takes time, and may fail to write.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use protocol::seeded_random::SeededRandom;

use crate::transfer::driver::TransferStore;
use crate::transfer::verification::{PieceOutcome, PieceStore};
use crate::transfer::verification_queue::AssembledPiece;

/// A disk with the pieces of one transfer and their record; clones share it.
#[derive(Debug, Clone)]
pub(super) struct SimulatedDisk(Arc<Mutex<DiskState>>);

#[derive(Debug)]
struct DiskState {
    random: SeededRandom,
    pieces: BTreeMap<PieceIndex, Vec<u8>>,
    record: Option<Bitfield>,
    /// One write in this many fails; none if 0.
    failures: u64,
    /// Maximum duration of a job in milliseconds.
    slowest: u64,
}

/// Returns the correct byte at the start of a block.
pub(super) const fn correct_byte(piece: PieceIndex) -> u8 {
    (piece.get() % 251) as u8
}

impl SimulatedDisk {
    pub(super) fn new(seed: u64, failures: u64, slowest: u64) -> Self {
        let random = SeededRandom::from_seed(seed);
        let (pieces, record) = (BTreeMap::new(), None);
        Self(Arc::new(Mutex::new(DiskState { random, pieces, record, failures, slowest: slowest.max(1) })))
    }

    /// Returns the recorded pieces, all of which must be stored.
    pub(super) fn recorded(&self) -> Option<Bitfield> {
        let state = self.0.lock();
        if let Some(record) = &state.record {
            let stored = state.pieces.keys().filter(|piece| record.has(**piece)).count();
            assert_eq!(stored, record.count() as usize, "a recorded piece is not stored");
        }
        state.record.clone()
    }

    /// Returns true if a piece is stored with the correct bytes.
    pub(super) fn is_correct(&self, piece: PieceIndex, length: u32) -> bool {
        let state = self.0.lock();
        let right = |bytes: &Vec<u8>| bytes.len() == length as usize && is_right(piece, bytes);
        state.pieces.get(&piece).is_some_and(right)
    }
}

fn is_right(piece: PieceIndex, bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == correct_byte(piece))
}

impl PieceStore for SimulatedDisk {
    fn verify_pieces(&self, pieces: &[AssembledPiece]) -> Vec<bool> {
        let right =
            |assembled: &AssembledPiece| assembled.parts().iter().all(|part| is_right(assembled.piece, part));
        pieces.iter().map(right).collect()
    }

    fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.failures > 0 && state.random.next_u64().is_multiple_of(state.failures) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.pieces.insert(piece, parts.concat());
        Ok(())
    }
}

impl TransferStore for SimulatedDisk {
    fn write_record(&self, have: &Bitfield) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.failures > 0 && state.random.next_u64().is_multiple_of(state.failures) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.record = Some(have.clone());
        Ok(())
    }

    /// Never fails, so that a stop loses nothing.
    fn write_last_record(&self, have: &Bitfield) -> io::Result<()> {
        self.0.lock().record = Some(have.clone());
        Ok(())
    }

    async fn verify_and_write(self: Arc<Self>, pieces: Vec<AssembledPiece>) -> Vec<PieceOutcome> {
        let pause = {
            let mut state = self.0.lock();
            state.random.next_u64() % state.slowest
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let verdicts = self.verify_pieces(&pieces);
        let outcome = |(assembled, good): (AssembledPiece, bool)| {
            let written = if good { self.write_piece(assembled.piece, &assembled.parts()) } else { Ok(()) };
            (assembled.piece, written.map(|()| good))
        };
        pieces.into_iter().zip(verdicts).map(outcome).collect()
    }
}
