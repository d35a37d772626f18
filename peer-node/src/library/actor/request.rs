use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::command::{Adoption, Command};
use super::super::error::LibraryError;
use super::super::free_name::NameOf;
use super::super::inventory::{Found, ScanId};
use super::super::listing::SharedFile;
use super::super::place::{Asked, Place};
use super::super::publisher::{Answer, ReplyTo};
use super::super::report::{MAX_SKIPPED, ShareReport, Skip};
use super::super::shares::{self, Shares};
use super::Actor;

/// Somebody who waits until places are looked through and hashed.
pub(super) struct Waiter {
    places: Vec<PathBuf>,
    scan: ScanId,
    /// What that scan passed over, once it has ended.
    skipped: Option<Vec<Skip>>,
    reply: ReplyTo<ShareReport>,
}

impl Waiter {
    /// Says whether the user waits for this file.
    pub(super) fn names(&self, location: &Path) -> bool {
        self.places.iter().any(|place| location.starts_with(place))
    }

    /// Takes in that a scan has ended.
    pub(super) fn scanned(&mut self, scan: ScanId, skipped: &[Skip]) {
        if scan == self.scan {
            // What is left out is the place, something in it, or a folder around it.
            let is_here = |skip: &&Skip| {
                self.names(&skip.location)
                    || self.places.iter().any(|place| place.starts_with(&skip.location))
            };
            let here = skipped.iter().filter(is_here);
            self.skipped = Some(here.cloned().collect());
        }
    }
}

impl Actor {
    /// Does what somebody asks. What it says on the disk is durable when it answers.
    pub(super) async fn obey(&mut self, command: Command) {
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
                self.waiters.push(Waiter { places, scan, skipped: None, reply });
            }
            Command::Unregister { asked, reply } => match self.unregister(&asked).await {
                Ok(report) => self.publisher.answer(Answer::Report(reply, report)),
                Err(error) => refuse(reply, error),
            },
            Command::Adopt { adoption, reply } => match self.adopt(adoption).await {
                Ok(file) => self.publisher.answer(Answer::Adopted(reply, file)),
                Err(error) => refuse(reply, error),
            },
        }
    }

    fn scan_for(&mut self, places: BTreeSet<PathBuf>, reply: ReplyTo<ShareReport>) {
        let scan = self.scans.request(places.iter().cloned());
        self.waiters.push(Waiter { places: places.into_iter().collect(), scan, skipped: None, reply });
    }

    async fn register(
        &mut self,
        places: &[Place],
        patterns: &[(PathBuf, Vec<String>)],
    ) -> Result<(), LibraryError> {
        let mut shares = Shares::clone(&self.shares);
        for Place { location, of } in places {
            shares
                .share(location, *of, |path| self.inventory.is_taken(path))
                .map_err(|reason| LibraryError::CannotShare { path: location.clone(), reason })?;
        }
        for (folder, patterns) in patterns {
            shares.set_patterns(folder, patterns.clone());
        }
        self.change_shares(shares).await
    }

    async fn unregister(&mut self, asked: &[Asked]) -> Result<ShareReport, LibraryError> {
        let mut places = Vec::new();
        for asked in asked {
            let meant = self.meant_by(asked);
            if meant.is_empty() {
                return Err(LibraryError::NotShared { path: asked.text.clone() });
            }
            places.extend(meant);
        }
        let mut shares = Shares::clone(&self.shares);
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
    fn meant_by(&self, asked: &Asked) -> Vec<PathBuf> {
        let is_known = |place: &Path| {
            let is_here = self.inventory.has_beneath(place) || self.shares.has_outside_beneath(place);
            is_here && !self.shares.is_around_root(place)
        };
        if let Some(path) = &asked.path {
            if let Some(location) = self.inventory.location_of(path) {
                return vec![location];
            }
            let places = self.shares.places_of(path).into_iter().filter(|place| is_known(place));
            let places: Vec<PathBuf> = places.collect();
            if !places.is_empty() {
                return places;
            }
        }
        let is_meant = |(place, is_there): &&(PathBuf, bool)| {
            is_known(place)
                || (*is_there && self.shares.is_shared(place) && self.shares.may_share(place).is_ok())
        };
        asked.places.iter().find(is_meant).map(|(place, _)| place.clone()).into_iter().collect()
    }

    async fn adopt(&mut self, adoption: Adoption) -> Result<SharedFile, LibraryError> {
        let Adoption { location, identity, digest, since } = adoption;
        let refused = |reason| LibraryError::CannotShare { path: location.clone(), reason };
        let mut shares = Shares::clone(&self.shares);
        shares.share(&location, NameOf::File, |path| self.inventory.is_taken(path)).map_err(refused)?;
        let path = shares.path_of(&location).map_err(refused)?;
        self.change_shares(shares).await?;
        let found = Found { location: location.clone(), path, identity };
        self.inventory.observe(found, self.scans.latest());
        self.queue.remove(&location);
        let file = self.inventory.confirm(&location, identity, digest, since);
        tracing::debug!(digest = digest.short(), size = identity.size, "took in a finished download");
        file.map(Arc::unwrap_or_clone).ok_or(LibraryError::WrongContent { path: location })
    }

    /// Takes other shares into force when they are on the disk.
    async fn change_shares(&mut self, shares: Shares) -> Result<(), LibraryError> {
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
        let is_done = |waiter: &mut Waiter| {
            waiter.skipped.is_some() && !waiter.places.iter().any(|place| queue.waits_beneath(place))
        };
        let done: Vec<Waiter> = self.waiters.extract_if(.., is_done).collect();
        for Waiter { places, skipped, reply, .. } in done {
            let mut files: Vec<SharedFile> = Vec::new();
            let mut skipped: Vec<Skip> = skipped.unwrap_or_default();
            for place in &places {
                files.extend(self.inventory.listed_beneath(place).map(|file| SharedFile::clone(file)));
                skipped.extend(self.queue.aside_beneath(place));
            }
            files.sort_by(|a, b| a.path.cmp(&b.path));
            files.dedup_by(|a, b| a.path == b.path);
            let skipped = skipped.iter().take(MAX_SKIPPED).map(Skip::shown).collect();
            tracing::info!(places = places.len(), files = files.len(), "registered");
            self.publisher.answer(Answer::Report(reply, ShareReport { files, skipped, places }));
        }
    }
}

fn refuse<T>(reply: ReplyTo<T>, error: LibraryError) {
    // Whoever asked may have stopped waiting.
    let _ = reply.send(Err(error));
}
