//! What a node shares: the files of its share folder and those registered elsewhere, hashed and kept up to date.
//!
//! Owns the knowledge of which file has which content, and all that is remembered of it in the state folder. A task walks
//! the shared places, follows their changes, has files hashed on blocking threads and publishes immutable [`ShareListing`]s;
//! [`Library`] is the handle to it. Who asks for the files, and how they are sent, is no matter of this module.
//!
//! A file is listed exactly while it was last seen as it was hashed. Whoever opens one through
//! [`Library::open_file`] gets that very file or none.

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

pub use caution::{Caution, MANY_FILES};
pub use error::LibraryError;
pub use exclusions::PatternError;
pub use hashing::HashingProgress;
pub use left_out::MAX_LEFT_OUT;
pub use listing::{ShareListing, SharedFile};
pub use open_file::{OpenError, OpenFile};
pub use overview::{LeftOutFile, ScopedPattern, ShareCount, ShareOverview, SharedPlace};
pub use report::{MAX_SKIPPED, ShareReport, SkipReason, Skipped};
pub use shares_error::SharesFileError;
pub(crate) use stored_path::StoredPath;
pub use watcher::WatchStatus;

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

/// What is to be shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// Files and folders; none for everything that is shared already.
    pub paths: Vec<PathBuf>,
    /// Patterns in the syntax of `.gitignore` that leave files out of these folders from now on; none for those that
    /// hold already.
    pub patterns: Option<Vec<String>>,
    /// The user knows that it is a home folder, or has many files.
    pub is_confirmed: bool,
}

/// A handle to what the node shares; cheap to clone.
#[derive(Debug, Clone)]
pub struct Library {
    context: Arc<LibraryContext>,
    commands: mpsc::Sender<Command>,
    view: LibraryView,
}

