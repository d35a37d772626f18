//! What the index wants to be asked later, and when that is. Pure: time is an argument.

use std::time::Duration;

use protocol::index::Refusal;
use tokio::time::Instant;

use super::IndexError;
use super::command::Command;
use super::pauses::Pauses;
use super::pending::CALL_TIMEOUT;

/// Questions that are asked again after a pause. While one is under way, no others are asked.
#[derive(Debug, Default)]
pub(super) struct Postponed {
    calls: Vec<(Command, Instant)>,
    until: Option<Instant>,
    pauses: Pauses,
}

impl Postponed {
    /// Takes a seed, so that nodes that are told the same pause do not come back together.
    pub(super) const fn spread(&mut self, seed: u64) {
        self.pauses.spread(seed);
    }

    /// Notes that the index answered a question.
    pub(super) const fn answered(&mut self) {
        self.pauses.reset();
    }

    /// Begins a pause, or makes the one under way longer.
    pub(super) fn wait(&mut self, now: Instant, pause: Duration) {
        self.until = self.until.max(Some(self.pauses.after(now, pause)));
    }

    /// Keeps a question that was asked first at `asked_at` until after a pause, unless its caller would have given up by
    /// then.
    pub(super) fn call(&mut self, now: Instant, command: Command, asked_at: Instant, pause: Duration) {
        self.wait(now, pause);
        if self.until.is_some_and(|until| until < asked_at + CALL_TIMEOUT) {
            self.calls.push((command, asked_at));
        } else {
            let retry_after = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
            command.fail(Refusal::TooFast { retry_after }.into());
        }
    }

    /// Says whether a pause is under way.
    pub(super) const fn is_waiting(&self) -> bool {
        self.until.is_some()
    }

    /// Says when the pause is over.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Ends the pause if it is over, and gives the questions that waited.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(Command, Instant)> {
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
