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

/// Maximum number of callers that wait for replies; further ones stay in the handle's queue.
const MAX_CALLS: usize = 64;

/// The recipient of a reply.
#[derive(Debug)]
pub(super) enum ReplyTarget {
    /// The handshake, which ends with the welcome.
    Proof,
    /// A caller.
    Call(Command),
    /// A caller whose timeout has expired; its reply is still expected.
    Abandoned,
    /// The synchronization of the list.
    List,
    /// A repeated offer.
    Offer(Infohash),
    /// The renewal of the lease.
    Renewal,
}

#[derive(Debug)]
struct PendingRequest {
    target: ReplyTarget,
    asked_at: Instant,
}

/// The requests of a session without a reply, oldest first. Bounded by [`MAX_CALLS`], the windows of the list synchronization
/// and the repeated offers, and the renewals that fit into a lease.
#[derive(Debug, Default)]
pub(super) struct PendingRequests {
    entries: BTreeMap<RequestId, PendingRequest>,
}

impl PendingRequests {
    pub(super) fn add(&mut self, id: RequestId, target: ReplyTarget, asked_at: Instant) {
        self.entries.insert(id, PendingRequest { target, asked_at });
    }

    /// Removes a pending request; returns its recipient and when it was made, or `None` if no such request is pending.
    pub(super) fn take(&mut self, id: RequestId) -> Option<(ReplyTarget, Instant)> {
        self.entries.remove(&id).map(|entry| (entry.target, entry.asked_at))
    }

    /// Returns true if one more caller may send a request.
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

    /// Returns when the oldest request was made.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.entries.values().next().map(|entry| entry.asked_at)
    }

    /// Returns when the next caller's timeout expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let call = self.entries.values().find(|entry| matches!(entry.target, ReplyTarget::Call(_)));
        call.map(|entry| entry.asked_at + CALL_TIMEOUT)
    }

    /// Fails the callers whose timeout has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        for entry in self.entries.values_mut().take_while(|entry| entry.asked_at + CALL_TIMEOUT <= now) {
            entry.target = match std::mem::replace(&mut entry.target, ReplyTarget::Abandoned) {
                ReplyTarget::Call(command) => {
                    command.fail(IndexError::TimedOut { after: CALL_TIMEOUT });
                    ReplyTarget::Abandoned
                }
                target => target,
            };
        }
    }

    /// Fails all callers.
    pub(super) fn fail(self, error: &IndexError) {
        for entry in self.entries.into_values() {
            if let ReplyTarget::Call(command) = entry.target {
                command.fail(error.clone());
            }
        }
    }
}
