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

/// How many files are entered or taken out before others are let at the catalog: less than a quarter of a millisecond's
/// worth.
pub(super) const STEP: usize = 16;

/// Of how many titles it is gathered what searches go by, and how much of that is entered, before others are let at the
/// catalog: less than that.
const GATHER_STEP: usize = 64;
const INDEX_STEP: usize = 128;

pub(super) struct Actor<B> {
    pub(super) committer: Committer<B>,
    /// What was changed since the commit that is under way began.
    pub(super) pending: CommitGroup,
    pub(super) directory: Directory,
    pub(super) reopen_delays: Vec<Duration>,
    /// How long a commit may take before it counts as stuck.
    pub(super) commit_timeout: Option<Duration>,
    /// Cancelled when a commit is stuck.
    pub(super) commit_stuck: CancellationToken,
    pub(super) capacity: Capacity,
    pub(super) metrics: Arc<IndexMetrics>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Since when the store is out of order: how often it was opened in vain, and when that is tried next.
    pub(super) outage: Option<(usize, Instant)>,
    pub(super) expiry: ExpirySchedule,
    /// Offers of which neither the node nor the content was known when that was last looked at.
    pub(super) orphans: BTreeSet<OfferKey>,
}

/// What the actor turns to next.
enum ActorEvent {
    Command(Command),
    Committed(FinishedCommit),
    /// It is time to open the store anew, or to forget.
    Due,
    /// Nobody can ask any more.
    Closed,
}

