//! The library: the files that a node shares from its share folder and from registered paths, hashed and kept up to date.
//!
//! This module owns which file has which content, and everything about it that is stored in the state folder. An actor scans
//! the shared paths, follows their changes, hashes files on blocking threads and publishes immutable [`ShareListing`]s;
//! [`Library`] is the handle to it. Searching and sending belong to other modules.
//!
//! A file is listed only while its last known state matches the state in which it was hashed. [`Library::open_file`] returns
//! exactly that file or an error.

mod actor;
mod anchored_path;
mod caution;
mod change_tracker;
mod command;
mod confirmation;
mod context;
mod error;
mod exclusions;
mod free_name;
mod hash_cache;
mod hash_job;
mod hashing;
mod inventory;
mod left_out;
mod listing;
mod manifest_store;
mod open_file;
mod overview;
mod publisher;
mod report;
mod scan_scheduler;
mod share_entry;
mod share_target;
mod shares;
mod shares_error;
mod stored_path;
mod timing;
mod walk;
mod watcher;
mod work_queue;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::manifest::Manifest;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use error::LibraryError;
pub(crate) use hashing::HashingProgress;
pub(crate) use left_out::MAX_LEFT_OUT;
pub(crate) use listing::{ShareListing, SharedFile};
pub(crate) use open_file::{OpenError, OpenFile};
pub(crate) use overview::{LeftOutFile, ShareCount, ShareOverview, SharedPlace};
pub(crate) use report::ShareReport;
#[cfg(test)]
pub(crate) use report::SkipReason;
pub(crate) use share_entry::ShareEntry;
pub(crate) use stored_path::StoredPath;
pub(crate) use watcher::WatchStatus;

use actor::Actor;
use command::{Adoption, BACKLOG, Command};
use confirmation::require_confirmation;
use context::LibraryContext;
use free_name::EntryKind;
use hash_job::hash_file;
use manifest_store::LoadedManifest;
use publisher::{LibraryView, Publisher, ReplySender};
use share_target::ShareTarget;
use timing::LibraryTiming;

use crate::state_dir::StateDir;
use crate::storage::FileIdentity;
use crate::storage::open_regular;

/// A request to share paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Registration {
    /// Files and folders; empty to rescan everything that is shared already.
    pub paths: Vec<PathBuf>,
    /// Patterns in `.gitignore` syntax that exclude files from these folders from now on; `None` keeps the current patterns.
    pub patterns: Option<Vec<String>>,
    /// True if the user has confirmed sharing a home folder or a folder with many files.
    pub is_confirmed: bool,
}

/// A handle to the library; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    context: Arc<LibraryContext>,
    commands: mpsc::Sender<Command>,
    view: LibraryView,
}

