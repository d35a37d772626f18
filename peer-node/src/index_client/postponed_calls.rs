//! What the index wants to be asked later, and when that is. Pure: time is an argument.

use std::time::Duration;

use protocol::index::Refusal;
use tokio::time::Instant;

use super::IndexError;
use super::command::Command;
use super::pending_requests::CALL_TIMEOUT;
use super::retry_delays::RetryDelays;

/// Questions that are asked again after a pause. While one is under way, no others are asked.
#[derive(Debug, Default)]
pub(super) struct PostponedCalls {
    calls: Vec<(Command, Instant)>,
    until: Option<Instant>,
    retry_delays: RetryDelays,
}

impl PostponedCalls {
    /// Takes a seed, so that nodes that are told the same pause do not come back together.
    pub(super) const fn seed_jitter(&mut self, seed: u64) {
        self.retry_delays.seed_jitter(seed);
    }

    /// Notes that the index answered a question.
    pub(super) const fn reset_delays(&mut self) {
        self.retry_delays.reset();
    }

    /// Begins a pause, or makes the one under way longer.
    pub(super) fn begin_pause(&mut self, now: Instant, pause: Duration) {
        self.until = self.until.max(Some(self.retry_delays.next_retry(now, pause)));
    }

    /// Keeps a question that was asked first at `asked_at` until after a pause, unless its caller would have given up by
    /// then.
    pub(super) fn postpone(&mut self, now: Instant, command: Command, asked_at: Instant, pause: Duration) {
        self.begin_pause(now, pause);
        if self.until.is_some_and(|until| until < asked_at + CALL_TIMEOUT) {
            self.calls.push((command, asked_at));
        } else {
            let retry_after = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
            command.fail(Refusal::TooFast { retry_after }.into());
        }
    }

    /// Says whether a pause is under way.
    pub(super) const fn is_paused(&self) -> bool {
        self.until.is_some()
    }

    /// Says when the pause is over.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Ends the pause if it is over, and gives the questions that waited.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(Command, Instant)> {
        match self.until.take_if(|until| *until <= now) {
            Some(_) => std::mem::take(&mut self.calls),
            None => Vec::new(),
        }
    }

    /// Tells those that wait that there will be no answers.
    pub(super) fn fail(self, error: &IndexError) {
        for (command, _) in self.calls {
            command.fail(error.clone());
        }
    }
}
