use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::index::{FileRecord, Refusal};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::capacity::Capacity;
use super::committer::{CommitGroup, CommitWaiter, Committer, FinishedCommit};
use super::expiry_schedule::ExpirySchedule;
use super::{Command, ListChange};
use crate::bad_record::conflicting_sizes;
use crate::catalog::{IndexBatch, ListChangeError, ListWrites};
use crate::directory::{Directory, DirectoryState};
use crate::ids::NodeNo;
use crate::metrics::{Health, IndexMetrics};
use crate::offers::{OfferKey, TorrentOffers};
use crate::roster::SessionId;
use crate::store::{StoreBackend, StoreError, StoredData};

/// Files inserted or removed before the catalog lock is released: less than a quarter of a millisecond.
pub(super) const STEP: usize = 16;

/// Titles gathered for indexing, and words indexed, before the catalog lock is released: less than a quarter of a millisecond.
const GATHER_STEP: usize = 64;
const INDEX_STEP: usize = 128;

pub(super) struct Actor<B> {
    pub(super) committer: Committer<B>,
    /// The changes made since the current commit started.
    pub(super) pending: CommitGroup,
    pub(super) directory: Directory,
    pub(super) reopen_delays: Vec<Duration>,
    /// Timeout after which a commit counts as stuck.
    pub(super) commit_timeout: Option<Duration>,
    /// Cancelled when a commit is stuck.
    pub(super) commit_stuck: CancellationToken,
    pub(super) capacity: Capacity,
    pub(super) metrics: Arc<IndexMetrics>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// The current outage of the store: the number of failed attempts to reopen it, and the time of the next attempt.
    pub(super) outage: Option<(usize, Instant)>,
    pub(super) expiry: ExpirySchedule,
    /// Offers without a known node or content at the last expiry round.
    pub(super) orphans: BTreeSet<OfferKey>,
}

/// The next event to handle.
enum ActorEvent {
    Command(Command),
    Committed(FinishedCommit),
    /// The store is due to be reopened, or an expiry round is due.
    Due,
    /// All handles are dropped.
    Closed,
}

impl<B: StoreBackend> Actor<B> {
    pub(super) fn run(mut self) {
        #[cfg(debug_assertions)]
        assert!(
            std::env::var_os("PEERDEX_TEST_PANIC").is_none_or(|chosen| chosen != "registrar"),
            "registrar: chosen by PEERDEX_TEST_PANIC"
        );
        let runtime = Handle::current();
        loop {
            // A timer can only be created inside the runtime.
            match runtime.block_on(self.next()) {
                ActorEvent::Command(command) => self.handle(command),
                ActorEvent::Committed(committed) => self.finish_commit(committed),
                ActorEvent::Due => match self.outage {
                    Some((failures, _)) => self.reopen_store(failures),
                    None => self.expire_lists(),
                },
                ActorEvent::Closed => return self.drain(),
            }
            self.submit_pending();
        }
    }

    async fn next(&mut self) -> ActorEvent {
        let (until, busy) =
            (self.outage.map_or(self.expiry.due().into(), |(_, retry)| retry), self.committer.is_busy());
        tokio::select! {
            biased;
            committed = self.committer.wait(), if busy => ActorEvent::Committed(committed),
            () = sleep_until(until), if !busy => ActorEvent::Due,
            command = self.commands.recv(), if !self.pending.is_full() => {
                command.map_or(ActorEvent::Closed, ActorEvent::Command)
            }
        }
    }

    /// Applies a change in memory; the reply is sent once it is on disk.
    fn handle(&mut self, command: Command) {
        let now = self.directory.clock().unix();
        match command {
            Command::NodeLeft { node } => self.record_departure(node),
            #[cfg(test)]
            Command::RunExpiry { done } => {
                self.drain();
                self.expire_lists();
                // Cannot fail: the test waits for it.
                let _ = done.send(());
            }
            Command::Offer { node_session, offer, reply } => self.handle_offer(&node_session, offer, reply),
            Command::Change { reply, .. } if self.outage.is_some() => {
                let _ = reply.send(Err(Refusal::StoreUnavailable));
            }
            Command::Change { node, session, change, reply } => {
                match self.apply_change((node, session), &change, now) {
                    Ok(writes) => {
                        let summary = self.directory.summary(node);
                        self.pending.add(writes, CommitWaiter::List { summary, reply });
                    }
                    // The client may have disconnected; then the reply is dropped.
                    Err(refusal) => drop(reply.send(Err(refusal))),
                }
            }
        }
    }

