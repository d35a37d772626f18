//! Torrents among the downloads: they wait for their turn, rest and go on like any others.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::bitfield::Bitfield;
use protocol::infohash::Infohash;
use protocol::limits::MAX_TORRENT;
use protocol::metainfo::{Metainfo, MetainfoError};

use super::listed::{Item, Listed, ListedTorrent};
use super::turns::Load;
use super::{Downloads, Inner, NotStarted};
use crate::state_dir::replace_file;
use crate::storage::read_regular_file;
use crate::torrent::selection::{Selection, SelectionError};
use crate::torrent::session::Session;
use crate::torrent::{Afterwards, Place, Wish};
use crate::transfers::{ContentId, DownloadId, Priority};

/// How often it is noted how much of a torrent was given.
const COUNTING: Duration = Duration::from_secs(10);

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
    pub afterwards: Afterwards,
}

/// A torrent that cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum TorrentError {
    /// It is under way.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// There is no such file in it.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// Its `.torrent` cannot be kept for later.
    #[error("cannot write {}: {source}", path.display())]
    NotKept {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Why a torrent does not go on.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error("its .torrent cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("its .torrent is damaged: {0}")]
    Damaged(#[from] MetainfoError),
    #[error("its .torrent is another one's")]
    Another,
    #[error(transparent)]
    NotStarted(#[from] TorrentError),
}

impl Downloads {
    /// Begins a torrent, or says why not. One that is under way already goes on if it was paused.
    pub async fn add(&self, wanted: WantedTorrent) -> Result<DownloadId, TorrentError> {
        let infohash = wanted.metainfo.infohash();
        // Before anything is touched.
        selection(wanted.select.as_deref(), &wanted.metainfo)?;
        let _kept = self.inner.kept.lock().await;
        let running = self.inner.table.lock().running_one(&ContentId::Torrent(infohash));
        if let Some(id) = running {
            self.resume_waiting(id);
            return Err(NotStarted::Running { id }.into());
        }
        self.replace_failed(&ContentId::Torrent(infohash));
        self.keep(&wanted.metainfo).await?;
        let digest = self.digest_of(&wanted.metainfo).await;
        let (seed, ratio) = match wanted.afterwards {
            Afterwards::End => (false, None),
            Afterwards::Seed { ratio } => (true, ratio),
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
        let torrent = ListedTorrent { infohash, digest, folder, select, seed, ratio, given: 0 };
        let item = Item::Torrent(torrent.clone());
        let listed = Listed { item, priority: Priority::Normal, is_paused: false };
        self.begin_torrent(wanted.metainfo, &torrent, pieces, (listed, None))
    }

    /// Goes on with a torrent of an earlier run, or begins one that failed again under its number; returns true if it did.
    pub(super) async fn go_on_with_torrent(
        &self,
        torrent: ListedTorrent,
        listed: Listed,
        again: Option<DownloadId>,
    ) -> bool {
        let (infohash, path) = (torrent.infohash, self.kept_at(torrent.infohash));
        let read = tokio::task::spawn_blocking(move || read(&path, infohash)).await;
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
        (listed, again): (Listed, Option<DownloadId>),
    ) -> Result<DownloadId, TorrentError> {
        let selection = selection(torrent.select.as_deref(), &metainfo)?;
        let place = Place::Fetch { folder: torrent.folder.clone(), selection };
        let afterwards =
            if torrent.seed { Afterwards::Seed { ratio: torrent.ratio } } else { Afterwards::End };
        let given = torrent.given;
        let digest = torrent.digest.or_else(|| metainfo.digest()).filter(|_| metainfo.is_single_file());
        let wish = Wish { metainfo, digest, place, afterwards, peers: Vec::new() };
        let prepare = |session: Session| session.having_given(given).with_fragments(left);
        Ok(self.launch(wish, Some(listed), again, prepare)?)
    }

    /// Gives a file of the library as a torrent, as long as this run lasts.
    pub(crate) fn give(&self, wish: Wish) -> Result<DownloadId, NotStarted> {
        self.launch(wish, None, None, |session| session)
    }

    /// Begins a torrent after `prepare` has had its way with it.
    fn launch(
        &self,
        wish: Wish,
        listed: Option<Listed>,
        again: Option<DownloadId>,
        prepare: impl FnOnce(Session) -> Session,
    ) -> Result<DownloadId, NotStarted> {
        let Inner { config, queue, ledger, table, .. } = &*self.inner;
        let (metainfo, infohash) = (Arc::clone(&wish.metainfo), wish.metainfo.infohash());
        let file = wish.digest.map(ContentId::File);
        let names = std::iter::once(ContentId::Torrent(infohash)).chain(file).collect();
        let (priority, is_paused) =
            listed.as_ref().map_or((Priority::Normal, false), |listed| (listed.priority, listed.is_paused));
        let (id, session) = table.lock().begin(names, again, |id| {
            let cancel = config.cancel.child_token();
            let (session, view) = Session::new(id, wish, config.torrents.clone(), cancel.clone());
            (prepare(session.with_pause(is_paused)), view, cancel)
        })?;
        let place = queue.join(id, priority, Load::Full, is_paused);
        let listed_torrent = listed.is_some().then(|| Arc::clone(&metainfo));
        if let Some(listed) = listed {
            ledger.put(id, listed);
        }
        let downloads = self.clone();
        config.tracker.spawn(async move {
            let is_complete = {
                let run = session.run(place);
                tokio::pin!(run);
                downloads.keep_count(id, listed_torrent.as_ref(), run).await
            };
            // One that failed stays listed, to be tried again by a person or the next run.
            if is_complete {
                downloads.inner.ledger.strike(id);
            }
            // One that was stopped with the node is still listed.
            if listed_torrent.is_some() && downloads.inner.ledger.item(id).is_none() {
                downloads.forget(infohash).await;
            }
        });
        Ok(id)
    }

    /// Notes from time to time, until a torrent has run, how much of it was given; returns what the run does.
    /// The `.torrent` of one that is listed is written again if it was removed meanwhile.
    async fn keep_count<Run: Future + Unpin>(
        &self,
        id: DownloadId,
        listed: Option<&Arc<Metainfo>>,
        mut run: Run,
    ) -> Run::Output {
        loop {
            let ran = tokio::time::timeout(COUNTING, &mut run).await;
            if let Some(metainfo) = listed.filter(|_| ran.is_err())
                && matches!(tokio::fs::try_exists(self.kept_at(metainfo.infohash())).await, Ok(false))
                && let Err(error) = self.keep(metainfo).await
            {
                tracing::debug!(%error, "cannot keep the .torrent of a torrent");
            }
            if let Some(view) = self.watch(id) {
                self.inner.ledger.set_given(id, view.borrow().bytes_given);
            }
            if let Ok(ran) = ran {
                return ran;
            }
        }
    }

    /// Removes the `.torrent` of one that does not go on, unless it was begun again meanwhile.
    pub(super) async fn forget(&self, infohash: Infohash) {
        let _kept = self.inner.kept.lock().await;
        if self.inner.table.lock().running_one(&ContentId::Torrent(infohash)).is_none() {
            // What stays is small and no harm.
            let _ = tokio::fs::remove_file(self.kept_at(infohash)).await;
        }
    }

    fn kept_at(&self, infohash: Infohash) -> PathBuf {
        self.inner.config.torrent_dir.join(format!("{infohash}.torrent"))
    }

    /// Keeps a `.torrent` for the next run.
    async fn keep(&self, metainfo: &Arc<Metainfo>) -> Result<(), TorrentError> {
        let (path, metainfo) = (self.kept_at(metainfo.infohash()), Arc::clone(metainfo));
        let at = path.clone();
        let kept = tokio::task::spawn_blocking(move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            replace_file(&path, metainfo.bytes())
        });
        let kept = kept.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        kept.map_err(|source| TorrentError::NotKept { path: at, source })
    }
}

fn selection(text: Option<&str>, metainfo: &Metainfo) -> Result<Selection, SelectionError> {
    text.map_or_else(|| Ok(Selection::all()), |text| Selection::parse(text, metainfo))
}

fn read(path: &Path, infohash: Infohash) -> Result<Arc<Metainfo>, NotKept> {
    let metainfo = Metainfo::parse(&read_regular_file(path, MAX_TORRENT as u64 + 1)?)?;
    if metainfo.infohash() == infohash { Ok(Arc::new(metainfo)) } else { Err(NotKept::Another) }
}
