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

/// Number of files per batch that is sent to the actor.
const BATCH_SIZE: usize = 256;

/// Maximum number of places for which a warning is remembered.
const MAX_WARNED: usize = 10_000;

/// The result of a scan, without the files.
pub(super) struct ScanOutcome {
    skipped: Vec<SkippedEntry>,
    /// The scan was complete, so files that it did not see do not exist.
    is_complete: bool,
}

/// Skipped entries, and which of them have been logged.
#[derive(Default)]
pub(super) struct SkipLog {
    warned: HashSet<PathBuf>,
    /// Files of the running scan that do not fit into the inventory.
    rejected: Vec<SkippedEntry>,
}

impl SkipLog {
    /// Logs a skipped entry, once per place.
    pub(super) fn log(&mut self, skip: &SkippedEntry) {
        if self.warned.len() >= MAX_WARNED || !self.warned.insert(skip.location.clone()) {
            return;
        }
        let (path, reason) = (display_path(&skip.location), &skip.reason);
        if reason.is_expected() {
            tracing::debug!(path, %reason, "skipped a file");
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
    /// Starts a scan if one is due.
    pub(super) fn begin_scan(&mut self, now: Instant) {
        let Some(scan) = self.scans.begin(&self.shares, now) else { return };
        tracing::trace!(scan = scan.id, places = scan.places.len(), "scanning places");
        let (context, shares) = (Arc::clone(&self.context), Arc::clone(&self.shares));
        let found = self.found_files.0.clone();
        self.tasks.spawn_blocking(move || {
            let mut reporter = ScanReporter {
                context: &context,
                found_files: found,
                batch: Vec::new(),
                skipped: Vec::new(),
            };
            let mut walk = Walk::new(&shares, &mut reporter);
            let ended = scan.places.iter().try_for_each(|place| walk.walk_place(place));
            let is_complete = ended.is_continue() && !walk.is_incomplete && reporter.send().is_continue();
            FinishedTask::Scan(ScanOutcome { skipped: reporter.skipped, is_complete })
        });
    }

    /// Handles the files that the running scan found.
    pub(super) fn observe_all(&mut self, found: Vec<ScannedFile>) {
        let scan = self.scans.latest_id();
        for found in found {
            // The file may have been unregistered since the scan began.
            if !self.shares.is_shared(&found.location) {
                continue;
            }
            let (location, identity) = (found.location.clone(), found.identity);
            match self.inventory.observe(found, scan) {
                Observation::Known => {}
                Observation::NeedsHash => self.resolve_digest(&location, identity),
                Observation::Full => {
                    self.skip_log.reject(SkippedEntry { location, reason: SkipReason::OverLimit });
                }
            }
        }
    }

    pub(super) fn end_scan(&mut self, mut outcome: ScanOutcome) {
        // Everything that the scan found was sent before it ended.
        while let Ok(found) = self.found_files.1.try_recv() {
            self.observe_all(found);
        }
        let Some(scan) = self.scans.end(self.context.timing.rescan_interval, Instant::now()) else { return };
        if outcome.is_complete {
            for place in &scan.places {
                for removed in self.inventory.sweep(place, scan.id) {
                    tracing::debug!(path = display_path(&removed), "a shared file was removed");
                    self.queue.remove(&removed);
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

    /// Passes the collected changes to the scan scheduler and the queue.
    pub(super) fn process_changes(&mut self) {
        let PendingChanges { places, invalidated, to_reverify, all } = self.context.changes.take();
        tracing::trace!(places = places.len(), invalidated = invalidated.len(), all, "places have changed");
        self.scans.mark_changed(places, all);
        for location in invalidated {
            if let Some(identity) = self.inventory.invalidate(&location) {
                self.context.cache.forget(identity);
                self.queue.add(&location, identity, JobStart::Last);
            }
        }
        for location in to_reverify {
            if let Some(identity) = self.inventory.identity_of(&location) {
                self.queue.add(&location, identity, JobStart::Last);
            }
        }
    }

    /// Finds the digest of a file in the hash cache, or queues the file for hashing.
    fn resolve_digest(&mut self, location: &Path, identity: FileIdentity) {
        if let Some(known) = self.context.cache.find(location, identity) {
            self.inventory.confirm(location, identity, known.digest, known.since);
            self.queue.remove(location);
            return;
        }
        let is_named = self.waiters.iter().any(|waiter| waiter.covers(location));
        let timing = &self.context.timing;
        let settle = if is_named { timing.settle_time_requested } else { timing.settle_time };
        let remaining = identity.age(SystemTime::now()).map_or(Some(settle), |age| settle.checked_sub(age));
        let when = match remaining.filter(|remaining| !remaining.is_zero()) {
            Some(remaining) => JobStart::NotBefore(Instant::now() + remaining),
            None if is_named => JobStart::First,
            None => JobStart::Last,
        };
        self.queue.add(location, identity, when);
    }
}

/// Sends what a walk finds to the actor, and watches the folders that the walk enters.
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
        // Watch the folder before it is read, so that no change is missed in between.
        self.context.watcher.watch(folder);
        if self.context.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn file(&mut self, found: ScannedFile) -> ControlFlow<()> {
        self.batch.push(found);
        if self.batch.len() < BATCH_SIZE { ControlFlow::Continue(()) } else { self.send() }
    }

    fn skip(&mut self, skip: SkippedEntry) {
        // Keep one more than the limit, which shows that the list is truncated.
        if self.skipped.len() <= MAX_LEFT_OUT {
            self.skipped.push(skip);
        }
    }
}
