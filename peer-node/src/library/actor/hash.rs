use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use protocol::digest::Digest;

use super::super::anchored_path::AnchoredPath;
use super::super::hash_job::{HashError, hash_file};
use super::super::report::{SkipReason, SkippedEntry, display_path};
use super::super::shares;
use super::super::work_queue::RetryOutcome;
use super::{Actor, FinishedTask};
use crate::storage::FileIdentity;

/// The result of hashing one file.
pub(super) struct HashOutcome {
    location: PathBuf,
    identity: FileIdentity,
    result: Result<(Digest, SystemTime), HashError>,
}

impl Actor {
    /// Starts hashing queued files up to the limit of parallel jobs.
    pub(super) fn begin_hashing(&mut self, now: Instant) {
        while let Some((location, identity)) = self.queue.begin_next(now) {
            let context = Arc::clone(&self.context);
            let active = self.meter.begin(&location, context.cancel.child_token());
            let depth = self.inventory.path_of(&location).map_or(1, |path| path.components().count());
            self.tasks.spawn_blocking(move || {
                let anchored = AnchoredPath::new(&location, depth);
                let hashed = hash_file(anchored, identity, &active.read, &active.cancel).map(Arc::new);
                let result = hashed
                    .map(|manifest| (manifest.digest(), context.record_hash(&location, identity, &manifest)));
                FinishedTask::Hash(HashOutcome { location, identity, result })
            });
        }
    }

    pub(super) fn end_hashing(&mut self, outcome: HashOutcome) {
        let HashOutcome { location, identity, result } = outcome;
        self.queue.end();
        self.meter.end(&location, result.is_ok().then_some(identity.size));
        let path = display_path(&location);
        let reason = match result {
            Ok((digest, since)) => {
                if self.inventory.confirm(&location, identity, digest, since).is_some() {
                    tracing::debug!(path, digest = digest.short(), size = identity.size, "hashed a file");
                    // The file may have been parked before.
                    self.is_overview_stale |= self.queue.has_parked();
                    return self.queue.remove(&location);
                }
                // The file has changed meanwhile, or is no longer shared.
                SkipReason::Changing
            }
            Err(HashError::Missing) => return self.forget(vec![location]),
            Err(HashError::Cancelled) => return,
            Err(HashError::Size(_)) => SkipReason::OverLimit,
            Err(HashError::Changed) => {
                // The change may not have been reported.
                self.context.changes.mark_changed(location.clone());
                SkipReason::Changing
            }
            Err(HashError::Io(error)) => {
                tracing::debug!(path, %error, "cannot hash a file");
                SkipReason::Unreadable(error.kind())
            }
        };
        // A file that was hashed again because of doubts about its content is no longer shared.
        self.inventory.invalidate(&location);
        // Without randomness only the jitter is lost.
        let random = getrandom::u64().unwrap_or(0);
        match self.queue.retry(&location, reason.clone(), Instant::now(), random) {
            RetryOutcome::Soon => tracing::debug!(path, %reason, "a file will be hashed again soon"),
            RetryOutcome::Parked => {
                self.skip_log.log(&SkippedEntry { location, reason });
                self.is_overview_stale = true;
            }
            RetryOutcome::Dropped => {}
        }
    }

    /// Writes the state again after the state folder was created again, and rescans everything.
    pub(super) fn restore(&mut self) {
        let (context, shares) = (Arc::clone(&self.context), Arc::clone(&self.shares));
        let listing = self.inventory.listing();
        self.tasks.spawn_blocking(move || {
            if let Err(error) = shares::save(&shares, &context.state.shares()) {
                tracing::warn!(%error, "cannot write the list of shares again");
            }
            for lost in context.restore(&listing) {
                context.changes.reverify(lost);
            }
            // The watched folders may have been replaced too.
            context.changes.mark_all_changed();
            FinishedTask::Maintenance
        });
    }

    /// Retries the writes that have failed.
    pub(super) fn retry_writes(&mut self) {
        let context = Arc::clone(&self.context);
        self.tasks.spawn_blocking(move || {
            context.retry_writes();
            FinishedTask::Maintenance
        });
    }

    /// Removes the stored hashes and manifests of files that no longer exist.
    pub(super) fn clean_up_state(&mut self) {
        let context = Arc::clone(&self.context);
        let known: HashSet<FileIdentity> = self.inventory.identities().map(without_device).collect();
        let bases: Vec<PathBuf> = self.shares.bases().map(Into::into).collect();
        self.tasks.spawn_blocking(move || {
            // A disk that is not mounted at the moment must not lose its hashes.
            let absent: Vec<PathBuf> = bases.into_iter().filter(|base| !base.exists()).collect();
            let compacted = context.cache.compact(|hashed| {
                known.contains(&without_device(hashed.identity))
                    || absent.iter().any(|base| hashed.location.starts_with(base))
            });
            let cleaned = compacted.and_then(|_| context.manifests.retain(|| context.cache.digests()));
            match cleaned {
                Ok(manifests) => tracing::debug!(manifests, "removed unneeded manifests"),
                Err(error) => tracing::warn!(%error, "cannot clean up the state folder"),
            }
            FinishedTask::Maintenance
        });
    }
}

/// Device numbers may change at every mount.
fn without_device(identity: FileIdentity) -> FileIdentity {
    FileIdentity { dev: 0, ..identity }
}
