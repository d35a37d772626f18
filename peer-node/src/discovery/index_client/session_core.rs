//! A session with the index after the greeting: what is sent when, and what the replies mean.
//!
//! The session starts with the proof of identity. Requests of callers follow directly; the share list waits for the welcome,
//! which contains the summary of the index's copy.
//!
//! Has no socket and no clock; the [`session`](super::session) module drives it.

mod phase;

use std::net::SocketAddr;
use std::time::Duration;

use protocol::features::IndexFeatures;
use protocol::frame::{FrameError, encode_frame};
use protocol::index::{
    IndexMessage, ListSummary, Notice, Refusal, Reply, Request, RequestEnvelope, RequestId,
};
use tokio::time::Instant;

use super::command::Command;
use super::greeting::{ANSWER_TIMEOUT, GreetedIndex, NEXT_ID};
use super::list_sync::ListSync;
use super::offer_registry::RepeatedOffers;
use super::pending_requests::{PendingRequests, ReplyTarget};
use super::postponed_calls::PostponedCalls;
use super::sanitize::{closes_connection, sanitize, sanitize_refusal};
use super::session_error::{IndexSessionError, IndexViolation};
use super::share_source::ShareSnapshot;
use super::status::IndexInfo;
use super::{IndexError, IndexStatus, Reachability};
use phase::{IndexSessionPhase, WelcomeInfo};

/// An index that owes a reply and neither reads nor replies for this long is considered dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum time until a reply, even if the index makes progress.
const REPLY_TIMEOUT: Duration = Duration::from_mins(2);

/// Nothing more is encoded while this many bytes wait to be sent.
const MAX_OUTGOING: usize = 64 << 10;

/// Maximum interval between messages to the index, so that a dead connection is noticed. The lease may require a shorter one.
const MAX_RENEWAL_INTERVAL: Duration = Duration::from_mins(1);

/// The state of a session.
#[derive(Debug)]
pub(super) struct IndexSessionCore<'a> {
    list_sync: &'a mut ListSync,
    repeated_offers: RepeatedOffers,
    pending: PendingRequests,
    postponed: PostponedCalls,
    outgoing: Vec<u8>,
    next_id: RequestId,
    /// When the node last sent something, and when the index last read or replied.
    last_sent: Instant,
    last_progress: Instant,
    index_info: IndexInfo,
    phase: IndexSessionPhase,
}

impl<'a> IndexSessionCore<'a> {
    /// Starts the session with the proof of identity.
    pub(super) fn start(
        list: &'a mut ListSync,
        greeted: &GreetedIndex,
        now: Instant,
    ) -> Result<Self, IndexSessionError> {
        Self::with_proof(list, greeted.index_info, greeted.proof.clone(), now)
    }

    fn with_proof(
        list: &'a mut ListSync,
        index_info: IndexInfo,
        proof: Request,
        now: Instant,
    ) -> Result<Self, IndexSessionError> {
        let mut session = Self {
            list_sync: list,
            repeated_offers: RepeatedOffers::default(),
            pending: PendingRequests::default(),
            postponed: PostponedCalls::default(),
            outgoing: Vec::new(),
            next_id: NEXT_ID,
            last_sent: now,
            last_progress: now,
            index_info,
            phase: IndexSessionPhase::Proving { until: now + ANSWER_TIMEOUT },
        };
        let id = session.queue_request(now, proof).map_err(IndexViolation::Frame)?;
        session.pending.add(id, ReplyTarget::Proof, now);
        Ok(session)
    }

    /// Handles the welcome.
    fn handle_welcome(&mut self, now: Instant, (seen_address, lease, list): (SocketAddr, u32, ListSummary)) {
        tracing::info!(%seen_address, lease, "connected to the index");
        self.list_sync.begin_session(now, list, self.index_info.features.contains(IndexFeatures::ANY_NAMES));
        let renewal = Duration::from_secs(lease.into()) / 3;
        let renewal = renewal.clamp(Duration::from_secs(1), MAX_RENEWAL_INTERVAL);
        self.phase = IndexSessionPhase::Welcomed(WelcomeInfo {
            seen_address,
            reachable: Reachability::Unknown,
            renewal,
        });
    }

