//! Torrents of files that this node shares: created, offered at the index, and served.
//!
//! A single-file torrent is determined by its content, its name and its piece length, so every node with the content
//! can recreate it. When a BitTorrent client asks for an unknown torrent, the index may know its content; the torrent
//! is then built and compared before anything is served (`on_demand`). Torrents created by the user are saved, and
//! offered and served again after a restart until they are withdrawn (`withdrawal`).

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
use crate::discovery::index_client::{IndexClient, IndexError};
use crate::download::{Downloads, NotStarted};
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
use withdrawal::WithdrawnTorrents;

/// Maximum number of saved torrents served from the start; the others are served on demand.
const SERVED_AT_START: usize = 100;

/// Why a file cannot be offered as a torrent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SharedTorrentError {
    /// This node does not share the file.
    #[error("this node does not share that file; download it first")]
    NotShared,
    /// The file has changed since it was hashed.
    #[error("the file has changed since it was hashed; try again in a moment")]
    Changed,
    /// The file is unreadable, or too large or too small for a torrent.
    #[error(transparent)]
    Make(#[from] MakeTorrentError),
    /// The metainfo is invalid.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// A background task failed.
    #[error("cannot create the torrent: {0}")]
    TaskFailed(#[from] tokio::task::JoinError),
    /// Serving the torrent could not be started.
    #[error(transparent)]
    DownloadNotStarted(#[from] NotStarted),
    /// The limit of torrents served on demand is reached.
    #[error("too many torrents are served on demand")]
    TooManyRequested,
}

/// A torrent created from a shared file.
#[derive(Debug)]
pub(crate) struct CreatedTorrent {
    /// The torrent's metainfo.
    pub metainfo: Arc<Metainfo>,
    /// The announce URL, or why there is none.
    pub tracker: Result<String, NoAnnounceUrl>,
}

/// Why a torrent has no tracker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnnounceUrl {
    /// The index is unreachable or refused.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index runs no tracker.
    #[error("the index runs no tracker")]
    IndexIsNoTracker,
}

/// Dependencies of [`SharedTorrents`].
#[derive(Debug)]
pub(crate) struct SharedTorrentsConfig {
    /// Folder of the saved torrents.
    pub folder: PathBuf,
    /// The shared files.
    pub library: Library,
    /// The index to offer torrents at.
    pub index: IndexClient,
    /// The download list that serves the torrents.
    pub downloads: Downloads,
    /// The BitTorrent connections.
    pub wires: Wires,
    /// Owns tasks that continue after the requesting peer has disconnected.
    pub tracker: TaskTracker,
    /// Stops these tasks.
    pub cancel: CancellationToken,
}

/// The torrents of shared files; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedTorrents {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: SharedTorrentsConfig,
    hash_cache: Arc<PieceHashCache>,
    /// Held while a torrent is built, so that peers cannot cause many builds at once.
    build_lock: tokio::sync::Mutex<()>,
    /// Infohashes that were requested and could not be built.
    failed: Mutex<RecentCache<Infohash, ()>>,
    key_index: KeyIndex,
    lookups: PendingLookups,
    served: Mutex<ServedTorrents>,
    withdrawn: WithdrawnTorrents,
}

