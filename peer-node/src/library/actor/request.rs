use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::command::{Adoption, Command};
use super::super::error::LibraryError;
use super::super::free_name::EntryKind;
use super::super::inventory::{ScanId, ScannedFile};
use super::super::listing::SharedFile;
use super::super::publisher::{PendingReply, ReplySender};
use super::super::report::{MAX_SKIPPED, ShareReport, SkippedEntry};
use super::super::share_target::{PathCandidates, ShareTarget};
use super::super::shares::{self, ShareSet};
use super::Actor;

/// A request that waits until its places have been scanned and hashed.
pub(super) struct RegistrationWaiter {
    places: Vec<PathBuf>,
    scan: ScanId,
    /// The entries that the scan skipped, once it has ended.
    skipped: Option<Vec<SkippedEntry>>,
    reply: ReplySender<ShareReport>,
}

impl RegistrationWaiter {
    /// Returns true if the request covers this file.
    pub(super) fn covers(&self, location: &Path) -> bool {
        self.places.iter().any(|place| location.starts_with(place))
    }

    /// Records the skipped entries if `scan` is the awaited one.
    pub(super) fn record_scan(&mut self, scan: ScanId, skipped: &[SkippedEntry]) {
        if scan == self.scan {
            // A skipped entry concerns the request if it is one of its places, lies inside one or contains one.
            let is_relevant = |skip: &&SkippedEntry| {
                self.covers(&skip.location)
                    || self.places.iter().any(|place| place.starts_with(&skip.location))
            };
            let relevant = skipped.iter().filter(is_relevant);
            self.skipped = Some(relevant.cloned().collect());
        }
    }
}

impl Actor {
    /// Executes a command. The stored state is durable before the reply is sent.
    pub(super) async fn handle_command(&mut self, command: Command) {
        match command {
            Command::Register { places, patterns, reply } => match self.register(&places, &patterns).await {
                Ok(()) => {
                    let folders = patterns.into_iter().map(|(folder, _)| folder);
                    let places = places.into_iter().map(|place| place.location);
                    self.scan_for(places.chain(folders).collect::<BTreeSet<_>>(), reply);
                }
                Err(error) => refuse(reply, error),
            },
            Command::Shares { reply } => {
                // The caller may have stopped waiting.
                let _ = reply.send(Ok(Arc::clone(&self.shares)));
            }
            Command::Rescan { reply } => {
                let scan = self.scans.request_all();
                let places = self.shares.bases().map(Into::into).collect();
                self.waiters.push(RegistrationWaiter { places, scan, skipped: None, reply });
            }
            Command::Unregister { targets, reply } => match self.unregister(&targets).await {
                Ok(report) => self.publisher.reply_once_published(PendingReply::Report(reply, report)),
                Err(error) => refuse(reply, error),
            },
            Command::Adopt { adoption, reply } => match self.adopt(adoption).await {
                Ok(file) => self.publisher.reply_once_published(PendingReply::Adopted(reply, file)),
                Err(error) => refuse(reply, error),
            },
        }
    }

    fn scan_for(&mut self, places: BTreeSet<PathBuf>, reply: ReplySender<ShareReport>) {
        let scan = self.scans.request(places.iter().cloned());
        self.waiters.push(RegistrationWaiter {
            places: places.into_iter().collect(),
            scan,
            skipped: None,
            reply,
        });
    }

    async fn register(
        &mut self,
        places: &[ShareTarget],
        patterns: &[(PathBuf, Vec<String>)],
    ) -> Result<(), LibraryError> {
        let mut shares = ShareSet::clone(&self.shares);
        for ShareTarget { location, kind } in places {
            shares
                .share(location, *kind, |path| self.inventory.is_taken(path))
                .map_err(|reason| LibraryError::CannotShare { path: location.clone(), reason })?;
        }
        for (folder, patterns) in patterns {
            shares.set_patterns(folder, patterns.clone());
        }
        self.change_shares(shares).await
    }

