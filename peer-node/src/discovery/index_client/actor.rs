//! The actor: keeps a session with the index for as long as the client lives.

use std::sync::Arc;
use std::time::Duration;

use protocol::backoff::Backoff;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::greeting::{GreetedIndex, greet};
use super::list_sync::ListSync;
use super::offer_registry::OfferRegistry;
use super::session::{SessionConnection, SessionInputs};
use super::session_core::IndexSessionCore;
use super::session_error::IndexSessionError;
use super::status_channel::StatusPublisher;
use super::{IndexConfig, IndexError, IndexStatus};
use crate::essential_task::EssentialTask;
use crate::identity::Identity;
use crate::native::ProbeKey;

/// Length of a session after which the back-off is reset.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// The state that outlives a session.
pub(super) struct Actor {
    pub(super) context: ClientContext,
    pub(super) inputs: SessionInputs,
    pub(super) status: StatusPublisher,
    pub(super) list_sync: ListSync,
    pub(super) offers: OfferRegistry,
    pub(super) backoff: Backoff,
}

/// The node's identity towards the index.
pub(super) struct ClientContext {
    pub(super) config: IndexConfig,
    pub(super) identity: Arc<Identity>,
    pub(super) probe_key: ProbeKey,
}

impl Actor {
    /// Connects and reconnects until cancelled.
    #[tracing::instrument(name = "index", skip_all, fields(address = %self.context.config.address))]
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let _essential = EssentialTask::begin("index client");
        let mut attempt = 0_u32;
        let mut last_reason = String::new();
        loop {
            attempt = attempt.saturating_add(1);
            self.status.publish_offline(IndexStatus::Connecting { attempt });
            let greeted = tokio::select! {
                () = cancel.cancelled() => break,
                greeted = greet(&self.context.config, &self.context.identity, &self.context.probe_key) => greeted,
            };
            let ended = match greeted {
                Ok(greeted) => {
                    let (was_welcomed, ended) = self.run_session(greeted, &cancel).await;
                    if was_welcomed {
                        (attempt, last_reason) = (0, String::new());
                    }
                    ended
                }
                Err(error) => Some(error),
            };
            let Some(error) = ended else { break };
            let reason = error.to_string();
            let pause = error.retry_delay(self.backoff.next_delay(random()));
            if reason == last_reason {
                tracing::debug!(reason, ?pause, "index still unreachable");
            } else {
                tracing::warn!(reason, ?pause, "no connection to the index");
                last_reason.clone_from(&reason);
            }
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.wait_for_retry(reason, Instant::now() + pause) => {}
            }
        }
        self.shut_down();
    }

    /// Runs one session. Returns whether the index sent a welcome and why the session ended; without an error it was cancelled.
    async fn run_session(
        &mut self,
        greeted: GreetedIndex,
        cancel: &CancellationToken,
    ) -> (bool, Option<IndexSessionError>) {
        let began = Instant::now();
        self.list_sync.update_shares(self.inputs.feed.snapshot());
        let mut session = match IndexSessionCore::start(&mut self.list_sync, &greeted, began) {
            Ok(session) => session,
            Err(error) => return (false, Some(error)),
        };
        let GreetedIndex { stream, frames, index_info, key: _key, .. } = greeted;
        session.set_repeated_offers(self.offers.repeat_all(index_info.features));
        session.seed_jitter(random());
        let mut connection = SessionConnection { stream, frames };
        let ended = tokio::select! {
            () = cancel.cancelled() => None,
            error = connection.drive(&mut session, &mut self.inputs, &self.status) => Some(error),
        };
        let was_welcomed = session.is_welcomed();
        session.close(&match &ended {
            Some(error) => IndexError::Offline { reason: error.to_string() },
            None => IndexError::Stopped,
        });
        if ended.is_none() {
            connection.close().await;
        }
        if began.elapsed() >= STABLE_AFTER {
            self.backoff.reset();
        }
        (was_welcomed, ended)
    }

    /// Waits for the next attempt. Requests that arrive meanwhile fail immediately.
    async fn wait_for_retry(&mut self, error: String, retry_at: Instant) {
        self.status.publish_offline(IndexStatus::Offline { error: error.clone(), retry_at });
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

    fn shut_down(mut self) {
        self.status.publish_offline(IndexStatus::Stopped);
        self.inputs.commands.close();
        while let Ok(command) = self.inputs.commands.try_recv() {
            command.fail(IndexError::Stopped);
        }
    }
}

fn random() -> u64 {
    // Without randomness only the jitter is lost.
    getrandom::u64().unwrap_or(0)
}