impl Library {
    /// Begins to share the folder `root` and what was registered before, except what matches `patterns` in the syntax of
    /// `.gitignore`. Returns as soon as what is remembered has been read; the files are looked through and hashed by a
    /// task on `tracker`, which ends with `cancel`.
    pub async fn open(
        state: Arc<StateDir>,
        root: PathBuf,
        patterns: Vec<String>,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> Result<Self, LibraryError> {
        Self::open_at(LibraryTiming::default(), state, root, patterns, tracker, cancel).await
    }

    async fn open_at(
        pace: LibraryTiming,
        state: Arc<StateDir>,
        root: PathBuf,
        patterns: Vec<String>,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> Result<Self, LibraryError> {
        let (context, shares) =
            blocking(move || LibraryContext::open(state, &root, patterns, pace, cancel)).await?;
        let context = Arc::new(context);
        let (commands, inbox) = mpsc::channel(BACKLOG);
        let (publisher, view) = Publisher::new();
        tracker.spawn(Actor::new(Arc::clone(&context), shares, publisher).run(inbox));
        Ok(Self { context, commands, view })
    }

    /// Returns all files that are shared now.
    pub fn files(&self) -> Arc<ShareListing> {
        Arc::clone(&self.view.listing.borrow())
    }

    /// Returns the shared places, and what lies in them and is not shared.
    pub fn overview(&self) -> Arc<ShareOverview> {
        Arc::clone(&self.view.overview.borrow())
    }

    /// Tells of every new listing, by a number that grows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.view.generation.clone()
    }

    /// Returns how far the system reports changes of the shared folders.
    pub fn watch_status(&self) -> WatchStatus {
        self.context.watcher.watch_status()
    }

    /// Tells how far hashing is.
    pub fn hashing(&self) -> watch::Receiver<HashingProgress> {
        self.view.hashing.clone()
    }

    /// Waits until everything was looked through and nothing is left to hash, or the node is stopping. Cancel safe.
    pub async fn settled(&self) {
        // An error means that the actor has gone.
        let _ = self.hashing().wait_for(|hashing| hashing.is_settled).await;
    }

    /// Shares files and folders, each with all below it, and waits until they are hashed. Those outside the share folder
    /// are shared where they lie, under their own names, and remembered. Without paths, looks through everything.
    ///
    /// Either every path is taken or none. Dropping the future does not take anything back.
    pub async fn register(&self, paths: Vec<PathBuf>) -> Result<ShareReport, LibraryError> {
        self.register_with(Registration { paths, patterns: None, is_confirmed: true }).await
    }

    /// Does the same as [`Library::register`], with patterns and with a look at what would be shared.
    pub async fn register_with(&self, wanted: Registration) -> Result<ShareReport, LibraryError> {
        let Registration { paths, patterns, is_confirmed } = wanted;
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

    /// Returns the folders in which patterns are to hold: the places, or the share folder if none are named.
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

    /// Stops sharing files and folders, named by what they are called on the network, or by where they lie, relative to
    /// the working directory or the share folder. It is remembered, and nothing is deleted.
    ///
    /// Either every path is taken or none.
    pub async fn unregister(&self, paths: Vec<PathBuf>) -> Result<ShareReport, LibraryError> {
        let context = Arc::clone(&self.context);
        let guessed =
            move || Ok(paths.iter().map(|path| share_target::path_candidates(&context.root, path)).collect());
        let asked = blocking(guessed).await?;
        self.request(|reply| Command::Unregister { targets: asked, reply }).await
    }

    /// Shares a file whose every piece was verified against `manifest` when it looked like `identity`, without hashing it. One
    /// outside the share folder is remembered like one that was registered.
    pub async fn adopt(
        &self,
        location: PathBuf,
        identity: FileIdentity,
        manifest: Arc<Manifest>,
    ) -> Result<SharedFile, LibraryError> {
        let context = Arc::clone(&self.context);
        let adoption = blocking(move || prepare_adoption(&context, (&location, identity), &manifest)).await?;
        self.request(|reply| Command::Adopt { adoption, reply }).await
    }

    /// Opens a shared file for serving. It is the very file that was hashed; if it has changed, it is looked at again,
    /// and another file of the same content is tried. Opening is a few system calls that block.
    pub fn open_file(&self, digest: &Digest) -> Result<OpenFile, OpenError> {
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

    /// Returns the manifest of a shared content; `None` if it is not shared, or its manifest has been lost and is being
    /// made again. Blocks: reads a file that may be some hundred kilobytes long, or hashes a content of up to 64 MiB, unless the
    /// manifest was used lately.
    pub fn manifest(&self, digest: &Digest) -> io::Result<Option<Arc<Manifest>>> {
        let listing = self.files();
        let Some(file) = listing.by_digest(digest).next() else { return Ok(None) };
        match self.context.manifests.load(*digest, file.size)? {
            LoadedManifest::Checked(manifest) => Ok(Some(manifest)),
            LoadedManifest::Unchecked(manifest) => {
                self.context.changes.reverify(file.location.clone());
                Ok(Some(manifest))
            }
            LoadedManifest::Missing => {
                tracing::warn!(digest = digest.short(), "a manifest is missing; hashing the file again");
                let made = self.hash_inline(file).filter(|made| made.digest() == *digest);
                if made.is_none() {
                    self.context.changes.invalidate(file.location.clone());
                }
                Ok(made)
            }
        }
    }

    /// Makes the manifest of a file that is not large, so that whoever asks need not ask again.
    fn hash_inline(&self, file: &SharedFile) -> Option<Arc<Manifest>> {
        if file.size > self.context.timing.max_inline_hash {
            return None;
        }
        // One at a time: who asks for many waits longer, and the disk does not.
        let _one = self.context.inline_hashing.lock();
        if let Ok(LoadedManifest::Checked(manifest)) = self.context.manifests.load(file.digest, file.size) {
            return Some(manifest);
        }
        let hashed = hash_file(file.anchored_path(), file.identity, &AtomicU64::new(0), &self.context.cancel);
        let manifest = Arc::new(hashed.ok()?);
        self.context.record_hash(&file.location, file.identity, &manifest);
        Some(manifest)
    }

    /// Has a file hashed again if no checksum vouches for what is remembered of it.
    fn reverify_unchecked(&self, file: &SharedFile) {
        let known = self.context.cache.find(&file.location, file.identity);
        if known.is_some_and(|known| known.digest == file.digest && !known.is_checked) {
            self.context.changes.reverify(file.location.clone());
        }
    }

    /// Has the files of a content hashed again, while they stay shared, because somebody doubts their bytes.
    pub fn verify(&self, digest: &Digest) {
        for file in self.files().by_digest(digest) {
            self.context.changes.reverify(file.location.clone());
        }
    }

    /// Has the files of a content looked at again, because one was seen to have changed.
    pub fn recheck(&self, digest: &Digest) {
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

/// Looks at a finished download and remembers its content.
fn prepare_adoption(
    context: &LibraryContext,
    (location, verified): (&Path, FileIdentity),
    manifest: &Arc<Manifest>,
) -> Result<Adoption, LibraryError> {
    let failed = |source| LibraryError::Io { path: location.to_owned(), source };
    let wrong = || LibraryError::WrongContent { path: location.to_owned() };
    let there = share_target::absolute(location).map_err(failed)?;
    let there = there.ok_or_else(|| LibraryError::NotFound { path: location.to_owned() })?;
    let (_, identity) = open_regular(&there).map_err(failed)?.ok_or_else(wrong)?;
    let geometry = Geometry::for_native(identity.size).map_err(|_| wrong())?;
    // Somebody may have put another file in its place, or another folder around it.
    if *manifest.geometry() != geometry || !identity.has_same_bytes(&verified) {
        return Err(wrong());
    }
    let since = context.record_hash(&there, identity, manifest);
    Ok(Adoption { location: there, identity, digest: manifest.digest(), since })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LibraryError> + Send + 'static,
) -> Result<T, LibraryError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LibraryError::Stopped)?
}