    /// Starts a commit of the pending changes and of those still queued, unless one is in progress.
    fn submit_pending(&mut self) {
        if self.committer.is_busy() || self.pending.is_empty() {
            return;
        }
        while !self.pending.is_full()
            && let Ok(next) = self.commands.try_recv()
        {
            self.handle(next);
        }
        // Handling a command may have flushed the pending changes to free capacity.
        if !self.committer.is_busy() {
            self.start_commit();
        }
    }

    fn start_commit(&mut self) {
        let group = std::mem::take(&mut self.pending);
        let committed = self.committer.start(group, self.commit_timeout);
        // Index while the disk is busy; no reply is sent before the commit ends anyway.
        self.index_new_titles();
        if let Some(committed) = committed {
            self.finish_commit(committed);
        }
    }

    /// Adds all new titles to the search index. Doing so for a whole batch needs fewer word lookups than file by file
    /// (docs/performance.md).
    fn index_new_titles(&self) {
        let titles = self.directory.write(|state| state.catalog.take_unindexed());
        let mut fresh = IndexBatch::default();
        for titles in titles.chunks(GATHER_STEP) {
            self.directory.read(|state| fresh.gather(titles, &state.catalog));
        }
        let mut fresh = fresh.sort();
        while !self.directory.write(|state| state.catalog.index(&mut fresh, INDEX_STEP)) {}
    }

    /// Waits until all changes, including queued ones, are on disk or have failed.
    pub(super) fn drain(&mut self) {
        self.submit_pending();
        while self.committer.is_busy() {
            let committed = Handle::current().block_on(self.committer.wait());
            self.finish_commit(committed);
            self.submit_pending();
        }
    }

    /// Waits until the changes made so far are on disk or have failed, without accepting new ones.
    pub(super) fn flush(&mut self) {
        loop {
            if self.committer.is_busy() {
                let committed = Handle::current().block_on(self.committer.wait());
                self.finish_commit(committed);
            } else if self.pending.is_empty() {
                return;
            } else {
                self.start_commit();
            }
        }
    }

    /// Sends the replies for a finished commit.
    fn finish_commit(&mut self, finished: FinishedCommit) {
        let committed = match finished {
            FinishedCommit::OnDisk(committed) => committed,
            FinishedCommit::Failed(group, error) => return self.fail_commit(group, &error),
        };
        let group = committed.group();
        if let Some(took) = committed.took() {
            self.metrics.commits.record(took);
            debug!(lists = group.writes().len(), offers = group.offers().len(), "committed");
        }
        if !group.offers().is_empty() {
            self.directory.write(|state| state.offers.confirm_writes(group.offers().len()));
        }
        if !group.departed().is_empty() {
            self.directory.write(|DirectoryState { catalog, roster, .. }| {
                let absent = group.departed().iter().filter(|node| !roster.is_present(**node));
                absent.for_each(|node| catalog.remove_if_empty(*node));
            });
        }
        committed.accept();
    }

    /// Refuses the changes of a failed commit, and those made since.
    fn fail_commit(&mut self, group: CommitGroup, error: &StoreError) {
        if matches!(error, StoreError::Stuck) {
            error!("a write to the store is stuck, stopping the index");
            self.commit_stuck.cancel();
        } else {
            error!(%error, "the store failed, registrations are refused until it is reopened");
        }
        self.metrics.store_errors.fetch_add(1, Ordering::Relaxed);
        self.metrics.set_health(Health::Degraded);
        self.outage = Some((0, self.next_retry(0)));
        for group in [group, std::mem::take(&mut self.pending)] {
            let doubt = |DirectoryState { catalog, .. }: &mut DirectoryState| {
                group.writes().iter().for_each(|write| catalog.mark_doubtful(write.node));
            };
            self.directory.write(doubt);
            group.refuse();
        }
    }

