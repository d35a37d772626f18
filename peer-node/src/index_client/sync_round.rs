//! One round of telling the index about the list.

use std::collections::{BTreeMap, VecDeque};

use protocol::index::{ListSummary, Request, RequestId};

use super::share_batch::ShareBatch;

/// The most requests of a round that wait for their replies: enough to keep the index's disk busy, few enough that it
/// holds no more than 4 MiB of ours.
pub(super) const WINDOW: usize = 8;

/// A request of a round.
#[derive(Debug)]
pub(super) enum SyncStep {
    /// The whole list begins.
    Begin,
    /// A part of the list, or a change to it.
    Change(ShareBatch),
    /// The whole list was told.
    End,
}

/// Either changes to a list that the index has, or the whole list anew. No path occurs in two steps, so the steps
/// between the first and the last may overtake each other.
#[derive(Debug)]
pub(super) struct SyncRound {
    is_full: bool,
    queue: VecDeque<SyncStep>,
    in_flight: BTreeMap<RequestId, SyncStep>,
    last_summary: Option<ListSummary>,
    is_aborted: bool,
}

impl SyncRound {
    pub(super) fn from_changes(batches: Vec<ShareBatch>) -> Self {
        let queue = batches.into_iter().map(SyncStep::Change).collect();
        Self { is_full: false, queue, in_flight: BTreeMap::new(), last_summary: None, is_aborted: false }
    }

    pub(super) fn from_full_list(batches: Vec<ShareBatch>) -> Self {
        let mut round = Self::from_changes(batches);
        round.is_full = true;
        round.queue.push_front(SyncStep::Begin);
        round.queue.push_back(SyncStep::End);
        round
    }

    /// Makes the next request, if one may be sent now.
    pub(super) fn next_request(&mut self, id: RequestId) -> Option<Request> {
        let request = match self.queue.front()? {
            _ if self.in_flight.len() >= WINDOW => return None,
            // What overtook the beginning would not count as mentioned.
            _ if self.in_flight.values().any(|step| matches!(step, SyncStep::Begin)) => return None,
            SyncStep::Begin => Request::BeginList,
            SyncStep::Change(batch) => batch.request(),
            // What was refused until now is sent again without the offending file, and must come before the end.
            SyncStep::End if !self.in_flight.is_empty() => return None,
            SyncStep::End => Request::EndList,
        };
        self.in_flight.insert(id, self.queue.pop_front()?);
        Some(request)
    }

    /// Takes a request that was answered back; the summary is the index's, unless it refused.
    pub(super) fn completed(&mut self, id: RequestId, summary: Option<ListSummary>) -> Option<SyncStep> {
        let step = self.in_flight.remove(&id)?;
        self.last_summary = summary.or(self.last_summary);
        Some(step)
    }

    /// Sends a batch that was refused again, changed.
    pub(super) fn requeue(&mut self, batch: ShareBatch) {
        if !batch.is_empty() {
            self.queue.push_front(SyncStep::Change(batch));
        }
    }

    /// Takes a step back that the index wants later.
    pub(super) fn postpone(&mut self, step: SyncStep) {
        self.queue.push_front(step);
    }

    /// Registers no more; what else is in the queue is still sent.
    pub(super) fn stop_registering(&mut self) {
        self.queue.retain(|step| !matches!(step, SyncStep::Change(ShareBatch::Register(_))));
    }

    /// Sends nothing more, not even the end of the list.
    pub(super) fn abort(&mut self) {
        self.queue.clear();
        self.is_aborted = true;
    }

    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    pub(super) const fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    /// Everything was sent and answered.
    pub(super) fn is_finished(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// What the index said last of its list.
    pub(super) const fn last_summary(&self) -> Option<ListSummary> {
        self.last_summary
    }
}
