//! Downloads: from a digest to a finished, verified file at its target.
//!
//! [`Downloads`] is the public handle. Each download is a task (`session`) that owns its
//! [`Swarm`](swarm::Swarm), the channels to its sources and its part file, and carries out the engine's
//! decisions. `queue` decides which downloads are active; `download_list` records on disk which ones resume after a restart.

mod choke_status;
mod disk_jobs;
mod disk_space;
mod download_list;
mod download_table;
mod file_attributes;
mod folder_syncer;
mod legacy;
mod list_file;
mod listed_download;
mod local_copy;
mod local_files;
mod location;
mod manifest_fetch;
mod part_file;
mod part_folders;
mod part_record;
mod pending_copies;
mod reservations;
mod retry;
mod rivals;
mod session;
mod sources;
mod start;
mod takeover;
mod torrents;
mod wanted;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use protocol::escape::display_safe_bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::discovery::finder::Finder;
use crate::discovery::index_client::IndexClient;
use crate::library::Library;
use crate::native::Links;
use crate::native::partials::Partials;
use crate::state_dir::StateHealth;
use crate::torrent::TorrentConfig;
use crate::transfer::queue::DownloadQueue;
use crate::transport::Transport;
use crate::view::{DownloadId, DownloadState, DownloadView, Priority};
use download_list::DownloadList;
use download_table::DownloadTable;
pub(crate) use download_table::TableVersion;
pub(crate) use folder_syncer::FolderSyncer;
use listed_download::ListedDownload;
pub(crate) use part_folders::PartFolders;
use pending_copies::PendingCopies;
pub(crate) use reservations::NameReservations;
pub(crate) use torrents::{TorrentError, WantedTorrent};
pub(crate) use wanted::{DownloadTarget, NotStarted, SaveOptions, WantedFile};

/// Configuration and dependencies of a node's downloads.
#[derive(Debug, Clone)]
pub(crate) struct DownloadsConfig {
    /// The node's folder.
    pub root: PathBuf,
    /// The file that lists the downloads to resume after a restart.
    pub list_file: PathBuf,
    /// Maximum number of active downloads; the others wait in the queue.
    pub max_active: usize,
    /// Resources shared by all connections.
    pub transport: Transport,
    /// Connections to other nodes.
    pub links: Links,
    /// Maps torrents to contents.
    pub index: IndexClient,
    /// Finds sources.
    pub finder: Finder,
    /// Shares completed files.
    pub library: Library,
    /// Shares incomplete files.
    pub partials: Partials,
    /// Configuration of torrent downloads.
    pub torrents: TorrentConfig,
    /// Folder for the `.torrent` files of downloads that resume after a restart.
    pub torrent_dir: PathBuf,
    /// Makes the names of finished files durable.
    pub folder_syncer: FolderSyncer,
    /// Location of partial files.
    pub part_folders: PartFolders,
    /// Names reserved for unfinished downloads.
    pub reservations: NameReservations,
    /// Owns the tasks.
    pub tracker: TaskTracker,
    /// Stops the tasks.
    pub cancel: CancellationToken,
}

/// How an attempt at a download came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DownloadAttempt {
    /// The first attempt.
    First,
    /// Resumed after a restart of the node.
    Resumed,
    /// Retry of a failed download, which keeps its number.
    Retry(DownloadId),
}

/// All downloads of a node; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Downloads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: DownloadsConfig,
    queue: DownloadQueue,
    list: DownloadList,
    table: Mutex<DownloadTable>,
    /// Additional targets of the files of running downloads.
    copies: Mutex<HashMap<DownloadId, PendingCopies>>,
    /// Held while the `.torrent` of a listed torrent is written or removed.
    torrent_files_lock: tokio::sync::Mutex<()>,
    /// Why the downloads of the previous run could not be resumed.
    list_error: Option<String>,
}

/// Result of a request to change a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeOutcome {
    /// The change was applied.
    Changed,
    /// The download was already in the requested state.
    Unchanged,
    /// No such download is running.
    NotRunning,
}

