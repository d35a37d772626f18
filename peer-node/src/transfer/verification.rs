//! Verifies pieces in parallel and writes the valid ones.

use std::io;
use std::sync::Arc;

use protocol::geometry::PieceIndex;
use tokio::task::{JoinHandle, spawn_blocking};

use super::verification_queue::AssembledPiece;

/// Bytes of a job that one thread writes in sequence; the rest is written by other threads. A remote disk needs several
/// concurrent writes, but more than the direct I/O path can take slows the download (see docs/performance.md).
const SEQUENTIAL_BYTES: usize = 2 << 20;

/// The result for one piece: whether it is valid and, if so, whether it could be written.
pub(crate) type PieceOutcome = (PieceIndex, io::Result<bool>);

/// Storage for pieces. Its functions are called on blocking threads.
pub(crate) trait PieceStore: Send + Sync + 'static {
    /// Returns for each piece whether it is valid.
    fn verify_pieces(&self, pieces: &[AssembledPiece]) -> Vec<bool>;

    /// Writes a valid piece.
    fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()>;
}

/// Verifies pieces and writes the valid ones. If the future is dropped, jobs that have started still finish.
pub(crate) async fn verify_and_write<S: PieceStore>(
    pieces: Vec<AssembledPiece>,
    store: Arc<S>,
) -> Vec<PieceOutcome> {
    let verified = spawn_blocking(move || verify(pieces, &store)).await;
    let Ok((mut outcomes, others)) = verified else { return Vec::new() };
    for other in others {
        outcomes.extend(other.await.unwrap_or_default());
    }
    outcomes
}

/// Verifies all pieces, then writes some of them here and starts tasks that write the others.
fn verify<S: PieceStore>(
    pieces: Vec<AssembledPiece>,
    store: &Arc<S>,
) -> (Vec<PieceOutcome>, Vec<JoinHandle<Vec<PieceOutcome>>>) {
    let verdicts = store.verify_pieces(&pieces);
    let mut verified: Vec<(AssembledPiece, bool)> = pieces.into_iter().zip(verdicts).collect();
    let longest = verified.iter().map(|(assembled, _)| assembled.byte_count()).max().unwrap_or(0);
    let in_a_row = (SEQUENTIAL_BYTES / longest.max(1)).max(1);
    let mut others = Vec::new();
    // This thread keeps the first pieces. The others are split off in portions for other threads.
    while verified.len() > in_a_row {
        let (store, last) = (Arc::clone(store), verified.split_off(verified.len() - in_a_row));
        others.push(spawn_blocking(move || write(last, &*store)));
    }
    (write(verified, &**store), others)
}

fn write<S: PieceStore>(verified: Vec<(AssembledPiece, bool)>, store: &S) -> Vec<PieceOutcome> {
    let write_one = |(assembled, good): (AssembledPiece, bool)| {
        let written = if good { store.write_piece(assembled.piece, &assembled.parts()) } else { Ok(()) };
        (assembled.piece, written.map(|()| good))
    };
    verified.into_iter().map(write_one).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use parking_lot::Mutex;
    use protocol::geometry::Geometry;

    use super::*;
    use crate::transport::BufferPool;

    /// Accepts pieces whose bytes are their index, and fails to write piece 3.
    #[derive(Default)]
    struct PickyStore(Mutex<BTreeSet<u32>>);

    impl PieceStore for PickyStore {
        fn verify_pieces(&self, pieces: &[AssembledPiece]) -> Vec<bool> {
            let is_right = |assembled: &AssembledPiece| {
                assembled.parts().concat() == assembled.piece.get().to_be_bytes()
            };
            pieces.iter().map(is_right).collect()
        }

        fn write_piece(&self, piece: PieceIndex, _: &[&[u8]]) -> io::Result<()> {
            if piece.get() == 3 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            assert!(self.0.lock().insert(piece.get()), "written twice");
            Ok(())
        }
    }

    #[tokio::test]
    async fn valid_pieces_are_written_once_and_all_are_reported() {
        let (geometry, pool) = (Geometry::for_native(64 << 18).unwrap(), BufferPool::new(0));
        for count in 1..=9 {
            let assembled = |piece: PieceIndex| {
                let value = if piece.get() == 5 { 0 } else { piece.get() };
                let bytes = value.to_be_bytes();
                AssembledPiece { piece, data: bytes.chunks(3).map(|part| pool.copy_of(part)).collect() }
            };
            let store = Arc::new(PickyStore::default());
            let pieces = geometry.pieces().take(count).map(assembled).collect();
            let mut outcomes = verify_and_write(pieces, Arc::clone(&store)).await;
            outcomes.sort_by_key(|(piece, _)| *piece);
            let reported: Vec<Option<bool>> = outcomes.into_iter().map(|(_, outcome)| outcome.ok()).collect();
            let right = (0..count).map(|number| (number != 3).then_some(number != 5)).collect::<Vec<_>>();
            assert_eq!(reported, right);
            let written =
                (0..u32::try_from(count).unwrap()).filter(|number| ![3, 5].contains(number)).collect();
            assert_eq!(*store.0.lock(), written);
        }
    }
}
