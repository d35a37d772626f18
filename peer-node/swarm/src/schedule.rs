//! Decides when the engine acts without an event, so that its driver can sleep until then.

use std::time::{Duration, Instant};

use super::source::SwarmSource;
use super::{OverduePolicy, SNUB_TIMEOUT, STALL_TIMEOUT, Swarm, SwarmAction};

/// Minimum interval between checks for overdue requests, and the interval while conditions depend on measured rates.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(100);

const _: () =
    assert!(CHECK_INTERVAL.as_millis() < SNUB_TIMEOUT.as_millis(), "a silent source is noticed in time");
const _: () = assert!(
    SNUB_TIMEOUT.as_millis() < STALL_TIMEOUT.as_millis(),
    "others are asked before a source is disconnected"
);

impl Swarm {
    /// Returns the next action, or `None` until an event occurs or [`Swarm::deadline`] passes.
    pub fn poll(&mut self, now: Instant) -> Option<SwarmAction> {
        // Queued actions come first: new decisions would be based on a state that the driver has not reached.
        if self.actions.is_empty() {
            self.decide(now);
        }
        let action = self.actions.pop_front();
        if action.is_none() {
            self.deadline = self.next_deadline(now);
            debug_assert!(self.deadline.is_none_or(|deadline| deadline > now), "polled without effect");
        }
        action
    }

    /// Returns when to poll again if no event occurs before. Until then, polling would return no action.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn decide(&mut self, now: Instant) {
        // Polls are frequent, but the checks below visit every owed block.
        let is_check_due = now >= self.next_overdue_check;
        if is_check_due {
            self.next_overdue_check = now + CHECK_INTERVAL;
            match self.config.overdue {
                OverduePolicy::Duplicate => self.disconnect_stalled(now),
                OverduePolicy::Repeat(after) => self.repeat_unanswered(after, now),
            }
            // Pauses end here and not in a timer of each source: the interval is fine enough.
            let resumed =
                self.sources.iter_mut().filter_map(|(id, source)| source.try_end_pause(now).then_some(*id));
            resumed.for_each(|id| self.request_turns.mark_ready(id));
            self.release_late_pieces(now);
        }
        // Before duplicates are considered, since a source that gets a request of its own is not idle.
        self.fill_pipelines(now);
        if is_check_due && self.config.overdue == OverduePolicy::Duplicate {
            self.duplicate_overdue(now);
        }
    }

    /// Returns when the passing of time may cause an action. While blocks arrive, this is the next check, since finding the
    /// exact time would scan all sources after each block.
    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let is_waiting = |source: &SwarmSource| source.owes() || source.is_paused();
        if !self.sources.values().any(is_waiting) {
            return None;
        }
        // The state may have changed since the latest check.
        let was_checked_now = self.next_overdue_check == now + CHECK_INTERVAL;
        if !was_checked_now || self.may_redistribute(now) {
            return Some(self.next_overdue_check);
        }
        let timeouts = self.sources.values().filter_map(|source| self.next_timeout(source, now)).min();
        timeouts.map(|timeout| timeout.max(self.next_overdue_check))
    }

    /// Returns true if an idle source may soon receive blocks that others owe. When it does depends on rates and on several
    /// sources together.
    fn may_redistribute(&self, now: Instant) -> bool {
        let on_trial = self.has_sources_on_trial();
        let may_duplicate = self.config.overdue == OverduePolicy::Duplicate;
        let is_any_silent = || self.sources.values().any(|source| source.is_snubbing(now));
        self.request_turns.idle().iter().any(|id| self.has_room(*id))
            && (on_trial || (may_duplicate && (is_any_silent() || self.is_endgame())))
    }

    /// Returns when a source ends its pause, or has been silent for so long that this has consequences.
    fn next_timeout(&self, source: &SwarmSource, now: Instant) -> Option<Instant> {
        let timeouts = match self.config.overdue {
            OverduePolicy::Duplicate => [SNUB_TIMEOUT, STALL_TIMEOUT],
            OverduePolicy::Repeat(after) => [after; 2],
        };
        let silence = source.silent_since().and_then(|since| {
            let ends = timeouts.into_iter().map(|timeout| since + timeout);
            ends.filter(|end| *end > now).min()
        });
        // Such a source is disconnected as soon as another one is proven.
        let doubtful = (source.is_benched() && source.is_snubbing(now)).then_some(self.next_overdue_check);
        [source.paused_until(), silence, doubtful].into_iter().flatten().min()
    }
}
