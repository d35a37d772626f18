//! Requests that the index asked to receive later. Pure: time is an argument.

use std::time::Duration;

use protocol::index::Refusal;
use tokio::time::Instant;

use super::IndexError;
use super::command::Command;
use super::pending_requests::CALL_TIMEOUT;
use super::retry_delays::RetryDelays;

/// Requests that are sent again after a pause. During the pause no other requests are sent.
#[derive(Debug, Default)]
pub(super) struct PostponedCalls {
    calls: Vec<(Command, Instant)>,
    until: Option<Instant>,
    retry_delays: RetryDelays,
}

impl PostponedCalls {
    /// Seeds the jitter, so that nodes that were sent the same pause do not all retry at once.
    pub(super) const fn seed_jitter(&mut self, seed: u64) {
        self.retry_delays.seed_jitter(seed);
    }

    /// Resets the delays after the index has replied.
    pub(super) const fn reset_delays(&mut self) {
        self.retry_delays.reset();
    }

    /// Begins a pause, or extends the current one.
    pub(super) fn begin_pause(&mut self, now: Instant, pause: Duration) {
        self.until = self.until.max(Some(self.retry_delays.next_retry(now, pause)));
    }

    /// Keeps a request, first made at `asked_at`, until after a pause. Fails it if its caller's timeout would expire before.
    pub(super) fn postpone(&mut self, now: Instant, command: Command, asked_at: Instant, pause: Duration) {
        self.begin_pause(now, pause);
        if self.until.is_some_and(|until| until < asked_at + CALL_TIMEOUT) {
            self.calls.push((command, asked_at));
        } else {
            let retry_after = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
            command.fail(Refusal::TooFast { retry_after }.into());
        }
    }

    /// Returns true during a pause.
    pub(super) const fn is_paused(&self) -> bool {
        self.until.is_some()
    }

    /// Returns when the pause ends.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Ends the pause if it is over; returns the postponed requests.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(Command, Instant)> {
        match self.until.take_if(|until| *until <= now) {
            Some(_) => std::mem::take(&mut self.calls),
            None => Vec::new(),
        }
    }

    /// Fails all postponed requests.
    pub(super) fn fail(self, error: &IndexError) {
        for (command, _) in self.calls {
            command.fail(error.clone());
        }
    }
}
