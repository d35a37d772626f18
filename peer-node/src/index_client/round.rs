//! One round of telling the index about the list.

use std::collections::{BTreeMap, VecDeque};

use protocol::index::{ListSummary, Request, RequestId};

use super::batch::Batch;

/// The most requests of a round that wait for their replies: enough to keep the index's disk busy, few enough that it
/// holds no more than 4 MiB of ours.
pub(super) const WINDOW: usize = 8;

/// A request of a round.
#[derive(Debug)]
pub(super) enum Step {
    /// The whole list begins.
    Begin,
    /// A part of the list, or a change to it.
    Change(Batch),
    /// The whole list was told.
    End,
}

/// Either changes to a list that the index has, or the whole list anew. No path occurs in two steps, so the steps
/// between the first and the last may overtake each other.
#[derive(Debug)]
pub(super) struct Round {
    whole: bool,
    queue: VecDeque<Step>,
    flying: BTreeMap<RequestId, Step>,
    last: Option<ListSummary>,
    cut_short: bool,
}

impl Round {
    pub(super) fn of_changes(batches: Vec<Batch>) -> Self {
        let queue = batches.into_iter().map(Step::Change).collect();
        Self { whole: false, queue, flying: BTreeMap::new(), last: None, cut_short: false }
    }

    pub(super) fn of_whole_list(batches: Vec<Batch>) -> Self {
        let mut round = Self::of_changes(batches);
        round.whole = true;
        round.queue.push_front(Step::Begin);
        round.queue.push_back(Step::End);
        round
    }

    /// Makes the next request, if one may be sent now.
    pub(super) fn next(&mut self, id: RequestId) -> Option<Request> {
        let request = match self.queue.front()? {
            _ if self.flying.len() >= WINDOW => return None,
            // What overtook the beginning would not count as mentioned.
            _ if self.flying.values().any(|step| matches!(step, Step::Begin)) => return None,
            Step::Begin => Request::BeginList,
            Step::Change(batch) => batch.request(),
            // What was refused until now is sent again without the offending file, and must come before the end.
            Step::End if !self.flying.is_empty() => return None,
            Step::End => Request::EndList,
        };
        self.flying.insert(id, self.queue.pop_front()?);
        Some(request)
    }

    /// Takes a request that was answered back; the summary is the index's, unless it refused.
    pub(super) fn landed(&mut self, id: RequestId, summary: Option<ListSummary>) -> Option<Step> {
        let step = self.flying.remove(&id)?;
        self.last = summary.or(self.last);
        Some(step)
    }

    /// Sends a batch that was refused again, changed.
    pub(super) fn again(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.queue.push_front(Step::Change(batch));
        }
    }

    /// Takes a step back that the index wants later.
    pub(super) fn postpone(&mut self, step: Step) {
        self.queue.push_front(step);
    }

    /// Registers no more; what else is in the queue is still sent.
    pub(super) fn stop_registering(&mut self) {
        self.queue.retain(|step| !matches!(step, Step::Change(Batch::Register(_))));
    }

    /// Sends nothing more, not even the end of the list.
    pub(super) fn cut_short(&mut self) {
        self.queue.clear();
        self.cut_short = true;
    }

    pub(super) const fn is_of_whole_list(&self) -> bool {
        self.whole
    }

    pub(super) const fn was_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Everything was sent and answered.
    pub(super) fn is_over(&self) -> bool {
        self.queue.is_empty() && self.flying.is_empty()
    }

    /// What the index said last of its list.
    pub(super) const fn last_summary(&self) -> Option<ListSummary> {
        self.last
    }
}
