use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;

use super::super::changes::Touched;
use super::super::context::Context;
use super::super::file_identity::FileIdentity;
use super::super::inventory::{Found, Verdict};
use super::super::left_out::MAX_LEFT_OUT;
use super::super::report::{Skip, SkipReason, shown};
use super::super::walk::{Sink, Walk};
use super::super::work_queue::When;
use super::{Actor, Done};

/// How many found files go to the actor at once.
const BATCH: usize = 256;

/// About how many passed-over places a warning is remembered.
const MAX_WARNED: usize = 10_000;

/// What came of a scan besides the files.
pub(super) struct ScanOutcome {
    skipped: Vec<Skip>,
    /// It went to the end, and what it did not see is not there.
    is_whole: bool,
}

/// What was passed over, and of what the log has told.
#[derive(Default)]
pub(super) struct Notices {
    warned: HashSet<PathBuf>,
    /// The files of the running scan for which there is no place in the inventory.
    refused: Vec<Skip>,
}

impl Notices {
    /// Tells the log of what was passed over, once for each place.
    pub(super) fn tell(&mut self, skip: &Skip) {
        if self.warned.len() >= MAX_WARNED || !self.warned.insert(skip.location.clone()) {
            return;
        }
        let (path, reason) = (shown(&skip.location), &skip.reason);
        if reason.is_ordinary() {
            tracing::debug!(path, %reason, "passed over a file");
        } else {
            tracing::warn!(path, %reason, "a file is not shared");
        }
    }
}

impl Notices {
    fn refuse(&mut self, skip: Skip) {
        self.tell(&skip);
        if self.refused.len() <= MAX_LEFT_OUT {
            self.refused.push(skip);
        }
    }
}

impl Actor {
    /// Has a scan run if one is wanted.
    pub(super) fn begin_scan(&mut self, now: Instant) {
        let Some(scan) = self.scans.begin(&self.shares, now) else { return };
        tracing::trace!(scan = scan.id, places = scan.places.len(), "looking through places");
        let (context, shares) = (Arc::clone(&self.context), Arc::clone(&self.shares));
        let found = self.found.0.clone();
        self.tasks.spawn_blocking(move || {
            let mut courier = Courier { context: &context, found, batch: Vec::new(), skipped: Vec::new() };
            let mut walk = Walk::new(&shares, &mut courier);
            let ended = scan.places.iter().try_for_each(|place| walk.place(place));
            let is_whole = ended.is_continue() && !walk.has_gaps && courier.send().is_continue();
            Done::Scan(ScanOutcome { skipped: courier.skipped, is_whole })
        });
    }

    /// Takes in files that the running scan found.
    pub(super) fn observe_all(&mut self, found: Vec<Found>) {
        let scan = self.scans.latest();
        for found in found {
            // It may have been unregistered since the scan began.
            if !self.shares.is_shared(&found.location) {
                continue;
            }
            let (location, identity) = (found.location.clone(), found.identity);
            match self.inventory.observe(found, scan) {
                Verdict::Known => {}
                Verdict::Wanted => self.want(&location, identity),
                Verdict::Full => self.notices.refuse(Skip { location, reason: SkipReason::OverLimit }),
            }
        }
    }

    pub(super) fn end_scan(&mut self, mut outcome: ScanOutcome) {
        // All that it found was sent before it ended.
        while let Ok(found) = self.found.1.try_recv() {
            self.observe_all(found);
        }
        let Some(scan) = self.scans.end(self.context.pace.rescan, Instant::now()) else { return };
        if outcome.is_whole {
            for place in &scan.places {
                for gone in self.inventory.sweep(place, scan.id) {
                    tracing::debug!(path = shown(&gone), "a shared file is gone");
                    self.queue.remove(&gone);
                }
            }
        }
        outcome.skipped.iter().for_each(|skip| self.notices.tell(skip));
        outcome.skipped.append(&mut self.notices.refused);
        self.is_overview_stale |= self.left_out.scanned(&scan.places, &outcome.skipped, outcome.is_whole);
        for waiter in &mut self.waiters {
            waiter.scanned(scan.id, &outcome.skipped);
        }
    }

    /// Has the changed places looked at.
    pub(super) fn take_changes(&mut self) {
        let Touched { places, doubted, suspected, all } = self.context.changes.take();
        tracing::trace!(places = places.len(), doubted = doubted.len(), all, "places have changed");
        self.scans.note(places, all);
        for location in doubted {
            if let Some(identity) = self.inventory.doubt(&location) {
                self.context.cache.forget(identity);
                self.queue.add(&location, identity, When::Last);
            }
        }
        for location in suspected {
            if let Some(identity) = self.inventory.identity_of(&location) {
                self.queue.add(&location, identity, When::Last);
            }
        }
    }

    /// Finds the digest of a file in the memory, or has it hashed.
    fn want(&mut self, location: &Path, identity: FileIdentity) {
        if let Some(known) = self.context.cache.find(location, identity) {
            self.inventory.confirm(location, identity, known.digest, known.since);
            self.queue.remove(location);
            return;
        }
        let is_named = self.waiters.iter().any(|waiter| waiter.names(location));
        let pace = &self.context.pace;
        let settle = if is_named { pace.settle_named } else { pace.settle };
        let rest = identity.age(SystemTime::now()).map_or(Some(settle), |age| settle.checked_sub(age));
        let when = match rest.filter(|rest| !rest.is_zero()) {
            Some(rest) => When::NotBefore(Instant::now() + rest),
            None if is_named => When::First,
            None => When::Last,
        };
        self.queue.add(location, identity, when);
    }
}

/// Carries what a walk sees to the actor, and has its folders watched.
struct Courier<'a> {
    context: &'a Context,
    found: mpsc::Sender<Vec<Found>>,
    batch: Vec<Found>,
    skipped: Vec<Skip>,
}

impl Courier<'_> {
    fn send(&mut self) -> ControlFlow<()> {
        if self.batch.is_empty() {
            return ControlFlow::Continue(());
        }
        match self.found.blocking_send(std::mem::take(&mut self.batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl Sink for Courier<'_> {
    fn enter(&mut self, folder: &Path) -> ControlFlow<()> {
        // Before it is read, so that nothing is missed in between.
        self.context.watcher.watch(folder);
        if self.context.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn file(&mut self, found: Found) -> ControlFlow<()> {
        self.batch.push(found);
        if self.batch.len() < BATCH { ControlFlow::Continue(()) } else { self.send() }
    }

    fn skip(&mut self, skip: Skip) {
        // One more, so that it shows that there are more.
        if self.skipped.len() <= MAX_LEFT_OUT {
            self.skipped.push(skip);
        }
    }
}
