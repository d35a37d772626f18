use std::fs::File;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::PieceIndex;
use protocol::manifest::Manifest;
use protocol::share_path::SharePath;
use tokio::sync::{Notify, mpsc};

use crate::native::PeerLink;

/// What has become of a partial content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialStatus {
    /// More pieces may come.
    Growing,
    /// All pieces are here, and its download has ended: from now on it is for the library to share the content.
    Complete,
    /// Its download was given up.
    Withdrawn,
}

/// A content of which some pieces are here.
#[derive(Debug)]
pub struct Partial {
    path: SharePath,
    manifest: Arc<Manifest>,
    /// The manifest's id, which costs a hash over all of it.
    manifest_id: Digest,
    file: Arc<File>,
    visitors: mpsc::Sender<PeerLink>,
    progress: Mutex<PartialProgress>,
}

#[derive(Debug)]
struct PartialProgress {
    have: Bitfield,
    /// The pieces that were verified since the content was published, in order: who follows it needs only to know how
    /// far it has read.
    log: Vec<PieceIndex>,
    status: PartialStatus,
    is_announced: bool,
    /// Rung at every change.
    followers: Vec<Weak<Notify>>,
}

impl Partial {
    pub(super) fn new(
        path: SharePath,
        manifest: Arc<Manifest>,
        file: Arc<File>,
        here: Bitfield,
        visitors: mpsc::Sender<PeerLink>,
    ) -> Self {
        let (log, followers) = (Vec::new(), Vec::new());
        let progress = Mutex::new(PartialProgress {
            have: here,
            log,
            status: PartialStatus::Growing,
            is_announced: false,
            followers,
        });
        let manifest_id = manifest.id();
        Self { path, manifest, manifest_id, file, visitors, progress }
    }

    /// Returns the content's digest.
    pub fn digest(&self) -> Digest {
        self.manifest.digest()
    }

    /// Returns the name that the file will have.
    pub const fn path(&self) -> &SharePath {
        &self.path
    }

    /// Returns the content's manifest, as its download believes it to be.
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Returns the manifest's id.
    pub const fn manifest_id(&self) -> Digest {
        self.manifest_id
    }

    /// Returns the file in which the pieces lie, each in its place.
    pub const fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Says whether a piece may be given to others.
    pub fn has(&self, piece: PieceIndex) -> bool {
        let progress = self.progress.lock();
        progress.status != PartialStatus::Withdrawn && progress.have.has(piece)
    }

    /// Says whether the index is to know of the content.
    pub fn is_announced(&self) -> bool {
        self.progress.lock().is_announced
    }

    /// Returns what has become of the content.
    pub fn status(&self) -> PartialStatus {
        self.progress.lock().status
    }

    /// Returns the pieces that are here and where to read on from, and has `bell` rung at every change from now on. A
    /// bell that nobody has any more is forgotten.
    pub fn follow(&self, bell: &Arc<Notify>) -> (Bitfield, usize) {
        let mut progress = self.progress.lock();
        let bell = Arc::downgrade(bell);
        // A connection that opens the content again and again follows it once.
        progress.followers.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&bell));
        progress.followers.push(bell);
        (progress.have.clone(), progress.log.len())
    }

    /// Returns at most so many pieces that were verified since `cursor` was handed out, and moves it behind them.
    pub fn read(&self, cursor: &mut usize, most: usize) -> Vec<PieceIndex> {
        let progress = self.progress.lock();
        let news: Vec<PieceIndex> = progress.log.iter().skip(*cursor).take(most).copied().collect();
        *cursor += news.len();
        news
    }

    /// Tells the download of a peer that has opened the content: it may be a source as well.
    pub fn peer_opened(&self, link: &PeerLink) {
        // Too many wait already: there is no want of sources.
        let _ = self.visitors.try_send(link.clone());
    }

    /// Notes a piece.
    pub(super) fn add_piece(&self, piece: PieceIndex) {
        let mut progress = self.progress.lock();
        if progress.have.insert(piece) {
            progress.log.push(piece);
            progress.notify_followers();
        }
    }

    /// Notes that the index is to know of the content; says whether that is new.
    pub(super) fn announce(&self) -> bool {
        !std::mem::replace(&mut self.progress.lock().is_announced, true)
    }

    /// Notes that the download is over.
    pub(super) fn end(&self) {
        let mut progress = self.progress.lock();
        progress.status =
            if progress.have.is_full() { PartialStatus::Complete } else { PartialStatus::Withdrawn };
        progress.notify_followers();
    }
}

impl PartialProgress {
    fn notify_followers(&self) {
        for bell in self.followers.iter().filter_map(Weak::upgrade) {
            bell.notify_one();
        }
    }
}