    /// Returns true once the index has sent its welcome.
    pub(super) const fn is_welcomed(&self) -> bool {
        matches!(self.phase, IndexSessionPhase::Welcomed(_))
    }

    /// Sets the offers to repeat in this session.
    pub(super) fn set_repeated_offers(&mut self, offers: RepeatedOffers) {
        self.repeated_offers = offers;
    }

    /// Seeds the jitter of the pauses that the index requests.
    pub(super) fn seed_jitter(&mut self, seed: u64) {
        self.postponed.seed_jitter(seed);
        self.list_sync.seed_jitter(seed.rotate_left(32));
    }

    /// Updates the share list from a library snapshot.
    pub(super) fn update_shares(&mut self, snapshot: ShareSnapshot) {
        self.list_sync.update_shares(snapshot);
    }

    /// Returns true if a caller may send a request now.
    pub(super) fn has_capacity(&self) -> bool {
        self.outgoing.len() < MAX_OUTGOING && self.pending.has_capacity() && !self.postponed.is_paused()
    }

    /// Sends a caller's request.
    pub(super) fn call(&mut self, now: Instant, command: Command) {
        self.call_since(now, command, now);
    }

    fn call_since(&mut self, now: Instant, command: Command, asked_at: Instant) {
        if command.is_abandoned() {
            return;
        }
        if !command.is_supported_by(self.index_info.features) {
            return command.fail(IndexError::Unsupported);
        }
        match self.queue_request(now, command.request(self.index_info.features)) {
            Ok(id) => self.pending.add(id, ReplyTarget::Call(command), asked_at),
            Err(_) => command.fail(IndexError::TooLong { limit: protocol::limits::MAX_FRAME }),
        }
    }

    /// Queues requests as far as the outgoing buffer allows: those of the share list and the offers, and the renewal if it is
    /// due.
    pub(super) fn queue_requests(&mut self, now: Instant) -> Result<(), IndexSessionError> {
        let IndexSessionPhase::Welcomed(WelcomeInfo { renewal, .. }) = self.phase else { return Ok(()) };
        while self.outgoing.len() < MAX_OUTGOING {
            let Some(request) = self.list_sync.next_request(now, self.next_id) else { break };
            let id = self.queue_request(now, request).map_err(IndexViolation::Frame)?;
            self.pending.add(id, ReplyTarget::List, now);
        }
        for (command, asked_at) in self.postponed.take_due(now) {
            self.call_since(now, command, asked_at);
        }
        while self.outgoing.len() < MAX_OUTGOING && !self.postponed.is_paused() {
            let Some(hint) = self.repeated_offers.next() else { break };
            let infohash = hint.infohash;
            let id =
                self.queue_request(now, Request::OfferTorrent { hint }).map_err(IndexViolation::Frame)?;
            self.pending.add(id, ReplyTarget::Offer(infohash), now);
        }
        if self.last_sent + renewal <= now && !self.pending.is_renewing() {
            let id = self.queue_request(now, Request::Renew).map_err(IndexViolation::Frame)?;
            self.pending.add(id, ReplyTarget::Renewal, now);
        }
        Ok(())
    }

    fn queue_request(&mut self, now: Instant, request: Request) -> Result<RequestId, FrameError> {
        let id = self.next_id;
        encode_frame(&RequestEnvelope { id, request }, &mut self.outgoing)?;
        self.next_id += 1;
        self.last_sent = now;
        Ok(id)
    }

    /// Returns the bytes to send next.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// Records that this many of the outgoing bytes were sent.
    pub(super) fn mark_sent(&mut self, now: Instant, bytes: usize) {
        if bytes > 0 {
            self.outgoing.drain(..bytes.min(self.outgoing.len()));
            self.last_progress = now;
        }
    }

