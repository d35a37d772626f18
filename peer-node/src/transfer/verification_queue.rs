//! Which pieces are verified together.

use protocol::block_hash::batch::min_batch_len;
use protocol::geometry::PieceIndex;

use crate::transport::Buffer;

/// How many bytes of pieces a job waits for at most, unless two pieces have more. By 4 MiB, torrents with pieces of 1 MiB cost
/// the receiver a fifth more (1.11 instead of 0.91 CPU seconds per GiB from four seeders); with more, little could come meanwhile.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// The most pieces in a job that waits for fewer.
const MIN_JOB_CAPACITY: usize = 4;

/// How many jobs may be under way: each hashes, which keeps a core busy, and then writes, which mostly waits.
const MAX_JOBS: usize = 8;

/// A piece all of whose blocks are here.
#[derive(Debug)]
pub(crate) struct AssembledPiece {
    pub(crate) piece: PieceIndex,
    pub(crate) data: Vec<Buffer>,
}

impl AssembledPiece {
    /// Returns its bytes, one part after the other.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        self.data.iter().map(Buffer::bytes).collect()
    }

    /// Returns how many bytes it has.
    pub(crate) fn byte_count(&self) -> usize {
        self.data.iter().map(|part| part.bytes().len()).sum()
    }
}

/// The pieces that wait to be verified.
///
/// As long as pieces come faster than they are verified they go by twos or more; what comes slower waits only while others are
/// under way.
#[derive(Debug)]
pub(crate) struct VerificationQueue {
    waiting: Vec<AssembledPiece>,
    running: usize,
    /// From how many pieces on a job begins though others are under way.
    batch_size: usize,
}

impl VerificationQueue {
    /// Has pieces of that length go by as many as this machine hashes best, if these are not too many bytes.
    pub(crate) fn new(piece_length: u32) -> Self {
        Self::with_batch_size(batch_size(min_batch_len(), piece_length))
    }

    /// Has pieces go by twos: for those that are only stored.
    pub(crate) const fn in_pairs() -> Self {
        Self::with_batch_size(2)
    }

    const fn with_batch_size(together: usize) -> Self {
        Self { waiting: Vec::new(), running: 0, batch_size: together }
    }

    /// Takes in a piece.
    pub(crate) fn push(&mut self, piece: PieceIndex, data: Vec<Buffer>) {
        self.waiting.push(AssembledPiece { piece, data });
    }

    /// Returns the pieces of the next job, if one shall begin now.
    pub(crate) fn next_batch(&mut self) -> Option<Vec<AssembledPiece>> {
        let is_worth =
            self.waiting.len() >= self.batch_size || (self.running == 0 && !self.waiting.is_empty());
        if !is_worth || self.running >= MAX_JOBS {
            return None;
        }
        self.running += 1;
        Some(self.waiting.drain(..self.waiting.len().min(self.batch_size.max(MIN_JOB_CAPACITY))).collect())
    }

    /// Notes that a job has ended.
    pub(crate) const fn job_finished(&mut self) {
        self.running = self.running.saturating_sub(1);
    }
}

/// Returns how many pieces of that length go together where so many are hashed best.
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
