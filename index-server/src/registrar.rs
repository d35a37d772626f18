//! Changes of lists and of offered torrents, one after the other, each on disk before it is acknowledged.
//!
//! An actor on a thread of its own, and another for the disk. Changes that are made in memory while others are being written
//! are written together by the next commit: one sync serves them all. After a failed write nobody knows what the disk has;
//! then these and all later changes are refused, searches go on from memory, and the store is opened anew, with growing
//! pauses, and everything read back from it.

mod actor;
mod capacity;
mod committer;
mod departures;
mod expiry_schedule;
mod offer_changes;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
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

/// As many as one commit takes: each connection has one change of its list or a few offers under way, and a full queue makes it
/// wait.
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
    /// Looks for lists to forget although it is not time.
    #[cfg(test)]
    RunExpiry {
        done: oneshot::Sender<()>,
    },
}

/// A handle to the registrar; when all are dropped, it ends.
#[derive(Debug, Clone)]
pub(crate) struct Registrar {
    commands: mpsc::Sender<Command>,
    commit_stuck: CancellationToken,
}

impl Registrar {
    /// Starts the registrar on a thread that `tracker` waits for.
    ///
    /// After a failure, the store is opened anew after the first of the limits' pauses, after the second if that fails,
    /// and so on; the last one is repeated.
    pub(crate) fn start(
        backing: impl StoreBackend,
        directory: Directory,
        (limits, metrics): (&IndexLimits, Arc<IndexMetrics>),
        tracker: &TaskTracker,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let after = (limits.forget_after, limits.forget_short_lived_after);
        let forgetting = ExpirySchedule::start(after, directory.clock().now());
        let stuck = CancellationToken::new();
        let actor = Actor {
            committer: Committer::Idle(backing),
            pending: CommitGroup::default(),
            directory,
            reopen_delays: limits.reopen_delays.clone(),
            commit_timeout: (!limits.commit_timeout.is_zero()).then_some(limits.commit_timeout),
            commit_stuck: stuck.clone(),
            capacity: Capacity::of(limits),
            metrics,
            commands: receiver,
            outage: None,
            expiry: forgetting,
            orphans: BTreeSet::new(),
        };
        tracker.spawn_blocking(move || actor.run());
        Self { commands: sender, commit_stuck: stuck }
    }

    /// Returns a token that is cancelled when a commit has not ended by its deadline: nothing can be written any more.
    pub(crate) fn commit_stuck(&self) -> CancellationToken {
        self.commit_stuck.clone()
    }

    /// Changes a list; when this returns a summary, it is what is on disk. Dropped early, the change may yet be made.
    pub(crate) async fn change(
        &self,
        arrival: &NodeSession,
        change: ListChange,
    ) -> Result<ListSummary, Refusal> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Change { node: arrival.node, session: arrival.session, change, reply };
        self.commands.send(command).await.map_err(|_| Refusal::StoreUnavailable)?;
        answer.await.unwrap_or(Err(Refusal::StoreUnavailable))
    }

    /// Begins to change which torrents a node offers; when the answer is how many those are, the change is on disk. Dropped early, the
    /// change may yet be made.
    pub(crate) async fn begin_offer(
        &self,
        arrival: &NodeSession,
        offer: OfferChange,
    ) -> oneshot::Receiver<Result<u32, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Offer { node_session: arrival.clone(), offer, reply };
        // Without a registrar the answer never comes, which its receiver sees.
        let _ = self.commands.send(command).await;
        answer
    }

    /// Looks for lists to forget, and waits until they are forgotten.
    #[cfg(test)]
    pub(crate) async fn run_expiry(&self) {
        let (done, answer) = oneshot::channel();
        assert!(self.commands.send(Command::RunExpiry { done }).await.is_ok() && answer.await.is_ok());
    }

    /// Notes that a node has gone.
    pub(crate) async fn node_left(&self, node: NodeNo) {
        // Nobody is left to be told that the registrar has ended.
        let _ = self.commands.send(Command::NodeLeft { node }).await;
    }
}
