//! Applies changes of lists and torrent offers one by one, and acknowledges each only once it is on disk.
//!
//! An actor on a thread of its own, and another thread for the disk. Changes made in memory during a commit are written
//! together by the next one, with a single sync. After a failed write the state on disk is unknown: this and all later changes
//! are refused, searches continue from memory, and the store is reopened with increasing delays and everything is read back
//! from it.

mod actor;
mod capacity;
mod committer;
mod departures;
mod expiry_schedule;
mod offer_changes;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use protocol::index::{ListSummary, Refusal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::directory::{Directory, NodeSession};
use crate::ids::NodeNo;
use crate::limits::IndexLimits;
use crate::metrics::IndexMetrics;
use crate::request::{ListChange, OfferChange};
use crate::roster::SessionId;
use crate::store::StoreBackend;
use actor::Actor;
use capacity::Capacity;
use committer::{CommitGroup, Committer};
use expiry_schedule::ExpirySchedule;

/// As many as one commit takes: each connection has one list change or a few offers in progress, and waits while the queue is
/// full.
const BACKLOG: usize = 64;

#[derive(Debug)]
enum Command {
    Change {
        node: NodeNo,
        session: SessionId,
        change: ListChange,
        reply: oneshot::Sender<Result<ListSummary, Refusal>>,
    },
    Offer {
        node_session: NodeSession,
        offer: OfferChange,
        reply: oneshot::Sender<Result<u32, Refusal>>,
    },
    NodeLeft {
        node: NodeNo,
    },
    /// Runs an expiry round immediately.
    #[cfg(test)]
    RunExpiry {
        done: oneshot::Sender<()>,
    },
}

/// A handle to the registrar, which ends when all handles are dropped.
#[derive(Debug, Clone)]
pub(crate) struct Registrar {
    commands: mpsc::Sender<Command>,
    commit_stuck: CancellationToken,
    panicked: CancellationToken,
}

impl Registrar {
    /// Starts the registrar on a thread that `tracker` waits for.
    ///
    /// After a failure, the store is reopened after the first of the limits' delays, after the second if that fails, and so on;
    /// the last one repeats.
    pub(crate) fn start(
        backing: impl StoreBackend,
        directory: Directory,
        (limits, metrics): (&IndexLimits, Arc<IndexMetrics>),
        tracker: &TaskTracker,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let after = (limits.expire_after, limits.expire_short_lived_after);
        let expiry = ExpirySchedule::start(after, directory.clock().now());
        let commit_stuck = CancellationToken::new();
        let actor = Actor {
            committer: Committer::Idle(backing),
            pending: CommitGroup::default(),
            directory,
            reopen_delays: limits.reopen_delays.clone(),
            commit_timeout: (!limits.commit_timeout.is_zero()).then_some(limits.commit_timeout),
            commit_stuck: commit_stuck.clone(),
            capacity: Capacity::of(limits),
            metrics,
            commands: receiver,
            outage: None,
            expiry,
            orphans: BTreeSet::new(),
        };
        let panicked = CancellationToken::new();
        let report = panicked.clone();
        tracker.spawn_blocking(move || {
            // The panic hook has logged the panic. Without the registrar, the index must not continue.
            if catch_unwind(AssertUnwindSafe(|| actor.run())).is_err() {
                report.cancel();
            }
        });
        Self { commands: sender, commit_stuck, panicked }
    }

    /// Returns a token that is cancelled when the registrar has panicked, after which nothing can be registered.
    pub(crate) fn panicked(&self) -> CancellationToken {
        self.panicked.clone()
    }

    /// Returns a token that is cancelled when a commit times out, after which nothing can be written.
    pub(crate) fn commit_stuck(&self) -> CancellationToken {
        self.commit_stuck.clone()
    }

    /// Changes a list; returns its summary once the change is on disk. If the future is dropped, the change may still be made.
    pub(crate) async fn change(
        &self,
        node_session: &NodeSession,
        change: ListChange,
    ) -> Result<ListSummary, Refusal> {
        let (reply, answer) = oneshot::channel();
        let command =
            Command::Change { node: node_session.node, session: node_session.session, change, reply };
        self.commands.send(command).await.map_err(|_| Refusal::StoreUnavailable)?;
        answer.await.unwrap_or(Err(Refusal::StoreUnavailable))
    }

    /// Starts a change of a node's torrent offers; the receiver gets the number of offers once the change is on disk. If the
    /// future is dropped, the change may still be made.
    pub(crate) async fn begin_offer(
        &self,
        node_session: &NodeSession,
        offer: OfferChange,
    ) -> oneshot::Receiver<Result<u32, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Offer { node_session: node_session.clone(), offer, reply };
        // If the registrar has ended, the receiver notices that the sender is dropped.
        let _ = self.commands.send(command).await;
        answer
    }

    /// Runs an expiry round and waits until it is done.
    #[cfg(test)]
    pub(crate) async fn run_expiry(&self) {
        let (done, answer) = oneshot::channel();
        assert!(self.commands.send(Command::RunExpiry { done }).await.is_ok() && answer.await.is_ok());
    }

    /// Records that a node has left.
    pub(crate) async fn node_left(&self, node: NodeNo) {
        // If the registrar has ended, nothing needs to be recorded.
        let _ = self.commands.send(Command::NodeLeft { node }).await;
    }
}
