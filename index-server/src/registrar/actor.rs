use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use protocol::index::{FileRecord, ListSummary, Refusal};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info};

use super::forgetting::{Forgetting, Times};
use super::{BACKLOG, Change, Command};
use crate::catalog::{NodeNo, Unchanged, Writes};
use crate::directory::{Directory, State};
use crate::metrics::{Condition, Metrics};
use crate::roster::SessionId;
use crate::store::{Backing, StoreError};

/// How many files are entered or taken out before others are let at the catalog: less than a quarter of a millisecond's
/// worth.
const STEP: usize = 16;

pub(super) struct Actor<B> {
    pub(super) backing: B,
    pub(super) directory: Directory,
    pub(super) pauses: Vec<Duration>,
    pub(super) files_per_node: u32,
    pub(super) metrics: Arc<Metrics>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Since when the store is out of order: how often it was opened in vain, and when that is tried next.
    pub(super) broken: Option<(usize, Instant)>,
    pub(super) forgetting: Forgetting,
}

/// Somebody who waits for the commit of what was changed for them.
struct Waiter {
    node: NodeNo,
    reply: oneshot::Sender<Result<ListSummary, Refusal>>,
}

impl<B: Backing> Actor<B> {
    pub(super) fn run(mut self) {
        let runtime = Handle::current();
        loop {
            let until = self.broken.map_or(self.forgetting.due(), |(_, retry)| retry);
            // A timer needs the runtime, even to be made.
            match runtime.block_on(async { timeout_at(until, self.commands.recv()).await }) {
                Ok(Some(first)) => self.serve(first),
                Ok(None) => return,
                Err(_) if self.broken.is_some() => self.mend(),
                Err(_) => self.forget(),
            }
        }
    }

    fn serve(&mut self, first: Command) {
        let mut group = vec![first];
        while group.len() < BACKLOG
            && let Ok(next) = self.commands.try_recv()
        {
            group.push(next);
        }
        let now = unix_time();
        let (mut writes, mut waiters) = (Vec::new(), Vec::new());
        for command in group {
            match command {
                Command::Left { node } => writes.extend(self.part(node, now)),
                Command::Change { reply, .. } if self.broken.is_some() => {
                    let _ = reply.send(Err(Refusal::StoreUnavailable));
                }
                Command::Change { node, session, change, reply } => {
                    let result = self.change((node, session), &change, now);
                    match result {
                        Ok(write) => {
                            writes.extend(write);
                            waiters.push(Waiter { node, reply });
                        }
                        Err(refusal) => drop(reply.send(Err(refusal))),
                    }
                }
            }
        }
        self.commit(&writes);
        for Waiter { node, reply } in waiters {
            // Who has gone in the meantime needs no answer.
            let _ = reply.send(self.directory.summary(node).ok_or(Refusal::StoreUnavailable));
        }
    }

    /// Makes a change in memory and returns what it amounts to on disk, if that is anything. Many files are gone through
    /// a few at a time, so that searches come in between.
    fn change(
        &self,
        (node, session): (NodeNo, SessionId),
        change: &Change,
        now: u64,
    ) -> Result<Option<Writes>, Refusal> {
        let most = self.files_per_node;
        let refusal = |unchanged| refusal(unchanged, most);
        self.directory.look(|state| is_current(state, (node, session)))?;
        let changed = match change {
            Change::Begin => self.directory.change(|state| state.catalog.begin_list(node)),
            Change::Register(files) => self.enter(node, files),
            Change::Unregister(paths) => self.strike_off(node, paths),
            Change::End => self.end_list(node),
        };
        changed.map_err(refusal)?;
        Ok(self.take_writes(node, now))
    }

    fn enter(&self, node: NodeNo, files: &[FileRecord]) -> Result<(), Unchanged> {
        self.directory.look(|state| state.catalog.has_room_for(node, files, self.files_per_node))?;
        files
            .chunks(STEP)
            .try_for_each(|part| self.directory.change(|state| state.catalog.register(node, part)))
    }

