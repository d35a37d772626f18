//! Torrents of files that this node shares: made, told to the index, and given to whoever asks.
//!
//! A torrent of one file is a function of its content, its name and the length of its pieces. So what one node makes, every
//! node that has the content can make again: when a BitTorrent client calls for a torrent that is not here, the index
//! may know which content it is, and the torrent is made and compared before anything is given. What was made is kept, and
//! offered again after a restart.

mod refused;

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::index::TorrentHint;
use protocol::infohash::Infohash;
use protocol::metainfo::{Draft, DraftContent, DraftNotes, Metainfo, MetainfoError};
use tokio_util::sync::CancellationToken;

use super::dot_torrent;
use super::make::{self, MakeError, Plan};
use super::wish::{Afterwards, Place, Wish};
use crate::bittorrent::{Resolver, Wires};
use crate::download::{Downloads, NotStarted};
use crate::index_client::{IndexClient, IndexError};
use crate::library::Library;
use crate::state_dir::replace_file;
use crate::transfers::DownloadId;
use refused::Refused;

/// How long it may take until a torrent that was begun takes part.
const JOINING: Duration = Duration::from_secs(5);

/// A file that cannot be given as a torrent.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// It is not here.
    #[error("this node does not share that file; download it first")]
    NotShared,
    /// It has changed meanwhile.
    #[error("the file has changed since it was hashed; try again in a moment")]
    Changed,
    /// It cannot be read, or is too large or too small for a torrent.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// It cannot be a torrent.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// The system does not let a thread end.
    #[error("the torrent was not made: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// It cannot be begun.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
}

/// A torrent that was made of a shared file.
#[derive(Debug)]
pub struct Made {
    /// What it says.
    pub metainfo: Arc<Metainfo>,
    /// Where clients announce themselves, or why there is no such place.
    pub tracker: Result<String, NoTracker>,
    /// Under which number it is given.
    pub id: DownloadId,
}

/// Why a torrent has no tracker.
#[derive(Debug, thiserror::Error)]
pub enum NoTracker {
    /// The index cannot be asked, or says no.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index is none.
    #[error("the index is no tracker; it is one when started with --tracker")]
    None,
}

/// The torrents of shared files; cheap to clone.
#[derive(Debug, Clone)]
pub struct Offers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    library: Library,
    index: IndexClient,
    downloads: Downloads,
    wires: Wires,
    cancel: CancellationToken,
    /// Held while a torrent is made, so that strangers cannot have many made at once.
    making: tokio::sync::Mutex<()>,
    refused: Mutex<Refused>,
}

impl Offers {
    /// Makes the offers of a node; those of an earlier run are kept in `folder`.
    pub fn new(
        folder: PathBuf,
        library: Library,
        index: IndexClient,
        downloads: Downloads,
        wires: Wires,
        cancel: CancellationToken,
    ) -> Self {
        let (making, refused) = (tokio::sync::Mutex::default(), Mutex::default());
        let inner = Inner { folder, library, index, downloads, wires, cancel, making, refused };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a torrent of a shared file, tells the index, and begins to give it.
    pub async fn create(&self, digest: Digest) -> Result<Made, OfferError> {
        let metainfo = {
            let _turn = self.inner.making.lock().await;
            self.make(digest, None).await?
        };
        let tracker = match self.inner.index.offer_torrent(hint(&metainfo, digest)).await {
            Ok(offered) => offered.tracker.ok_or(NoTracker::None),
            Err(error) => Err(error.into()),
        };
        let metainfo = match &tracker {
            Ok(url) => Arc::new(with_tracker(&metainfo, digest, url)?),
            Err(_) => metainfo,
        };
        self.keep(&metainfo).await;
        let id = match self.give(&metainfo, digest).await {
            Err(OfferError::NotStarted(NotStarted::Running { id })) => id,
            given => given?,
        };
        Ok(Made { metainfo, tracker, id })
    }

    /// Offers at the index what an earlier run has made, as far as the files are still shared.
    pub async fn recall(self) {
        self.inner.library.settled().await;
        let folder = self.inner.folder.clone();
        let kept = tokio::task::spawn_blocking(move || kept(&folder)).await.unwrap_or_default();
        for metainfo in kept {
            if let Some(digest) = metainfo.digest().filter(|digest| self.is_shared(digest)) {
                // It is repeated by itself once the index is there.
                let _ = self.inner.index.offer_torrent(hint(&metainfo, digest)).await;
            }
        }
    }

    fn is_shared(&self, digest: &Digest) -> bool {
        self.inner.library.files().by_digest(digest).next().is_some()
    }

    /// Makes the torrent of a shared file, as a hint describes it or as suits the file.
    async fn make(&self, digest: Digest, hint: Option<TorrentHint>) -> Result<Arc<Metainfo>, OfferError> {
        let files = self.inner.library.files();
        let file = files.by_digest(&digest).next().ok_or(OfferError::NotShared)?;
        let (location, cancel) = (file.location.clone(), self.inner.cancel.child_token());
        let name = file.path.file_name().to_owned();
        let (name, piece_length) = hint.map_or((name, None), |hint| (hint.name, Some(hint.piece_length)));
        let wish = make::Wish { name: Some(name), piece_length, ..make::Wish::default() };
        let made = tokio::task::spawn_blocking(move || {
            let bytes = Plan::of(&location, None)?.make(&wish, &cancel, &mut |_| {})?;
            Ok::<_, OfferError>(Metainfo::parse(&bytes)?)
        });
        let metainfo = made.await??;
        if metainfo.digest() == Some(digest) { Ok(Arc::new(metainfo)) } else { Err(OfferError::Changed) }
    }

    async fn give(&self, metainfo: &Arc<Metainfo>, digest: Digest) -> Result<DownloadId, OfferError> {
        let library = self.inner.library.clone();
        let opened = tokio::task::spawn_blocking(move || library.open_file(&digest)).await?;
        let file = Arc::new(opened.map_err(|_| OfferError::NotShared)?);
        let files = self.inner.library.files();
        let location = files.by_digest(&digest).next().map(|file| file.location.clone());
        let place = Place::Shared { location: location.ok_or(OfferError::NotShared)?, file };
        let (metainfo, afterwards) = (Arc::clone(metainfo), Afterwards::Seed { ratio: None });
        let wish = Wish { metainfo, digest: None, place, afterwards, peers: Vec::new() };
        Ok(self.inner.downloads.give(wish)?)
    }

    fn path(&self, infohash: Infohash) -> PathBuf {
        self.inner.folder.join(format!("{infohash}.torrent"))
    }

    async fn keep(&self, metainfo: &Arc<Metainfo>) {
        let (path, metainfo) = (self.path(metainfo.infohash()), Arc::clone(metainfo));
        let kept = tokio::task::spawn_blocking(move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            replace_file(&path, metainfo.bytes())
        });
        let kept = kept.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = kept {
            tracing::warn!(%error, "torrent of a shared file not kept");
        }
    }

