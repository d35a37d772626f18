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

use super::committer::{Committed, Committer, Group, Waiter};
use super::forgetting::Forgetting;
use super::room::Room;
use super::{Change, Command};
use crate::bad_record::two_sizes;
use crate::catalog::{Fresh, NodeNo, Unchanged, Writes};
use crate::directory::{Directory, State};
use crate::metrics::{Condition, Metrics};
use crate::offers::{OfferKey, Offers};
use crate::roster::SessionId;
use crate::store::{Backing, StoreError, Stored};

/// How many files are entered or taken out before others are let at the catalog: less than a quarter of a millisecond's
/// worth.
pub(super) const STEP: usize = 16;

/// Of how many titles it is gathered what searches go by, and how much of that is entered, before others are let at the
/// catalog: less than that.
const TITLES_STEP: usize = 64;
const INDEX_STEP: usize = 128;

pub(super) struct Actor<B> {
    pub(super) committer: Committer<B>,
    /// What was changed since the commit that is under way began.
    pub(super) gathered: Group,
    pub(super) directory: Directory,
    pub(super) pauses: Vec<Duration>,
    /// How long a commit may take before it counts as stuck.
    pub(super) patience: Option<Duration>,
    /// Cancelled when a commit is stuck.
    pub(super) stuck: CancellationToken,
    pub(super) room: Room,
    pub(super) metrics: Arc<Metrics>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Since when the store is out of order: how often it was opened in vain, and when that is tried next.
    pub(super) broken: Option<(usize, Instant)>,
    pub(super) forgetting: Forgetting,
    /// Offers of which neither the node nor the content was known when that was last looked at.
    pub(super) orphans: BTreeSet<OfferKey>,
}

/// What the actor turns to next.
enum Event {
    Asked(Command),
    Committed(Committed),
    /// It is time to open the store anew, or to forget.
    Due,
    /// Nobody can ask any more.
    Alone,
}

impl<B: Backing> Actor<B> {
    pub(super) fn run(mut self) {
        let runtime = Handle::current();
        loop {
            // A timer needs the runtime, even to be made.
            match runtime.block_on(self.next()) {
                Event::Asked(command) => self.take(command),
                Event::Committed(committed) => self.conclude(committed),
                Event::Due if self.broken.is_some() => self.mend(),
                Event::Due => self.forget(),
                Event::Alone => return self.settle(),
            }
            self.hand_over();
        }
    }

    async fn next(&mut self) -> Event {
        let (until, busy) =
            (self.broken.map_or(self.forgetting.due().into(), |(_, retry)| retry), self.committer.is_busy());
        tokio::select! {
            biased;
            committed = self.committer.committed(), if busy => Event::Committed(committed),
            () = sleep_until(until), if !busy => Event::Due,
            command = self.commands.recv(), if !self.gathered.is_full() => {
                command.map_or(Event::Alone, Event::Asked)
            }
        }
    }

    /// Makes a change in memory; it is answered when it is on disk.
    fn take(&mut self, command: Command) {
        let now = self.directory.clock().unix();
        match command {
            Command::Left { node } => self.part(node),
            #[cfg(test)]
            Command::Look { done } => {
                self.settle();
                self.forget();
                // The test waits.
                let _ = done.send(());
            }
            Command::Offer { arrival, offer, reply } => self.take_offer(&arrival, offer, reply),
            Command::Change { reply, .. } if self.broken.is_some() => {
                let _ = reply.send(Err(Refusal::StoreUnavailable));
            }
            Command::Change { node, session, change, reply } => {
                match self.change((node, session), &change, now) {
                    Ok(writes) => {
                        let summary = self.directory.summary(node);
                        self.gathered.add(writes, Waiter::List { summary, reply });
                    }
                    // Who has gone in the meantime needs no answer.
                    Err(refusal) => drop(reply.send(Err(refusal))),
                }
            }
        }
    }