    async fn unregister(&mut self, targets: &[PathCandidates]) -> Result<ShareReport, LibraryError> {
        let mut places = Vec::new();
        for target in targets {
            let resolved = self.resolve_target(target);
            if resolved.is_empty() {
                return Err(LibraryError::NotShared { path: target.text.clone() });
            }
            places.extend(resolved);
        }
        let mut shares = ShareSet::clone(&self.shares);
        for place in &places {
            shares.unshare(place);
        }
        self.change_shares(shares).await?;
        let mut files: Vec<SharedFile> = Vec::new();
        for place in &places {
            files.extend(self.inventory.listed_beneath(place).map(|file| SharedFile::clone(file)));
            let removed: Vec<PathBuf> = self.inventory.locations_beneath(place).map(Into::into).collect();
            self.forget(removed);
            self.left_out.forget(place);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        tracing::info!(places = places.len(), files = files.len(), "unregistered");
        Ok(ShareReport { files, skipped: Vec::new(), places })
    }

    /// Returns the shared places that match a target: a network name takes precedence over a local path.
    fn resolve_target(&self, target: &PathCandidates) -> Vec<PathBuf> {
        let is_known = |place: &Path| {
            let is_shared = self.inventory.has_beneath(place) || self.shares.has_outside_beneath(place);
            is_shared && !self.shares.contains_share_dir(place)
        };
        if let Some(path) = &target.share_path {
            if let Some(location) = self.inventory.location_of(path) {
                return vec![location];
            }
            let places = self.shares.locations_of(path).into_iter().filter(|place| is_known(place));
            let places: Vec<PathBuf> = places.collect();
            if !places.is_empty() {
                return places;
            }
        }
        let is_match = |(place, exists): &&(PathBuf, bool)| {
            is_known(place)
                || (*exists && self.shares.is_shared(place) && self.shares.check_shareable(place).is_ok())
        };
        target.locations.iter().find(is_match).map(|(place, _)| place.clone()).into_iter().collect()
    }

    async fn adopt(&mut self, adoption: Adoption) -> Result<SharedFile, LibraryError> {
        let Adoption { location, identity, digest, since } = adoption;
        let refused = |reason| LibraryError::CannotShare { path: location.clone(), reason };
        let mut shares = ShareSet::clone(&self.shares);
        shares.share(&location, EntryKind::File, |path| self.inventory.is_taken(path)).map_err(refused)?;
        let path = shares.path_of(&location).map_err(refused)?;
        self.change_shares(shares).await?;
        let found = ScannedFile { location: location.clone(), path, identity };
        self.inventory.observe(found, self.scans.latest_id());
        self.queue.remove(&location);
        let file = self.inventory.confirm(&location, identity, digest, since);
        tracing::debug!(digest = digest.short(), size = identity.size, "added a finished download");
        file.map(Arc::unwrap_or_clone).ok_or(LibraryError::WrongContent { path: location })
    }

    /// Applies a new share set once it has been saved.
    async fn change_shares(&mut self, shares: ShareSet) -> Result<(), LibraryError> {
        if shares == *self.shares {
            return Ok(());
        }
        let (shares, path) = (Arc::new(shares), self.context.state.shares());
        let (saved, file) = (Arc::clone(&shares), path.clone());
        let saving = tokio::task::spawn_blocking(move || shares::save(&saved, &file)).await;
        let saving = saving.map_err(|_| LibraryError::Stopped)?;
        saving.map_err(|source| LibraryError::Io { path, source })?;
        self.context.watcher.set_shares(Arc::clone(&shares));
        self.shares = shares;
        self.is_overview_stale = true;
        Ok(())
    }

    /// Replies to requests whose files are all hashed or parked.
    pub(super) fn answer_waiters(&mut self) {
        let queue = &self.queue;
        let is_done = |waiter: &mut RegistrationWaiter| {
            waiter.skipped.is_some() && !waiter.places.iter().any(|place| queue.has_pending_beneath(place))
        };
        let done: Vec<RegistrationWaiter> = self.waiters.extract_if(.., is_done).collect();
        for RegistrationWaiter { places, skipped, reply, .. } in done {
            let mut files: Vec<SharedFile> = Vec::new();
            let mut skipped: Vec<SkippedEntry> = skipped.unwrap_or_default();
            for place in &places {
                files.extend(self.inventory.listed_beneath(place).map(|file| SharedFile::clone(file)));
                skipped.extend(self.queue.parked_beneath(place));
            }
            files.sort_by(|a, b| a.path.cmp(&b.path));
            files.dedup_by(|a, b| a.path == b.path);
            let skipped = skipped.iter().take(MAX_SKIPPED).map(SkippedEntry::to_skipped).collect();
            tracing::info!(places = places.len(), files = files.len(), "registered");
            self.publisher
                .reply_once_published(PendingReply::Report(reply, ShareReport { files, skipped, places }));
        }
    }
}

fn refuse<T>(reply: ReplySender<T>, error: LibraryError) {
    // The caller may have stopped waiting.
    let _ = reply.send(Err(error));
}
