//! Writes changes to disk: one commit at a time on another thread, while the next changes are made in memory.

use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use protocol::index::{ListSummary, Refusal};
use protocol::limits::MAX_BATCH;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::BACKLOG;
use crate::catalog::ListWrites;
use crate::ids::NodeNo;
use crate::offers::OfferWrite;
use crate::store::{StoreBackend, StoreError, StoredData};

/// Maximum number of files and offers per commit, which bounds its memory to a few MiB.
const MAX_ROWS: usize = 8192;
const _: () = assert!(MAX_ROWS >= MAX_BATCH, "a message of any length fits a commit");

/// Changes committed together.
#[derive(Default)]
pub(super) struct CommitGroup {
    writes: Vec<ListWrites>,
    offers: Vec<OfferWrite>,
    waiters: Vec<CommitWaiter>,
    /// Nodes that have left; removed after the commit if they share nothing.
    departed: Vec<NodeNo>,
    /// The number of files in all writes.
    files: usize,
}

/// A client that waits for the commit of its change.
pub(super) enum CommitWaiter {
    /// For a list change.
    List {
        /// The summary of the list right after the change, without later ones.
        summary: Option<ListSummary>,
        reply: oneshot::Sender<Result<ListSummary, Refusal>>,
    },
    /// For a change of torrent offers.
    Offers { count: u32, reply: oneshot::Sender<Result<u32, Refusal>> },
}

impl CommitWaiter {
    /// Replies that the change is on disk.
    fn accept(self) {
        // The client may have disconnected; then the reply is dropped.
        match self {
            Self::List { summary, reply } => drop(reply.send(summary.ok_or(Refusal::StoreUnavailable))),
            Self::Offers { count, reply } => drop(reply.send(Ok(count))),
        }
    }

    /// Replies that the change may not be on disk.
    fn refuse(self) {
        match self {
            Self::List { reply, .. } => drop(reply.send(Err(Refusal::StoreUnavailable))),
            Self::Offers { reply, .. } => drop(reply.send(Err(Refusal::StoreUnavailable))),
        }
    }
}

impl CommitGroup {
    /// Adds the writes of a list change and the client that waits for it.
    pub(super) fn add(&mut self, writes: Option<ListWrites>, waiter: CommitWaiter) {
        self.add_writes(writes);
        self.waiters.push(waiter);
    }

    /// Adds writes of lists for which nobody waits.
    pub(super) fn add_writes(&mut self, writes: impl IntoIterator<Item = ListWrites>) {
        for writes in writes {
            self.files += writes.blocks.iter().map(|(_, files)| files.len()).sum::<usize>();
            self.writes.push(writes);
        }
    }

    /// Adds the write of an offer and the client that waits for it.
    pub(super) fn add_offer(&mut self, write: Option<OfferWrite>, waiter: CommitWaiter) {
        self.add_offers(write);
        self.waiters.push(waiter);
    }

    /// Adds writes of offers for which nobody waits.
    pub(super) fn add_offers(&mut self, writes: impl IntoIterator<Item = OfferWrite>) {
        self.offers.extend(writes);
    }

    /// Adds nodes that have left.
    pub(super) fn add_departed(&mut self, nodes: impl IntoIterator<Item = NodeNo>) {
        self.departed.extend(nodes);
    }

    /// Returns the writes of lists.
    pub(super) fn writes(&self) -> &[ListWrites] {
        &self.writes
    }

    /// Returns the writes of offers.
    pub(super) fn offers(&self) -> &[OfferWrite] {
        &self.offers
    }

    /// Returns the nodes that have left.
    pub(super) fn departed(&self) -> &[NodeNo] {
        &self.departed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.has_nothing_to_write() && self.waiters.is_empty() && self.departed.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiters.len() + self.departed.len() >= BACKLOG || self.files + self.offers.len() >= MAX_ROWS
    }

    const fn has_nothing_to_write(&self) -> bool {
        self.writes.is_empty() && self.offers.is_empty()
    }

