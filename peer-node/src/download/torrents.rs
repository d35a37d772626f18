//! Torrents among the downloads: they are queued, paused and resumed like native downloads.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::bitfield::Bitfield;
use protocol::infohash::Infohash;
use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{Metainfo, MetainfoError};
use tokio::sync::watch;

use super::listed_download::{DownloadItem, ListedDownload, ListedTorrent};
use super::{Downloads, Inner, NotStarted};
use crate::storage::read_regular_file;
use crate::storage::replace_file;
use crate::torrent::selection::{FileSelection, FileSelectionError};
use crate::torrent::session::TorrentSession;
use crate::torrent::{OnCompletion, TorrentLocation, TorrentSpec};
use crate::transfer::scheduler::SlotLoad;
use crate::view::{ContentId, DownloadId, DownloadView, Priority};

/// How often the uploaded amount of a torrent is saved.
const COUNT_INTERVAL: Duration = Duration::from_secs(10);

/// How often its files are checked while nothing changes.
const QUIET_COUNT_INTERVAL: Duration = Duration::from_mins(1);

/// A request to download a torrent.
#[derive(Debug, Clone)]
pub(crate) struct WantedTorrent {
    /// The metainfo of the torrent.
    pub metainfo: Arc<Metainfo>,
    /// The folder that receives the torrent's file or folder, relative to the node's folder.
    pub folder: PathBuf,
    /// Selected files; `None` selects all.
    pub select: Option<String>,
    /// What to do once the torrent is complete.
    pub on_completion: OnCompletion,
}

