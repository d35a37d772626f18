//! Synchronizes the index's copy of the share list with the library.

use std::time::Duration;

use protocol::backoff::BackoffRange;
use protocol::escape::display_safe;
use protocol::index::{FileRecord, ListSummary, Refusal, Request, RequestId};
use protocol::seeded_random::SeededRandom;
use tokio::time::Instant;

use super::desired_list::DesiredList;
use super::retry_delays::RetryDelays;
use super::sanitize::sanitize;
use super::share_batch::{ShareBatch, diff};
use super::share_list::ShareList;
use super::share_source::ShareSnapshot;
use super::status::SyncProblem;
use super::sync_round::{SyncRound, SyncStep};

/// Pause after the index accepted no more files.
const RETRY_DELAY: Duration = Duration::from_mins(1);

/// Minimum and maximum pause after the index had a different list than expected more than once.
const MISMATCH_DELAYS: BackoffRange = BackoffRange::new(RETRY_DELAY, Duration::from_hours(1));

/// Minimum and maximum pause after the index could not write to its disk.
const STORE_RETRY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(5), RETRY_DELAY);

/// How long the library may take to settle before entries that the index still has are removed.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Maximum number of files that are excluded one by one. If the index refuses more, the sync pauses.
const MAX_REFUSED: usize = 1000;

/// A refusal truncates paths of this length, in bytes, so such a path may be the beginning of a longer one.
const TRUNCATED_PATH_LEN: usize = 256;

/// Decides what to send to the index, in rounds. Has no socket and no clock. Outlives the sessions, so that after a reconnect
/// only the changes are sent.
#[derive(Debug, Default)]
pub(super) struct ListSync {
    desired: DesiredList,
    /// The list that the index has acknowledged so far; `None` if unknown.
    confirmed: Option<ShareList>,
    /// The list that the index claimed at the start of the session, until it is resolved.
    claim: Option<ClaimedList>,
    round: Option<SyncRound>,
    trouble: Option<SyncProblem>,
    /// No round begins before this time.
    next_round_at: Option<Instant>,
    /// The current round sends nothing before this time.
    paused_until: Option<Instant>,
    retry_delays: RetryDelays,
    /// Source of the jitter.
    random: SeededRandom,
    mismatches: u32,
    outages: u32,
}

/// A list that the index claims to have.
#[derive(Debug, Clone, Copy)]
struct ClaimedList {
    list: ListSummary,
    /// Until this time, files that are still to be hashed may make the claimed list the correct one.
    settle_deadline: Instant,
}

impl ListSync {
    /// Updates the desired list from a library snapshot; the next round sends the changes.
    pub(super) fn update_shares(&mut self, snapshot: ShareSnapshot) {
        self.desired.update(snapshot);
    }

    /// Begins a session. `list` is the list that the index claims to have; `accepts_any_names` is true if it accepts names beyond
    /// those of release 0.1.0.
    pub(super) fn begin_session(&mut self, now: Instant, list: ListSummary, accepts_any_names: bool) {
        self.desired.set_accepts_any_names(accepts_any_names);
        self.round = None;
        self.paused_until = None;
        self.claim = Some(ClaimedList { list, settle_deadline: now + SETTLE_TIMEOUT });
    }

    /// Returns the next request to send as `id`, if there is one now.
    pub(super) fn next_request(&mut self, now: Instant, id: RequestId) -> Option<Request> {
        self.resolve_claim(now);
        self.paused_until.take_if(|until| *until <= now);
        if self.paused_until.is_some() {
            return None;
        }
        if self.round.is_none() && self.claim.is_none() && self.next_round_at.is_none_or(|until| until <= now)
        {
            self.round = self.begin_round();
        }
        self.round.as_mut()?.next_request(id)
    }

