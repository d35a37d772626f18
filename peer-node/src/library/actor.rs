//! The library actor: the only task that changes the inventory, and the publisher of listings and progress.

mod hash;
mod overview;
mod request;
mod scan;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::command::Command;
use super::context::LibraryContext;
use super::hashing::HashMeter;
use super::inventory::{Inventory, ScannedFile};
use super::left_out::LeftOutFiles;
use super::publisher::Publisher;
use super::scan_scheduler::ScanScheduler;
use super::shares::ShareSet;
use super::work_queue::WorkQueue;

use hash::HashOutcome;
use request::RegistrationWaiter;
use scan::{ScanOutcome, SkipLog};

use crate::essential_task::EssentialTask;

/// Capacity of the channel of scanned files, in batches: a walk continues while the actor handles a batch.
const FOUND_BACKLOG: usize = 4;

/// Interval between progress updates while files are hashed.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Interval between attempts to write hashes that could not be stored.
const STORE_RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The state behind a [`super::Library`].
pub(super) struct Actor {
    context: Arc<LibraryContext>,
    shares: Arc<ShareSet>,
    inventory: Inventory,
    queue: WorkQueue,
    scans: ScanScheduler,
    meter: HashMeter,
    publisher: Publisher,
    waiters: Vec<RegistrationWaiter>,
    skip_log: SkipLog,
    left_out: LeftOutFiles,
    /// The overview must be built and published again.
    is_overview_stale: bool,
    tasks: JoinSet<FinishedTask>,
    found_files: (mpsc::Sender<Vec<ScannedFile>>, mpsc::Receiver<Vec<ScannedFile>>),
    /// When the changes collected so far are processed.
    debounce_due: Option<Instant>,
    has_cleaned: bool,
}

/// Blocking work that has finished.
enum FinishedTask {
    Scan(ScanOutcome),
    Hash(HashOutcome),
    Maintenance,
}

impl Actor {
    pub(super) fn new(context: Arc<LibraryContext>, shares: Arc<ShareSet>, publisher: Publisher) -> Self {
        Self {
            context,
            shares,
            inventory: Inventory::default(),
            queue: WorkQueue::default(),
            scans: ScanScheduler::new(Instant::now()),
            meter: HashMeter::default(),
            publisher,
            waiters: Vec::new(),
            skip_log: SkipLog::default(),
            left_out: LeftOutFiles::default(),
            is_overview_stale: true,
            tasks: JoinSet::new(),
            found_files: mpsc::channel(FOUND_BACKLOG),
            debounce_due: None,
            has_cleaned: false,
        }
    }

    /// Runs until it is cancelled or every handle is dropped, and returns after all its blocking work has finished.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let _essential = EssentialTask::begin("library");
        let (context, cancel) = (Arc::clone(&self.context), self.context.cancel.clone());
        let (mut health, mut restored) = (context.state.health(), 0);
        let mut catch_up = tokio::time::interval(STORE_RETRY_INTERVAL);
        loop {
            let wake = self.advance(Instant::now());
            tokio::select! {
                () = cancel.cancelled() => break,
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command).await,
                    None => break,
                },
                Some(found) = self.found_files.1.recv() => self.observe_all(found),
                Some(done) = self.tasks.join_next() => self.handle_finished_task(done),
                () = context.changes.added() => self.debounce(Instant::now()),
                Ok(()) = health.changed() => {
                    let seen = health.borrow_and_update().restored;
                    if std::mem::replace(&mut restored, seen) != seen {
                        self.restore();
                    }
                }
                _ = catch_up.tick() => {
                    if health.borrow().store_error.is_some() {
                        self.retry_writes();
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
        self.stop().await;
    }

    /// Does all work that is due; returns when work is due next.
    fn advance(&mut self, now: Instant) -> Instant {
        if self.debounce_due.is_some_and(|due| due <= now) {
            self.debounce_due = None;
            self.process_changes();
        }
        self.begin_scan(now);
        self.begin_hashing(now);
        self.answer_waiters();
        self.publish_overview();
        let is_idle = self.is_idle();
        let pause = self.context.timing.publish_interval;
        let mut publish = self.publisher.due(&self.inventory, is_idle, pause, now);
        if publish.is_some_and(|due| due <= now) {
            self.publisher.publish(&self.inventory);
            publish = None;
        }
        let is_settled = is_idle && self.publisher.is_current(&self.inventory);
        let current = self.meter.current().and_then(|location| self.inventory.path_of(location));
        let current = current.map(ToString::to_string);
        self.publisher.publish_progress(self.meter.progress(&self.queue, current, is_settled));
        if is_settled && !std::mem::replace(&mut self.has_cleaned, true) {
            tracing::info!(files = self.inventory.len(), "initial scan complete");
            self.clean_up_state();
        }
        let progress = self.meter.is_active().then(|| now + PROGRESS_INTERVAL);
        let dues = [self.debounce_due, self.scans.next_due(), self.queue.next_due(), publish, progress];
        dues.into_iter().flatten().min().unwrap_or(now + self.context.timing.rescan_interval)
    }

    /// Returns true if nothing is left to scan or hash.
    fn is_idle(&self) -> bool {
        self.scans.is_idle()
            && self.queue.files_left() == 0
            && self.debounce_due.is_none()
            && self.context.changes.is_empty()
    }

    /// Starts the debounce interval, unless it is running: changes are collected until it ends.
    fn debounce(&mut self, now: Instant) {
        self.debounce_due.get_or_insert(now + self.context.timing.debounce_time);
    }

    fn handle_finished_task(&mut self, done: Result<FinishedTask, JoinError>) {
        match done {
            Ok(FinishedTask::Scan(outcome)) => self.end_scan(outcome),
            Ok(FinishedTask::Hash(outcome)) => self.end_hashing(outcome),
            Ok(FinishedTask::Maintenance) => {}
            Err(error) => {
                // Better to stop the node than to run with half a library.
                tracing::error!(%error, "library task failed; stopping");
                self.context.cancel.cancel();
            }
        }
    }

    /// Removes files that are no longer shared from the inventory and the queue.
    fn forget(&mut self, locations: Vec<PathBuf>) {
        for location in locations {
            self.inventory.remove(&location);
            self.queue.remove(&location);
            self.meter.cancel(&location);
        }
    }

    async fn stop(mut self) {
        // A walk that is sending files to the actor must not block forever.
        self.found_files.1.close();
        while self.tasks.join_next().await.is_some() {}
        let context = self.context;
        let sync_result = tokio::task::spawn_blocking(move || context.cache.sync()).await;
        if let Ok(Err(error)) = sync_result {
            tracing::warn!(%error, "cannot make the hash cache durable");
        }
    }
}
