//! One round of sending the share list to the index.

use std::collections::{BTreeMap, VecDeque};

use protocol::index::{ListSummary, Request, RequestId};

use super::share_batch::ShareBatch;

/// Maximum number of requests of a round in flight: enough to keep the index's disk busy, few enough that the index buffers at
/// most 4 MiB for this node.
pub(super) const WINDOW: usize = 8;

/// A step of a round.
#[derive(Debug)]
pub(super) enum SyncStep {
    /// The full list begins.
    Begin,
    /// A part of the list, or a change to it.
    Change(ShareBatch),
    /// The full list ends.
    End,
}

/// Sends either changes to a list that the index has, or the full list. No path occurs in two steps, so the order of the steps
/// between the first and the last does not matter.
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

    /// Returns the next request, if one may be sent now.
    pub(super) fn next_request(&mut self, id: RequestId) -> Option<Request> {
        let request = match self.queue.front()? {
            _ if self.in_flight.len() >= WINDOW => return None,
            // Files registered before the beginning would not count as part of the new list.
            _ if self.in_flight.values().any(|step| matches!(step, SyncStep::Begin)) => return None,
            SyncStep::Begin => Request::BeginList,
            SyncStep::Change(batch) => batch.request(),
            // Files that were refused so far are sent again without the offending one, and must arrive before the end.
            SyncStep::End if !self.in_flight.is_empty() => return None,
            SyncStep::End => Request::EndList,
        };
        self.in_flight.insert(id, self.queue.pop_front()?);
        Some(request)
    }

    /// Removes the step that was answered. `summary` is the index's list summary, or `None` after a refusal.
    pub(super) fn completed(&mut self, id: RequestId, summary: Option<ListSummary>) -> Option<SyncStep> {
        let step = self.in_flight.remove(&id)?;
        self.last_summary = summary.or(self.last_summary);
        Some(step)
    }

    /// Queues a refused batch again, without the offending file.
    pub(super) fn requeue(&mut self, batch: ShareBatch) {
        if !batch.is_empty() {
            self.queue.push_front(SyncStep::Change(batch));
        }
    }

    /// Queues a step again that the index has postponed.
    pub(super) fn postpone(&mut self, step: SyncStep) {
        self.queue.push_front(step);
    }

    /// Drops the queued registrations; other steps are still sent.
    pub(super) fn stop_registering(&mut self) {
        self.queue.retain(|step| !matches!(step, SyncStep::Change(ShareBatch::Register(_))));
    }

    /// Drops all queued steps, even the end of the list.
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

    /// Returns true if every step was sent and answered.
    pub(super) fn is_finished(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Returns the last list summary from the index.
    pub(super) const fn last_summary(&self) -> Option<ListSummary> {
        self.last_summary
    }
}
