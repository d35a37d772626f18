//! Starts downloads, and handles requests for content that is already present or being downloaded.

use tokio_util::sync::CancellationToken;

use super::listed_download::{DownloadItem, ListedDownload};
use super::local_files::{anywhere, at_target};
use super::pending_copies::PendingCopies;
use super::reservations::ReservedTarget;
use super::session::DownloadSession;
use super::{DownloadAttempt, Downloads, Inner, NotStarted, WantedFile, location};
use crate::transfer::scheduler::SlotLoad;
use crate::view::{ContentId, DownloadId, Priority};
use std::path::PathBuf;

/// Maximum size of small contents, in bytes: they consist of a single piece.
const MAX_SMALL_SIZE: u64 = 256 << 10;

impl Downloads {
    /// Starts a download, or returns why not. A download of the same content that is already running is resumed at once if it was
    /// paused or waiting, and gets the new targets in addition. A failed download is replaced.
    pub(crate) async fn start(&self, wanted: &WantedFile) -> Result<DownloadId, NotStarted> {
        loop {
            if let Some(location) = self.run_blocking(wanted, Self::find_at_all_targets).await.flatten() {
                return Err(NotStarted::AlreadyHere { location });
            }
            self.replace_failed(&ContentId::File(wanted.digest));
            let item = DownloadItem::File(wanted.clone());
            let listed = ListedDownload { item, priority: Priority::Normal, is_paused: false };
            let id = match self.begin(wanted, listed, DownloadAttempt::First).await {
                Err(NotStarted::Running { id }) => id,
                started => return started,
            };
            let extended =
                self.run_blocking(wanted, move |downloads, wanted| downloads.add_targets(id, wanted)).await;
            if extended.unwrap_or(Ok(false))? {
                self.resume_waiting(id);
                return Err(NotStarted::Running { id });
            }
            // The running download is about to finish.
            let Some(mut view) = self.watch(id) else { continue };
            let _ = view.wait_for(|view| view.state.is_over()).await;
        }
    }

    /// Runs file system checks for a wanted file on a blocking thread, since a network drive may be slow. Returns `None` if the
    /// node stops in the meantime.
    async fn run_blocking<T: Send + 'static>(
        &self,
        wanted: &WantedFile,
        look: impl FnOnce(&Self, &WantedFile) -> T + Send + 'static,
    ) -> Option<T> {
        let (downloads, wanted) = (self.clone(), wanted.clone());
        tokio::task::spawn_blocking(move || look(&downloads, &wanted)).await.ok()
    }

    /// Returns the path of the file if it exists at all its targets. Blocking.
    fn find_at_all_targets(&self, wanted: &WantedFile) -> Option<PathBuf> {
        let config = &self.inner.config;
        let files = config.library.files();
        let existing = if wanted.anywhere {
            anywhere(&files, &wanted.digest)
        } else {
            let at = |target| {
                at_target(
                    &files,
                    &config.root,
                    &location::requested_path(&config.root, target),
                    &wanted.digest,
                )
            };
            let places: Option<Vec<PathBuf>> = wanted.targets().map(at).collect();
            places.and_then(|places| places.into_iter().next())
        };
        if existing.is_none() {
            // Shared files of this content may have changed since they were hashed.
            config.library.recheck(&wanted.digest);
        }
        existing
    }

    /// Adds the targets of `wanted` to a running download. Returns false if that download is about to finish. Blocking.
    fn add_targets(&self, id: DownloadId, wanted: &WantedFile) -> Result<bool, NotStarted> {
        if wanted.anywhere {
            return Ok(true);
        }
        let Some(copies) = self.inner.copies.lock().get(&id).cloned() else {
            let is_torrent =
                self.watch(id).is_some_and(|view| !matches!(view.borrow().content, ContentId::File(_)));
            return if is_torrent { Err(NotStarted::Elsewhere { id }) } else { Ok(false) };
        };
        let Some(DownloadItem::File(running)) = self.inner.list.item(id) else { return Ok(false) };
        let requested_path = |target| location::requested_path(&self.inner.config.root, target);
        let known: Vec<PathBuf> = running.targets().map(requested_path).collect();
        let missing: Vec<_> =
            wanted.targets().filter(|target| !known.contains(&requested_path(target))).cloned().collect();
        if missing.is_empty() {
            return Ok(true);
        }
        let is_added = copies.add(missing.iter().cloned());
        if is_added {
            self.inner.list.add_copies(id, missing);
        }
        Ok(is_added)
    }

    pub(super) async fn resume_listed(&self, listed: ListedDownload) {
        // A content that is listed twice is resumed only once.
        match listed.item.clone() {
            DownloadItem::File(wanted) => drop(self.begin(&wanted, listed, DownloadAttempt::Resumed).await),
            DownloadItem::Torrent(torrent) => drop(self.resume_torrent(torrent, listed, None).await),
        }
    }

    pub(super) async fn begin(
        &self,
        wanted: &WantedFile,
        listed: ListedDownload,
        attempt: DownloadAttempt,
    ) -> Result<DownloadId, NotStarted> {
        let Inner { config, queue, list, table, .. } = &*self.inner;
        let copies = PendingCopies::new(&wanted.copies);
        let again = if let DownloadAttempt::Retry(id) = attempt { Some(id) } else { None };
        // Determined before the table is locked, because every view takes that lock.
        let target = self.run_blocking(wanted, move |downloads, wanted| {
            let Inner { config, .. } = &*downloads.inner;
            let target = ReservedTarget::new(&config.root, &wanted.target, &config.reservations);
            let size = wanted.size.filter(|_| attempt != DownloadAttempt::First);
            let kept = size
                .and_then(|size| config.part_folders.kept_part(&target.requested_path, &wanted.digest, size));
            ReservedTarget { kept_part: kept, ..target }
        });
        let target = target.await.unwrap_or_default();
        let (id, session) = table.lock().begin(vec![ContentId::File(wanted.digest)], again, |id| {
            let cancel: CancellationToken = config.cancel.child_token();
            let (session, view) = DownloadSession::new(
                id,
                wanted.clone(),
                target,
                copies.clone(),
                config.clone(),
                cancel.clone(),
            );
            (session.with_pause(listed.is_paused), view, cancel)
        })?;
        let is_small = wanted.size.is_some_and(|size| size <= MAX_SMALL_SIZE);
        let load = if is_small { SlotLoad::Small } else { SlotLoad::Full };
        let slot = queue.join(id, listed.priority, load, listed.is_paused);
        list.insert(id, listed);
        self.inner.copies.lock().insert(id, copies.clone());
        let downloads = self.clone();
        config.tracker.spawn(async move {
            let is_complete = session.run(slot, attempt != DownloadAttempt::First).await;
            copies.close();
            // A later attempt may have replaced the entry by now.
            downloads.inner.copies.lock().retain(|key, current| *key != id || !current.is_same(&copies));
            // A failed download stays listed, so that the user or the next run can retry it.
            if is_complete {
                downloads.inner.list.remove(id);
            }
        });
        Ok(id)
    }
}
