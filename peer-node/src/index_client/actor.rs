//! The task that keeps a session at the index, as long as the client lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::conversation::Conversation;
use super::greeting::{Greeted, greet};
use super::list_sync::ListSync;
use super::offers::OfferBook;
use super::probe_key::ProbeKey;
use super::session::{Inputs, Line};
use super::session_error::SessionError;
use super::{IndexConfig, IndexError, IndexStatus};
use crate::backoff::Backoff;
use crate::identity::Identity;

/// A session of this length shows that the index is well, and the pauses begin anew.
const LASTED: Duration = Duration::from_secs(10);

/// Owns everything that outlives a session.
pub(super) struct Actor {
    pub(super) caller: Caller,
    pub(super) inputs: Inputs,
    pub(super) board: Board,
    pub(super) list: ListSync,
    pub(super) offers: OfferBook,
    pub(super) backoff: Backoff,
}

/// Who we are to the index.
pub(super) struct Caller {
    pub(super) config: IndexConfig,
    pub(super) identity: Arc<Identity>,
    pub(super) probe_key: ProbeKey,
}

impl Actor {
    /// Connects again and again until it is cancelled.
    #[tracing::instrument(name = "index", skip_all, fields(address = %self.caller.config.address))]
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut attempt = 0_u32;
        let mut told = String::new();
        loop {
            attempt = attempt.saturating_add(1);
            self.board.away(IndexStatus::Connecting { attempt });
            let greeted = tokio::select! {
                () = cancel.cancelled() => break,
                greeted = greet(&self.caller.config, &self.caller.identity, &self.caller.probe_key) => greeted,
            };
            let ended = match greeted {
                Ok(greeted) => {
                    let (was_welcome, ended) = self.session(greeted, &cancel).await;
                    if was_welcome {
                        (attempt, told) = (0, String::new());
                    }
                    ended
                }
                Err(error) => Some(error),
            };
            let Some(error) = ended else { break };
            let reason = error.to_string();
            let pause = error.pause(self.backoff.pause(random()));
            if reason == told {
                tracing::debug!(reason, ?pause, "index still away");
            } else {
                tracing::warn!(reason, ?pause, "no connection to the index");
                told.clone_from(&reason);
            }
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.wait(reason, Instant::now() + pause) => {}
            }
        }
        self.stop();
    }

    /// Lives through one session. Returns whether the index welcomed us and why the session ended; without an error it was
    /// cancelled.
    async fn session(
        &mut self,
        greeted: Greeted,
        cancel: &CancellationToken,
    ) -> (bool, Option<SessionError>) {
        let began = Instant::now();
        self.list.share(self.inputs.feed.take());
        let mut conversation = match Conversation::begin(&mut self.list, &greeted, began) {
            Ok(conversation) => conversation,
            Err(error) => return (false, Some(error)),
        };
        let Greeted { stream, frames, about, key: _key, .. } = greeted;
        conversation.repeat(self.offers.repeat(about.features));
        conversation.spread(random());
        let mut line = Line { stream, frames };
        let ended = tokio::select! {
            () = cancel.cancelled() => None,
            error = line.talk(&mut conversation, &mut self.inputs, &self.board) => Some(error),
        };
        let was_welcome = conversation.is_welcome();
        conversation.end(&match &ended {
            Some(error) => IndexError::Offline { reason: error.to_string() },
            None => IndexError::Stopped,
        });
        if ended.is_none() {
            line.close().await;
        }
        if began.elapsed() >= LASTED {
            self.backoff.reset();
        }
        (was_welcome, ended)
    }

    /// Waits for the next attempt; whoever asks meanwhile is told at once.
    async fn wait(&mut self, error: String, retry_at: Instant) {
        self.board.away(IndexStatus::Offline { error: error.clone(), retry_at });
        let answer = async {
            while let Some(command) = self.inputs.commands.recv().await {
                command.fail(IndexError::Offline { reason: error.clone() });
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = sleep_until(retry_at) => {}
            () = answer => {}
        }
    }

    fn stop(mut self) {
        self.board.away(IndexStatus::Stopped);
        self.inputs.commands.close();
        while let Ok(command) = self.inputs.commands.try_recv() {
            command.fail(IndexError::Stopped);
        }
    }
}

fn random() -> u64 {
    // Without randomness the pauses lose their jitter and nothing else.
    getrandom::u64().unwrap_or(0)
}