impl Library {
    /// Starts sharing the folder `root` and everything registered before, except files that match `patterns` (`.gitignore`
    /// syntax). Returns once the stored state has been read. A task on `tracker` scans and hashes the files until `cancel`.
    pub(crate) async fn open(
        state: Arc<StateDir>,
        root: PathBuf,
        patterns: Vec<String>,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> Result<Self, LibraryError> {
        Self::open_at(LibraryTiming::default(), state, root, patterns, tracker, cancel).await
    }

    async fn open_at(
        timing: LibraryTiming,
        state: Arc<StateDir>,
        root: PathBuf,
        patterns: Vec<String>,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> Result<Self, LibraryError> {
        let (context, shares) =
            blocking(move || LibraryContext::open(state, &root, patterns, timing, cancel)).await?;
        let context = Arc::new(context);
        let (commands, inbox) = mpsc::channel(BACKLOG);
        let (publisher, view) = Publisher::new();
        tracker.spawn(Actor::new(Arc::clone(&context), shares, publisher).run(inbox));
        Ok(Self { context, commands, view })
    }

    /// Returns the list of all files that are shared now.
    pub(crate) fn files(&self) -> Arc<ShareListing> {
        Arc::clone(&self.view.listing.borrow())
    }

    /// Returns the shared places, with the files in them that are not shared.
    pub(crate) fn overview(&self) -> Arc<ShareOverview> {
        Arc::clone(&self.view.overview.borrow())
    }

    /// Returns a receiver of the generation number, which grows with every new listing.
    pub(crate) fn generation(&self) -> watch::Receiver<u64> {
        self.view.generation.clone()
    }

    /// Returns whether the system reports changes of the shared folders.
    pub(crate) fn watch_status(&self) -> WatchStatus {
        self.context.watcher.watch_status()
    }

    /// Returns a receiver of the hashing progress.
    pub(crate) fn hashing(&self) -> watch::Receiver<HashingProgress> {
        self.view.hashing.clone()
    }

    /// Waits until every share has been scanned and every file hashed, or the node stops. Cancel safe.
    pub(crate) async fn settled(&self) {
        // An error means that the actor has stopped.
        let _ = self.hashing().wait_for(|hashing| hashing.is_settled).await;
    }

    /// Shares files and folders, each folder with everything below it, and waits until they are hashed. Paths outside the share
    /// folder are shared in place under their own names, and stored. Without paths, rescans every share.
    ///
    /// Either every path is accepted or none. If the future is dropped, the registration still takes effect.
    pub(crate) async fn register(&self, paths: Vec<PathBuf>) -> Result<ShareReport, LibraryError> {
        self.register_with(Registration { paths, patterns: None, is_confirmed: true }).await
    }

    /// Registers paths as [`Library::register`] does, with patterns. Returns [`LibraryError::Unconfirmed`] if sharing them needs
    /// the user's confirmation.
    pub(crate) async fn register_with(
        &self,
        registration: Registration,
    ) -> Result<ShareReport, LibraryError> {
        let Registration { paths, patterns, is_confirmed } = registration;
        if paths.is_empty() && patterns.is_none() {
            return self.request(|reply| Command::Rescan { reply }).await;
        }
        let context = Arc::clone(&self.context);
        let found = move || paths.iter().map(|path| share_target::find_target(&context.root, path)).collect();
        let places: Vec<ShareTarget> = blocking(found).await?;
        let patterns =
            patterns.map_or_else(|| Ok(Vec::new()), |patterns| self.patterns_for(&places, patterns))?;
        if !is_confirmed {
            let shares = self.request(|reply| Command::Shares { reply }).await?;
            let (places, patterns, cancel) = (places.clone(), patterns.clone(), CancellationToken::new());
            let _guard = cancel.clone().drop_guard();
            blocking(move || require_confirmation(&shares, &places, &patterns, &cancel)).await?;
        }
        self.request(|reply| Command::Register { places, patterns, reply }).await
    }

    /// Assigns the patterns to the registered folders, or to the share folder if no folder is named.
    fn patterns_for(
        &self,
        places: &[ShareTarget],
        patterns: Vec<String>,
    ) -> Result<Vec<(PathBuf, Vec<String>)>, LibraryError> {
        let patterns: Vec<String> = patterns.into_iter().filter(|pattern| !pattern.is_empty()).collect();
        exclusions::check(patterns.iter().map(String::as_str))?;
        if let Some(file) = places.iter().find(|place| place.kind == EntryKind::File) {
            return Err(LibraryError::PatternsForFile { path: file.location.clone() });
        }
        if places.is_empty() {
            return Ok(vec![(self.context.root.clone(), patterns)]);
        }
        Ok(places.iter().map(|place| (place.location.clone(), patterns.clone())).collect())
    }

    /// Stops sharing files and folders, named by their network name or by their path, relative to the working directory or the
    /// share folder. The exception is stored, and no file is deleted.
    ///
    /// Either every path is accepted or none.
    pub(crate) async fn unregister(&self, paths: Vec<PathBuf>) -> Result<ShareReport, LibraryError> {
        let context = Arc::clone(&self.context);
        let candidates =
            move || Ok(paths.iter().map(|path| share_target::path_candidates(&context.root, path)).collect());
        let targets = blocking(candidates).await?;
        self.request(|reply| Command::Unregister { targets, reply }).await
    }

    /// Shares a file without hashing it, because every piece was verified against `manifest` while the file matched `identity`.
    /// A file outside the share folder is stored like a registered one.
    pub(crate) async fn adopt(
        &self,
        location: PathBuf,
        identity: FileIdentity,
        manifest: Arc<Manifest>,
    ) -> Result<SharedFile, LibraryError> {
        let context = Arc::clone(&self.context);
        let adoption = blocking(move || prepare_adoption(&context, (&location, identity), &manifest)).await?;
        self.request(|reply| Command::Adopt { adoption, reply }).await
    }

    /// Opens a shared file for serving. The file is exactly the one that was hashed. If it has changed, it is checked again and
    /// another file with the same content is tried. Blocks for a few system calls.
    pub(crate) fn open_file(&self, digest: &Digest) -> Result<OpenFile, OpenError> {
        let mut fault = OpenError::NotShared;
        for file in self.files().by_digest(digest) {
            fault = match file.open() {
                Ok(open) => {
                    self.reverify_unchecked(file);
                    return Ok(open);
                }
                Err(fault) => fault,
            };
            tracing::debug!(digest = digest.short(), %fault, "cannot serve a file");
            self.context.changes.mark_changed(file.location.clone());
        }
        Err(fault)
    }

    /// Returns the manifest of a shared content; `None` if the content is not shared, or if its manifest was lost and is being
    /// rebuilt. Blocks unless the manifest was used lately: reads a file of some hundred kilobytes, or hashes up to 64 MiB.
    pub(crate) fn manifest(&self, digest: &Digest) -> io::Result<Option<Arc<Manifest>>> {
        let listing = self.files();
        let Some(file) = listing.by_digest(digest).next() else { return Ok(None) };
        match self.context.manifests.load(*digest, file.size)? {
            LoadedManifest::Checked(manifest) => Ok(Some(manifest)),
            LoadedManifest::Unchecked(manifest) => {
                self.context.changes.reverify(file.location.clone());
                Ok(Some(manifest))
            }
            LoadedManifest::Missing => {
                tracing::warn!(digest = digest.short(), "manifest is missing; hashing the file again");
                let made = self.hash_inline(file).filter(|made| made.digest() == *digest);
                if made.is_none() {
                    self.context.changes.invalidate(file.location.clone());
                }
                Ok(made)
            }
        }
    }

    /// Rebuilds the manifest of a small file immediately, so that the requester need not ask again.
    fn hash_inline(&self, file: &SharedFile) -> Option<Arc<Manifest>> {
        if file.size > self.context.timing.max_inline_hash {
            return None;
        }
        // One at a time: many requests wait for each other instead of overloading the disk.
        let _one = self.context.inline_hashing.lock();
        if let Ok(LoadedManifest::Checked(manifest)) = self.context.manifests.load(file.digest, file.size) {
            return Some(manifest);
        }
        let hashed = hash_file(file.anchored_path(), file.identity, &AtomicU64::new(0), &self.context.cancel);
        let manifest = Arc::new(hashed.ok()?);
        self.context.record_hash(&file.location, file.identity, &manifest);
        Some(manifest)
    }

    /// Hashes a file again if no checksum protects its entry in the hash cache.
    fn reverify_unchecked(&self, file: &SharedFile) {
        let known = self.context.cache.find(&file.location, file.identity);
        if known.is_some_and(|known| known.digest == file.digest && !known.is_checked) {
            self.context.changes.reverify(file.location.clone());
        }
    }

    /// Hashes the files of a content again because their bytes are in doubt. They stay shared meanwhile.
    pub(crate) fn verify(&self, digest: &Digest) {
        for file in self.files().by_digest(digest) {
            self.context.changes.reverify(file.location.clone());
        }
    }

    /// Checks the files of a content again because one of them has changed.
    pub(crate) fn recheck(&self, digest: &Digest) {
        for file in self.files().by_digest(digest) {
            self.context.changes.mark_changed(file.location.clone());
        }
    }

    async fn request<T>(&self, command: impl FnOnce(ReplySender<T>) -> Command) -> Result<T, LibraryError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| LibraryError::Stopped)?;
        answer.await.map_err(|_| LibraryError::Stopped)?
    }
}

/// Checks a finished download and records its content.
fn prepare_adoption(
    context: &LibraryContext,
    (location, verified): (&Path, FileIdentity),
    manifest: &Arc<Manifest>,
) -> Result<Adoption, LibraryError> {
    let failed = |source| LibraryError::Io { path: location.to_owned(), source };
    let wrong = || LibraryError::WrongContent { path: location.to_owned() };
    let path = share_target::absolute(location).map_err(failed)?;
    let path = path.ok_or_else(|| LibraryError::NotFound { path: location.to_owned() })?;
    let (_, identity) = open_regular(&path).map_err(failed)?.ok_or_else(wrong)?;
    let geometry = Geometry::for_native(identity.size).map_err(|_| wrong())?;
    // Another file, or another folder around it, may have replaced the verified file.
    if *manifest.geometry() != geometry || !identity.has_same_bytes(&verified) {
        return Err(wrong());
    }
    let since = context.record_hash(&path, identity, manifest);
    Ok(Adoption { location: path, identity, digest: manifest.digest(), since })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LibraryError> + Send + 'static,
) -> Result<T, LibraryError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LibraryError::Stopped)?
}
