//! Brings the index's idea of our list to what it should be, and keeps it there.

use std::time::Duration;

use protocol::escape::display_safe;
use protocol::index::{FileRecord, ListSummary, Refusal, Request, RequestId};
use tokio::time::Instant;

use super::desired_list::DesiredList;
use super::retry_delays::RetryDelays;
use super::sanitize::sanitize;
use super::share_batch::{ShareBatch, diff};
use super::share_list::ShareList;
use super::share_source::ShareSnapshot;
use super::status::SyncTrouble;
use super::sync_round::{SyncRound, SyncStep};

/// How long to wait after the index took no more files, or kept another list than it was told.
const RETRY_DELAY: Duration = Duration::from_mins(1);

/// How long to wait at first when the index cannot write to its disk.
const STORE_RETRY_DELAY: Duration = Duration::from_secs(5);

/// The longest of these pauses, which double.
const MAX_RETRY_DELAY: Duration = Duration::from_hours(1);

/// How long the library may take to come to know its files before the index is told what it has of them.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(1);

/// The most files that are left out one by one; an index that refuses more is left alone for a while.
const MAX_REFUSED: usize = 1000;

/// A path of so many bytes in a refusal may be the beginning of a longer one.
const TRUNCATED_PATH_LEN: usize = 256;

/// Decides what to tell the index, in rounds. Owns no socket and reads no clock; outlives the sessions, so that a
/// node that comes back tells only what has changed.
#[derive(Debug, Default)]
pub(super) struct ListSync {
    desired: DesiredList,
    /// What the index has by its own word, as far as the round has come; none when that cannot be known.
    confirmed: Option<ShareList>,
    /// What it said at the beginning of the session, until it is known what that means.
    claim: Option<ClaimedList>,
    round: Option<SyncRound>,
    trouble: Option<SyncTrouble>,
    /// No round begins before.
    next_round_at: Option<Instant>,
    /// The index wants nothing more of a round before.
    paused_until: Option<Instant>,
    retry_delays: RetryDelays,
    mismatches: u32,
    outages: u32,
}

/// A list that the index says it has.
#[derive(Debug, Clone, Copy)]
struct ClaimedList {
    list: ListSummary,
    /// Until then, files that are still to be hashed may turn it out to be right.
    settle_deadline: Instant,
}

impl ListSync {
    /// Takes over a new look at the library, to be told in the next round.
    pub(super) fn update_shares(&mut self, snapshot: ShareSnapshot) {
        self.desired.update(snapshot);
    }

    /// Begins a session with an index that says what it has of our list, and whether it accepts names beyond those of
    /// release 0.1.0.
    pub(super) fn begin_session(&mut self, now: Instant, list: ListSummary, accepts_any_names: bool) {
        self.desired.set_accepts_any_names(accepts_any_names);
        self.round = None;
        self.paused_until = None;
        self.claim = Some(ClaimedList { list, settle_deadline: now + SETTLE_TIMEOUT });
    }

    /// Makes the next request, if there is one to send now; its reply is to be given back with its id.
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