    /// Handles a message of the index; an error ends the session.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        message: IndexMessage,
    ) -> Result<(), IndexSessionError> {
        match message {
            IndexMessage::Reply { id, reply } => {
                self.last_progress = now;
                let (target, asked_at) = self.pending.take(id).ok_or(IndexViolation::UnknownReply { id })?;
                match reply {
                    Reply::Refused(Refusal::TooFast { retry_after })
                        if !matches!(target, ReplyTarget::Proof) =>
                    {
                        let pause = Duration::from_millis(retry_after.into());
                        self.postpone(now, (id, asked_at), target, pause);
                        Ok(())
                    }
                    reply => self.handle_reply(now, id, target, reply),
                }
            }
            IndexMessage::Notice(notice) => self.handle_notice(notice),
        }
    }

    fn handle_reply(
        &mut self,
        now: Instant,
        id: RequestId,
        target: ReplyTarget,
        reply: Reply,
    ) -> Result<(), IndexSessionError> {
        if let Reply::Refused(refusal) = &reply
            && closes_connection(refusal)
        {
            let refusal = sanitize_refusal(refusal.clone());
            if let ReplyTarget::Call(command) = target {
                command.fail(refusal.clone().into());
            }
            return Err(IndexSessionError::Refused(refusal));
        }
        if matches!(target, ReplyTarget::Call(_) | ReplyTarget::Offer(_)) {
            self.postponed.reset_delays();
        }
        match (target, reply) {
            (ReplyTarget::Proof, Reply::Welcome { you, lease, list }) => {
                self.handle_welcome(now, (you, lease, list));
            }
            (ReplyTarget::Proof, Reply::Refused(refusal)) => {
                return Err(IndexSessionError::Refused(sanitize_refusal(refusal)));
            }
            (ReplyTarget::Proof, _) => Err(IndexViolation::WrongReply { expected: "a welcome" })?,
            (ReplyTarget::Call(command), reply) => command.answer(reply)?,
            (ReplyTarget::List, Reply::List(summary)) => {
                self.repeated_offers.resume();
                self.list_sync.handle_acknowledgement(now, id, summary);
            }
            (ReplyTarget::List, Reply::Refused(refusal)) => {
                let refused = self.list_sync.handle_refusal(now, id, refusal);
                refused.map_err(|refusal| IndexSessionError::Refused(sanitize_refusal(refusal)))?;
            }
            (ReplyTarget::Renewal, Reply::List(summary)) => {
                self.repeated_offers.resume();
                self.list_sync.handle_renewal(now, summary);
            }
            (ReplyTarget::Offer(infohash), Reply::Offers { .. }) => {
                self.repeated_offers.handle_reply(infohash, None);
            }
            (ReplyTarget::Offer(infohash), Reply::Refused(refusal)) => {
                self.repeated_offers.handle_reply(infohash, Some(refusal));
            }
            (ReplyTarget::Offer(_), _) => Err(IndexViolation::WrongReply { expected: "an offer" })?,
            (ReplyTarget::Abandoned, _)
            | (ReplyTarget::Renewal, Reply::Refused(Refusal::StoreUnavailable)) => {}
            (ReplyTarget::List | ReplyTarget::Renewal, _) => {
                Err(IndexViolation::WrongReply { expected: "a list summary" })?;
            }
        }
        Ok(())
    }

    /// Postpones a request for the pause that the index asked for.
    fn postpone(
        &mut self,
        now: Instant,
        (id, asked_at): (RequestId, Instant),
        target: ReplyTarget,
        pause: Duration,
    ) {
        match target {
            ReplyTarget::Call(command) => self.postponed.postpone(now, command, asked_at, pause),
            ReplyTarget::List => self.list_sync.handle_postponement(now, id, pause),
            ReplyTarget::Offer(infohash) => {
                self.repeated_offers.requeue(infohash);
                self.postponed.begin_pause(now, pause);
            }
            // The next renewal is due soon anyway, and the refused one has extended the lease.
            ReplyTarget::Abandoned | ReplyTarget::Renewal | ReplyTarget::Proof => {}
        }
    }

    fn handle_notice(&mut self, notice: Notice) -> Result<(), IndexSessionError> {
        match notice {
            Notice::Reachable { .. } | Notice::Unreachable { .. } => self.update_reachability(&notice),
            Notice::Replaced => return Err(IndexSessionError::Replaced),
            Notice::ShuttingDown => return Err(IndexSessionError::ShuttingDown),
            Notice::Refused(refusal) => return Err(IndexSessionError::Refused(sanitize_refusal(refusal))),
        }
        Ok(())
    }

    fn update_reachability(&mut self, notice: &Notice) {
        let (address, reachable) = match notice {
            Notice::Reachable { address } => (address, Reachability::Yes),
            Notice::Unreachable { address, reason } => {
                (address, Reachability::No { reason: sanitize(reason) })
            }
            Notice::Replaced | Notice::ShuttingDown | Notice::Refused(_) => return,
        };
        let IndexSessionPhase::Welcomed(welcome) = &mut self.phase else { return };
        if welcome.reachable != reachable {
            match &reachable {
                Reachability::No { reason } => {
                    tracing::warn!(%address, reason, "index cannot reach the port of this node");
                }
                Reachability::Yes | Reachability::Unknown => {
                    tracing::info!(%address, "index reached the port of this node");
                }
            }
            welcome.reachable = reachable;
        }
    }

    /// Returns when [`IndexSessionCore::tick`] must be called at the latest.
    pub(super) fn deadline(&self) -> Instant {
        let renewal = match &self.phase {
            IndexSessionPhase::Proving { until } => {
                let call = self.pending.deadline();
                return call.map_or(*until, |call| call.min(*until));
            }
            IndexSessionPhase::Welcomed(welcome) => welcome.renewal,
        };
        let renew = Some(self.last_sent + renewal).filter(|_| !self.pending.is_renewing());
        // The list is not asked while the outgoing buffer is full.
        let list = self.list_sync.deadline().filter(|_| self.outgoing.len() < MAX_OUTGOING);
        let deadlines =
            [renew, list, self.pending.deadline(), self.postponed.deadline(), self.silence_deadline()];
        // A renewal is always due or pending, so the fallback is never used.
        deadlines.into_iter().flatten().min().unwrap_or(self.last_progress + SILENCE_TIMEOUT)
    }

    fn silence_deadline(&self) -> Option<Instant> {
        let oldest = self.pending.oldest()?;
        Some((oldest.max(self.last_progress) + SILENCE_TIMEOUT).min(oldest + REPLY_TIMEOUT))
    }

    /// Handles the passing of time; an error ends the session.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), IndexSessionError> {
        self.pending.expire(now);
        if let IndexSessionPhase::Proving { until } = self.phase
            && until <= now
        {
            return Err(IndexSessionError::Silent {
                waiting_for: "the welcome of the index",
                after: ANSWER_TIMEOUT,
            });
        }
        match self.silence_deadline() {
            Some(at) if at <= now => {
                Err(IndexSessionError::Silent { waiting_for: "a reply of the index", after: SILENCE_TIMEOUT })
            }
            _ => Ok(()),
        }
    }

    /// Returns the library generation that the index has acknowledged.
    pub(super) fn acknowledged_generation(&self) -> Option<u64> {
        self.list_sync.acknowledged_generation()
    }

    /// Returns the status; `None` before the welcome.
    pub(super) fn status(&self) -> Option<IndexStatus> {
        let IndexSessionPhase::Welcomed(welcome) = &self.phase else { return None };
        Some(IndexStatus::Online {
            seen_address: welcome.seen_address,
            reachable: welcome.reachable.clone(),
            registered: self.list_sync.registered(),
            synced: self.list_sync.is_synced(),
            trouble: self.list_sync.trouble(),
            index_info: self.index_info,
        })
    }

    /// Ends the session and fails all waiting callers.
    pub(super) fn close(self, error: &IndexError) {
        self.pending.fail(error);
        self.postponed.fail(error);
    }
}

#[cfg(test)]
mod tests;
