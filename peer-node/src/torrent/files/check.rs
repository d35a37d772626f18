//! Verifying what lies on disk.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use tokio_util::sync::CancellationToken;

use super::TorrentFiles;
use super::handles::Lying;
use super::layout;

/// How many bytes a thread verifies before it takes the next ones: long enough for the system to read ahead.
const RUN: u32 = 8 << 20;

/// The most threads that verify; more would wait for the disk.
const MOST_THREADS: usize = 8;

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
        let run = (RUN / geometry.piece_length()).max(1) as usize;
        let runs: Vec<&[PieceIndex]> = claims.chunks(run).collect();
        let (next, looked_at) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = || {
            let (mut right, mut bytes) = (Vec::new(), Vec::new());
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                for piece in *run {
                    if cancel.is_cancelled() {
                        return right;
                    }
                    if self.is_right(*piece, &mut bytes) {
                        right.push(*piece);
                    }
                    progress(looked_at.fetch_add(1, Ordering::Relaxed) + 1);
                }
            }
            right
        };
        let threads =
            thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(runs.len());
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

    fn is_right(&self, piece: PieceIndex, bytes: &mut Vec<u8>) -> bool {
        match self.read_piece(piece, bytes) {
            Ok(is_there) => is_there && self.metainfo.is_piece(piece, [bytes.as_slice()]),
            Err(error) => {
                tracing::debug!(%error, piece = piece.get(), "piece on disk not read");
                false
            }
        }
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
    pub(super) fn is_named(&self, piece: PieceIndex) -> bool {
        let named =
            |span: layout::Span| span.is_padding || matches!(self.handles.lying(span.file), Lying::Named(_));
        layout::spans_of_piece(&self.metainfo, piece).all(named)
    }
}
