//! Downloads: from a digest to a finished, verified file in its place.
//!
//! [`Downloads`] is what everybody else sees. Each download is a task of its own (`session`) that owns its
//! [`Swarm`](crate::swarm::Swarm), the channels to its sources and its part file, and carries out what the engine decides.

mod assembly;
mod board;
mod checks;
mod direct;
mod manifest_choice;
mod part_file;
mod part_record;
mod place;
mod roster;
mod seeking;
mod session;
mod standing;
mod storing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::digest::Digest;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::index_client::IndexClient;
use crate::library::Library;
use crate::native::Links;
use crate::partials::Partials;
use crate::transfers::{DownloadId, DownloadState, DownloadView};
use session::Session;

/// The most downloads that fetch at once; others wait for their turn.
const MAX_ACTIVE: usize = 8;

/// The most downloads that are remembered once they are over.
const MAX_REMEMBERED: usize = 1000;

/// A content that somebody wants.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
    /// Where connections come from.
    pub links: Links,
    /// Who knows the sources.
    pub index: IndexClient,
    /// Who shares what has come.
    pub library: Library,
    /// Who shares what is on its way.
    pub partials: Partials,
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
    places: Arc<Semaphore>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u32,
    entries: BTreeMap<DownloadId, Entry>,
}

#[derive(Debug)]
struct Entry {
    digest: Digest,
    view: watch::Receiver<DownloadView>,
    cancel: CancellationToken,
}

impl Downloads {
    /// Makes a node's downloads, none yet.
    pub fn new(config: DownloadsConfig) -> Self {
        let places = Arc::new(Semaphore::new(MAX_ACTIVE));
        Self { inner: Arc::new(Inner { config, places, table: Mutex::default() }) }
    }

    /// Begins a download, or says why not.
    pub fn start(&self, wanted: Wanted) -> Result<DownloadId, NotStarted> {
        let config = &self.inner.config;
        let digest = wanted.digest;
        if let Some(file) = config.library.files().by_digest(&digest).next() {
            return Err(NotStarted::AlreadyHere { location: file.location.clone() });
        }
        let mut table = self.inner.table.lock();
        if let Some(id) = table.running(&digest) {
            return Err(NotStarted::Running { id });
        }
        table.forget_old();
        table.last += 1;
        let id = DownloadId(table.last);
        let cancel = config.cancel.child_token();
        let (session, view) = Session::new(id, wanted, config.clone(), cancel.clone());
        table.entries.insert(id, Entry { digest, view, cancel });
        drop(table);
        config.tracker.spawn(session.run(Arc::clone(&self.inner.places)));
        Ok(id)
    }

    /// Returns all downloads, running and over, in the order in which they were begun.
    pub fn views(&self) -> Vec<DownloadView> {
        self.inner.table.lock().entries.values().map(|entry| entry.view.borrow().clone()).collect()
    }

    /// Follows one download.
    pub fn watch(&self, id: DownloadId) -> Option<watch::Receiver<DownloadView>> {
        self.inner.table.lock().entries.get(&id).map(|entry| entry.view.clone())
    }

    /// Stops a download; what has come is kept. Says whether there was anything to stop.
    pub fn cancel(&self, id: DownloadId) -> bool {
        let table = self.inner.table.lock();
        let Some(entry) = table.entries.get(&id).filter(|entry| !entry.is_over()) else { return false };
        entry.cancel.cancel();
        true
    }

    /// Counts the downloads that are not over.
    pub fn running(&self) -> usize {
        self.inner.table.lock().entries.values().filter(|entry| !entry.is_over()).count()
    }
}

impl Entry {
    fn is_over(&self) -> bool {
        let ended = self.view.has_changed().is_err();
        ended || self.view.borrow().state.is_over()
    }
}

impl Table {
    fn running(&self, digest: &Digest) -> Option<DownloadId> {
        self.entries.iter().find(|(_, entry)| entry.digest == *digest && !entry.is_over()).map(|(id, _)| *id)
    }

    fn forget_old(&mut self) {
        let over = self.entries.iter().filter(|(_, entry)| entry.is_over()).map(|(id, _)| *id);
        let over: Vec<DownloadId> = over.collect();
        for id in over.iter().take(over.len().saturating_sub(MAX_REMEMBERED)) {
            self.entries.remove(id);
        }
    }
}

/// How a download ended, for the log.
fn log_end(view: &DownloadView) {
    let (name, digest) = (&view.name, &view.digest);
    match &view.state {
        DownloadState::Done { location, .. } => {
            tracing::info!(%digest, location = %location.display(), "download ended: complete");
        }
        DownloadState::Failed { reason } => tracing::warn!(%digest, name, reason, "download ended: failed"),
        _ => tracing::info!(%digest, name, "download ended: cancelled"),
    }
}
