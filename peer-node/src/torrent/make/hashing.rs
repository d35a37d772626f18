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

/// How many bytes of pieces are held at most, unless a piece is longer than a quarter of that.
const MAX_BUFFERED: usize = 256 << 20;

/// The longest piece that is chosen where nobody wishes a length.
const MAX_DEFAULT_PIECE_LENGTH: u32 = 16 << 20;

/// What hashing the content gives.
#[derive(Debug)]
pub(super) struct ContentHashes {
    /// The SHA-1 of each piece, in order.
    pub(super) pieces: Vec<[u8; 20]>,
    /// The SHA-256 of the whole, if that was asked for.
    pub(super) digest: Option<Digest>,
}

/// A piece on its way to whoever hashes it.
struct NumberedPiece {
    number: usize,
    bytes: Vec<u8>,
}

/// Returns the length of a piece that suits a size: as our own dialect cuts, so that a file has the same pieces in both.
pub(crate) fn default_piece_length(size: u64) -> u32 {
    Geometry::for_native(size).map_or(MAX_DEFAULT_PIECE_LENGTH, |geometry| geometry.piece_length())
}

/// Hashes the content: this thread reads, and makes the SHA-256 if there is to be one; as many threads as there are cores
/// make the SHA-1 of the pieces.
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
    let (give, empty) = sync_channel(buffers);
    for _ in 0..buffers {
        // There is room for all of them.
        let _ = give.send(Vec::new());
    }
    let (send, receive) = sync_channel(buffers);
    let receive = Mutex::new(receive);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| spawn_worker(scope, &receive, give.clone())).collect();
        // Without these the reading would wait for workers that are no more.
        drop(give);
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
    give: SyncSender<Vec<u8>>,
) -> thread::ScopedJoinHandle<'scope, Vec<(usize, [u8; 20])>> {
    scope.spawn(move || {
        let mut hashes = Vec::new();
        loop {
            let piece = receive.lock().recv();
            let Ok(NumberedPiece { number, bytes }) = piece else { return hashes };
            hashes.push((number, Sha1::digest(&bytes).into()));
            // The reading may have ended.
            let _ = give.send(bytes);
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
    /// Reads piece by piece into buffers that come back from the workers.
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
