//! Downloads: from a digest to a finished, verified file in its place.
//!
//! [`Downloads`] is what everybody else sees. Each download is a task of its own (`session`) that owns its
//! [`TrackedSwarm`](swarm::Swarm), the channels to its sources and its part file, and carries out what the engine decides.
//! A `queue` says which of them may fetch, and a `list` remembers on disk which are to go on after a restart.

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

use crate::finder::Finder;
use crate::index_client::IndexClient;
use crate::library::Library;
use crate::native::Links;
use crate::native::partials::Partials;
use crate::state_dir::StateHealth;
use crate::torrent::TorrentConfig;
use crate::transfer::queue::DownloadQueue;
use crate::transport::Transport;
use crate::view::{DownloadId, DownloadState, DownloadView, Priority};
pub(crate) use disk_space::free_space;
use download_list::DownloadList;
use download_table::DownloadTable;
pub use file_attributes::FileAttributes;
pub use folder_syncer::FolderSyncer;
use listed_download::ListedDownload;
pub use part_folders::PartFolders;
use pending_copies::PendingCopies;
pub use reservations::NameReservations;
pub use torrents::{TorrentError, WantedTorrent};
pub use wanted::{DownloadTarget, NotStarted, SaveOptions, WantedFile};

/// What downloads need of their node.
#[derive(Debug, Clone)]
pub struct DownloadsConfig {
    /// The node's folder.
    pub root: PathBuf,
    /// Where those that are to go on after a restart are remembered.
    pub list_file: PathBuf,
    /// How many may fetch at once; others wait for their turn.
    pub max_active: usize,
    /// What connections share.
    pub transport: Transport,
    /// Where connections come from.
    pub links: Links,
    /// Who knows what torrents stand for.
    pub index: IndexClient,
    /// Who knows the sources.
    pub finder: Finder,
    /// Who shares what has come.
    pub library: Library,
    /// Who shares what is on its way.
    pub partials: Partials,
    /// How torrents come to their peers.
    pub torrents: TorrentConfig,
    /// Where the `.torrent` files of those that go on are kept.
    pub torrent_dir: PathBuf,
    /// Who makes the names of finished files durable.
    pub folder_syncer: FolderSyncer,
    /// Where partial files lie.
    pub part_folders: PartFolders,
    /// The names that downloads will take.
    pub reservations: NameReservations,
    /// Owns the tasks.
    pub tracker: TaskTracker,
    /// Ends them.
    pub cancel: CancellationToken,
}

/// Which attempt at a download begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DownloadAttempt {
    /// The first one.
    First,
    /// It goes on after a restart of the node.
    Resumed,
    /// The last one failed; it keeps its number.
    Retry(DownloadId),
}

/// All downloads of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Downloads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: DownloadsConfig,
    queue: DownloadQueue,
    list: DownloadList,
    table: Mutex<DownloadTable>,
    /// Where the files of running downloads are wanted as well.
    copies: Mutex<HashMap<DownloadId, PendingCopies>>,
    /// Held while the `.torrent` of one that goes on is written or removed.
    torrent_files_lock: tokio::sync::Mutex<()>,
    /// Why the downloads of the last run do not go on, if so.
    list_error: Option<String>,
}

/// What a wish about a download changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It is as was wished now.
    Changed,
    /// It was so already.
    Unchanged,
    /// No such download is under way.
    NotRunning,
}

impl Downloads {
    /// Makes a node's downloads, and goes on with those that an earlier run has left.
    pub async fn open(config: DownloadsConfig) -> Self {
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
        let (listed, file, trouble) = read.unwrap_or_default();
        let (queue, ledger) = (DownloadQueue::new(config.max_active), DownloadList::new(file));
        let (tracker, cancel) = (config.tracker.clone(), config.cancel.clone());
        let (table, copies, kept) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        let inner = Inner {
            config,
            queue,
            list: ledger.clone(),
            table,
            copies,
            torrent_files_lock: kept,
            list_error: trouble,
        };
        let downloads = Self { inner: Arc::new(inner) };
        for listed in listed {
            downloads.resume_listed(listed).await;
        }
        tracker.spawn(ledger.run(cancel));
        downloads
    }

