//! Downloads: from a digest to a finished, verified file in its place.
//!
//! [`Downloads`] is what everybody else sees. Each download is a task of its own (`session`) that owns its
//! [`Swarm`](crate::swarm::Swarm), the channels to its sources and its part file, and carries out what the engine decides.
//! A `queue` says which of them may fetch, and a `ledger` remembers on disk which are to go on after a restart.

pub(crate) mod assembly;
pub(crate) mod board;
pub(crate) mod checks;
mod folder_syncs;
pub(crate) mod fresh_seed;
mod ledger;
mod listed;
mod manifest_choice;
pub(crate) mod notes;
mod orphan;
mod part_file;
mod part_record;
mod place;
pub(crate) mod queue;
mod room;
mod roster;
mod saved;
pub(crate) mod seeking;
mod session;
mod standing;
mod storing;
mod table;
mod takeover;
mod torrents;
pub(crate) mod turns;
pub(crate) mod verification;

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::escape::display_safe_bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::finder::Finder;
use crate::index_client::IndexClient;
use crate::library::Library;
use crate::native::Links;
use crate::partials::Partials;
use crate::torrent::TorrentConfig;
use crate::transfers::{ContentId, DownloadId, DownloadState, DownloadView, Priority};
use crate::transport::Transport;
pub use folder_syncs::FolderSyncs;
use ledger::Ledger;
use listed::{Item, Listed};
pub(crate) use place::numbered;
use queue::Queue;
pub(crate) use room::free_room;
use session::Session;
use table::Table;
pub use torrents::{TorrentError, WantedTorrent};
use turns::Load;

/// Contents of at most so many bytes are small: they are a single piece.
const SMALL: u64 = 256 << 10;

/// A content that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub digest: Digest,
    /// Its size in bytes, if known: sources that say otherwise are not believed.
    pub size: Option<u64>,
    /// Where it shall lie.
    pub target: Target,
    /// Where it shall lie as well: it is fetched once and copied.
    pub copies: Vec<Target>,
}

/// Where a download shall lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// In the node's folder, under this name or share path from the network, made safe component by component.
    InFolder(String),
    /// At a path of the user's own, relative to the node's folder: a file, or a folder if it ends in a slash or is one,
    /// in which the file gets the name that is given.
    At(PathBuf, String),
}

/// A download that need not, or cannot, begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// The content is shared by this node.
    #[error("already here: {}", location.display())]
    AlreadyHere {
        /// Where it lies.
        location: PathBuf,
    },
    /// It is on its way.
    #[error("already under way as download {}", id.0)]
    Running {
        /// Which download it is.
        id: DownloadId,
    },
}

/// What downloads need of their node.
#[derive(Debug, Clone)]
pub struct DownloadsConfig {
    /// The node's folder.
    pub root: PathBuf,
    /// Where those that are to go on after a restart are remembered.
    pub list: PathBuf,
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
    pub folder_syncs: FolderSyncs,
    /// Owns the tasks.
    pub tracker: TaskTracker,
    /// Ends them.
    pub cancel: CancellationToken,
}

/// All downloads of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Downloads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: DownloadsConfig,
    queue: Queue,
    ledger: Ledger,
    table: Mutex<Table>,
    /// Held while the `.torrent` of one that goes on is written or removed.
    kept: tokio::sync::Mutex<()>,
    /// Why the downloads of the last run do not go on, if so.
    trouble: Option<String>,
}

/// What a wish about a download changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is as was wished now.
    Made,
    /// It was so already.
    Needless,
    /// No such download is under way.
    NotUnderWay,
}

impl Downloads {
    /// Makes a node's downloads, and goes on with those that an earlier run has left.
    pub async fn open(config: DownloadsConfig) -> Self {
        let file = config.list.clone();
        let read = tokio::task::spawn_blocking(move || read_list(file)).await;
        let (listed, file, trouble) = read.unwrap_or_default();
        let (queue, ledger) = (Queue::new(config.max_active), Ledger::new(file));
        let (tracker, cancel) = (config.tracker.clone(), config.cancel.clone());
        let (table, kept) = (Mutex::default(), tokio::sync::Mutex::default());
        let inner = Inner { config, queue, ledger: ledger.clone(), table, kept, trouble };
        let downloads = Self { inner: Arc::new(inner) };
        for listed in listed {
            downloads.go_on_with(listed).await;
        }
        tracker.spawn(ledger.keep(cancel));
        downloads
    }

    /// Begins a download, or says why not. One that is under way already is hurried: it goes on if it was paused, and is
    /// given up like any other if nobody has what it needs.
    pub fn start(&self, wanted: &Wanted) -> Result<DownloadId, NotStarted> {
        let library = &self.inner.config.library;
        if let Some(file) = library.files().by_digest(&wanted.digest).next() {
            return Err(NotStarted::AlreadyHere { location: file.location.clone() });
        }
        let listed =
            Listed { item: Item::File(wanted.clone()), priority: Priority::Normal, is_paused: false };
        let started = self.begin(wanted, listed, false);
        if let Err(NotStarted::Running { id }) = started {
            self.inner.queue.hurry(id);
            self.inner.ledger.set_paused(id, false);
        }
        started
    }

