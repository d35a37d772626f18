//! The requests that wait for their replies.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::index::RequestId;
use protocol::infohash::Infohash;
use tokio::time::Instant;

use super::IndexError;
use super::command::Command;

/// How long a caller waits for its answer.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The most calls that wait at the same time; more wait in the handle's queue.
const MAX_CALLS: usize = 64;

/// Who waits for a reply.
#[derive(Debug)]
pub(super) enum ReplyTarget {
    /// The greeting, which ends with the welcome.
    Proof,
    /// A caller.
    Call(Command),
    /// A caller that gave up; its reply is still due.
    Abandoned,
    /// The synchronisation of the list.
    List,
    /// An offer that is made anew.
    Offer(Infohash),
    /// The lease.
    Renewal,
}

#[derive(Debug)]
struct PendingRequest {
    target: ReplyTarget,
    asked_at: Instant,
}

/// The requests of a session that have no reply yet, the oldest first. Bounded by [`MAX_CALLS`], the windows of the
/// list's synchronisation and of offers made anew, and the renewals that a lease leaves time for.
#[derive(Debug, Default)]
pub(super) struct PendingRequests {
    entries: BTreeMap<RequestId, PendingRequest>,
}

impl PendingRequests {
    pub(super) fn add(&mut self, id: RequestId, waiter: ReplyTarget, asked_at: Instant) {
        self.entries.insert(id, PendingRequest { target: waiter, asked_at });
    }

    /// Takes out who waits for the reply to a request and since when, if it was made and not answered yet.
    pub(super) fn take(&mut self, id: RequestId) -> Option<(ReplyTarget, Instant)> {
        self.entries.remove(&id).map(|entry| (entry.target, entry.asked_at))
    }

    /// Tells whether one more caller may ask.
    pub(super) fn has_capacity(&self) -> bool {
        let calls = self
            .entries
            .values()
            .filter(|entry| matches!(entry.target, ReplyTarget::Call(_) | ReplyTarget::Abandoned));
        calls.count() < MAX_CALLS
    }

    pub(super) fn is_renewing(&self) -> bool {
        self.entries.values().any(|entry| matches!(entry.target, ReplyTarget::Renewal))
    }

    /// When the request was made that waits longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.entries.values().next().map(|entry| entry.asked_at)
    }

    /// When the next caller gives up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let call = self.entries.values().find(|entry| matches!(entry.target, ReplyTarget::Call(_)));
        call.map(|entry| entry.asked_at + CALL_TIMEOUT)
    }

    /// Tells the callers whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        for entry in self.entries.values_mut().take_while(|entry| entry.asked_at + CALL_TIMEOUT <= now) {
            entry.target = match std::mem::replace(&mut entry.target, ReplyTarget::Abandoned) {
                ReplyTarget::Call(command) => {
                    command.fail(IndexError::TimedOut { after: CALL_TIMEOUT });
                    ReplyTarget::Abandoned
                }
                waiter => waiter,
            };
        }
    }

    /// Tells all callers that there will be no answers.
    pub(super) fn fail(self, error: &IndexError) {
        for entry in self.entries.into_values() {
            if let ReplyTarget::Call(command) = entry.target {
                command.fail(error.clone());
            }
        }
    }
}