impl SharedTorrents {
    /// Creates the handle. Torrents of earlier runs are read from the folder by [`Self::restore`].
    pub(crate) fn new(config: SharedTorrentsConfig) -> Self {
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

    /// Creates a torrent of a shared file, offers it at the index, and starts serving it.
    pub(crate) async fn create(&self, digest: Digest) -> Result<CreatedTorrent, SharedTorrentError> {
        let metainfo = {
            let _guard = self.inner.build_lock.lock().await;
            self.build(digest, None).await?
        };
        let tracker = self.offer(&metainfo, digest).await;
        let metainfo = match &tracker {
            Ok(url) => Arc::new(metainfo_builder::with_tracker(&metainfo, digest, url)?),
            Err(_) => metainfo,
        };
        self.save(&metainfo).await;
        self.serve_created(&metainfo, digest).await?;
        Ok(CreatedTorrent { metainfo, tracker })
    }

    /// Offers a torrent at the index; returns the announce URL of its tracker.
    async fn offer(&self, metainfo: &Metainfo, digest: Digest) -> Result<String, NoAnnounceUrl> {
        let _guard = self.inner.withdrawn.lock_index().await;
        self.undo_withdrawal(metainfo.infohash()).await;
        let offered = self.inner.config.index.offer_torrent(torrent_hint(metainfo, digest)).await?;
        offered.tracker.ok_or(NoAnnounceUrl::IndexIsNoTracker)
    }

    /// Offers saved torrents at the index if their files are still shared, and serves the first of them. Then sends
    /// pending withdrawals to the index until the node stops.
    pub(crate) async fn restore(self) {
        let Inner { config, .. } = &*self.inner;
        self.load_keys().await;
        config.library.settled().await;
        let folder = config.folder.clone();
        let saved = tokio::task::spawn_blocking(move || load_saved(&folder)).await.unwrap_or_default();
        for (number, metainfo) in saved.into_iter().enumerate() {
            let Some(digest) = metainfo.digest().filter(|digest| self.is_shared(digest)) else { continue };
            // The client repeats the offer once it is connected to the index.
            let _ = config.index.offer_torrent(torrent_hint(&metainfo, digest)).await;
            if number < SERVED_AT_START
                && let Err(error) = self.serve_created(&Arc::new(metainfo), digest).await
            {
                tracing::debug!(%error, "cannot serve the torrent of a shared file");
            }
        }
        self.send_pending_withdrawals().await;
    }

    /// Serves a torrent created by the user; returns its download number.
    async fn serve_created(
        &self,
        metainfo: &Arc<Metainfo>,
        digest: Digest,
    ) -> Result<DownloadId, SharedTorrentError> {
        let id = match self.serve(metainfo, digest).await {
            Err(SharedTorrentError::DownloadNotStarted(NotStarted::Running { id })) => id,
            result => result?,
        };
        self.inner.served.lock().add_created(metainfo.infohash(), id);
        Ok(id)
    }

    fn is_shared(&self, digest: &Digest) -> bool {
        self.inner.config.library.files().by_digest(digest).next().is_some()
    }

    /// Builds the torrent of a shared file, as described by `hint` or with default parameters. The file is read once
    /// for all torrents with the same piece length.
    async fn build(
        &self,
        digest: Digest,
        hint: Option<TorrentHint>,
    ) -> Result<Arc<Metainfo>, SharedTorrentError> {
        let files = self.inner.config.library.files();
        let file = files.by_digest(&digest).next().ok_or(SharedTorrentError::NotShared)?;
        let (location, cancel) = (file.location.clone(), self.inner.config.cancel.child_token());
        let default_length = || make::default_piece_length(file.size);
        let (name, piece_length) = hint.map_or_else(
            || (file.path.file_name().to_owned(), default_length()),
            |hint| (hint.name, hint.piece_length),
        );
        let (layout, hashes) =
            (PieceLayout { digest, size: file.size, piece_length }, Arc::clone(&self.inner.hash_cache));
        let building = tokio::task::spawn_blocking(move || {
            metainfo_builder::build_metainfo(&name, &layout, &hashes, (&location, &cancel))
        });
        Ok(Arc::new(building.await??))
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
        let location_spec =
            TorrentLocation::Library { location: location.ok_or(SharedTorrentError::NotShared)?, file };
        let (metainfo, on_completion) = (Arc::clone(metainfo), OnCompletion::Seed { ratio: None });
        let spec =
            TorrentSpec { metainfo, digest: None, location: location_spec, on_completion, peers: Vec::new() };
        Ok(self.inner.config.downloads.seed(spec)?)
    }

    fn saved_path(&self, infohash: Infohash) -> PathBuf {
        self.inner.config.folder.join(format!("{infohash}.torrent"))
    }

    async fn save(&self, metainfo: &Arc<Metainfo>) {
        let (infohash, metainfo) = (metainfo.infohash(), Arc::clone(metainfo));
        let path = self.saved_path(infohash);
        let result = tokio::task::spawn_blocking(move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            replace_file(&path, metainfo.bytes())
        });
        let result = result.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = result {
            tracing::warn!(%error, "cannot save the torrent of a shared file");
        }
        self.inner.key_index.add_created(infohash);
    }
}

fn torrent_hint(metainfo: &Metainfo, digest: Digest) -> TorrentHint {
    let piece_length = metainfo.geometry().piece_length();
    TorrentHint { infohash: metainfo.infohash(), digest, name: metainfo.name().to_owned(), piece_length }
}

/// Reads the saved torrents.
fn load_saved(folder: &Path) -> Vec<Metainfo> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let torrents = paths.filter(|path| path.extension().is_some_and(|end| end == "torrent"));
    torrents.filter_map(|path| dot_torrent::read_saved(&path).ok()).collect()
}
