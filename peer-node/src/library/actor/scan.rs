use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;

use super::super::change_tracker::PendingChanges;
use super::super::context::LibraryContext;
use super::super::inventory::{Observation, ScannedFile};
use super::super::left_out::MAX_LEFT_OUT;
use super::super::report::{SkipReason, SkippedEntry, display_path};
use super::super::walk::{Walk, WalkSink};
use super::super::work_queue::JobStart;
use super::{Actor, FinishedTask};
use crate::storage::FileIdentity;

/// How many found files go to the actor at once.
const BATCH_SIZE: usize = 256;

/// About how many passed-over places a warning is remembered.
const MAX_WARNED: usize = 10_000;

/// What came of a scan besides the files.
pub(super) struct ScanOutcome {
    skipped: Vec<SkippedEntry>,
    /// It went to the end, and what it did not see is not there.
    is_complete: bool,
}

/// What was passed over, and of what the log has told.
#[derive(Default)]
pub(super) struct SkipLog {
    warned: HashSet<PathBuf>,
    /// The files of the running scan for which there is no place in the inventory.
    rejected: Vec<SkippedEntry>,
}

impl SkipLog {
    /// Tells the log of what was passed over, once for each place.
    pub(super) fn log(&mut self, skip: &SkippedEntry) {
        if self.warned.len() >= MAX_WARNED || !self.warned.insert(skip.location.clone()) {
            return;
        }
        let (path, reason) = (display_path(&skip.location), &skip.reason);
        if reason.is_expected() {
            tracing::debug!(path, %reason, "passed over a file");
        } else {
            tracing::warn!(path, %reason, "a file is not shared");
        }
    }
}

impl SkipLog {
    fn reject(&mut self, skip: SkippedEntry) {
        self.log(&skip);
        if self.rejected.len() <= MAX_LEFT_OUT {
            self.rejected.push(skip);
        }
    }
}

impl Actor {
    /// Has a scan run if one is wanted.
    pub(super) fn begin_scan(&mut self, now: Instant) {
        let Some(scan) = self.scans.begin(&self.shares, now) else { return };
        tracing::trace!(scan = scan.id, places = scan.places.len(), "looking through places");
        let (context, shares) = (Arc::clone(&self.context), Arc::clone(&self.shares));
        let found = self.found_files.0.clone();
        self.tasks.spawn_blocking(move || {
            let mut courier = ScanReporter {
                context: &context,
                found_files: found,
                batch: Vec::new(),
                skipped: Vec::new(),
            };
            let mut walk = Walk::new(&shares, &mut courier);
            let ended = scan.places.iter().try_for_each(|place| walk.walk_place(place));
            let is_whole = ended.is_continue() && !walk.is_incomplete && courier.send().is_continue();
            FinishedTask::Scan(ScanOutcome { skipped: courier.skipped, is_complete: is_whole })
        });
    }

    /// Takes in files that the running scan found.
    pub(super) fn observe_all(&mut self, found: Vec<ScannedFile>) {
        let scan = self.scans.latest_id();
        for found in found {
            // It may have been unregistered since the scan began.
            if !self.shares.is_shared(&found.location) {
                continue;
            }
            let (location, identity) = (found.location.clone(), found.identity);
            match self.inventory.observe(found, scan) {
                Observation::Known => {}
                Observation::NeedsHash => self.resolve_digest(&location, identity),
                Observation::Full => {
                    self.skip_log.reject(SkippedEntry { location, reason: SkipReason::OverLimit })
                }
            }
        }
    }

    pub(super) fn end_scan(&mut self, mut outcome: ScanOutcome) {
        // All that it found was sent before it ended.
        while let Ok(found) = self.found_files.1.try_recv() {
            self.observe_all(found);
        }
        let Some(scan) = self.scans.end(self.context.timing.rescan_interval, Instant::now()) else { return };
        if outcome.is_complete {
            for place in &scan.places {
                for gone in self.inventory.sweep(place, scan.id) {
                    tracing::debug!(path = display_path(&gone), "a shared file is gone");
                    self.queue.remove(&gone);
                }
            }
        }
        outcome.skipped.iter().for_each(|skip| self.skip_log.log(skip));
        outcome.skipped.append(&mut self.skip_log.rejected);
        self.is_overview_stale |=
            self.left_out.record_scan(&scan.places, &outcome.skipped, outcome.is_complete);
        for waiter in &mut self.waiters {
            waiter.record_scan(scan.id, &outcome.skipped);
        }
    }

    /// Has the changed places looked at.
    pub(super) fn process_changes(&mut self) {
        let PendingChanges { places, invalidated: doubted, to_reverify: suspected, all } =
            self.context.changes.take();
        tracing::trace!(places = places.len(), doubted = doubted.len(), all, "places have changed");
        self.scans.mark_changed(places, all);
        for location in doubted {
            if let Some(identity) = self.inventory.invalidate(&location) {
                self.context.cache.forget(identity);
                self.queue.add(&location, identity, JobStart::Last);
            }
        }
        for location in suspected {
            if let Some(identity) = self.inventory.identity_of(&location) {
                self.queue.add(&location, identity, JobStart::Last);
            }
        }
    }

    /// Finds the digest of a file in the memory, or has it hashed.
    fn resolve_digest(&mut self, location: &Path, identity: FileIdentity) {
        if let Some(known) = self.context.cache.find(location, identity) {
            self.inventory.confirm(location, identity, known.digest, known.since);
            self.queue.remove(location);
            return;
        }
        let is_named = self.waiters.iter().any(|waiter| waiter.covers(location));
        let pace = &self.context.timing;
        let settle = if is_named { pace.settle_time_requested } else { pace.settle_time };
        let rest = identity.age(SystemTime::now()).map_or(Some(settle), |age| settle.checked_sub(age));
        let when = match rest.filter(|rest| !rest.is_zero()) {
            Some(rest) => JobStart::NotBefore(Instant::now() + rest),
            None if is_named => JobStart::First,
            None => JobStart::Last,
        };
        self.queue.add(location, identity, when);
    }
}

/// Carries what a walk sees to the actor, and has its folders watched.
struct ScanReporter<'a> {
    context: &'a LibraryContext,
    found_files: mpsc::Sender<Vec<ScannedFile>>,
    batch: Vec<ScannedFile>,
    skipped: Vec<SkippedEntry>,
}

impl ScanReporter<'_> {
    fn send(&mut self) -> ControlFlow<()> {
        if self.batch.is_empty() {
            return ControlFlow::Continue(());
        }
        match self.found_files.blocking_send(std::mem::take(&mut self.batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl WalkSink for ScanReporter<'_> {
    fn enter(&mut self, folder: &Path) -> ControlFlow<()> {
        // Before it is read, so that nothing is missed in between.
        self.context.watcher.watch(folder);
        if self.context.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn file(&mut self, found: ScannedFile) -> ControlFlow<()> {
        self.batch.push(found);
        if self.batch.len() < BATCH_SIZE { ControlFlow::Continue(()) } else { self.send() }
    }

    fn skip(&mut self, skip: SkippedEntry) {
        // One more, so that it shows that there are more.
        if self.skipped.len() <= MAX_LEFT_OUT {
            self.skipped.push(skip);
        }
    }
}