    /// Replies to all waiting clients that their changes may not be on disk.
    pub(super) fn refuse(self) {
        self.waiters.into_iter().for_each(CommitWaiter::refuse);
    }
}

/// A commit that has ended.
pub(super) enum FinishedCommit {
    OnDisk(CommittedGroup),
    /// The changes may or may not be on disk.
    Failed(CommitGroup, StoreError),
}

/// A group that is on disk. Only a successful commit creates it, so no change is acknowledged before.
pub(super) struct CommittedGroup {
    group: CommitGroup,
    /// The duration of the commit, if there was anything to write.
    took: Option<Duration>,
}

impl CommittedGroup {
    /// Returns the changes.
    pub(super) const fn group(&self) -> &CommitGroup {
        &self.group
    }

    /// Returns the duration of the commit, if there was anything to write.
    pub(super) const fn took(&self) -> Option<Duration> {
        self.took
    }

    /// Replies to all waiting clients that their changes are on disk.
    pub(super) fn accept(self) {
        self.group.waiters.into_iter().for_each(CommitWaiter::accept);
    }
}

/// Commits groups to disk.
pub(super) enum Committer<B> {
    Idle(B),
    Busy {
        commit: JoinHandle<(B, FinishedCommit)>,
        /// When the commit counts as stuck; never if `None`.
        deadline: Option<tokio::time::Instant>,
    },
    /// The runtime has ended, or a commit is stuck and its thread holds the store.
    Lost,
}

impl<B: StoreBackend> Committer<B> {
    pub(super) const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// Starts a commit, unless there is nothing to write; it counts as stuck after `timeout`. While another commit is in
    /// progress, the group fails with an internal error.
    pub(super) fn start(&mut self, group: CommitGroup, timeout: Option<Duration>) -> Option<FinishedCommit> {
        if group.has_nothing_to_write() {
            return Some(FinishedCommit::OnDisk(CommittedGroup { group, took: None }));
        }
        let mut backing = match std::mem::replace(self, Self::Lost) {
            Self::Idle(backing) => backing,
            Self::Lost => return Some(FinishedCommit::Failed(group, StoreError::Closed)),
            busy @ Self::Busy { .. } => {
                *self = busy;
                impossible!("a commit starts while another one is in progress", lists = group.writes.len());
                let what = "internal error: two commits at a time".into();
                return Some(FinishedCommit::Failed(group, StoreError::Failed { what }));
            }
        };
        let commit = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let result = backing.commit(&group.writes, &group.offers);
            let finished = match result {
                Ok(()) => FinishedCommit::OnDisk(CommittedGroup { group, took: Some(started.elapsed()) }),
                Err(error) => FinishedCommit::Failed(group, error),
            };
            (backing, finished)
        });
        *self = Self::Busy { commit, deadline: timeout.map(|timeout| tokio::time::Instant::now() + timeout) };
        None
    }

    /// Waits until the commit in progress ends or times out; never returns if there is none. If the future is dropped, the next
    /// call resumes the wait.
    pub(super) async fn wait(&mut self) -> FinishedCommit {
        let Self::Busy { commit, deadline } = self else { return std::future::pending().await };
        let ended = match *deadline {
            Some(deadline) => timeout_at(deadline, commit).await,
            None => Ok(commit.await),
        };
        let Ok(ended) = ended else {
            // The thread of a stuck commit still holds the store.
            *self = Self::Lost;
            return FinishedCommit::Failed(CommitGroup::default(), StoreError::Stuck);
        };
        match ended {
            Ok((backing, committed)) => {
                *self = Self::Idle(backing);
                committed
            }
            Err(error) => {
                *self = Self::Lost;
                if let Ok(panic) = error.try_into_panic() {
                    resume_unwind(panic);
                }
                FinishedCommit::Failed(CommitGroup::default(), StoreError::Closed)
            }
        }
    }

    /// Reopens the store and returns its contents.
    pub(super) fn reopen(&mut self) -> Result<StoredData, StoreError> {
        match self {
            Self::Idle(backing) => backing.reopen(),
            Self::Busy { .. } | Self::Lost => Err(StoreError::Closed),
        }
    }
}
