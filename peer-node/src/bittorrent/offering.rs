use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, Geometry, PieceIndex};
use protocol::infohash::Infohash;
use protocol::metainfo::Metainfo;
use tokio::sync::Notify;

/// Locates the bytes of a torrent.
pub(crate) trait PieceLocator: Debug + Send + Sync {
    /// Returns the location of a block's bytes, in order; none if they are missing or not what was verified. Called for
    /// every block, so it should be fast. A block may also be an entire piece.
    fn segments(&self, block: Block) -> io::Result<Option<Vec<BlockSegment>>>;
}

/// Part of a block.
#[derive(Debug, Clone)]
pub(crate) enum BlockSegment {
    /// Bytes of a file.
    File {
        /// The file.
        file: Arc<File>,
        /// Offset in the file.
        offset: u64,
        /// Number of bytes.
        length: usize,
    },
    /// Zeros that are not stored: padding between files (BEP 47).
    Zeros {
        /// Number of bytes.
        length: usize,
    },
}

/// What a torrent offers to its peers: its verified pieces, and the location of their bytes.
#[derive(Debug)]
pub(crate) struct TorrentOffering {
    metainfo: Arc<Metainfo>,
    locator: Arc<dyn PieceLocator>,
    progress: Mutex<OfferingProgress>,
    /// Bytes sent to all peers.
    sent: AtomicU64,
}

#[derive(Debug)]
struct OfferingProgress {
    have: Bitfield,
    have_count: u32,
    /// The pieces verified since creation, in order. A subscriber only needs to remember how far it has read.
    log: Vec<PieceIndex>,
    is_withdrawn: bool,
    /// Notified on every change.
    subscribers: Vec<Weak<Notify>>,
}

impl TorrentOffering {
    /// Offers the verified pieces of a torrent.
    pub(crate) fn new(metainfo: Arc<Metainfo>, have: &Bitfield, bytes: Arc<dyn PieceLocator>) -> Self {
        let (have, have_count) = (have.clone(), have.count());
        let progress = OfferingProgress {
            have,
            have_count,
            log: Vec::new(),
            is_withdrawn: false,
            subscribers: Vec::new(),
        };
        Self { metainfo, locator: bytes, progress: Mutex::new(progress), sent: AtomicU64::new(0) }
    }

    /// Returns the number of bytes sent to all peers.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the torrent's infohash.
    pub(crate) fn infohash(&self) -> Infohash {
        self.metainfo.infohash()
    }

    /// Returns the division into pieces and blocks.
    pub(crate) fn geometry(&self) -> &Geometry {
        self.metainfo.geometry()
    }

    /// Returns the torrent's name.
    pub(crate) fn name(&self) -> &str {
        self.metainfo.name()
    }

    /// Returns the verified pieces.
    #[cfg(test)]
    pub(crate) fn have(&self) -> Bitfield {
        self.progress.lock().have.clone()
    }

    /// Returns true if every piece is verified.
    pub(crate) fn is_complete(&self) -> bool {
        let progress = self.progress.lock();
        progress.have_count == self.geometry().piece_count() && !progress.is_withdrawn
    }

    /// Returns true if a piece may be served.
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        let progress = self.progress.lock();
        !progress.is_withdrawn && progress.have.has(piece)
    }

    /// Records a verified and stored piece; peers are notified.
    pub(crate) fn mark_verified(&self, piece: PieceIndex) {
        let mut progress = self.progress.lock();
        if progress.have.insert(piece) {
            progress.have_count += 1;
            progress.log.push(piece);
            progress.notify_subscribers();
        }
    }

    /// Stops serving, because the bytes have changed. Peers that request any are disconnected.
    pub(crate) fn withdraw(&self) {
        let mut progress = self.progress.lock();
        progress.is_withdrawn = true;
        progress.notify_subscribers();
    }

    /// Returns true if the offering is withdrawn.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.progress.lock().is_withdrawn
    }

    /// Returns the location of a block's bytes.
    pub(super) fn segments(&self, block: Block) -> io::Result<Option<Vec<BlockSegment>>> {
        self.locator.segments(block)
    }

    /// Returns the verified pieces and a cursor behind them; notifies `bell` on every later change.
    pub(super) fn subscribe(&self, bell: &Arc<Notify>) -> (Bitfield, usize) {
        let mut progress = self.progress.lock();
        progress.subscribers.retain(|other| other.strong_count() > 0);
        progress.subscribers.push(Arc::downgrade(bell));
        let have =
            if progress.is_withdrawn { Bitfield::empty(self.geometry()) } else { progress.have.clone() };
        (have, progress.log.len())
    }

    /// Returns at most `max` pieces verified since `cursor`, and advances it.
    pub(super) fn verified_since(&self, cursor: &mut usize, max: usize) -> Vec<PieceIndex> {
        let progress = self.progress.lock();
        let pieces: Vec<PieceIndex> = progress.log.iter().skip(*cursor).take(max).copied().collect();
        *cursor += pieces.len();
        pieces
    }
}

impl OfferingProgress {
    fn notify_subscribers(&self) {
        for bell in self.subscribers.iter().filter_map(Weak::upgrade) {
            bell.notify_one();
        }
    }
}
