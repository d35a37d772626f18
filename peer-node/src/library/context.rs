use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use protocol::manifest::Manifest;
use tokio_util::sync::CancellationToken;

use super::change_tracker::ChangeTracker;
use super::error::LibraryError;
use super::exclusions;
use super::hash_cache::{HashCache, HashedFile};
use super::listing::ShareListing;
use super::manifest_store::ManifestStore;
use super::shares::{self, ShareSet};
use super::timing::LibraryTiming;
use super::watcher::FolderWatcher;
use crate::state_dir::StateDir;
use crate::storage::FileIdentity;

/// State that the handle, the actor and its blocking work share.
#[derive(Debug)]
pub(super) struct LibraryContext {
    /// Holds the lock on the state folder.
    pub(super) state: Arc<StateDir>,
    /// The share folder, absolute and without links.
    pub(super) root: PathBuf,
    pub(super) cache: HashCache,
    pub(super) manifests: ManifestStore,
    pub(super) changes: Arc<ChangeTracker>,
    pub(super) watcher: FolderWatcher,
    pub(super) timing: LibraryTiming,
    /// Held while a file is hashed immediately for a waiting requester, so that there is only one at a time.
    pub(super) inline_hashing: Mutex<()>,
    pub(super) cancel: CancellationToken,
}

impl LibraryContext {
    /// Reads the stored state of the last run. Blocking.
    pub(super) fn open(
        state: Arc<StateDir>,
        root: &Path,
        patterns: Vec<String>,
        timing: LibraryTiming,
        cancel: CancellationToken,
    ) -> Result<(Self, Arc<ShareSet>), LibraryError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| LibraryError::Io { path, source }
        };
        let root = root.canonicalize().map_err(failed(root))?;
        let shares_file = state.shares();
        let shares = shares::load(root.clone(), &shares_file)
            .map_err(|source| LibraryError::BadShares { path: shares_file, source })?;
        exclusions::check(patterns.iter().map(String::as_str))?;
        let shares = Arc::new(shares.with_global_patterns(patterns));
        let cache = HashCache::open(&state.hash_cache()).map_err(failed(&state.hash_cache()))?;
        let manifests = ManifestStore::new(state.manifests());
        manifests.clean().map_err(failed(&state.manifests()))?;
        let changes = Arc::new(ChangeTracker::default());
        let watcher = FolderWatcher::new(Arc::clone(&shares), Arc::clone(&changes));
        Ok((
            Self {
                state,
                root,
                cache,
                manifests,
                changes,
                watcher,
                timing,
                inline_hashing: Mutex::new(()),
                cancel,
            },
            shares,
        ))
    }

    /// Records the content of a file and returns since when it has had that content: now, unless it was known before. A failed
    /// write is reported and kept in memory. Blocking.
    pub(super) fn record_hash(
        &self,
        location: &Path,
        identity: FileIdentity,
        manifest: &Arc<Manifest>,
    ) -> SystemTime {
        let digest = manifest.digest();
        let known = self.cache.find(location, identity).filter(|known| known.digest == digest);
        let since = known.map_or_else(now_in_seconds, |known| known.since);
        // The cache comes first: a manifest without a cache entry would be removed as unneeded.
        let hashed = HashedFile { location: location.to_owned(), identity, digest, since };
        let stored = self.cache.insert(hashed);
        let stored = self.manifests.save(manifest).and(stored);
        self.report_health(stored);
        since
    }

    /// Retries the writes that have failed. Blocking.
    pub(super) fn retry_writes(&self) {
        self.report_health(self.cache.flush_unwritten().and_then(|()| self.manifests.write_cached(false)));
    }

    /// Writes everything known about the files to a state folder that was created again. Returns the files whose manifest is
    /// lost. Blocking.
    pub(super) fn restore(&self, listing: &ShareListing) -> Vec<PathBuf> {
        self.report_health(self.cache.restore().and_then(|()| self.manifests.write_cached(true)));
        let lost = listing.iter().filter(|file| !self.manifests.has(file.digest, file.size));
        lost.map(|file| file.location.clone()).collect()
    }

    fn report_health(&self, stored: io::Result<()>) {
        let error = stored.err().map(|error| error.to_string());
        if let Some(error) =
            error.as_ref().filter(|error| self.state.health().borrow().store_error.as_ref() != Some(*error))
        {
            tracing::warn!(error, "cannot store hashes; files stay shared");
        }
        self.state.update_health(|health| health.store_error = error);
    }
}

/// Returns the current time in the resolution in which it is stored.
fn now_in_seconds() -> SystemTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