/// Why a torrent cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TorrentError {
    /// The torrent is already running.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// The file selection is invalid.
    #[error(transparent)]
    Selection(#[from] FileSelectionError),
    /// The `.torrent` file cannot be saved for the next run.
    #[error("cannot write {}: {source}", path.display())]
    WriteMetainfo {
        /// Path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Why a torrent cannot be resumed.
#[derive(Debug, thiserror::Error)]
enum TorrentResumeError {
    #[error("cannot read its .torrent file: {0}")]
    Unreadable(#[from] io::Error),
    #[error("its .torrent file is damaged: {0}")]
    Damaged(#[from] MetainfoError),
    #[error("its .torrent file has another infohash")]
    WrongInfohash,
    #[error(transparent)]
    NotStarted(#[from] TorrentError),
}

impl Downloads {
    /// Starts a torrent, or returns why not. A running torrent is resumed if it was paused.
    pub(crate) async fn start_torrent(&self, wanted: WantedTorrent) -> Result<DownloadId, TorrentError> {
        let infohash = wanted.metainfo.infohash();
        // Validated before anything is changed.
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
        let (seed, ratio) = match wanted.on_completion {
            OnCompletion::Stop => (false, None),
            OnCompletion::Seed { ratio } => (true, ratio),
        };
        let leftover = match digest {
            Some(digest) => {
                let folder = self.inner.config.root.join(&wanted.folder);
                self.take_over(digest, &wanted.metainfo, folder).await
            }
            None => None,
        };
        let (folder, pieces) = leftover.map_or_else(
            || (self.inner.config.root.join(&wanted.folder), None),
            |leftover| (leftover.folder, leftover.pieces),
        );
        let select = wanted.select.clone();
        let torrent = ListedTorrent { infohash, digest, folder, select, seed, ratio, uploaded: 0 };
        let item = DownloadItem::Torrent(torrent.clone());
        let listed = ListedDownload { item, priority: Priority::Normal, is_paused: false };
        self.begin_torrent(wanted.metainfo, &torrent, pieces, (listed, None))
    }

    /// Resumes a torrent of an earlier run, or retries a failed one under its number. Returns true if it was started.
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
            tracing::warn!(%infohash, %error, "cannot resume a torrent");
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
        let location = TorrentLocation::Download { folder: torrent.folder.clone(), selection };
        let on_completion =
            if torrent.seed { OnCompletion::Seed { ratio: torrent.ratio } } else { OnCompletion::Stop };
        let uploaded = torrent.uploaded;
        let digest = torrent.digest.or_else(|| metainfo.digest()).filter(|_| metainfo.is_single_file());
        let spec = TorrentSpec { metainfo, digest, location, on_completion, peers: Vec::new() };
        let prepare = |session: TorrentSession| session.with_uploaded(uploaded).with_fragments(left);
        Ok(self.launch(spec, Some(listed), again, prepare)?)
    }

    /// Seeds a shared file as a torrent until the node stops.
    pub(crate) fn seed(&self, spec: TorrentSpec) -> Result<DownloadId, NotStarted> {
        self.launch(spec, None, None, |session| session)
    }

    /// Starts a torrent session after `prepare` has adjusted it.
    fn launch(
        &self,
        spec: TorrentSpec,
        listed: Option<ListedDownload>,
        again: Option<DownloadId>,
        prepare: impl FnOnce(TorrentSession) -> TorrentSession,
    ) -> Result<DownloadId, NotStarted> {
        let Inner { config, queue, list, table, .. } = &*self.inner;
        let (metainfo, infohash) = (Arc::clone(&spec.metainfo), spec.metainfo.infohash());
        let file = spec.digest.map(ContentId::File);
        let names = std::iter::once(ContentId::Torrent(infohash)).chain(file).collect();
        let (priority, is_paused) =
            listed.as_ref().map_or((Priority::Normal, false), |listed| (listed.priority, listed.is_paused));
        let (id, session) = table.lock().begin(names, again, |id| {
            let cancel = config.cancel.child_token();
            let (session, view) = TorrentSession::new(id, spec, config.torrents.clone(), cancel.clone());
            (prepare(session.with_pause(is_paused)), view, cancel)
        })?;
        let slot = queue.join(id, priority, SlotLoad::Full, is_paused);
        let listed_torrent = listed.is_some().then(|| Arc::clone(&metainfo));
        if let Some(listed) = listed {
            list.insert(id, listed);
        }
        let downloads = self.clone();
        config.tracker.spawn(async move {
            let is_complete = {
                let run = session.run(slot);
                tokio::pin!(run);
                downloads.track_uploaded(id, listed_torrent.as_ref(), run).await
            };
            // A failed torrent stays listed, so that the user or the next run can retry it.
            if is_complete {
                downloads.inner.list.remove(id);
            }
            // A torrent that was stopped with the node is still listed.
            if listed_torrent.is_some() && downloads.inner.list.item(id).is_none() {
                downloads.remove_metainfo(infohash).await;
            }
        });
        Ok(id)
    }

    /// Drives a torrent's session, periodically saves its uploaded amount, and returns the session's result. The `.torrent` of a
    /// listed torrent is written again if it was removed in the meantime.
    async fn track_uploaded<Run: Future + Unpin>(
        &self,
        id: DownloadId,
        listed: Option<&Arc<Metainfo>>,
        mut run: Run,
    ) -> Run::Output {
        let mut view = self.watch(id);
        loop {
            let ran = tokio::select! {
                ran = &mut run => Ok(ran),
                elapsed = tokio::time::timeout(QUIET_COUNT_INTERVAL, news(&mut view)) => Err(elapsed),
            };
            if let Some(metainfo) = listed.filter(|_| ran.is_err())
                && matches!(tokio::fs::try_exists(self.metainfo_path(metainfo.infohash())).await, Ok(false))
                && let Err(error) = self.save_metainfo(metainfo).await
            {
                tracing::debug!(%error, "cannot save the .torrent file of a torrent");
            }
            if let Some(view) = &view {
                self.inner.list.set_uploaded(id, view.borrow().bytes_uploaded);
            }
            if let Ok(ran) = ran {
                return ran;
            }
        }
    }

    /// Removes the `.torrent` of a torrent that will not resume, unless the torrent was restarted in the meantime.
    pub(super) async fn remove_metainfo(&self, infohash: Infohash) {
        let _kept = self.inner.torrent_files_lock.lock().await;
        if self.inner.table.lock().running_id(&ContentId::Torrent(infohash)).is_none() {
            // A leftover file is small and harmless.
            let _ = tokio::fs::remove_file(self.metainfo_path(infohash)).await;
        }
    }

    fn metainfo_path(&self, infohash: Infohash) -> PathBuf {
        self.inner.config.torrent_dir.join(format!("{infohash}.torrent"))
    }

    /// Saves a `.torrent` for the next run.
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

/// Waits until a view has changed, and then for a while, since more changes are likely. Cancel safe.
async fn news(view: &mut Option<watch::Receiver<DownloadView>>) {
    let has_changed = match view {
        Some(view) => view.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(COUNT_INTERVAL).await;
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