impl<B: StoreBackend> Actor<B> {
    pub(super) fn run(mut self) {
        let runtime = Handle::current();
        loop {
            // A timer needs the runtime, even to be made.
            match runtime.block_on(self.next()) {
                ActorEvent::Command(command) => self.handle(command),
                ActorEvent::Committed(committed) => self.finish_commit(committed),
                ActorEvent::Due if self.outage.is_some() => self.reopen_store(),
                ActorEvent::Due => self.expire_lists(),
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

    /// Makes a change in memory; it is answered when it is on disk.
    fn handle(&mut self, command: Command) {
        let now = self.directory.clock().unix();
        match command {
            Command::NodeLeft { node } => self.record_departure(node),
            #[cfg(test)]
            Command::RunExpiry { done } => {
                self.drain();
                self.expire_lists();
                // The test waits.
                let _ = done.send(());
            }
            Command::Offer { node_session: arrival, offer, reply } => {
                self.handle_offer(&arrival, offer, reply)
            }
            Command::Change { reply, .. } if self.outage.is_some() => {
                let _ = reply.send(Err(Refusal::StoreUnavailable));
            }
            Command::Change { node, session, change, reply } => {
                match self.apply_change((node, session), &change, now) {
                    Ok(writes) => {
                        let summary = self.directory.summary(node);
                        self.pending.add(writes, CommitWaiter::List { summary, reply });
                    }
                    // Who has gone in the meantime needs no answer.
                    Err(refusal) => drop(reply.send(Err(refusal))),
                }
            }
        }
    }

    /// Gives what was gathered to the disk, and before that what still waits, unless the disk is busy.
    fn submit_pending(&mut self) {
        if self.committer.is_busy() || self.pending.is_empty() {
            return;
        }
        while !self.pending.is_full()
            && let Ok(next) = self.commands.try_recv()
        {
            self.handle(next);
        }
        // To make room, what was gathered may have been written out meanwhile.
        if !self.committer.is_busy() {
            self.start_commit();
        }
    }

    fn start_commit(&mut self) {
        let group = std::mem::take(&mut self.pending);
        let committed = self.committer.start(group, self.commit_timeout);
        // While the disk is busy. Nobody is answered before.
        self.index_new_titles();
        if let Some(committed) = committed {
            self.finish_commit(committed);
        }
    }

    /// Lets searches find all titles that are new. With those of up to 8,192 files at once a word is looked for less often than
    /// file by file: 117,000 instead of 112,000 files are registered in a second.
    fn index_new_titles(&self) {
        let titles = self.directory.write(|state| state.catalog.take_unindexed());
        let mut fresh = IndexBatch::default();
        for titles in titles.chunks(GATHER_STEP) {
            self.directory.read(|state| fresh.gather(titles, &state.catalog));
        }
        fresh.sort();
        while !self.directory.write(|state| state.catalog.index(&mut fresh, INDEX_STEP)) {}
    }

    /// Waits until everything that was changed is on disk, or cannot get there.
    pub(super) fn drain(&mut self) {
        self.submit_pending();
        while self.committer.is_busy() {
            let committed = Handle::current().block_on(self.committer.wait());
            self.finish_commit(committed);
            self.submit_pending();
        }
    }

    /// Waits until what was changed so far is on disk, or cannot get there, and takes nothing more meanwhile.
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

    /// Answers those whose changes are on disk.
    fn finish_commit(&mut self, FinishedCommit { group, result, took }: FinishedCommit) {
        if let Err(error) = result {
            return self.fail_commit(group, &error);
        }
        if let Some(took) = took {
            self.metrics.commits.record(took);
            debug!(lists = group.writes.len(), offers = group.offers.len(), "committed");
        }
        if !group.offers.is_empty() {
            self.directory.write(|state| state.offers.confirm_writes(group.offers.len()));
        }
        if !group.departed.is_empty() {
            self.directory.write(|DirectoryState { catalog, roster, .. }| {
                let absent = group.departed.iter().filter(|node| !roster.is_present(**node));
                absent.for_each(|node| catalog.forget_if_empty(*node));
            });
        }
        group.accept();
    }

    /// Refuses what was not committed, and what was changed since.
    fn fail_commit(&mut self, group: CommitGroup, error: &StoreError) {
        if matches!(error, StoreError::Stuck) {
            error!("a write to the store does not end; the index stops");
            self.commit_stuck.cancel();
        } else {
            error!(%error, "the store failed; registrations are refused until it is open again");
        }
        self.metrics.store_errors.fetch_add(1, Ordering::Relaxed);
        self.metrics.set_health(Health::Degraded);
        self.outage = Some((0, self.next_retry(0)));
        for group in [group, std::mem::take(&mut self.pending)] {
            let doubt = |DirectoryState { catalog, .. }: &mut DirectoryState| {
                group.writes.iter().for_each(|write| catalog.mark_doubtful(write.node));
            };
            self.directory.write(doubt);
            group.refuse();
        }
    }

    /// Makes a change in memory and returns what it amounts to on disk, if that is anything. Many files are gone through
    /// a few at a time, so that searches come in between.
    fn apply_change(
        &mut self,
        (node, session): (NodeNo, SessionId),
        change: &ListChange,
        now: u64,
    ) -> Result<Option<ListWrites>, Refusal> {
        let most = self.capacity.files_per_node();
        let refusal = |unchanged| change_refusal(unchanged, most);
        self.directory.read(|state| is_current(state, (node, session)))?;
        let changed = match change {
            ListChange::Begin => {
                self.directory.write(|state| state.catalog.begin_list(node)).map_err(refusal)
            }
            ListChange::Register(files) => self.register_files(node, files),
            ListChange::Unregister(paths) => self.remove_files(node, paths).map_err(refusal),
            ListChange::End => self.finish_list(node).map_err(refusal),
        };
        changed?;
        Ok(self.take_writes(node, now))
    }

    fn register_files(&mut self, node: NodeNo, files: &[FileRecord]) -> Result<(), Refusal> {
        let most = self.capacity.files_per_node();
        let refusal = |unchanged| change_refusal(unchanged, most);
        let has_room = self.directory.read(|state| state.catalog.check_capacity(node, files, most));
        has_room.map_err(refusal)?;
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
        let gone = self.directory.read(|state| state.catalog.unmentioned_paths(node))?;
        self.directory.write(|state| state.catalog.end_list(node))?;
        self.remove_files(node, &gone)
    }

    /// Takes what changed in a node's list, and puts it together while others read.
    pub(super) fn take_writes(&self, node: NodeNo, now: u64) -> Option<ListWrites> {
        let changed = self.directory.write(|state| state.catalog.take_changed_blocks(node, now))?;
        self.directory.read(|state| state.catalog.writes(node, changed))
    }

    /// Opens the store anew and reads everything back from it.
    fn reopen_store(&mut self) {
        let Some((failures, _)) = self.outage else { return };
        let restored = self.committer.reopen().and_then(|StoredData { lists, offers }| {
            let restore = self.directory.write(|state| {
                state.offers = TorrentOffers::restore(offers);
                state.catalog.restore_all(&lists)
            });
            restore.map_err(|clash| StoreError::Failed { what: clash.to_string() })
        });
        match restored {
            Ok(()) => {
                info!("the store is open again");
                self.capacity.reset_exhausted();
                self.metrics.set_health(Health::Ready);
                self.outage = None;
            }
            Err(error) => {
                error!(%error, "the store is still out of order");
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
    // If not, the connection is being closed with the reason; this answer is not sent.
    state.roster.is_current(node, session).then_some(()).ok_or(Refusal::NoSuchPeer)
}

fn change_refusal(unchanged: ListChangeError, most: u32) -> Refusal {
    match unchanged {
        ListChangeError::TooManyFiles => Refusal::TooMany { what: "files".into(), limit: u64::from(most) },
        // The list was read back from disk since it was begun, and forgot what had been mentioned.
        ListChangeError::NotStarted => Refusal::StoreUnavailable,
        ListChangeError::UnknownNode => Refusal::NoSuchPeer,
    }
}
