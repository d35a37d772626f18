use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::error::MakeTorrentError;
use super::planned_content::PlannedContent;

/// Maximum bytes of buffered pieces, unless a piece is longer than a quarter of that.
const MAX_BUFFERED: usize = 256 << 20;

/// Maximum default piece length.
const MAX_DEFAULT_PIECE_LENGTH: u32 = 16 << 20;

/// Hashes of a torrent's content.
#[derive(Debug)]
pub(super) struct ContentHashes {
    /// SHA-1 of each piece, in order.
    pub(super) pieces: Vec<[u8; 20]>,
    /// SHA-256 of the content, if requested.
    pub(super) digest: Option<Digest>,
}

/// A piece to be hashed.
struct NumberedPiece {
    number: usize,
    bytes: Vec<u8>,
}

/// Returns the default piece length for a size. It equals that of the native dialect, so that a file has the same
/// pieces in both.
pub(crate) fn default_piece_length(size: u64) -> u32 {
    Geometry::for_native(size).map_or(MAX_DEFAULT_PIECE_LENGTH, |geometry| geometry.piece_length())
}

/// Hashes the content. The calling thread reads, and computes the SHA-256 if requested; one worker per core computes
/// the SHA-1 of pieces.
pub(super) fn hash(
    content: PlannedContent<'_>,
    piece_length: u32,
    wants_digest: bool,
    cancel: &CancellationToken,
    progress: &mut dyn FnMut(u64),
) -> Result<ContentHashes, MakeTorrentError> {
    let piece_length = piece_length as usize;
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let buffers = (2 * workers).min(MAX_BUFFERED / piece_length.max(1)).max(4);
    // Buffers circulate: the reader fills empty ones, workers hash and recycle them.
    let (recycle, empty) = sync_channel(buffers);
    for _ in 0..buffers {
        // Cannot block: the channel holds all buffers.
        let _ = recycle.send(Vec::new());
    }
    let (send, receive) = sync_channel(buffers);
    let receive = Mutex::new(receive);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| spawn_worker(scope, &receive, recycle.clone())).collect();
        // Keep no sender here: the reader must notice when all workers have ended.
        drop(recycle);
        let digest = PieceFeed { content, piece_length, wants_digest, cancel }.run(&empty, &send, progress);
        drop(send);
        let mut pieces: Vec<(usize, [u8; 20])> = Vec::new();
        for worker in workers {
            pieces.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        pieces.sort_unstable_by_key(|(number, _)| *number);
        Ok(ContentHashes { pieces: pieces.into_iter().map(|(_, hash)| hash).collect(), digest: digest? })
    })
}

fn spawn_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    receive: &'scope Mutex<Receiver<NumberedPiece>>,
    recycle: SyncSender<Vec<u8>>,
) -> thread::ScopedJoinHandle<'scope, Vec<(usize, [u8; 20])>> {
    scope.spawn(move || {
        let mut hashes = Vec::new();
        loop {
            let piece = receive.lock().recv();
            let Ok(NumberedPiece { number, bytes }) = piece else { return hashes };
            hashes.push((number, Sha1::digest(&bytes).into()));
            // The reader may have ended.
            let _ = recycle.send(bytes);
        }
    })
}

struct PieceFeed<'a> {
    content: PlannedContent<'a>,
    piece_length: usize,
    wants_digest: bool,
    cancel: &'a CancellationToken,
}

impl PieceFeed<'_> {
    /// Reads piece by piece into buffers recycled by the workers.
    fn run(
        mut self,
        empty: &Receiver<Vec<u8>>,
        send: &SyncSender<NumberedPiece>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<Digest>, MakeTorrentError> {
        let mut digest = Sha256::new();
        let mut done = 0;
        for number in 0.. {
            if self.cancel.is_cancelled() {
                return Err(MakeTorrentError::Cancelled);
            }
            let Ok(mut bytes) = empty.recv() else { break };
            bytes.resize(self.piece_length, 0);
            let count = self.content.fill(&mut bytes)?;
            if count == 0 {
                break;
            }
            bytes.truncate(count);
            if self.wants_digest {
                digest.update(&bytes);
            }
            done += count as u64;
            if send.send(NumberedPiece { number, bytes }).is_err() {
                break;
            }
            progress(done);
        }
        Ok(self.wants_digest.then(|| Digest::from_bytes(digest.finalize().into())))
    }
}
