//! Torrents among the downloads: they wait for their turn, rest and go on like any others.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::bitfield::Bitfield;
use protocol::infohash::Infohash;
use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{Metainfo, MetainfoError};

use super::listed_download::{DownloadItem, ListedDownload, ListedTorrent};
use super::{Downloads, Inner, NotStarted};
use crate::storage::read_regular_file;
use crate::storage::replace_file;
use crate::torrent::selection::{FileSelection, FileSelectionError};
use crate::torrent::session::TorrentSession;
use crate::torrent::{OnCompletion, TorrentLocation, TorrentSpec};
use crate::transfer::scheduler::SlotLoad;
use crate::view::{ContentId, DownloadId, Priority};

/// How often it is noted how much of a torrent was given.
const COUNT_INTERVAL: Duration = Duration::from_secs(10);

/// A torrent that somebody wants.
#[derive(Debug, Clone)]
pub struct WantedTorrent {
    /// Which.
    pub metainfo: Arc<Metainfo>,
    /// The folder that shall hold its file or folder, relative to the node's folder.
    pub folder: PathBuf,
    /// Which files are wanted, if not all.
    pub select: Option<String>,
    /// What comes once it is whole.
    pub afterwards: OnCompletion,
}

/// A torrent that cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum TorrentError {
    /// It is under way.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// There is no such file in it.
    #[error(transparent)]
    Selection(#[from] FileSelectionError),
    /// Its `.torrent` cannot be kept for later.
    #[error("cannot write {}: {source}", path.display())]
    WriteMetainfo {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Why a torrent does not go on.
#[derive(Debug, thiserror::Error)]
enum TorrentResumeError {
    #[error("its .torrent cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("its .torrent is damaged: {0}")]
    Damaged(#[from] MetainfoError),
    #[error("its .torrent is another one's")]
    WrongInfohash,
    #[error(transparent)]
    NotStarted(#[from] TorrentError),
}

impl Downloads {
    /// Begins a torrent, or says why not. One that is under way already goes on if it was paused.
    pub async fn start_torrent(&self, wanted: WantedTorrent) -> Result<DownloadId, TorrentError> {
        let infohash = wanted.metainfo.infohash();
        // Before anything is touched.
        parse_selection(wanted.select.as_deref(), &wanted.metainfo)?;
        let _kept = self.inner.torrent_files_lock.lock().await;
        let running = self.inner.table.lock().running_id(&ContentId::Torrent(infohash));
        if let Some(id) = running {
            self.resume_waiting(id);
            return Err(NotStarted::Running { id }.into());
        }
        self.replace_failed(&ContentId::Torrent(infohash));
        self.save_metainfo(&wanted.metainfo).await?;
        let digest = self.digest_of(&wanted.metainfo).await;
        let (seed, ratio) = match wanted.afterwards {
            OnCompletion::Stop => (false, None),
            OnCompletion::Seed { ratio } => (true, ratio),
        };
        let left = match digest {
            Some(digest) => {
                let folder = self.inner.config.root.join(&wanted.folder);
                self.take_over(digest, &wanted.metainfo, folder).await
            }
            None => None,
        };
        let (folder, pieces) = left.map_or_else(
            || (self.inner.config.root.join(&wanted.folder), None),
            |left| (left.folder, left.pieces),
        );
        let select = wanted.select.clone();
        let torrent = ListedTorrent { infohash, digest, folder, select, seed, ratio, uploaded: 0 };
        let item = DownloadItem::Torrent(torrent.clone());
        let listed = ListedDownload { item, priority: Priority::Normal, is_paused: false };
        self.begin_torrent(wanted.metainfo, &torrent, pieces, (listed, None))
    }

    /// Goes on with a torrent of an earlier run, or begins one that failed again under its number; returns true if it did.
    pub(super) async fn resume_torrent(
        &self,
        torrent: ListedTorrent,
        listed: ListedDownload,
        again: Option<DownloadId>,
    ) -> bool {
        let (infohash, path) = (torrent.infohash, self.metainfo_path(torrent.infohash));
        let read = tokio::task::spawn_blocking(move || read_metainfo(&path, infohash)).await;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error).into()));
        let begun =
            read.and_then(|metainfo| Ok(self.begin_torrent(metainfo, &torrent, None, (listed, again))?));
        if let Err(error) = &begun {
            tracing::warn!(%infohash, %error, "torrent not continued");
        }
        begun.is_ok()
    }

    fn begin_torrent(
        &self,
        metainfo: Arc<Metainfo>,
        torrent: &ListedTorrent,
        left: Option<Bitfield>,
        (listed, again): (ListedDownload, Option<DownloadId>),
    ) -> Result<DownloadId, TorrentError> {
        let selection = parse_selection(torrent.select.as_deref(), &metainfo)?;
        let place = TorrentLocation::Download { folder: torrent.folder.clone(), selection };
        let afterwards =
            if torrent.seed { OnCompletion::Seed { ratio: torrent.ratio } } else { OnCompletion::Stop };
        let given = torrent.uploaded;
        let digest = torrent.digest.or_else(|| metainfo.digest()).filter(|_| metainfo.is_single_file());
        let wish =
            TorrentSpec { metainfo, digest, location: place, on_completion: afterwards, peers: Vec::new() };
        let prepare = |session: TorrentSession| session.with_uploaded(given).with_fragments(left);
        Ok(self.launch(wish, Some(listed), again, prepare)?)
    }

    /// Gives a file of the library as a torrent, as long as this run lasts.
    pub(crate) fn seed(&self, wish: TorrentSpec) -> Result<DownloadId, NotStarted> {
        self.launch(wish, None, None, |session| session)
    }

    /// Begins a torrent after `prepare` has had its way with it.
    fn launch(
        &self,
        wish: TorrentSpec,
        listed: Option<ListedDownload>,
        again: Option<DownloadId>,
        prepare: impl FnOnce(TorrentSession) -> TorrentSession,
    ) -> Result<DownloadId, NotStarted> {
        let Inner { config, queue, list: ledger, table, .. } = &*self.inner;
        let (metainfo, infohash) = (Arc::clone(&wish.metainfo), wish.metainfo.infohash());
        let file = wish.digest.map(ContentId::File);
        let names = std::iter::once(ContentId::Torrent(infohash)).chain(file).collect();
        let (priority, is_paused) =
            listed.as_ref().map_or((Priority::Normal, false), |listed| (listed.priority, listed.is_paused));
        let (id, session) = table.lock().begin(names, again, |id| {
            let cancel = config.cancel.child_token();
            let (session, view) = TorrentSession::new(id, wish, config.torrents.clone(), cancel.clone());
            (prepare(session.with_pause(is_paused)), view, cancel)
        })?;
        let place = queue.join(id, priority, SlotLoad::Full, is_paused);
        let listed_torrent = listed.is_some().then(|| Arc::clone(&metainfo));
        if let Some(listed) = listed {
            ledger.insert(id, listed);
        }
        let downloads = self.clone();
        config.tracker.spawn(async move {
            let is_complete = {
                let run = session.run(place);
                tokio::pin!(run);
                downloads.track_uploaded(id, listed_torrent.as_ref(), run).await
            };
            // One that failed stays listed, to be tried again by a person or the next run.
            if is_complete {
                downloads.inner.list.remove(id);
            }
            // One that was stopped with the node is still listed.
            if listed_torrent.is_some() && downloads.inner.list.item(id).is_none() {
                downloads.remove_metainfo(infohash).await;
            }
        });
        Ok(id)
    }

    /// Notes from time to time, until a torrent has run, how much of it was given; returns what the run does.
    /// The `.torrent` of one that is listed is written again if it was removed meanwhile.
    async fn track_uploaded<Run: Future + Unpin>(
        &self,
        id: DownloadId,
        listed: Option<&Arc<Metainfo>>,
        mut run: Run,
    ) -> Run::Output {
        loop {
            let ran = tokio::time::timeout(COUNT_INTERVAL, &mut run).await;
            if let Some(metainfo) = listed.filter(|_| ran.is_err())
                && matches!(tokio::fs::try_exists(self.metainfo_path(metainfo.infohash())).await, Ok(false))
                && let Err(error) = self.save_metainfo(metainfo).await
            {
                tracing::debug!(%error, "cannot keep the .torrent of a torrent");
            }
            if let Some(view) = self.watch(id) {
                self.inner.list.set_uploaded(id, view.borrow().bytes_uploaded);
            }
            if let Ok(ran) = ran {
                return ran;
            }
        }
    }

    /// Removes the `.torrent` of one that does not go on, unless it was begun again meanwhile.
    pub(super) async fn remove_metainfo(&self, infohash: Infohash) {
        let _kept = self.inner.torrent_files_lock.lock().await;
        if self.inner.table.lock().running_id(&ContentId::Torrent(infohash)).is_none() {
            // What stays is small and no harm.
            let _ = tokio::fs::remove_file(self.metainfo_path(infohash)).await;
        }
    }

    fn metainfo_path(&self, infohash: Infohash) -> PathBuf {
        self.inner.config.torrent_dir.join(format!("{infohash}.torrent"))
    }

    /// Keeps a `.torrent` for the next run.
    async fn save_metainfo(&self, metainfo: &Arc<Metainfo>) -> Result<(), TorrentError> {
        let (path, metainfo) = (self.metainfo_path(metainfo.infohash()), Arc::clone(metainfo));
        let at = path.clone();
        let kept = tokio::task::spawn_blocking(move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            replace_file(&path, metainfo.bytes())
        });
        let kept = kept.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        kept.map_err(|source| TorrentError::WriteMetainfo { path: at, source })
    }
}

fn parse_selection(text: Option<&str>, metainfo: &Metainfo) -> Result<FileSelection, FileSelectionError> {
    text.map_or_else(|| Ok(FileSelection::all()), |text| FileSelection::parse(text, metainfo))
}

fn read_metainfo(path: &Path, infohash: Infohash) -> Result<Arc<Metainfo>, TorrentResumeError> {
    let metainfo = Metainfo::parse(&read_regular_file(path, MAX_TORRENT as u64 + 1)?)?;
    if metainfo.infohash() == infohash {
        Ok(Arc::new(metainfo))
    } else {
        Err(TorrentResumeError::WrongInfohash)
    }
}