    /// Writes the list of downloads again whenever the state folder was made again, until the node stops.
    pub(crate) async fn rewrite_lost_list(self, mut health: watch::Receiver<StateHealth>) {
        let (cancel, mut restored) = (self.inner.config.cancel.clone(), health.borrow().restored);
        while let Some(Ok(())) = cancel.run_until_cancelled(health.changed()).await {
            let seen = health.borrow_and_update().restored;
            if std::mem::replace(&mut restored, seen) != seen {
                self.inner.list.rewrite();
            }
        }
    }

    /// Returns all downloads, running and over, in the order in which they were begun.
    pub fn views(&self) -> Vec<DownloadView> {
        let ranks = self.inner.queue.ranks();
        let mut views = self.inner.table.lock().views();
        for view in &mut views {
            if let Some(rank) = ranks.get(&view.id) {
                (view.priority, view.queue_position) = (rank.priority, rank.position);
            }
        }
        views
    }

    /// Returns a view with how the download stands among the others, which one that is watched does not tell.
    pub fn with_rank(&self, mut view: DownloadView) -> DownloadView {
        if let Some(rank) = self.inner.queue.ranks().get(&view.id) {
            (view.priority, view.queue_position) = (rank.priority, rank.position);
        }
        view
    }

    /// Follows one download.
    pub fn watch(&self, id: DownloadId) -> Option<watch::Receiver<DownloadView>> {
        self.inner.table.lock().watch(id)
    }

    /// Cancels a download and keeps what has arrived. One that failed is removed from the list. Returns true if there was
    /// such a download.
    pub fn cancel(&self, id: DownloadId) -> bool {
        if self.remove_failed(id) {
            return true;
        }
        let is_running = self.inner.table.lock().cancellation_of(id).is_some();
        if is_running {
            // First, so that its end finds it struck.
            self.inner.list.remove(id);
        }
        self.suspend(id)
    }

    /// Stops a download until the node is started again. Says whether there was anything to stop.
    pub fn suspend(&self, id: DownloadId) -> bool {
        let cancel = self.inner.table.lock().cancellation_of(id);
        cancel.as_ref().is_some_and(|cancel| {
            cancel.cancel();
            true
        })
    }

    /// Lets a download rest and the next one have its turn.
    pub fn pause(&self, id: DownloadId) -> ChangeOutcome {
        self.change(id, |inner| {
            let is_new = inner.queue.pause(id);
            inner.list.set_paused(id, true);
            is_new
        })
    }

    /// Lets a download that rests go on, lets one that waits for sources or for room try again at once, and begins one that
    /// failed again.
    pub async fn resume(&self, id: DownloadId) -> ChangeOutcome {
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

    /// Changes which downloads come first. Those that fetch already go on.
    pub fn prioritise(&self, id: DownloadId, priority: Priority) -> ChangeOutcome {
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

    /// Counts the downloads that are not over.
    pub fn running_count(&self) -> usize {
        self.inner.table.lock().running_count()
    }

    /// Removes a download that is over from the list, and returns whether it was over.
    pub fn clear(&self, id: DownloadId) -> bool {
        self.remove_failed(id) || self.inner.table.lock().clear(id)
    }

    /// Says why the downloads of an earlier run do not go on, if they do not.
    pub fn list_error(&self) -> Option<&str> {
        self.inner.list_error.as_deref()
    }
}

/// Reads the list that an earlier run has left. Returns also where the next one is to be written, and what went wrong.
fn read_list(file: PathBuf) -> (Vec<ListedDownload>, Option<PathBuf>, Option<String>) {
    let error = match list_file::load(&file) {
        Ok(listed) => return (listed, Some(file), None),
        Err(error) => error,
    };
    let shown = |path: &PathBuf| display_safe_bytes(path.as_os_str().as_encoded_bytes());
    let (file, what) = match list_file::set_aside(&file) {
        Ok(aside) => (Some(file.clone()), format!("it is kept as {}", shown(&aside))),
        Err(trouble) => (None, format!("it stays there and none is written ({trouble})")),
    };
    let trouble = format!("the list of downloads cannot be used, so none goes on: {error}; {what}");
    tracing::warn!(trouble, "list of downloads not read");
    (Vec::new(), file, Some(trouble))
}

/// How a download ended, for the log.
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