    /// Gives what was gathered to the disk, and before that what still waits, unless the disk is busy.
    fn hand_over(&mut self) {
        if self.committer.is_busy() || self.gathered.is_empty() {
            return;
        }
        while !self.gathered.is_full()
            && let Ok(next) = self.commands.try_recv()
        {
            self.take(next);
        }
        // To make room, what was gathered may have been written out meanwhile.
        if !self.committer.is_busy() {
            self.start_commit();
        }
    }

    fn start_commit(&mut self) {
        let group = std::mem::take(&mut self.gathered);
        let committed = self.committer.start(group, self.patience);
        // While the disk is busy. Nobody is answered before.
        self.index_new();
        if let Some(committed) = committed {
            self.conclude(committed);
        }
    }

    /// Lets searches find all titles that are new. With those of up to 8,192 files at once a word is looked for less often than
    /// file by file: 117,000 instead of 112,000 files are registered in a second.
    fn index_new(&self) {
        let titles = self.directory.change(|state| state.catalog.take_unindexed());
        let mut fresh = Fresh::default();
        for titles in titles.chunks(TITLES_STEP) {
            self.directory.look(|state| fresh.gather(titles, &state.catalog));
        }
        fresh.sort();
        while !self.directory.change(|state| state.catalog.index(&mut fresh, INDEX_STEP)) {}
    }

    /// Waits until everything that was changed is on disk, or cannot get there.
    pub(super) fn settle(&mut self) {
        self.hand_over();
        while self.committer.is_busy() {
            let committed = Handle::current().block_on(self.committer.committed());
            self.conclude(committed);
            self.hand_over();
        }
    }

    /// Waits until what was changed so far is on disk, or cannot get there, and takes nothing more meanwhile.
    pub(super) fn write_out(&mut self) {
        loop {
            if self.committer.is_busy() {
                let committed = Handle::current().block_on(self.committer.committed());
                self.conclude(committed);
            } else if self.gathered.is_empty() {
                return;
            } else {
                self.start_commit();
            }
        }
    }

    /// Answers those whose changes are on disk.
    fn conclude(&mut self, Committed { group, result, took }: Committed) {
        if let Err(error) = result {
            return self.fail(group, &error);
        }
        if let Some(took) = took {
            self.metrics.commits.record(took);
            debug!(lists = group.writes.len(), offers = group.offers.len(), "committed");
        }
        if !group.offers.is_empty() {
            self.directory.change(|state| state.offers.settle(group.offers.len()));
        }
        if !group.left.is_empty() {
            self.directory.change(|State { catalog, roster, .. }| {
                let absent = group.left.iter().filter(|node| !roster.is_present(**node));
                absent.for_each(|node| catalog.forget_if_empty(*node));
            });
        }
        group.accept();
    }

    /// Refuses what was not committed, and what was changed since.
    fn fail(&mut self, group: Group, error: &StoreError) {
        if matches!(error, StoreError::Stuck) {
            error!("a write to the store does not end; the index stops");
            self.stuck.cancel();
        } else {
            error!(%error, "the store failed; registrations are refused until it is open again");
        }
        self.metrics.store_errors.fetch_add(1, Ordering::Relaxed);
        self.metrics.note(Condition::Broken);
        self.broken = Some((0, self.retry(0)));
        for group in [group, std::mem::take(&mut self.gathered)] {
            let doubt = |State { catalog, .. }: &mut State| {
                group.writes.iter().for_each(|write| catalog.doubt(write.node));
            };
            self.directory.change(doubt);
            group.refuse();
        }
    }

    /// Makes a change in memory and returns what it amounts to on disk, if that is anything. Many files are gone through
    /// a few at a time, so that searches come in between.
    fn change(
        &mut self,
        (node, session): (NodeNo, SessionId),
        change: &Change,
        now: u64,
    ) -> Result<Option<Writes>, Refusal> {
        let most = self.room.files_per_node();
        let refusal = |unchanged| refusal(unchanged, most);
        self.directory.look(|state| is_current(state, (node, session)))?;
        let changed = match change {
            Change::Begin => self.directory.change(|state| state.catalog.begin_list(node)).map_err(refusal),
            Change::Register(files) => self.enter(node, files),
            Change::Unregister(paths) => self.strike_off(node, paths).map_err(refusal),
            Change::End => self.end_list(node).map_err(refusal),
        };
        changed?;
        Ok(self.take_writes(node, now))
    }