    fn strike_off(&self, node: NodeNo, paths: &[impl AsRef<str>]) -> Result<(), Unchanged> {
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
    fn take_writes(&self, node: NodeNo, now: u64) -> Option<Writes> {
        let changed = self.directory.change(|state| state.catalog.take_changed(node, now))?;
        self.directory.look(|state| state.catalog.writes(node, changed))
    }

    /// Notes that a node has gone; one that never shared anything is forgotten.
    fn part(&self, node: NodeNo, now: u64) -> Option<Writes> {
        let is_broken = self.broken.is_some();
        self.directory.change(|State { catalog, roster, .. }| {
            if is_broken || roster.is_present(node) {
                return None;
            }
            catalog.forget_if_empty(node);
            catalog.seen(node, now)
        })
    }

    /// Forgets the lists of nodes that were not seen for long, and notes which of the others are there.
    fn forget(&mut self) {
        let now = unix_time();
        let Some(times) = self.forgetting.look(Instant::now(), now) else { return };
        let unseen = self.directory.change(|state| state.catalog.unseen_since(times.stale));
        for group in unseen.chunks(BACKLOG) {
            let writes: Vec<Writes> =
                group.iter().filter_map(|node| self.look_at(*node, now, &times)).collect();
            self.commit(&writes);
            self.directory.change(|state| group.iter().for_each(|node| state.catalog.forget_if_empty(*node)));
            if self.broken.is_some() {
                return;
            }
        }
    }

    /// Notes that a node is there, or forgets it if it was not there for too long.
    fn look_at(&self, node: NodeNo, now: u64, times: &Times) -> Option<Writes> {
        let is_old = |State { catalog, roster, .. }: &State| {
            !roster.is_present(node) && catalog.is_unseen_since(node, times.forgotten)
        };
        let (id, mut gone) = self.directory.look(|state| {
            let paths = if is_old(state) { state.catalog.paths(node) } else { Vec::new() };
            Some((state.catalog.list(node)?.id(), paths))
        })?;
        let last = gone.split_off(gone.len().saturating_sub(STEP));
        let begun = self.directory.change(|state| {
            if state.roster.is_present(node) {
                return Err(state.catalog.seen(node, now));
            }
            if !is_old(state) {
                return Err(None);
            }
            // From here on the node is told that its list is another one, should it come while the rest goes.
            state.catalog.unregister(node, last.iter().map(AsRef::as_ref)).map_err(|_| None)
        });
        if let Err(writes) = begun {
            return writes;
        }
        info!(node = %id.short(), "forgets a node that was not seen for long");
        self.strike_off(node, &gone).ok()?;
        self.take_writes(node, now)
    }

    fn commit(&mut self, writes: &[Writes]) {
        if writes.is_empty() {
            return;
        }
        let begun = Instant::now();
        match self.backing.commit(writes) {
            Ok(()) => {
                self.metrics.commits.record(begun.elapsed());
                debug!(lists = writes.len(), "committed");
            }
            Err(error) => {
                error!(%error, "the store failed; registrations are refused until it is open again");
                self.metrics.store_errors.fetch_add(1, Ordering::Relaxed);
                self.metrics.note(Condition::Broken);
                self.directory
                    .change(|state| writes.iter().for_each(|write| state.catalog.doubt(write.node)));
                self.broken = Some((0, self.retry(0)));
            }
        }
    }

    /// Opens the store anew and reads everything back from it.
    fn mend(&mut self) {
        let Some((failures, _)) = self.broken else { return };
        let restored = self.backing.reopen().and_then(|lists| {
            let restore = self.directory.change(|state| state.catalog.restore_all(&lists));
            restore.map_err(|clash| StoreError::Failed { what: clash.to_string() })
        });
        match restored {
            Ok(()) => {
                info!("the store is open again");
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

fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
