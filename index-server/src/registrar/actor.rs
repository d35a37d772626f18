use std::time::{Duration, SystemTime};

use protocol::index::{ListSummary, Refusal};
use protocol::limits::MAX_FILES_PER_NODE;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info};

use super::{BACKLOG, Change, Command};
use crate::catalog::{NodeNo, Unchanged, Writes};
use crate::directory::{Directory, State};
use crate::roster::SessionId;
use crate::store::{Backing, StoreError};

pub(super) struct Actor<B> {
    backing: B,
    directory: Directory,
    pauses: Vec<Duration>,
    commands: mpsc::Receiver<Command>,
    /// Since when the store is out of order: how often it was opened in vain, and when that is tried next.
    broken: Option<(usize, Instant)>,
}

/// Somebody who waits for the commit of what was changed for them.
struct Waiter {
    node: NodeNo,
    reply: oneshot::Sender<Result<ListSummary, Refusal>>,
}

impl<B: Backing> Actor<B> {
    pub(super) fn new(
        backing: B,
        directory: Directory,
        pauses: Vec<Duration>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self { backing, directory, pauses, commands, broken: None }
    }

    pub(super) fn run(mut self) {
        let runtime = Handle::current();
        loop {
            let next = match self.broken {
                None => Ok(self.commands.blocking_recv()),
                Some((_, retry)) => runtime.block_on(async { timeout_at(retry, self.commands.recv()).await }),
            };
            match next {
                Ok(Some(first)) => self.serve(first),
                Ok(None) => return,
                Err(_) => self.mend(),
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
                    let result = self.directory.change(|state| apply(state, (node, session), &change, now));
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

    fn commit(&mut self, writes: &[Writes]) {
        if writes.is_empty() {
            return;
        }
        match self.backing.commit(writes) {
            Ok(()) => debug!(lists = writes.len(), "committed"),
            Err(error) => {
                error!(%error, "the store failed; registrations are refused until it is open again");
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
                self.broken = None;
            }
            Err(error) => {
                error!(%error, "the store is still out of order");
                self.broken = Some((failures + 1, self.retry(failures + 1)));
            }
        }
    }

    fn retry(&self, failures: usize) -> Instant {
        let pause = self.pauses.get(failures).or(self.pauses.last());
        Instant::now() + pause.copied().unwrap_or(Duration::from_secs(1))
    }
}

/// Makes a change in memory and returns what it amounts to on disk, if that is anything.
fn apply(
    State { catalog, roster, .. }: &mut State,
    (node, session): (NodeNo, SessionId),
    change: &Change,
    now: u64,
) -> Result<Option<Writes>, Refusal> {
    if !roster.is_current(node, session) {
        // The connection is being closed with the reason; this answer is not sent.
        return Err(Refusal::NoSuchPeer);
    }
    let result = match change {
        Change::Begin => catalog.begin_list(node),
        Change::Register(files) => catalog.register(node, files),
        Change::Unregister(paths) => catalog.unregister(node, paths.iter().map(String::as_str)),
        Change::End => catalog.end_list(node),
    };
    let refusal = |unchanged| match unchanged {
        Unchanged::TooMany => Refusal::TooMany { what: "files".into(), limit: u64::from(MAX_FILES_PER_NODE) },
        // The list was read back from disk since it was begun, and forgot what had been mentioned.
        Unchanged::NotBegun => Refusal::StoreUnavailable,
        Unchanged::NoSuchNode => Refusal::NoSuchPeer,
    };
    result.map_err(refusal)?;
    Ok(catalog.take_writes(node, now))
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