    fn enter(&mut self, node: NodeNo, files: &[FileRecord]) -> Result<(), Refusal> {
        let most = self.room.files_per_node();
        let refusal = |unchanged| refusal(unchanged, most);
        let has_room = self.directory.look(|state| state.catalog.has_room_for(node, files, most));
        has_room.map_err(refusal)?;
        let contradiction = files.chunks(STEP).find_map(|part| {
            self.directory.look(|state| {
                state.catalog.bring_files_near(part);
                state.catalog.contradiction(node, part)
            })
        });
        if let Some(file) = contradiction {
            return Err(two_sizes(&file.path));
        }
        self.admit_files(node, files)?;
        let mut parts = files.chunks(STEP);
        let entered = parts
            .try_for_each(|part| self.directory.change(|state| state.catalog.register_unindexed(node, part)));
        self.directory.change(|state| state.catalog.pack(node));
        entered.map_err(refusal)
    }

    pub(super) fn strike_off(&self, node: NodeNo, paths: &[impl AsRef<str>]) -> Result<(), Unchanged> {
        paths.chunks(STEP).try_for_each(|part| {
            self.directory.change(|state| state.catalog.unregister(node, part.iter().map(AsRef::as_ref)))
        })
    }

    fn end_list(&self, node: NodeNo) -> Result<(), Unchanged> {
        let gone = self.directory.look(|state| state.catalog.unmentioned(node))?;
        self.directory.change(|state| state.catalog.end_list(node))?;
        self.strike_off(node, &gone)
    }

    /// Takes what changed in a node's list, and puts it together while others read.
    pub(super) fn take_writes(&self, node: NodeNo, now: u64) -> Option<Writes> {
        let changed = self.directory.change(|state| state.catalog.take_changed(node, now))?;
        self.directory.look(|state| state.catalog.writes(node, changed))
    }

    /// Opens the store anew and reads everything back from it.
    fn mend(&mut self) {
        let Some((failures, _)) = self.broken else { return };
        let restored = self.committer.reopen().and_then(|Stored { lists, offers }| {
            let restore = self.directory.change(|state| {
                state.offers = Offers::restore(offers);
                state.catalog.restore_all(&lists)
            });
            restore.map_err(|clash| StoreError::Failed { what: clash.to_string() })
        });
        match restored {
            Ok(()) => {
                info!("the store is open again");
                self.room.left();
                self.metrics.note(Condition::Ready);
                self.broken = None;
            }
            Err(error) => {
                error!(%error, "the store is still out of order");
                self.metrics.store_errors.fetch_add(1, Ordering::Relaxed);
                self.broken = Some((failures + 1, self.retry(failures + 1)));
            }
        }
    }

    fn retry(&self, failures: usize) -> Instant {
        let pause = self.pauses.get(failures).or(self.pauses.last());
        Instant::now() + pause.copied().unwrap_or(Duration::from_secs(1))
    }
}

fn is_current(state: &State, (node, session): (NodeNo, SessionId)) -> Result<(), Refusal> {
    // If not, the connection is being closed with the reason; this answer is not sent.
    state.roster.is_current(node, session).then_some(()).ok_or(Refusal::NoSuchPeer)
}

fn refusal(unchanged: Unchanged, most: u32) -> Refusal {
    match unchanged {
        Unchanged::TooMany => Refusal::TooMany { what: "files".into(), limit: u64::from(most) },
        // The list was read back from disk since it was begun, and forgot what had been mentioned.
        Unchanged::NotBegun => Refusal::StoreUnavailable,
        Unchanged::NoSuchNode => Refusal::NoSuchPeer,
    }
}
