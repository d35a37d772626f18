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

/// Somebody who waits until places are looked through and hashed.
pub(super) struct RegistrationWaiter {
    places: Vec<PathBuf>,
    scan: ScanId,
    /// What that scan passed over, once it has ended.
    skipped: Option<Vec<SkippedEntry>>,
    reply: ReplySender<ShareReport>,
}

impl RegistrationWaiter {
    /// Says whether the user waits for this file.
    pub(super) fn covers(&self, location: &Path) -> bool {
        self.places.iter().any(|place| location.starts_with(place))
    }

    /// Takes in that a scan has ended.
    pub(super) fn record_scan(&mut self, scan: ScanId, skipped: &[SkippedEntry]) {
        if scan == self.scan {
            // What is left out is the place, something in it, or a folder around it.
            let is_here = |skip: &&SkippedEntry| {
                self.covers(&skip.location)
                    || self.places.iter().any(|place| place.starts_with(&skip.location))
            };
            let here = skipped.iter().filter(is_here);
            self.skipped = Some(here.cloned().collect());
        }
    }
}

impl Actor {
    /// Does what somebody asks. What it says on the disk is durable when it answers.
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
                // Whoever asked may have stopped waiting.
                let _ = reply.send(Ok(Arc::clone(&self.shares)));
            }
            Command::Rescan { reply } => {
                let scan = self.scans.request_all();
                let places = self.shares.bases().map(Into::into).collect();
                self.waiters.push(RegistrationWaiter { places, scan, skipped: None, reply });
            }
            Command::Unregister { targets: asked, reply } => match self.unregister(&asked).await {
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
        for ShareTarget { location, kind: of } in places {
            shares
                .share(location, *of, |path| self.inventory.is_taken(path))
                .map_err(|reason| LibraryError::CannotShare { path: location.clone(), reason })?;
        }
        for (folder, patterns) in patterns {
            shares.set_patterns(folder, patterns.clone());
        }
        self.change_shares(shares).await
    }

    async fn unregister(&mut self, asked: &[PathCandidates]) -> Result<ShareReport, LibraryError> {
        let mut places = Vec::new();
        for asked in asked {
            let meant = self.resolve_target(asked);
            if meant.is_empty() {
                return Err(LibraryError::NotShared { path: asked.text.clone() });
            }
            places.extend(meant);
        }
        let mut shares = ShareSet::clone(&self.shares);
        for place in &places {
            shares.unshare(place);
        }
        self.change_shares(shares).await?;
        let mut files: Vec<SharedFile> = Vec::new();
        for place in &places {
            files.extend(self.inventory.listed_beneath(place).map(|file| SharedFile::clone(file)));
            let gone: Vec<PathBuf> = self.inventory.locations_beneath(place).map(Into::into).collect();
            self.forget(gone);
            self.left_out.forget(place);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        tracing::info!(places = places.len(), files = files.len(), "unregistered");
        Ok(ShareReport { files, skipped: Vec::new(), places })
    }

    /// Returns the shared places that a user means: a name on the network before a path of this machine.
    fn resolve_target(&self, asked: &PathCandidates) -> Vec<PathBuf> {
        let is_known = |place: &Path| {
            let is_here = self.inventory.has_beneath(place) || self.shares.has_outside_beneath(place);
            is_here && !self.shares.is_around_root(place)
        };
        if let Some(path) = &asked.share_path {
            if let Some(location) = self.inventory.location_of(path) {
                return vec![location];
            }
            let places = self.shares.locations_of(path).into_iter().filter(|place| is_known(place));
            let places: Vec<PathBuf> = places.collect();
            if !places.is_empty() {
                return places;
            }
        }
        let is_meant = |(place, is_there): &&(PathBuf, bool)| {
            is_known(place)
                || (*is_there && self.shares.is_shared(place) && self.shares.check_shareable(place).is_ok())
        };
        asked.locations.iter().find(is_meant).map(|(place, _)| place.clone()).into_iter().collect()
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
        tracing::debug!(digest = digest.short(), size = identity.size, "took in a finished download");
        file.map(Arc::unwrap_or_clone).ok_or(LibraryError::WrongContent { path: location })
    }

    /// Takes other shares into force when they are on the disk.
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

    /// Answers those whose files are all hashed or given up.
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
    // Whoever asked may have stopped waiting.
    let _ = reply.send(Err(error));
}