    /// Returns when [`ListSync::next_request`] may have something to send even if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let claim_deadline = self.claim.as_ref().map(|claim| claim.settle_deadline);
        let round_start = self.next_round_at.filter(|_| self.round.is_none() && !self.is_synced());
        self.paused_until.or(claim_deadline).or(round_start)
    }

    fn resolve_claim(&mut self, now: Instant) {
        let Some(ClaimedList { list, settle_deadline }) = self.claim else { return };
        // The index already has the desired list, so there is nothing to send.
        if list == self.desired.list().summary() {
            self.mark_synced();
        } else if self.confirmed.as_ref().is_none_or(|confirmed| confirmed.summary() != list) {
            // Keep the entries that the index still has until their files have been hashed.
            if list.files > 0 && !self.desired.is_settled() && now < settle_deadline {
                return;
            }
            self.confirmed = None;
        }
        self.claim = None;
    }

    fn begin_round(&mut self) -> Option<SyncRound> {
        self.next_round_at = None;
        let desired = self.desired.list();
        let Some(confirmed) = &self.confirmed else {
            tracing::debug!(files = desired.len(), "sending the full list");
            self.confirmed = Some(ShareList::default());
            return Some(SyncRound::from_full_list(diff(&ShareList::default(), desired)));
        };
        if confirmed.summary() == desired.summary() {
            return None;
        }
        Some(SyncRound::from_changes(diff(confirmed, desired))).filter(|round| !round.is_finished())
    }

    /// Handles the acknowledgement of a request of the round; `summary` is the index's current list.
    pub(super) fn handle_acknowledgement(&mut self, now: Instant, id: RequestId, summary: ListSummary) {
        self.retry_delays.reset();
        let Some(round) = &mut self.round else { return };
        let step = round.completed(id, Some(summary));
        if let (Some(SyncStep::Change(batch)), Some(confirmed)) = (step, &mut self.confirmed) {
            batch.apply(confirmed);
        }
        self.end_round(now);
    }

    /// Handles the reply to a renewal; `summary` is the index's current list.
    pub(super) fn handle_renewal(&mut self, now: Instant, summary: ListSummary) {
        // While a round is running, the summaries differ anyway.
        let differs = self.confirmed.as_ref().is_some_and(|confirmed| confirmed.summary() != summary);
        if differs && self.round.is_none() && self.claim.is_none() && self.next_round_at.is_none() {
            self.handle_mismatch(now, summary);
        }
    }

    /// Seeds the jitter, so that nodes that were sent the same pause do not all retry at once.
    pub(super) const fn seed_jitter(&mut self, seed: u64) {
        self.retry_delays.seed_jitter(seed);
        self.random = SeededRandom::from_seed(seed.rotate_left(16));
    }

    /// Handles a reply that postpones a request of the round: sends it again after a pause.
    pub(super) fn handle_postponement(&mut self, now: Instant, id: RequestId, pause: Duration) {
        let Some(round) = &mut self.round else { return };
        if let Some(step) = round.completed(id, None)
            && !round.is_aborted()
        {
            round.postpone(step);
        }
        self.paused_until = self.paused_until.max(Some(self.retry_delays.next_retry(now, pause)));
    }

    /// Handles a refusal of a request of the round. Returns the refusal if it cannot be handled here.
    pub(super) fn handle_refusal(
        &mut self,
        now: Instant,
        id: RequestId,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        let Some(round) = &mut self.round else { return Err(refusal) };
        match (round.completed(id, None), refusal) {
            (Some(SyncStep::Change(batch)), Refusal::BadRecord { path, reason }) => {
                self.exclude_refused(now, batch, path, reason)?;
            }
            (Some(SyncStep::Change(_)), Refusal::TooMany { what, limit }) => {
                let what = sanitize(&what);
                tracing::warn!(what, limit, "index accepts no more files");
                self.stop_registering(now, SyncProblem::TooMany { what, limit });
            }
            (Some(SyncStep::Change(_)), Refusal::OverBudget { what, wanted, limit }) => {
                let what = sanitize(&what);
                tracing::warn!(what, wanted, limit, "index accepts no more files");
                self.stop_registering(now, SyncProblem::OverBudget { what, wanted, limit });
            }
            // The other requests in flight are refused for the same reason.
            (Some(_), Refusal::StoreUnavailable) if round.is_aborted() => {}
            (Some(_), Refusal::StoreUnavailable) => {
                round.abort();
                let pause = STORE_RETRY_DELAYS.delay(self.outages, self.random.next_u64());
                tracing::warn!(?pause, "index cannot store the list");
                self.outages = self.outages.saturating_add(1);
                self.next_round_at = Some(now + pause);
                self.trouble = Some(SyncProblem::StoreUnavailable);
            }
            (_, refusal) => return Err(refusal),
        }
        self.end_round(now);
        Ok(())
    }

    /// Stops registering files in this round because the index accepts no more.
    fn stop_registering(&mut self, now: Instant, trouble: SyncProblem) {
        let Some(round) = &mut self.round else { return };
        round.stop_registering();
        // The end of a full list may free capacity, so the missing files are sent once more after it.
        self.next_round_at = (!round.is_full()).then(|| now + RETRY_DELAY);
        self.trouble = Some(trouble);
    }

    fn exclude_refused(
        &mut self,
        now: Instant,
        mut batch: ShareBatch,
        path: String,
        reason: String,
    ) -> Result<(), Refusal> {
        let is_match = |record: &FileRecord| {
            let ours = display_safe(&record.path);
            ours == path || (path.len() >= TRUNCATED_PATH_LEN && ours.starts_with(&path))
        };
        let Some(entry) = batch.remove(is_match) else { return Err(Refusal::BadRecord { path, reason }) };
        tracing::warn!(path = %display_safe(entry.path()), reason = sanitize(&reason), "index refused a file");
        self.desired.exclude(entry);
        let Some(round) = &mut self.round else { return Ok(()) };
        if self.desired.refused_count() < MAX_REFUSED {
            round.requeue(batch);
        } else {
            round.stop_registering();
            self.next_round_at = Some(now + RETRY_DELAY);
        }
        Ok(())
    }

    fn end_round(&mut self, now: Instant) {
        let Some(round) = self.round.take_if(|round| round.is_finished()) else { return };
        if round.is_aborted() {
            if round.is_full() {
                self.confirmed = None;
            }
            return;
        }
        let confirmed = self.confirmed.as_ref().map(ShareList::summary);
        match round.last_summary() {
            Some(summary) if Some(summary) != confirmed => self.handle_mismatch(now, summary),
            _ if self.is_synced() => self.mark_synced(),
            _ => {}
        }
    }

    fn mark_synced(&mut self) {
        // Equal summaries mean equal lists. Lists that share their parts are compared quickly.
        self.confirmed = Some(self.desired.list().clone());
        tracing::debug!(files = self.registered(), "list is synchronized");
        self.trouble = None;
        self.next_round_at = None;
        self.mismatches = 0;
        self.outages = 0;
    }

    fn handle_mismatch(&mut self, now: Instant, summary: ListSummary) {
        let (ours, theirs) = (self.registered(), summary.files);
        self.confirmed = None;
        if self.mismatches == 0 {
            tracing::info!(ours, theirs, "index has a different list; sending the full list");
        } else {
            let pause = MISMATCH_DELAYS.delay(self.mismatches - 1, self.random.next_u64());
            tracing::warn!(ours, theirs, ?pause, "index has a different list after a full update");
            self.next_round_at = Some(now + pause);
            self.trouble = Some(SyncProblem::Mismatch);
        }
        self.mismatches = self.mismatches.saturating_add(1);
    }

    /// Returns true if the index has acknowledged exactly the desired list.
    pub(super) fn is_synced(&self) -> bool {
        let desired = self.desired.list().summary();
        let is_idle = self.round.is_none() && self.claim.is_none();
        is_idle && self.confirmed.as_ref().is_some_and(|confirmed| confirmed.summary() == desired)
    }

    /// Returns the library generation that the index has acknowledged.
    pub(super) fn acknowledged_generation(&self) -> Option<u64> {
        self.desired.generation().filter(|_| self.is_synced())
    }

    /// Returns the number of files that the index has acknowledged.
    pub(super) fn registered(&self) -> u32 {
        match (self.claim, &self.confirmed) {
            (Some(claim), _) => claim.list.files,
            (None, Some(list)) => u32::try_from(list.len()).unwrap_or(u32::MAX),
            (None, None) => 0,
        }
    }

    /// Returns why the index does not have the list, or some files of it.
    pub(super) fn trouble(&self) -> Option<SyncProblem> {
        let refused = || match self.desired.refused_count() {
            0 => None,
            files => Some(SyncProblem::Refused { files }),
        };
        let withheld = || match self.desired.withheld_count() {
            0 => None,
            files => Some(SyncProblem::Withheld { files }),
        };
        self.trouble.clone().or_else(refused).or_else(withheld)
    }
}

#[cfg(test)]
mod tests;
