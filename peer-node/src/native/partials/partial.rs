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

/// Status of a partial content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartialStatus {
    /// Being downloaded; more pieces may follow.
    Growing,
    /// All pieces are verified and the download has ended. From now on the library shares the content.
    Complete,
    /// The download was abandoned.
    Withdrawn,
}

/// A content of which some pieces are verified.
#[derive(Debug)]
pub(crate) struct Partial {
    path: SharePath,
    manifest: Arc<Manifest>,
    /// The manifest's id, kept because computing it hashes the whole manifest.
    manifest_id: Digest,
    file: Arc<File>,
    visitors: mpsc::Sender<PeerLink>,
    progress: Mutex<PartialProgress>,
}

#[derive(Debug)]
struct PartialProgress {
    have: Bitfield,
    /// The pieces verified since the content was published, in order. A follower only needs a position in it.
    log: Vec<PieceIndex>,
    status: PartialStatus,
    is_announced: bool,
    /// Notified at every change.
    followers: Vec<Weak<Notify>>,
}

impl Partial {
    pub(super) fn new(
        path: SharePath,
        manifest: Arc<Manifest>,
        file: Arc<File>,
        have: Bitfield,
        visitors: mpsc::Sender<PeerLink>,
    ) -> Self {
        let (log, followers) = (Vec::new(), Vec::new());
        let progress = Mutex::new(PartialProgress {
            have,
            log,
            status: PartialStatus::Growing,
            is_announced: false,
            followers,
        });
        let manifest_id = manifest.id();
        Self { path, manifest, manifest_id, file, visitors, progress }
    }

    /// Returns the digest of the content.
    pub(crate) fn digest(&self) -> Digest {
        self.manifest.digest()
    }

    /// Returns the final path of the file.
    pub(crate) const fn path(&self) -> &SharePath {
        &self.path
    }

    /// Returns the manifest that the download currently trusts.
    pub(crate) const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Returns the id of the manifest.
    pub(crate) const fn manifest_id(&self) -> Digest {
        self.manifest_id
    }

    /// Returns the file that holds the pieces at their offsets.
    pub(crate) const fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Returns true if a piece may be sent to peers.
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        let progress = self.progress.lock();
        progress.status != PartialStatus::Withdrawn && progress.have.has(piece)
    }

    /// Returns true if the content is announced to the index.
    pub(crate) fn is_announced(&self) -> bool {
        self.progress.lock().is_announced
    }

    /// Returns the status of the content.
    pub(crate) fn status(&self) -> PartialStatus {
        self.progress.lock().status
    }

    /// Returns the verified pieces and a cursor for [`Partial::read`], and notifies `bell` of every change from now on. Bells
    /// that were dropped are removed.
    pub(crate) fn follow(&self, bell: &Arc<Notify>) -> (Bitfield, usize) {
        let mut progress = self.progress.lock();
        let bell = Arc::downgrade(bell);
        // A connection that opens the content repeatedly follows it only once.
        progress.followers.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&bell));
        progress.followers.push(bell);
        (progress.have.clone(), progress.log.len())
    }

    /// Returns up to `most` pieces verified since `cursor`, and advances it.
    pub(crate) fn read(&self, cursor: &mut usize, most: usize) -> Vec<PieceIndex> {
        let progress = self.progress.lock();
        let news: Vec<PieceIndex> = progress.log.iter().skip(*cursor).take(most).copied().collect();
        *cursor += news.len();
        news
    }

    /// Passes a peer that has opened the content to the download, since it may be a source as well.
    pub(crate) fn peer_opened(&self, link: &PeerLink) {
        // If too many are waiting, the download has enough sources.
        let _ = self.visitors.try_send(link.clone());
    }

    /// Adds a verified piece.
    pub(super) fn add_piece(&self, piece: PieceIndex) {
        let mut progress = self.progress.lock();
        if progress.have.insert(piece) {
            progress.log.push(piece);
            progress.notify_followers();
        }
    }

    /// Marks the content as announced. Returns true if it was not before.
    pub(super) fn announce(&self) -> bool {
        !std::mem::replace(&mut self.progress.lock().is_announced, true)
    }

    /// Records that the download has ended.
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