    /// Applies a change in memory and returns the resulting writes, if any. Long changes are applied a few files at a time, so
    /// that searches can run in between.
    fn apply_change(
        &mut self,
        (node, session): (NodeNo, SessionId),
        change: &ListChange,
        now: u64,
    ) -> Result<Option<ListWrites>, Refusal> {
        let max_files = self.capacity.files_per_node();
        let refusal = |unchanged| change_refusal(unchanged, max_files);
        self.directory.read(|state| is_current(state, (node, session)))?;
        self.directory.write(|state| state.catalog.set_changing(node, true));
        let changed = match change {
            ListChange::Begin => {
                self.directory.write(|state| state.catalog.begin_list(node)).map_err(refusal)
            }
            ListChange::Register(files) => self.register_files(node, files),
            ListChange::Unregister(paths) => self.remove_files(node, paths).map_err(refusal),
            ListChange::End => self.finish_list(node).map_err(refusal),
        };
        self.directory.write(|state| state.catalog.set_changing(node, false));
        changed?;
        Ok(self.take_writes(node, now))
    }

    fn register_files(&mut self, node: NodeNo, files: &[FileRecord]) -> Result<(), Refusal> {
        let max_files = self.capacity.files_per_node();
        let refusal = |unchanged| change_refusal(unchanged, max_files);
        let fits = self.directory.read(|state| state.catalog.check_capacity(node, files, max_files));
        fits.map_err(refusal)?;
        let contradiction = files.chunks(STEP).find_map(|part| {
            self.directory.read(|state| {
                state.catalog.prefetch_files(part);
                state.catalog.conflicting_file(node, part)
            })
        });
        if let Some(file) = contradiction {
            return Err(conflicting_sizes(&file.path));
        }
        self.admit_files(node, files)?;
        let mut parts = files.chunks(STEP);
        let entered = parts
            .try_for_each(|part| self.directory.write(|state| state.catalog.register_unindexed(node, part)));
        self.directory.write(|state| state.catalog.pack(node));
        entered.map_err(refusal)
    }

    pub(super) fn remove_files(
        &self,
        node: NodeNo,
        paths: &[impl AsRef<str>],
    ) -> Result<(), ListChangeError> {
        paths.chunks(STEP).try_for_each(|part| {
            self.directory.write(|state| state.catalog.unregister(node, part.iter().map(AsRef::as_ref)))
        })
    }

    fn finish_list(&self, node: NodeNo) -> Result<(), ListChangeError> {
        let unmentioned = self.directory.read(|state| state.catalog.unmentioned_paths(node))?;
        self.directory.write(|state| state.catalog.end_list(node))?;
        self.remove_files(node, &unmentioned)
    }

    /// Takes the changes of a node's list and assembles the writes under a read lock, so that others can read.
    pub(super) fn take_writes(&self, node: NodeNo, now: u64) -> Option<ListWrites> {
        let changed = self.directory.write(|state| state.catalog.take_changed_blocks(node, now))?;
        self.directory.read(|state| state.catalog.writes(node, changed))
    }

    /// Reopens the store after some failed attempts, and reads everything back from it.
    fn reopen_store(&mut self, failures: usize) {
        let restored = self.committer.reopen().and_then(|StoredData { lists, offers }| {
            let restore = self.directory.write(|state| {
                state.offers = TorrentOffers::restore(offers);
                state.catalog.restore_all(&lists)
            });
            restore.map_err(|error| StoreError::Failed { what: error.to_string() })
        });
        match restored {
            Ok(()) => {
                info!("the store is open again, registrations are accepted");
                self.capacity.reset_exhausted();
                self.metrics.set_health(Health::Ready);
                self.outage = None;
            }
            Err(error) => {
                error!(%error, "cannot reopen the store");
                self.metrics.store_errors.fetch_add(1, Ordering::Relaxed);
                self.outage = Some((failures + 1, self.next_retry(failures + 1)));
            }
        }
    }

    fn next_retry(&self, failures: usize) -> Instant {
        let pause = self.reopen_delays.get(failures).or(self.reopen_delays.last());
        Instant::now() + pause.copied().unwrap_or(Duration::from_secs(1))
    }
}

fn is_current(state: &DirectoryState, (node, session): (NodeNo, SessionId)) -> Result<(), Refusal> {
    // Otherwise the connection is being closed with the reason, and this reply is never sent.
    state.roster.is_current(node, session).then_some(()).ok_or(Refusal::NoSuchPeer)
}

fn change_refusal(unchanged: ListChangeError, max_files: u32) -> Refusal {
    match unchanged {
        ListChangeError::TooManyFiles => {
            Refusal::TooMany { what: "files".into(), limit: u64::from(max_files) }
        }
        // The list was reloaded from disk since the refresh started, which lost what had been mentioned.
        ListChangeError::NotStarted => Refusal::StoreUnavailable,
        ListChangeError::UnknownNode => Refusal::NoSuchPeer,
    }
}
