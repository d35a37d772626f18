//! Which pieces are verified together.

use protocol::block_hash::batch::worth_together;
use protocol::geometry::PieceIndex;

use crate::transport::Buffer;

/// How many bytes of pieces a job waits for at most, unless two pieces have more. By 4 MiB, torrents with pieces of 1 MiB cost
/// the receiver a fifth more (1.11 instead of 0.91 CPU seconds per GiB from four seeders); with more, little could come meanwhile.
const BYTES_TOGETHER: usize = 8 << 20;

/// The most pieces in a job that waits for fewer.
const MOST_BESIDES: usize = 4;

/// How many jobs may be under way: each hashes, which keeps a core busy, and then writes, which mostly waits.
const AT_ONCE: usize = 8;

/// A piece all of whose blocks are here.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) piece: PieceIndex,
    pub(crate) data: Vec<Buffer>,
}

impl Gathered {
    /// Returns its bytes, one part after the other.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        self.data.iter().map(Buffer::bytes).collect()
    }

    /// Returns how many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.data.iter().map(|part| part.bytes().len()).sum()
    }
}

/// The pieces that wait to be verified.
///
/// As long as pieces come faster than they are verified they go by twos or more; what comes slower waits only while others are
/// under way.
#[derive(Debug)]
pub(crate) struct Checks {
    waiting: Vec<Gathered>,
    under_way: usize,
    /// From how many pieces on a job begins though others are under way.
    together: usize,
}

impl Checks {
    /// Has pieces of that length go by as many as this machine hashes best, if these are not too many bytes.
    pub(crate) fn new(piece_length: u32) -> Self {
        Self::by(together(worth_together(), piece_length))
    }

    /// Has pieces go by twos: for those that are only stored.
    pub(crate) const fn in_pairs() -> Self {
        Self::by(2)
    }

    const fn by(together: usize) -> Self {
        Self { waiting: Vec::new(), under_way: 0, together }
    }

    /// Takes in a piece.
    pub(crate) fn push(&mut self, piece: PieceIndex, data: Vec<Buffer>) {
        self.waiting.push(Gathered { piece, data });
    }

    /// Returns the pieces of the next job, if one shall begin now.
    pub(crate) fn begin(&mut self) -> Option<Vec<Gathered>> {
        let is_worth =
            self.waiting.len() >= self.together || (self.under_way == 0 && !self.waiting.is_empty());
        if !is_worth || self.under_way >= AT_ONCE {
            return None;
        }
        self.under_way += 1;
        Some(self.waiting.drain(..self.waiting.len().min(self.together.max(MOST_BESIDES))).collect())
    }

    /// Notes that a job has ended.
    pub(crate) const fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

/// Returns how many pieces of that length go together where so many are hashed best.
fn together(best: usize, piece_length: u32) -> usize {
    best.min(BYTES_TOGETHER / (piece_length as usize).max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use protocol::geometry::Geometry;

    use super::*;

    #[test]
    fn as_many_go_together_as_are_hashed_best_unless_they_are_long() {
        let of_mebibytes = |mebibytes: u32| together(8, mebibytes << 20);
        assert_eq!((together(8, 256 << 10), of_mebibytes(1), of_mebibytes(2), of_mebibytes(3)), (8, 8, 4, 2));
        assert_eq!((of_mebibytes(16), together(2, 256 << 10), together(2, 64 << 20)), (2, 2, 2));
    }

    #[test]
    fn what_waits_when_nothing_is_under_way_goes_as_far_as_it_goes_together() {
        let geometry = Geometry::native(64 << 18).unwrap();
        for (together, waiting, job) in [(8, 5, 5), (8, 20, 8), (2, 3, 3), (2, 20, 4)] {
            let mut checks = Checks::by(together);
            geometry.pieces().take(waiting).for_each(|piece| checks.push(piece, Vec::new()));
            assert_eq!(checks.begin().map(|pieces| pieces.len()), Some(job));
        }
    }

    #[test]
    fn a_job_begins_beside_others_when_as_many_are_here_as_go_together() {
        let geometry = Geometry::native(64 << 18).unwrap();
        let mut checks = Checks::by(8);
        for (number, piece) in geometry.pieces().take(20).enumerate() {
            checks.push(piece, Vec::new());
            let begun = match number {
                0 => Some(1),
                8 | 16 => Some(8),
                _ => None,
            };
            assert_eq!(checks.begin().map(|job| job.len()), begun);
        }
    }

    #[test]
    fn pieces_go_in_pairs_while_others_are_under_way_and_alone_when_none_is() {
        let geometry = Geometry::native(64 << 18).unwrap();
        let mut checks = Checks::in_pairs();
        let begun = |checks: &mut Checks| checks.begin().map(|job| job.len());
        let mut pieces = geometry.pieces();
        let mut push = |checks: &mut Checks| checks.push(pieces.next().unwrap(), Vec::new());
        assert_eq!(begun(&mut checks), None);
        push(&mut checks);
        assert_eq!((begun(&mut checks), begun(&mut checks)), (Some(1), None));
        push(&mut checks);
        assert_eq!(begun(&mut checks), None);
        push(&mut checks);
        assert_eq!((begun(&mut checks), begun(&mut checks)), (Some(2), None));
        push(&mut checks);
        checks.ended();
        assert_eq!(begun(&mut checks), None);
        checks.ended();
        assert_eq!(begun(&mut checks), Some(1));
        (0..40).for_each(|_| push(&mut checks));
        assert_eq!(std::iter::from_fn(|| begun(&mut checks)).count(), AT_ONCE - 1);
    }
}
