use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use protocol::digest::Digest;

use super::super::file_identity::FileIdentity;
use super::super::hash_job::{HashFault, hash_file};
use super::super::report::{Skip, SkipReason, shown};
use super::super::shares;
use super::super::way::Way;
use super::super::work_queue::Retry;
use super::{Actor, Done};

/// What came of hashing one file.
pub(super) struct HashOutcome {
    location: PathBuf,
    identity: FileIdentity,
    result: Result<(Digest, SystemTime), HashFault>,
}

impl Actor {
    /// Has as many files hashed as may be at once.
    pub(super) fn begin_hashing(&mut self, now: Instant) {
        while let Some((location, identity)) = self.queue.begin_next(now) {
            let context = Arc::clone(&self.context);
            let active = self.meter.begin(&location, context.cancel.child_token());
            let depth = self.inventory.path_of(&location).map_or(1, |path| path.components().count());
            self.tasks.spawn_blocking(move || {
                let way = Way::new(&location, depth);
                let hashed = hash_file(way, identity, &active.read, &active.cancel).map(Arc::new);
                let result = hashed
                    .map(|manifest| (manifest.digest(), context.remember(&location, identity, &manifest)));
                Done::Hash(HashOutcome { location, identity, result })
            });
        }
    }

    pub(super) fn end_hashing(&mut self, outcome: HashOutcome) {
        let HashOutcome { location, identity, result } = outcome;
        self.queue.end();
        self.meter.end(&location, result.is_ok().then_some(identity.size));
        let path = shown(&location);
        let reason = match result {
            Ok((digest, since)) => {
                if self.inventory.confirm(&location, identity, digest, since).is_some() {
                    tracing::debug!(path, digest = digest.short(), size = identity.size, "hashed a file");
                    // It may have been put aside before.
                    self.is_overview_stale |= self.queue.has_aside();
                    return self.queue.remove(&location);
                }
                // It was seen to be another one meanwhile, or is not wanted any more.
                SkipReason::Changing
            }
            Err(HashFault::Gone) => return self.forget(vec![location]),
            Err(HashFault::Cancelled) => return,
            Err(HashFault::Size(_)) => SkipReason::OverLimit,
            Err(HashFault::Changed) => {
                // Perhaps nobody told.
                self.context.changes.touch(location.clone());
                SkipReason::Changing
            }
            Err(HashFault::Io(error)) => {
                tracing::debug!(path, %error, "cannot hash a file");
                SkipReason::Unreadable(error.kind())
            }
        };
        // One that was hashed again because its content was in doubt is not shared any more.
        self.inventory.doubt(&location);
        match self.queue.retry(&location, reason.clone(), Instant::now()) {
            Retry::Soon => tracing::debug!(path, %reason, "a file will be hashed again soon"),
            Retry::Aside => {
                self.notices.tell(&Skip { location, reason });
                self.is_overview_stale = true;
            }
            Retry::Dropped => {}
        }
    }

    /// Writes what is known again, because the state folder was made again, and looks at everything.
    pub(super) fn restore(&mut self) {
        let (context, shares) = (Arc::clone(&self.context), Arc::clone(&self.shares));
        let listing = self.inventory.listing();
        self.tasks.spawn_blocking(move || {
            if let Err(error) = shares::save(&shares, &context.state.shares()) {
                tracing::warn!(%error, "cannot write the list of shares again");
            }
            for lost in context.restore(&listing) {
                context.changes.suspect(lost);
            }
            // The folders that were watched may be others now.
            context.changes.touch_all();
            Done::Clean
        });
    }

    /// Tries again to write what could not be written.
    pub(super) fn catch_up(&mut self) {
        let context = Arc::clone(&self.context);
        self.tasks.spawn_blocking(move || {
            context.catch_up();
            Done::Clean
        });
    }

    /// Removes what is remembered of files that are no longer there.
    pub(super) fn clean(&mut self) {
        let context = Arc::clone(&self.context);
        let known: HashSet<FileIdentity> = self.inventory.identities().map(without_device).collect();
        let bases: Vec<PathBuf> = self.shares.bases().map(Into::into).collect();
        self.tasks.spawn_blocking(move || {
            // A disk that is not plugged in is no reason to hash it again.
            let absent: Vec<PathBuf> = bases.into_iter().filter(|base| !base.exists()).collect();
            let compacted = context.cache.compact(|hashed| {
                known.contains(&without_device(hashed.identity))
                    || absent.iter().any(|base| hashed.location.starts_with(base))
            });
            let cleaned = compacted.and_then(|_| context.manifests.retain(|| context.cache.digests()));
            match cleaned {
                Ok(manifests) => tracing::debug!(manifests, "removed what is not needed any more"),
                Err(error) => tracing::warn!(%error, "cannot clean up the state folder"),
            }
            Done::Clean
        });
    }
}

/// Devices are numbered anew when they are mounted.
fn without_device(identity: FileIdentity) -> FileIdentity {
    FileIdentity { dev: 0, ..identity }
}
