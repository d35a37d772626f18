//! Verifying what lies on disk.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use protocol::bitfield::Bitfield;
use protocol::block_hash::batch::min_batch_len;
use protocol::geometry::PieceIndex;
use tokio_util::sync::CancellationToken;

use super::TorrentFiles;
use super::handles::FileState;
use super::layout;

/// How many bytes a thread verifies before it takes the next ones: long enough for the system to read ahead.
const BATCH_BYTES: u32 = 8 << 20;

/// The most threads that verify; more would wait for the disk.
const MAX_THREADS: usize = 8;

impl TorrentFiles {
    /// Verifies the pieces that are claimed and returns those that are right. `progress` is told, from any of several
    /// threads, how many have been looked at. Cancelled, it stops early, and what it returns is of no use.
    pub fn check(
        &self,
        claimed: &Bitfield,
        cancel: &CancellationToken,
        progress: &(dyn Fn(u32) + Sync),
    ) -> Bitfield {
        let geometry = self.metainfo.geometry();
        let claims: Vec<PieceIndex> = geometry.pieces().filter(|piece| claimed.has(*piece)).collect();
        let run = (BATCH_BYTES / geometry.piece_length()).max(1) as usize;
        let together = min_batch_len().min(run);
        let run = run - run % together;
        let runs: Vec<&[PieceIndex]> = claims.chunks(run).collect();
        let (next, looked_at) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = || {
            let (mut right, mut buffers) = (Vec::new(), vec![Vec::new(); together]);
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                for pieces in run.chunks(together) {
                    if cancel.is_cancelled() {
                        return right;
                    }
                    right.extend(self.valid_pieces(pieces, &mut buffers));
                    let count = u32::try_from(pieces.len()).unwrap_or(0);
                    progress(looked_at.fetch_add(count, Ordering::Relaxed) + count);
                }
            }
            right
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(runs.len());
        let mut right = Bitfield::empty(geometry);
        let found = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut found = work();
            // A thread that has panicked has found nothing right.
            found.extend(others.into_iter().flat_map(|other| other.join().unwrap_or_default()));
            found
        });
        for piece in found {
            right.insert(piece);
        }
        right
    }

    /// Returns those of a few pieces that are right on disk.
    fn valid_pieces(&self, pieces: &[PieceIndex], buffers: &mut [Vec<u8>]) -> Vec<PieceIndex> {
        let read = |(piece, bytes): (&PieceIndex, &mut Vec<u8>)| match self.read_piece(*piece, bytes) {
            Ok(is_there) => is_there,
            Err(error) => {
                tracing::debug!(%error, piece = piece.get(), "piece on disk not read");
                false
            }
        };
        let is_there: Vec<bool> = pieces.iter().zip(buffers.iter_mut()).map(read).collect();
        let bytes = pieces.iter().zip(buffers.iter()).zip(is_there).filter(|(_, is_there)| *is_there);
        let read: Vec<(PieceIndex, [&[u8]; 1])> =
            bytes.map(|((piece, bytes), _)| (*piece, [bytes.as_slice()])).collect();
        let verdicts = self.metainfo.verify_pieces(read.iter().copied());
        read.into_iter().zip(verdicts).filter(|(_, good)| *good).map(|((piece, _), _)| piece).collect()
    }

    /// Reads a piece into `bytes`; says whether all files that have bytes of it are there.
    pub(super) fn read_piece(&self, piece: PieceIndex, bytes: &mut Vec<u8>) -> io::Result<bool> {
        bytes.resize(self.metainfo.geometry().length_of(piece) as usize, 0);
        let mut rest = bytes.as_mut_slice();
        for span in layout::spans_of_piece(&self.metainfo, piece) {
            let Some((here, after)) = rest.split_at_mut_checked(span.length) else { return Ok(false) };
            rest = after;
            if span.is_padding {
                here.fill(0);
                continue;
            }
            let Some((file, _)) = self.reader(span.file)? else { return Ok(false) };
            file.read_exact_at(here, span.offset)?;
        }
        Ok(rest.is_empty())
    }

    /// Says whether all that a piece has lies in files that have their names.
    pub(super) fn is_in_named_files(&self, piece: PieceIndex) -> bool {
        let named = |span: layout::ContentSpan| {
            span.is_padding || matches!(self.handles.state(span.file), FileState::Named(_))
        };
        layout::spans_of_piece(&self.metainfo, piece).all(named)
    }
}
