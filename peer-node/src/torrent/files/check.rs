//! Verifies pieces on disk.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use protocol::bitfield::Bitfield;
use protocol::block_hash::batch::min_batch_len;
use protocol::geometry::PieceIndex;
use tokio_util::sync::CancellationToken;

use super::TorrentFiles;
use super::handles::FileState;
use super::layout;
use crate::platform::FileAt;

/// Bytes a thread verifies before it takes the next run: enough for the system to read ahead.
const BATCH_BYTES: u32 = 8 << 20;

/// Maximum number of verifying threads; more would only wait for the disk.
const MAX_THREADS: usize = 8;

impl TorrentFiles {
    /// Verifies the claimed pieces and returns the valid ones. `progress` receives the number of pieces checked so far,
    /// from several threads. If cancelled, stops early and returns an incomplete result.
    pub(crate) fn check(
        &self,
        claimed: &Bitfield,
        cancel: &CancellationToken,
        progress: &(dyn Fn(u32) + Sync),
    ) -> Bitfield {
        let geometry = self.metainfo.geometry();
        let claims: Vec<PieceIndex> = geometry.pieces().filter(|piece| claimed.has(*piece)).collect();
        // Threads take runs of pieces; a run is a whole number of hashing batches.
        let run_length = (BATCH_BYTES / geometry.piece_length()).max(1) as usize;
        let batch_length = min_batch_len().min(run_length);
        let run_length = run_length - run_length % batch_length;
        let runs: Vec<&[PieceIndex]> = claims.chunks(run_length).collect();
        let (next, checked) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = || {
            let (mut valid, mut buffers) = (Vec::new(), vec![Vec::new(); batch_length]);
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                for pieces in run.chunks(batch_length) {
                    if cancel.is_cancelled() {
                        return valid;
                    }
                    valid.extend(self.valid_pieces(pieces, &mut buffers));
                    let count = u32::try_from(pieces.len()).unwrap_or(0);
                    progress(checked.fetch_add(count, Ordering::Relaxed) + count);
                }
            }
            valid
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(runs.len());
        let mut valid = Bitfield::empty(geometry);
        let pieces = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut pieces = work();
            // A thread that panicked contributes no valid piece.
            pieces.extend(others.into_iter().flat_map(|other| other.join().unwrap_or_default()));
            pieces
        });
        for piece in pieces {
            valid.insert(piece);
        }
        valid
    }

    /// Returns the valid ones among a few pieces.
    fn valid_pieces(&self, pieces: &[PieceIndex], buffers: &mut [Vec<u8>]) -> Vec<PieceIndex> {
        let read = |(piece, bytes): (&PieceIndex, &mut Vec<u8>)| match self.read_piece(*piece, bytes) {
            Ok(is_there) => is_there,
            Err(error) => {
                tracing::debug!(%error, piece = piece.get(), "cannot read a piece on disk");
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

    /// Reads a piece into `bytes`. Returns false if a file that the piece overlaps does not exist.
    pub(super) fn read_piece(&self, piece: PieceIndex, bytes: &mut Vec<u8>) -> io::Result<bool> {
        bytes.resize(self.metainfo.geometry().length_of(piece) as usize, 0);
        let mut rest = bytes.as_mut_slice();
        for span in layout::spans_of_piece(&self.metainfo, piece) {
            let Some((target, after)) = rest.split_at_mut_checked(span.length) else { return Ok(false) };
            rest = after;
            if span.is_padding {
                target.fill(0);
                continue;
            }
            let Some((file, _)) = self.reader(span.file)? else { return Ok(false) };
            file.read_exact_at(target, span.offset)?;
        }
        Ok(rest.is_empty())
    }

    /// Returns true if the piece lies entirely in files with final names.
    pub(super) fn is_in_named_files(&self, piece: PieceIndex) -> bool {
        let named = |span: layout::ContentSpan| {
            span.is_padding || matches!(self.handles.state(span.file), FileState::Named(_))
        };
        layout::spans_of_piece(&self.metainfo, piece).all(named)
    }
}
