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

/// Where the bytes of a torrent lie.
pub trait PieceLocator: Debug + Send + Sync {
    /// Returns where the bytes of a block lie, one behind the other; nothing if they are not there any more, or not what
    /// was verified. Called for every block, so it should be quick; a block may also be a whole piece.
    fn segments(&self, block: Block) -> io::Result<Option<Vec<BlockSegment>>>;
}

/// Some bytes of a block.
#[derive(Debug, Clone)]
pub enum BlockSegment {
    /// Bytes of a file.
    File {
        /// Which.
        file: Arc<File>,
        /// Where in the file they begin.
        offset: u64,
        /// How many.
        length: usize,
    },
    /// Bytes that are zero and lie nowhere: padding between files (BEP 47).
    Zeros {
        /// How many.
        length: usize,
    },
}

/// What a torrent offers to its peers: which pieces are here, and where their bytes lie.
#[derive(Debug)]
pub struct TorrentOffering {
    metainfo: Arc<Metainfo>,
    locator: Arc<dyn PieceLocator>,
    progress: Mutex<OfferingProgress>,
    /// The bytes that were sent to all peers together.
    sent: AtomicU64,
}

#[derive(Debug)]
struct OfferingProgress {
    have: Bitfield,
    have_count: u32,
    /// The pieces that were verified since the beginning, in order: who follows them needs only to know how far it has
    /// read.
    log: Vec<PieceIndex>,
    is_withdrawn: bool,
    /// Rung at every change.
    subscribers: Vec<Weak<Notify>>,
}

impl TorrentOffering {
    /// Offers the pieces of a torrent that are here and verified.
    pub fn new(metainfo: Arc<Metainfo>, here: &Bitfield, bytes: Arc<dyn PieceLocator>) -> Self {
        let (here, count) = (here.clone(), here.count());
        let progress = OfferingProgress {
            have: here,
            have_count: count,
            log: Vec::new(),
            is_withdrawn: false,
            subscribers: Vec::new(),
        };
        Self { metainfo, locator: bytes, progress: Mutex::new(progress), sent: AtomicU64::new(0) }
    }

    /// Returns how many bytes of it were sent to all peers together.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the torrent.
    pub const fn metainfo(&self) -> &Arc<Metainfo> {
        &self.metainfo
    }

    /// Returns the torrent's infohash.
    pub fn infohash(&self) -> Infohash {
        self.metainfo.infohash()
    }

    /// Returns how the content is cut.
    pub fn geometry(&self) -> &Geometry {
        self.metainfo.geometry()
    }

    /// Returns the torrent's name.
    pub fn name(&self) -> &str {
        self.metainfo.name()
    }

    /// Returns the pieces that are here.
    pub fn have(&self) -> Bitfield {
        self.progress.lock().have.clone()
    }

    /// Says whether every piece is here.
    pub fn is_complete(&self) -> bool {
        let progress = self.progress.lock();
        progress.have_count == self.geometry().piece_count() && !progress.is_withdrawn
    }

    /// Says whether a piece may be given to others.
    pub fn has(&self, piece: PieceIndex) -> bool {
        let progress = self.progress.lock();
        !progress.is_withdrawn && progress.have.has(piece)
    }

    /// Notes a piece that was verified and stored; peers are told of it.
    pub fn mark_verified(&self, piece: PieceIndex) {
        let mut progress = self.progress.lock();
        if progress.have.insert(piece) {
            progress.have_count += 1;
            progress.log.push(piece);
            progress.notify_subscribers();
        }
    }

    /// Serves nothing any more: the bytes are not what they were. Peers that want any are left.
    pub fn withdraw(&self) {
        let mut progress = self.progress.lock();
        progress.is_withdrawn = true;
        progress.notify_subscribers();
    }

    /// Says whether it was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        self.progress.lock().is_withdrawn
    }

    /// Returns where the bytes of a block lie.
    pub(super) fn segments(&self, block: Block) -> io::Result<Option<Vec<BlockSegment>>> {
        self.locator.segments(block)
    }

    /// Returns the pieces that are here and where to read on from, and has `bell` rung at every change from now on.
    pub(super) fn subscribe(&self, bell: &Arc<Notify>) -> (Bitfield, usize) {
        let mut progress = self.progress.lock();
        progress.subscribers.retain(|other| other.strong_count() > 0);
        progress.subscribers.push(Arc::downgrade(bell));
        let here =
            if progress.is_withdrawn { Bitfield::empty(self.geometry()) } else { progress.have.clone() };
        (here, progress.log.len())
    }

    /// Returns at most so many pieces that were verified since `cursor` was handed out, and moves it behind them.
    pub(super) fn verified_since(&self, cursor: &mut usize, most: usize) -> Vec<PieceIndex> {
        let progress = self.progress.lock();
        let news: Vec<PieceIndex> = progress.log.iter().skip(*cursor).take(most).copied().collect();
        *cursor += news.len();
        news
    }
}

impl OfferingProgress {
    fn notify_subscribers(&self) {
        for bell in self.subscribers.iter().filter_map(Weak::upgrade) {
            bell.notify_one();
        }
    }
}