    /// Says when [`ListSync::next_request`] may have something to send though nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let patience = self.claim.as_ref().map(|claim| claim.settle_deadline);
        let hold = self.next_round_at.filter(|_| self.round.is_none() && !self.is_synced());
        self.paused_until.or(patience).or(hold)
    }

    fn resolve_claim(&mut self, now: Instant) {
        let Some(ClaimedList { list, settle_deadline: patience }) = self.claim else { return };
        if list == self.desired.list().summary() {
            self.confirmed = Some(self.desired.list().clone());
            self.mark_synced();
        } else if self.confirmed.as_ref().is_none_or(|confirmed| confirmed.summary() != list) {
            // The files that the index has of us are not taken away only because they are not hashed yet.
            if list.files > 0 && !self.desired.is_settled() && now < patience {
                return;
            }
            self.confirmed = None;
        }
        self.claim = None;
    }

    fn begin_round(&mut self) -> Option<SyncRound> {
        self.next_round_at = None;
        let wanted = self.desired.list();
        let Some(confirmed) = &self.confirmed else {
            tracing::debug!(files = wanted.len(), "whole list begun");
            self.confirmed = Some(ShareList::default());
            return Some(SyncRound::from_full_list(diff(&ShareList::default(), wanted)));
        };
        if confirmed.summary() == wanted.summary() {
            return None;
        }
        Some(SyncRound::from_changes(diff(confirmed, wanted))).filter(|round| !round.is_finished())
    }

    /// A request of a round was taken, and this is the index's list now.
    pub(super) fn handle_acknowledgement(&mut self, now: Instant, id: RequestId, summary: ListSummary) {
        self.retry_delays.reset();
        let Some(round) = &mut self.round else { return };
        let step = round.completed(id, Some(summary));
        if let (Some(SyncStep::Change(batch)), Some(confirmed)) = (step, &mut self.confirmed) {
            batch.apply(confirmed);
        }
        self.end_round(now);
    }

    /// A renewal was answered, and this is the index's list now.
    pub(super) fn handle_renewal(&mut self, now: Instant, summary: ListSummary) {
        let differs = self.confirmed.as_ref().is_some_and(|confirmed| confirmed.summary() != summary);
        if differs && self.round.is_none() && self.claim.is_none() && self.next_round_at.is_none() {
            self.handle_mismatch(now, summary);
        }
    }

    /// Takes a seed, so that nodes that are told the same pause do not come back together.
    pub(super) const fn seed_jitter(&mut self, seed: u64) {
        self.retry_delays.seed_jitter(seed);
    }

    /// A request of a round is to be sent again after a pause.
    pub(super) fn handle_postponement(&mut self, now: Instant, id: RequestId, pause: Duration) {
        let Some(round) = &mut self.round else { return };
        if let Some(step) = round.completed(id, None)
            && !round.is_aborted()
        {
            round.postpone(step);
        }
        self.paused_until = self.paused_until.max(Some(self.retry_delays.next_retry(now, pause)));
    }

    /// A request of a round was refused. Gives the refusal back when nothing can be done about it here.
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
                tracing::warn!(what, limit, "index takes no more files");
                self.stop_registering(now, SyncTrouble::TooMany { what, limit });
            }
            (Some(SyncStep::Change(_)), Refusal::OverBudget { what, wanted, limit }) => {
                let what = sanitize(&what);
                tracing::warn!(what, wanted, limit, "index takes no more files");
                self.stop_registering(now, SyncTrouble::OverBudget { what, wanted, limit });
            }
            // Those that flew along with it are refused for the same reason.
            (Some(_), Refusal::StoreUnavailable) if round.is_aborted() => {}
            (Some(_), Refusal::StoreUnavailable) => {
                round.abort();
                let pause = STORE_RETRY_DELAY.saturating_mul(1 << self.outages.min(6)).min(RETRY_DELAY);
                tracing::warn!(?pause, "index cannot store the list");
                self.outages = self.outages.saturating_add(1);
                self.next_round_at = Some(now + pause);
                self.trouble = Some(SyncTrouble::StoreUnavailable);
            }
            (_, refusal) => return Err(refusal),
        }
        self.end_round(now);
        Ok(())
    }

    /// Sends no more files in this round, because the index takes no more.
    fn stop_registering(&mut self, now: Instant, trouble: SyncTrouble) {
        let Some(round) = &mut self.round else { return };
        round.stop_registering();
        // The end of a whole list may make room, so what is missing is tried once more after it.
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
        let is_it = |record: &FileRecord| {
            let ours = display_safe(&record.path);
            ours == path || (path.len() >= TRUNCATED_PATH_LEN && ours.starts_with(&path))
        };
        let Some(entry) = batch.remove(is_it) else { return Err(Refusal::BadRecord { path, reason }) };
        tracing::warn!(path = %display_safe(entry.path()), reason = sanitize(&reason), "index refuses a file");
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
        tracing::debug!(files = self.registered(), "list is at the index");
        self.trouble = None;
        self.next_round_at = None;
        self.mismatches = 0;
        self.outages = 0;
    }

    fn handle_mismatch(&mut self, now: Instant, summary: ListSummary) {
        let (ours, theirs) = (self.registered(), summary.files);
        self.confirmed = None;
        if self.mismatches == 0 {
            tracing::info!(ours, theirs, "index has another list; sending it whole");
        } else {
            let pause = RETRY_DELAY.saturating_mul(1 << (self.mismatches - 1).min(10)).min(MAX_RETRY_DELAY);
            tracing::warn!(ours, theirs, ?pause, "index has another list though it was told everything");
            self.next_round_at = Some(now + pause);
            self.trouble = Some(SyncTrouble::Mismatch);
        }
        self.mismatches = self.mismatches.saturating_add(1);
    }

    /// Tells whether the index has acknowledged exactly what it should have.
    pub(super) fn is_synced(&self) -> bool {
        let wanted = self.desired.list().summary();
        let is_idle = self.round.is_none() && self.claim.is_none();
        is_idle && self.confirmed.as_ref().is_some_and(|confirmed| confirmed.summary() == wanted)
    }

    /// The number of the library's state that the index has acknowledged.
    pub(super) fn acknowledged_generation(&self) -> Option<u64> {
        self.desired.generation().filter(|_| self.is_synced())
    }

    /// How many files the index has acknowledged.
    pub(super) fn registered(&self) -> u32 {
        match (self.claim, &self.confirmed) {
            (Some(claim), _) => claim.list.files,
            (None, Some(list)) => u32::try_from(list.len()).unwrap_or(u32::MAX),
            (None, None) => 0,
        }
    }

    /// What keeps the list, or some files of it, from the index.
    pub(super) fn trouble(&self) -> Option<SyncTrouble> {
        let refused = || match self.desired.refused_count() {
            0 => None,
            files => Some(SyncTrouble::Refused { files }),
        };
        let withheld = || match self.desired.withheld_count() {
            0 => None,
            files => Some(SyncTrouble::Withheld { files }),
        };
        self.trouble.clone().or_else(refused).or_else(withheld)
    }
}

#[cfg(test)]
mod tests;