impl Downloads {
    /// Creates a node's downloads and resumes those listed by an earlier run.
    pub(crate) async fn open(config: DownloadsConfig) -> Self {
        let (file, folders) = (config.list_file.clone(), config.part_folders.clone());
        let read = tokio::task::spawn_blocking(move || {
            let read = read_list(file);
            if read.2.is_none() {
                let digests = read.0.iter().filter_map(ListedDownload::digest).collect();
                folders.clean(&digests, SystemTime::now());
            }
            read
        });
        let read = read.await;
        let (listed, file, list_error) = read.unwrap_or_default();
        let (queue, list) = (DownloadQueue::new(config.max_active), DownloadList::new(file));
        let (tracker, cancel) = (config.tracker.clone(), config.cancel.clone());
        let (table, copies, torrent_files_lock) =
            (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        let inner =
            Inner { config, queue, list: list.clone(), table, copies, torrent_files_lock, list_error };
        let downloads = Self { inner: Arc::new(inner) };
        for listed in listed {
            downloads.resume_listed(listed).await;
        }
        tracker.spawn(list.run(cancel));
        downloads
    }

    /// Rewrites the list of downloads whenever the state folder has been recreated, until the node stops.
    pub(crate) async fn rewrite_lost_list(self, mut health: watch::Receiver<StateHealth>) {
        let (cancel, mut restored) = (self.inner.config.cancel.clone(), health.borrow().restored);
        while let Some(Ok(())) = cancel.run_until_cancelled(health.changed()).await {
            let seen = health.borrow_and_update().restored;
            if std::mem::replace(&mut restored, seen) != seen {
                self.inner.list.rewrite();
            }
        }
    }

    /// Returns all downloads, running and finished, in the order in which they started.
    pub(crate) fn views(&self) -> Vec<DownloadView> {
        let ranks = self.inner.queue.ranks();
        let mut views = self.inner.table.lock().views();
        for view in &mut views {
            if let Some(rank) = ranks.get(&view.id) {
                (view.priority, view.queue_position) = (rank.priority, rank.position);
            }
        }
        views
    }

    /// Returns the view with its priority and queue position filled in, which watched views lack.
    pub(crate) fn with_rank(&self, mut view: DownloadView) -> DownloadView {
        if let Some(rank) = self.inner.queue.ranks().get(&view.id) {
            (view.priority, view.queue_position) = (rank.priority, rank.position);
        }
        view
    }

    /// Returns a receiver that follows one download.
    pub(crate) fn watch(&self, id: DownloadId) -> Option<watch::Receiver<DownloadView>> {
        self.inner.table.lock().watch(id)
    }

    /// Returns receivers that follow the downloads with larger numbers than `id`.
    pub(crate) fn watch_after(&self, id: DownloadId) -> Vec<(DownloadId, watch::Receiver<DownloadView>)> {
        self.inner.table.lock().watch_after(id)
    }

    /// Returns a receiver that follows additions to the list of downloads and removals from it.
    pub(crate) fn table_version(&self) -> watch::Receiver<TableVersion> {
        self.inner.table.lock().version()
    }

    /// Cancels a download and keeps its partial data. A failed download is removed from the list. Returns true if the
    /// download existed.
    pub(crate) fn cancel(&self, id: DownloadId) -> bool {
        if self.remove_failed(id) {
            return true;
        }
        let is_running = self.inner.table.lock().cancellation_of(id).is_some();
        if is_running {
            // Removed first, so that the ending task finds it unlisted.
            self.inner.list.remove(id);
        }
        self.suspend(id)
    }

    /// Stops a download until the node restarts. Returns true if it was running.
    pub(crate) fn suspend(&self, id: DownloadId) -> bool {
        let cancel = self.inner.table.lock().cancellation_of(id);
        cancel.as_ref().is_some_and(|cancel| {
            cancel.cancel();
            true
        })
    }

    /// Pauses a download, which frees its slot for the next one.
    pub(crate) fn pause(&self, id: DownloadId) -> ChangeOutcome {
        self.change(id, |inner| {
            let is_new = inner.queue.pause(id);
            inner.list.set_paused(id, true);
            is_new
        })
    }

    /// Resumes a paused download, retries at once if the download waits for sources or disk space, and restarts a failed
    /// download.
    pub(crate) async fn resume(&self, id: DownloadId) -> ChangeOutcome {
        let is_failed = self.watch(id).is_some_and(|view| view.borrow().state.is_failed());
        if is_failed { self.restart(id).await } else { self.resume_waiting(id) }
    }

    fn resume_waiting(&self, id: DownloadId) -> ChangeOutcome {
        let is_stuck = self.watch(id).is_some_and(|view| view.borrow().state.is_stuck());
        self.change(id, |inner| {
            inner.list.set_paused(id, false);
            if is_stuck {
                inner.queue.nudge(id);
            }
            is_stuck || inner.queue.resume(id)
        })
    }

    /// Changes a download's priority. Active downloads keep their slots.
    pub(crate) fn prioritise(&self, id: DownloadId, priority: Priority) -> ChangeOutcome {
        self.change(id, |inner| {
            let is_new = inner.queue.prioritise(id, priority);
            inner.list.set_priority(id, priority);
            is_new
        })
    }

    fn change(&self, id: DownloadId, change: impl FnOnce(&Inner) -> bool) -> ChangeOutcome {
        if self.inner.table.lock().cancellation_of(id).is_none() {
            return ChangeOutcome::NotRunning;
        }
        if change(&self.inner) { ChangeOutcome::Changed } else { ChangeOutcome::Unchanged }
    }

    /// Returns the number of unfinished downloads.
    pub(crate) fn running_count(&self) -> usize {
        self.inner.table.lock().running_count()
    }

    /// Removes a finished download from the list. Returns true if it was finished.
    pub(crate) fn clear(&self, id: DownloadId) -> bool {
        self.remove_failed(id) || self.inner.table.lock().clear(id)
    }

    /// Returns why the downloads of an earlier run could not be resumed, if reading the list failed.
    pub(crate) fn list_error(&self) -> Option<&str> {
        self.inner.list_error.as_deref()
    }
}

/// Reads the list left by an earlier run. Also returns the file for the next list, and the error if reading failed.
fn read_list(file: PathBuf) -> (Vec<ListedDownload>, Option<PathBuf>, Option<String>) {
    let error = match list_file::load(&file) {
        Ok(listed) => return (listed, Some(file), None),
        Err(error) => error,
    };
    let shown = |path: &PathBuf| display_safe_bytes(path.as_os_str().as_encoded_bytes());
    let (file, what) = match list_file::set_aside(&file) {
        Ok(aside) => (Some(file.clone()), format!("kept as {}", shown(&aside))),
        Err(trouble) => (None, format!("left in place; changes to downloads are not saved ({trouble})")),
    };
    let trouble = format!("the list of downloads cannot be used, so none is resumed: {error}; {what}");
    tracing::warn!(trouble, "cannot read the list of downloads");
    (Vec::new(), file, Some(trouble))
}

/// Logs how a download ended.
fn log_end(view: &DownloadView) {
    let (name, content) = (&view.name, &view.content);
    match &view.state {
        DownloadState::Done { location, .. } => {
            tracing::info!(%content, location = %location.display(), "download ended: complete");
        }
        DownloadState::Failed { reason } => tracing::warn!(%content, name, reason, "download ended: failed"),
        _ => tracing::info!(%content, name, "download ended: cancelled"),
    }
}