    async fn go_on_with(&self, listed: Listed) {
        // One that is listed twice goes on once.
        match listed.item.clone() {
            Item::File(wanted) => drop(self.begin(&wanted, listed, true)),
            Item::Torrent(torrent) => self.go_on_with_torrent(torrent, listed).await,
        }
    }

    fn begin(&self, wanted: &Wanted, listed: Listed, is_patient: bool) -> Result<DownloadId, NotStarted> {
        let Inner { config, queue, ledger, table, .. } = &*self.inner;
        let (id, session) = table.lock().begin(vec![ContentId::File(wanted.digest)], |id| {
            let cancel = config.cancel.child_token();
            let (session, view) = Session::new(id, wanted.clone(), config.clone(), cancel.clone());
            (session, view, cancel)
        })?;
        let is_small = wanted.size.is_some_and(|size| size <= SMALL);
        let load = if is_small { Load::Small } else { Load::Full };
        let place = queue.join(id, listed.priority, load, listed.is_paused, is_patient);
        ledger.put(id, listed);
        let ledger = ledger.clone();
        config.tracker.spawn(async move {
            if session.run(place).await {
                ledger.strike(id);
            }
        });
        Ok(id)
    }

    /// Returns all downloads, running and over, in the order in which they were begun.
    pub fn views(&self) -> Vec<DownloadView> {
        let ranks = self.inner.queue.ranks();
        let mut views = self.inner.table.lock().views();
        for view in &mut views {
            if let Some(rank) = ranks.get(&view.id) {
                (view.priority, view.turn) = (rank.priority, rank.place);
            }
        }
        views
    }

    /// Returns a view with how the download stands among the others, which one that is watched does not tell.
    pub fn ranked(&self, mut view: DownloadView) -> DownloadView {
        if let Some(rank) = self.inner.queue.ranks().get(&view.id) {
            (view.priority, view.turn) = (rank.priority, rank.place);
        }
        view
    }

    /// Follows one download.
    pub fn watch(&self, id: DownloadId) -> Option<watch::Receiver<DownloadView>> {
        self.inner.table.lock().watch(id)
    }

    /// Gives a download up; what has come is kept. Says whether there was anything to stop.
    pub fn cancel(&self, id: DownloadId) -> bool {
        let is_running = self.inner.table.lock().cancel_of(id).is_some();
        if is_running {
            // First, so that its end finds it struck.
            self.inner.ledger.strike(id);
        }
        self.suspend(id)
    }

    /// Stops a download until the node is started again. Says whether there was anything to stop.
    pub fn suspend(&self, id: DownloadId) -> bool {
        let cancel = self.inner.table.lock().cancel_of(id);
        cancel.as_ref().is_some_and(|cancel| {
            cancel.cancel();
            true
        })
    }

    /// Lets a download rest and the next one have its turn.
    pub fn pause(&self, id: DownloadId) -> Change {
        self.change(id, |inner| {
            let is_new = inner.queue.pause(id);
            inner.ledger.set_paused(id, true);
            is_new
        })
    }

    /// Lets a download that rests go on, and one that waits for sources or for room try again at once.
    pub fn resume(&self, id: DownloadId) -> Change {
        self.change(id, |inner| {
            let is_new = inner.queue.resume(id);
            inner.ledger.set_paused(id, false);
            is_new
        })
    }

    /// Changes which downloads come first. Those that fetch already go on.
    pub fn prioritise(&self, id: DownloadId, priority: Priority) -> Change {
        self.change(id, |inner| {
            let is_new = inner.queue.prioritise(id, priority);
            inner.ledger.set_priority(id, priority);
            is_new
        })
    }

    fn change(&self, id: DownloadId, change: impl FnOnce(&Inner) -> bool) -> Change {
        if self.inner.table.lock().cancel_of(id).is_none() {
            return Change::NotUnderWay;
        }
        if change(&self.inner) { Change::Made } else { Change::Needless }
    }

    /// Counts the downloads that are not over.
    pub fn running(&self) -> usize {
        self.inner.table.lock().running()
    }

    /// Says why the downloads of an earlier run do not go on, if they do not.
    pub fn trouble(&self) -> Option<&str> {
        self.inner.trouble.as_deref()
    }
}

/// Reads the list that an earlier run has left. Returns also where the next one is to be written, and what went wrong.
fn read_list(file: PathBuf) -> (Vec<Listed>, Option<PathBuf>, Option<String>) {
    let error = match saved::load(&file) {
        Ok(listed) => return (listed, Some(file), None),
        Err(error) => error,
    };
    let shown = |path: &PathBuf| display_safe_bytes(path.as_os_str().as_encoded_bytes());
    let (file, what) = match saved::set_aside(&file) {
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
