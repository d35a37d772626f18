//! Torrents of files that this node shares: made, offered at the index, and served.
//!
//! A torrent of one file is a function of its content, its name and the length of its pieces. So what one node makes, every
//! node that has the content can make again: when a BitTorrent client calls for a torrent that is not here, the index
//! may know which content it is, and the torrent is made and compared before anything is served (`on_demand`). What a person
//! made is kept, and offered and served again after a restart, until it is withdrawn (`withdrawal`).

mod key_lookup;
mod key_query_limiter;
mod known_keys;
mod metainfo_builder;
mod on_demand;
mod piece_hash_cache;
mod recent_cache;
mod served;
mod withdrawal;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::index::TorrentHint;
use protocol::infohash::Infohash;
use protocol::metainfo::{Metainfo, MetainfoError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bittorrent::Wires;
use crate::download::{Downloads, NotStarted};
use crate::index_client::{IndexClient, IndexError};
use crate::library::Library;
use crate::storage::replace_file;
use crate::torrent::dot_torrent;
use crate::torrent::make::{self, MakeTorrentError};
use crate::torrent::torrent_spec::{OnCompletion, TorrentLocation, TorrentSpec};
use crate::view::DownloadId;
use key_lookup::KeyIndex;
use on_demand::PendingLookups;
use piece_hash_cache::{PieceHashCache, PieceLayout};
use recent_cache::RecentCache;
use served::ServedTorrents;
pub use withdrawal::Withdrawal;
use withdrawal::WithdrawnTorrents;

/// How many torrents of an earlier run are served from the start; others as soon as somebody calls for them.
const SERVED_AT_START: usize = 100;

/// A file that cannot be given as a torrent.
#[derive(Debug, thiserror::Error)]
pub enum SharedTorrentError {
    /// It is not here.
    #[error("this node does not share that file; download it first")]
    NotShared,
    /// It has changed meanwhile.
    #[error("the file has changed since it was hashed; try again in a moment")]
    Changed,
    /// It cannot be read, or is too large or too small for a torrent.
    #[error(transparent)]
    Make(#[from] MakeTorrentError),
    /// It cannot be a torrent.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// The system does not let a thread end.
    #[error("the torrent was not made: {0}")]
    TaskFailed(#[from] tokio::task::JoinError),
    /// It cannot be begun.
    #[error(transparent)]
    DownloadNotStarted(#[from] NotStarted),
    /// Others are served already because somebody called for them.
    #[error("too many torrents are served at callers' request")]
    TooManyRequested,
}

/// A torrent that was made of a shared file.
#[derive(Debug)]
pub struct CreatedTorrent {
    /// What it says.
    pub metainfo: Arc<Metainfo>,
    /// Where clients announce themselves, or why there is no such place.
    pub tracker: Result<String, NoAnnounceUrl>,
    /// Under which number it is given.
    pub id: DownloadId,
}

/// Why a torrent has no tracker.
#[derive(Debug, thiserror::Error)]
pub enum NoAnnounceUrl {
    /// The index cannot be asked, or says no.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index is none.
    #[error("the index is no tracker; it is one when started with --tracker")]
    IndexIsNoTracker,
}

/// What torrents of shared files need of the node.
#[derive(Debug)]
pub struct SharedTorrentsConfig {
    /// Where those that were made are kept.
    pub folder: PathBuf,
    /// What is shared.
    pub library: Library,
    /// Where they are offered.
    pub index: IndexClient,
    /// Among these they are served.
    pub downloads: Downloads,
    /// Where BitTorrent peers call.
    pub wires: Wires,
    /// Owns what goes on when a caller has hung up.
    pub tracker: TaskTracker,
    /// Ends it.
    pub cancel: CancellationToken,
}

/// The torrents of shared files; cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedTorrents {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: SharedTorrentsConfig,
    hash_cache: Arc<PieceHashCache>,
    /// Held while a torrent is made, so that strangers cannot have many made at once.
    build_lock: tokio::sync::Mutex<()>,
    /// The torrents that were called for and could not be made.
    failed: Mutex<RecentCache<Infohash, ()>>,
    key_index: KeyIndex,
    lookups: PendingLookups,
    served: Mutex<ServedTorrents>,
    withdrawn: WithdrawnTorrents,
}

impl SharedTorrents {
    /// Makes the offers of a node; those of an earlier run are kept in the folder.
    pub fn new(config: SharedTorrentsConfig) -> Self {
        let inner = Inner {
            hash_cache: Arc::new(PieceHashCache::new(config.folder.join("pieces"))),
            build_lock: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
            key_index: KeyIndex::default(),
            lookups: PendingLookups::default(),
            served: Mutex::default(),
            withdrawn: WithdrawnTorrents::default(),
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a torrent of a shared file, offers it at the index, and begins to serve it.
    pub async fn create(&self, digest: Digest) -> Result<CreatedTorrent, SharedTorrentError> {
        let metainfo = {
            let _turn = self.inner.build_lock.lock().await;
            self.build(digest, None).await?
        };
        let tracker = self.offer(&metainfo, digest).await;
        let metainfo = match &tracker {
            Ok(url) => Arc::new(metainfo_builder::with_tracker(&metainfo, digest, url)?),
            Err(_) => metainfo,
        };
        self.save(&metainfo).await;
        let id = self.serve_created(&metainfo, digest).await?;
        Ok(CreatedTorrent { metainfo, tracker, id })
    }

    /// Offers a torrent at the index, and returns the announce URL of its tracker.
    async fn offer(&self, metainfo: &Metainfo, digest: Digest) -> Result<String, NoAnnounceUrl> {
        let _turn = self.inner.withdrawn.lock_index().await;
        self.undo_withdrawal(metainfo.infohash()).await;
        let offered = self.inner.config.index.offer_torrent(torrent_hint(metainfo, digest)).await?;
        offered.tracker.ok_or(NoAnnounceUrl::IndexIsNoTracker)
    }

    /// Offers at the index what an earlier run has made, as far as the files are still shared, and serves the first of them;
    /// then withdraws at the index what could not be withdrawn before, until the node stops.
    pub async fn restore(self) {
        let Inner { config, .. } = &*self.inner;
        self.load_keys().await;
        config.library.settled().await;
        let folder = config.folder.clone();
        let kept = tokio::task::spawn_blocking(move || load_saved(&folder)).await.unwrap_or_default();
        for (number, metainfo) in kept.into_iter().enumerate() {
            let Some(digest) = metainfo.digest().filter(|digest| self.is_shared(digest)) else { continue };
            // It is repeated by itself once the index is there.
            let _ = config.index.offer_torrent(torrent_hint(&metainfo, digest)).await;
            if number < SERVED_AT_START
                && let Err(error) = self.serve_created(&Arc::new(metainfo), digest).await
            {
                tracing::debug!(%error, "torrent of a shared file not served");
            }
        }
        self.send_pending_withdrawals().await;
    }

    /// Serves what a person has made, and returns under which number.
    async fn serve_created(
        &self,
        metainfo: &Arc<Metainfo>,
        digest: Digest,
    ) -> Result<DownloadId, SharedTorrentError> {
        let id = match self.serve(metainfo, digest).await {
            Err(SharedTorrentError::DownloadNotStarted(NotStarted::Running { id })) => id,
            given => given?,
        };
        self.inner.served.lock().add_created(metainfo.infohash(), id);
        Ok(id)
    }

    fn is_shared(&self, digest: &Digest) -> bool {
        self.inner.config.library.files().by_digest(digest).next().is_some()
    }

    /// Makes the torrent of a shared file, as a hint describes it or as suits the file. The file is read once for all torrents
    /// that cut it alike.
    async fn build(
        &self,
        digest: Digest,
        hint: Option<TorrentHint>,
    ) -> Result<Arc<Metainfo>, SharedTorrentError> {
        let files = self.inner.config.library.files();
        let file = files.by_digest(&digest).next().ok_or(SharedTorrentError::NotShared)?;
        let (location, cancel) = (file.location.clone(), self.inner.config.cancel.child_token());
        let suitable = || make::default_piece_length(file.size);
        let (name, piece_length) = hint.map_or_else(
            || (file.path.file_name().to_owned(), suitable()),
            |hint| (hint.name, hint.piece_length),
        );
        let (cut, hashes) =
            (PieceLayout { digest, size: file.size, piece_length }, Arc::clone(&self.inner.hash_cache));
        let made = tokio::task::spawn_blocking(move || {
            metainfo_builder::build_metainfo(&name, &cut, &hashes, (&location, &cancel))
        });
        Ok(Arc::new(made.await??))
    }

    async fn serve(
        &self,
        metainfo: &Arc<Metainfo>,
        digest: Digest,
    ) -> Result<DownloadId, SharedTorrentError> {
        let library = self.inner.config.library.clone();
        let opened = tokio::task::spawn_blocking(move || library.open_file(&digest)).await?;
        let file = Arc::new(opened.map_err(|_| SharedTorrentError::NotShared)?);
        let files = self.inner.config.library.files();
        let location = files.by_digest(&digest).next().map(|file| file.location.clone());
        let place =
            TorrentLocation::Library { location: location.ok_or(SharedTorrentError::NotShared)?, file };
        let (metainfo, afterwards) = (Arc::clone(metainfo), OnCompletion::Seed { ratio: None });
        let wish = TorrentSpec {
            metainfo,
            digest: None,
            location: place,
            on_completion: afterwards,
            peers: Vec::new(),
        };
        Ok(self.inner.config.downloads.seed(wish)?)
    }

    fn saved_path(&self, infohash: Infohash) -> PathBuf {
        self.inner.config.folder.join(format!("{infohash}.torrent"))
    }

    async fn save(&self, metainfo: &Arc<Metainfo>) {
        let (infohash, metainfo) = (metainfo.infohash(), Arc::clone(metainfo));
        let path = self.saved_path(infohash);
        let kept = tokio::task::spawn_blocking(move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            replace_file(&path, metainfo.bytes())
        });
        let kept = kept.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = kept {
            tracing::warn!(%error, "torrent of a shared file not kept");
        }
        self.inner.key_index.add_created(infohash);
    }
}

fn torrent_hint(metainfo: &Metainfo, digest: Digest) -> TorrentHint {
    let piece_length = metainfo.geometry().piece_length();
    TorrentHint { infohash: metainfo.infohash(), digest, name: metainfo.name().to_owned(), piece_length }
}

/// Reads the torrents that were kept.
fn load_saved(folder: &Path) -> Vec<Metainfo> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let torrents = paths.filter(|path| path.extension().is_some_and(|end| end == "torrent"));
    torrents.filter_map(|path| dot_torrent::read_saved(&path).ok()).collect()
}
