//! Batches assembled pieces for verification.

use protocol::block_hash::batch::min_batch_len;
use protocol::geometry::PieceIndex;

use crate::transport::Buffer;

/// Maximum bytes in a batch, unless two pieces are larger. Smaller batches cost more CPU time with large pieces; larger
/// ones leave too little to receive in the meantime.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// A job may always take this many waiting pieces, even if the batch size is smaller.
const MIN_JOB_CAPACITY: usize = 4;

/// Maximum concurrent jobs: each hashes, which occupies a core, and then writes, which mostly waits.
const MAX_JOBS: usize = 8;

/// A piece whose blocks have all arrived.
#[derive(Debug)]
pub(crate) struct AssembledPiece {
    pub(crate) piece: PieceIndex,
    pub(crate) data: Vec<Buffer>,
}

impl AssembledPiece {
    /// Returns the bytes of the piece in order, one slice per buffer.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        self.data.iter().map(Buffer::bytes).collect()
    }

    /// Returns the length of the piece in bytes.
    pub(crate) fn byte_count(&self) -> usize {
        self.data.iter().map(|part| part.bytes().len()).sum()
    }
}

/// The pieces waiting for verification.
///
/// While pieces arrive faster than they are verified, they are verified in batches. A lone piece waits only while other
/// jobs are running.
#[derive(Debug)]
pub(crate) struct VerificationQueue {
    waiting: Vec<AssembledPiece>,
    running: usize,
    /// Number of pieces that starts another job while jobs are running.
    batch_size: usize,
}

impl VerificationQueue {
    /// Creates a queue with the batch size that this machine hashes best, limited by `MAX_BATCH_BYTES`.
    pub(crate) fn new(piece_length: u32) -> Self {
        Self::with_batch_size(batch_size(min_batch_len(), piece_length))
    }

    /// Creates a queue that forms pairs, for pieces that are only written.
    pub(crate) const fn in_pairs() -> Self {
        Self::with_batch_size(2)
    }

    const fn with_batch_size(together: usize) -> Self {
        Self { waiting: Vec::new(), running: 0, batch_size: together }
    }

    /// Adds an assembled piece.
    pub(crate) fn push(&mut self, piece: PieceIndex, data: Vec<Buffer>) {
        self.waiting.push(AssembledPiece { piece, data });
    }

    /// Returns the pieces of the next job, if one should start now.
    pub(crate) fn next_batch(&mut self) -> Option<Vec<AssembledPiece>> {
        let is_worthwhile =
            self.waiting.len() >= self.batch_size || (self.running == 0 && !self.waiting.is_empty());
        if !is_worthwhile || self.running >= MAX_JOBS {
            return None;
        }
        self.running += 1;
        Some(self.waiting.drain(..self.waiting.len().min(self.batch_size.max(MIN_JOB_CAPACITY))).collect())
    }

    /// Returns the number of bytes in waiting pieces.
    #[cfg(test)]
    pub(crate) fn byte_count(&self) -> u64 {
        self.waiting.iter().map(|assembled| assembled.byte_count() as u64).sum()
    }

    /// Records that a job has finished.
    pub(crate) const fn job_finished(&mut self) {
        self.running = self.running.saturating_sub(1);
    }
}

/// Returns the batch size for pieces of this length on a machine that hashes `best` pieces together most efficiently.
fn batch_size(best: usize, piece_length: u32) -> usize {
    best.min(MAX_BATCH_BYTES / (piece_length as usize).max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use protocol::geometry::Geometry;

    use super::*;

    #[test]
    fn batches_fit_the_hasher_unless_pieces_are_long() {
        let of_mebibytes = |mebibytes: u32| batch_size(8, mebibytes << 20);
        assert_eq!(
            (batch_size(8, 256 << 10), of_mebibytes(1), of_mebibytes(2), of_mebibytes(3)),
            (8, 8, 4, 2)
        );
        assert_eq!((of_mebibytes(16), batch_size(2, 256 << 10), batch_size(2, 64 << 20)), (2, 2, 2));
    }

    #[test]
    fn waiting_pieces_start_when_no_job_is_running() {
        let geometry = Geometry::for_native(64 << 18).unwrap();
        for (together, waiting, job) in [(8, 5, 5), (8, 20, 8), (2, 3, 3), (2, 20, 4)] {
            let mut checks = VerificationQueue::with_batch_size(together);
            geometry.pieces().take(waiting).for_each(|piece| checks.push(piece, Vec::new()));
            assert_eq!(checks.next_batch().map(|pieces| pieces.len()), Some(job));
        }
    }

    #[test]
    fn full_batch_starts_beside_running_jobs() {
        let geometry = Geometry::for_native(64 << 18).unwrap();
        let mut checks = VerificationQueue::with_batch_size(8);
        for (number, piece) in geometry.pieces().take(20).enumerate() {
            checks.push(piece, Vec::new());
            let begun = match number {
                0 => Some(1),
                8 | 16 => Some(8),
                _ => None,
            };
            assert_eq!(checks.next_batch().map(|job| job.len()), begun);
        }
    }

    #[test]
    fn pieces_go_in_pairs_only_beside_running_jobs() {
        let geometry = Geometry::for_native(64 << 18).unwrap();
        let mut checks = VerificationQueue::in_pairs();
        let begun = |checks: &mut VerificationQueue| checks.next_batch().map(|job| job.len());
        let mut pieces = geometry.pieces();
        let mut push = |checks: &mut VerificationQueue| checks.push(pieces.next().unwrap(), Vec::new());
        assert_eq!(begun(&mut checks), None);
        push(&mut checks);
        assert_eq!((begun(&mut checks), begun(&mut checks)), (Some(1), None));
        push(&mut checks);
        assert_eq!(begun(&mut checks), None);
        push(&mut checks);
        assert_eq!((begun(&mut checks), begun(&mut checks)), (Some(2), None));
        push(&mut checks);
        checks.job_finished();
        assert_eq!(begun(&mut checks), None);
        checks.job_finished();
        assert_eq!(begun(&mut checks), Some(1));
        (0..40).for_each(|_| push(&mut checks));
        assert_eq!(std::iter::from_fn(|| begun(&mut checks)).count(), MAX_JOBS - 1);
    }
}