    /// Begins to give the torrent that somebody calls for, if it is one of a shared file.
    async fn find(&self, infohash: Infohash) -> Result<(), OfferError> {
        // One after the other: whoever calls may be hostile, and making is dear.
        let _turn = self.inner.making.lock().await;
        if self.inner.wires.has(infohash) {
            return Ok(());
        }
        let path = self.path(infohash);
        let kept = tokio::task::spawn_blocking(move || dot_torrent::read(&path)).await?;
        if let Ok(metainfo) = kept
            && metainfo.infohash() == infohash
            && let Some(digest) = metainfo.digest()
        {
            self.give(&Arc::new(metainfo), digest).await?;
            return Ok(());
        }
        let hints = self.inner.index.find_torrent(infohash).await.unwrap_or_default();
        for hint in hints.into_iter().filter(|hint| self.is_shared(&hint.digest)) {
            let digest = hint.digest;
            match self.make(digest, Some(hint.clone())).await {
                Ok(metainfo) if metainfo.infohash() == infohash => {
                    self.keep(&metainfo).await;
                    self.give(&metainfo, digest).await?;
                    // From now on this node can say what the torrent is as well.
                    let _ = self.inner.index.offer_torrent(hint).await;
                    return Ok(());
                }
                Ok(_) => tracing::warn!(%infohash, %digest, "a torrent is not what it is said to be"),
                Err(error) => tracing::debug!(%infohash, %error, "torrent not made"),
            }
        }
        Err(OfferError::NotShared)
    }

    async fn resolve(&self, infohash: Infohash) -> bool {
        if self.inner.refused.lock().has(infohash, Instant::now()) {
            return false;
        }
        if let Err(error) = self.find(infohash).await {
            tracing::debug!(%infohash, %error, "torrent not here");
            self.inner.refused.lock().insert(infohash, Instant::now());
            return false;
        }
        let joined = async {
            while !self.inner.wires.has(infohash) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(JOINING, joined).await.is_ok()
    }
}

impl Resolver for Offers {
    fn resolve(&self, infohash: Infohash) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(self.resolve(infohash))
    }

    fn identify(&self, key: TorrentKey) -> Pin<Box<dyn Future<Output = Option<Infohash>> + Send + '_>> {
        let folder = self.inner.folder.clone();
        let looking = tokio::task::spawn_blocking(move || kept_with_key(&folder, key));
        Box::pin(async { looking.await.unwrap_or_default() })
    }
}

fn hint(metainfo: &Metainfo, digest: Digest) -> TorrentHint {
    let piece_length = metainfo.geometry().piece_length();
    TorrentHint { infohash: metainfo.infohash(), digest, name: metainfo.name().to_owned(), piece_length }
}

/// Writes the same torrent with a tracker, which is no part of its infohash.
fn with_tracker(metainfo: &Metainfo, digest: Digest, url: &str) -> Result<Metainfo, MetainfoError> {
    let geometry = metainfo.geometry();
    let notes = DraftNotes {
        comment: None,
        created_by: metainfo.created_by().map(str::to_owned),
        creation_date: None,
        digest: Some(digest),
    };
    let draft = Draft {
        name: metainfo.name().to_owned(),
        piece_length: geometry.piece_length(),
        content: DraftContent::Single(geometry.size()),
        private: false,
        tiers: vec![vec![url.to_owned()]],
        notes,
    };
    let hashes: Vec<[u8; 20]> = geometry.pieces().map(|piece| metainfo.piece_hash(piece)).collect();
    Metainfo::parse(&draft.encode(&hashes)?)
}

/// Reads the torrents that were kept.
fn kept(folder: &Path) -> Vec<Metainfo> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| dot_torrent::read(&entry.ok()?.path()).ok()).collect()
}

/// Looks for the torrent with a key among those that were kept, whose files are named by their infohashes.
fn kept_with_key(folder: &Path, key: TorrentKey) -> Option<Infohash> {
    let mut names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| PathBuf::from(entry.file_name()));
    names.find_map(|name| {
        let infohash: Infohash = name.file_stem()?.to_str()?.parse().ok()?;
        (TorrentKey::of(infohash) == key).then_some(infohash)
    })
}
