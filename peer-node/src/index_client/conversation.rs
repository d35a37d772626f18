//! A session at the index behind its greeting: what is sent when, and what the answers mean.
//!
//! It begins with the proof of who we are. Questions of callers follow directly; the share list waits for the welcome, which tells
//! what the index has of it.
//!
//! Owns no socket and reads no clock; the [`session`](super::session) drives it.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::features::IndexFeatures;
use protocol::frame::{FrameError, encode_frame};
use protocol::index::{FromIndex, ListSummary, Notice, Refusal, Reply, Request, RequestId, ToIndex};
use tokio::time::Instant;

use super::command::Command;
use super::greeting::{ANSWER, Greeted, NEXT_ID};
use super::list_sync::ListSync;
use super::offers::Repetition;
use super::pending::{Pending, Waiter};
use super::plain_words::{is_final, plain, plain_refusal};
use super::postponed::Postponed;
use super::session_error::{SessionError, Violation};
use super::shares::Snapshot;
use super::status::AboutIndex;
use super::{IndexError, IndexStatus, Reachability};

/// An index that neither reads nor answers for so long while it owes us a reply is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// No reply takes longer, though the index should still move.
const LONGEST_REPLY: Duration = Duration::from_mins(2);

/// No more is encoded while so many bytes wait to be sent.
const FULL: usize = 64 << 10;

/// The longest time without a word to the index, so that one that is gone is noticed; its lease may demand less.
const LONGEST_RENEWAL: Duration = Duration::from_mins(1);

/// The state of a session.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    list: &'a mut ListSync,
    offers: Repetition,
    pending: Pending,
    postponed: Postponed,
    outgoing: Vec<u8>,
    next_id: RequestId,
    /// When we last said something, or the index last read or answered something.
    spoke: Instant,
    moved: Instant,
    about: AboutIndex,
    standing: Standing,
}

/// How far the index knows us.
#[derive(Debug)]
enum Standing {
    /// The proof was sent, and is to be answered by then.
    Proving { until: Instant },
    /// The index has welcomed us.
    Welcome(Place),
}

/// Where the index sees us.
#[derive(Debug)]
struct Place {
    you: SocketAddr,
    reachable: Reachability,
    /// How long we may be silent.
    renewal: Duration,
}

impl<'a> Conversation<'a> {
    /// Begins with the proof of who we are.
    pub(super) fn begin(
        list: &'a mut ListSync,
        greeted: &Greeted,
        now: Instant,
    ) -> Result<Self, SessionError> {
        Self::with_proof(list, greeted.about, greeted.proof.clone(), now)
    }

    fn with_proof(
        list: &'a mut ListSync,
        about: AboutIndex,
        proof: Request,
        now: Instant,
    ) -> Result<Self, SessionError> {
        let mut conversation = Self {
            list,
            offers: Repetition::default(),
            pending: Pending::default(),
            postponed: Postponed::default(),
            outgoing: Vec::new(),
            next_id: NEXT_ID,
            spoke: now,
            moved: now,
            about,
            standing: Standing::Proving { until: now + ANSWER },
        };
        let id = conversation.send(now, proof).map_err(Violation::Frame)?;
        conversation.pending.add(id, Waiter::Proof, now);
        Ok(conversation)
    }

    /// Takes in the welcome.
    fn welcomed(&mut self, now: Instant, (you, lease, list): (SocketAddr, u32, ListSummary)) {
        tracing::info!(%you, lease, "welcome at the index");
        self.list.welcome(now, list, self.about.features.contains(IndexFeatures::ANY_NAMES));
        let renewal = Duration::from_secs(lease.into()) / 3;
        let renewal = renewal.clamp(Duration::from_secs(1), LONGEST_RENEWAL);
        self.standing = Standing::Welcome(Place { you, reachable: Reachability::Unknown, renewal });
    }

    /// Returns true once the index has welcomed us.
    pub(super) const fn is_welcome(&self) -> bool {
        matches!(self.standing, Standing::Welcome(_))
    }

    /// Takes over the offers that the index is to be told of once more.
    pub(super) fn repeat(&mut self, offers: Repetition) {
        self.offers = offers;
    }

    /// Gives the pauses that the index asks for a spread of their own.
    pub(super) fn spread(&mut self, seed: u64) {
        self.postponed.spread(seed);
        self.list.spread(seed.rotate_left(32));
    }

    /// Takes over a new look at the library.
    pub(super) fn share(&mut self, snapshot: Snapshot) {
        self.list.share(snapshot);
    }

    /// Tells whether a caller may ask now.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing.len() < FULL && self.pending.has_room() && !self.postponed.is_waiting()
    }

    /// Asks for a caller.
    pub(super) fn ask(&mut self, now: Instant, command: Command) {
        self.ask_since(now, command, now);
    }

    fn ask_since(&mut self, now: Instant, command: Command, asked_at: Instant) {
        if command.is_abandoned() {
            return;
        }
        if !command.is_known_to(self.about.features) {
            return command.fail(IndexError::TooOld);
        }
        match self.send(now, command.request(self.about.features)) {
            Ok(id) => self.pending.add(id, Waiter::Call(command), asked_at),
            Err(_) => command.fail(IndexError::TooLong { limit: protocol::limits::MAX_FRAME }),
        }
    }

    /// Puts as much of the share list and of the offers in the outgoing bytes as may wait there, and the renewal when it
    /// is due.
    pub(super) fn fill(&mut self, now: Instant) -> Result<(), SessionError> {
        let Standing::Welcome(Place { renewal, .. }) = self.standing else { return Ok(()) };
        while self.outgoing.len() < FULL {
            let Some(request) = self.list.next(now, self.next_id) else { break };
            let id = self.send(now, request).map_err(Violation::Frame)?;
            self.pending.add(id, Waiter::List, now);
        }
        for (command, asked_at) in self.postponed.due(now) {
            self.ask_since(now, command, asked_at);
        }
        while self.outgoing.len() < FULL && !self.postponed.is_waiting() {
            let Some(hint) = self.offers.next() else { break };
            let infohash = hint.infohash;
            let id = self.send(now, Request::OfferTorrent { hint }).map_err(Violation::Frame)?;
            self.pending.add(id, Waiter::Offer(infohash), now);
        }
        if self.spoke + renewal <= now && !self.pending.is_renewing() {
            let id = self.send(now, Request::Renew).map_err(Violation::Frame)?;
            self.pending.add(id, Waiter::Renewal, now);
        }
        Ok(())
    }

    fn send(&mut self, now: Instant, request: Request) -> Result<RequestId, FrameError> {
        let id = self.next_id;
        encode_frame(&ToIndex { id, request }, &mut self.outgoing)?;
        self.next_id += 1;
        self.spoke = now;
        Ok(id)
    }

    /// The bytes to send next.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// So many of the outgoing bytes went out.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        if bytes > 0 {
            self.outgoing.drain(..bytes.min(self.outgoing.len()));
            self.moved = now;
        }
    }

    /// Takes in a message of the index; an error ends the session.
    pub(super) fn take_in(&mut self, now: Instant, message: FromIndex) -> Result<(), SessionError> {
        match message {
            FromIndex::Reply { id, reply } => {
                self.moved = now;
                let (waiter, asked_at) = self.pending.answered(id).ok_or(Violation::UnknownReply { id })?;
                match reply {
                    Reply::Refused(Refusal::TooFast { retry_after }) if !matches!(waiter, Waiter::Proof) => {
                        let pause = Duration::from_millis(retry_after.into());
                        self.postpone(now, (id, asked_at), waiter, pause);
                        Ok(())
                    }
                    reply => self.answer(now, id, waiter, reply),
                }
            }
            FromIndex::Notice(notice) => self.note(notice),
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        id: RequestId,
        waiter: Waiter,
        reply: Reply,
    ) -> Result<(), SessionError> {
        if let Reply::Refused(refusal) = &reply
            && is_final(refusal)
        {
            let refusal = plain_refusal(refusal.clone());
            if let Waiter::Call(command) = waiter {
                command.fail(refusal.clone().into());
            }
            return Err(SessionError::Refused(refusal));
        }
        if matches!(waiter, Waiter::Call(_) | Waiter::Offer(_)) {
            self.postponed.answered();
        }
        match (waiter, reply) {
            (Waiter::Proof, Reply::Welcome { you, lease, list }) => self.welcomed(now, (you, lease, list)),
            (Waiter::Proof, Reply::Refused(refusal)) => {
                return Err(SessionError::Refused(plain_refusal(refusal)));
            }
            (Waiter::Proof, _) => Err(Violation::WrongReply { asked: "a welcome" })?,
            (Waiter::Call(command), reply) => command.answer(reply)?,
            (Waiter::List, Reply::List(summary)) => {
                self.offers.resume();
                self.list.acknowledged(now, id, summary);
            }
            (Waiter::List, Reply::Refused(refusal)) => {
                let refused = self.list.refused(now, id, refusal);
                refused.map_err(|refusal| SessionError::Refused(plain_refusal(refusal)))?;
            }
            (Waiter::Renewal, Reply::List(summary)) => {
                self.offers.resume();
                self.list.observed(now, summary);
            }
            (Waiter::Offer(infohash), Reply::Offers { .. }) => self.offers.answered(infohash, None),
            (Waiter::Offer(infohash), Reply::Refused(refusal)) => {
                self.offers.answered(infohash, Some(refusal));
            }
            (Waiter::Offer(_), _) => Err(Violation::WrongReply { asked: "an offer" })?,
            (Waiter::Nobody, _) | (Waiter::Renewal, Reply::Refused(Refusal::StoreUnavailable)) => {}
            (Waiter::List | Waiter::Renewal, _) => Err(Violation::WrongReply { asked: "our list" })?,
        }
        Ok(())
    }

    /// Does what the index wants later after a pause.
    fn postpone(
        &mut self,
        now: Instant,
        (id, asked_at): (RequestId, Instant),
        waiter: Waiter,
        pause: Duration,
    ) {
        match waiter {
            Waiter::Call(command) => self.postponed.call(now, command, asked_at, pause),
            Waiter::List => self.list.postponed(now, id, pause),
            Waiter::Offer(infohash) => {
                self.offers.again(infohash);
                self.postponed.wait(now, pause);
            }
            // The next one is due soon anyway, and what was said kept the lease.
            Waiter::Nobody | Waiter::Renewal | Waiter::Proof => {}
        }
    }

    fn note(&mut self, notice: Notice) -> Result<(), SessionError> {
        match notice {
            Notice::Reachable { .. } | Notice::Unreachable { .. } => self.judge(&notice),
            Notice::Replaced => return Err(SessionError::Replaced),
            Notice::ShuttingDown => return Err(SessionError::ShuttingDown),
            Notice::Refused(refusal) => return Err(SessionError::Refused(plain_refusal(refusal))),
        }
        Ok(())
    }

    fn judge(&mut self, notice: &Notice) {
        let (address, reachable) = match notice {
            Notice::Reachable { address } => (address, Reachability::Yes),
            Notice::Unreachable { address, reason } => (address, Reachability::No { reason: plain(reason) }),
            Notice::Replaced | Notice::ShuttingDown | Notice::Refused(_) => return,
        };
        let Standing::Welcome(place) = &mut self.standing else { return };
        if place.reachable != reachable {
            match &reachable {
                Reachability::No { reason } => {
                    tracing::warn!(%address, reason, "index cannot reach our port");
                }
                Reachability::Yes | Reachability::Unknown => {
                    tracing::info!(%address, "index reached our port");
                }
            }
            place.reachable = reachable;
        }
    }

    /// When [`Conversation::tick`] is to be called at the latest.
    pub(super) fn deadline(&self) -> Instant {
        let renewal = match &self.standing {
            Standing::Proving { until } => {
                let call = self.pending.deadline();
                return call.map_or(*until, |call| call.min(*until));
            }
            Standing::Welcome(place) => place.renewal,
        };
        let renew = Some(self.spoke + renewal).filter(|_| !self.pending.is_renewing());
        // The list is not asked while there is no room for what it says.
        let list = self.list.deadline().filter(|_| self.outgoing.len() < FULL);
        let deadlines = [renew, list, self.pending.deadline(), self.postponed.deadline(), self.silent_at()];
        // There is always a renewal to come or to be answered, so the last word is never needed.
        deadlines.into_iter().flatten().min().unwrap_or(self.moved + SILENCE)
    }

    fn silent_at(&self) -> Option<Instant> {
        let oldest = self.pending.oldest()?;
        Some((oldest.max(self.moved) + SILENCE).min(oldest + LONGEST_REPLY))
    }

    /// Lets time pass; an error ends the session.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), SessionError> {
        self.pending.expire(now);
        if let Standing::Proving { until } = self.standing
            && until <= now
        {
            return Err(SessionError::Silent { waiting_for: "it should answer our greeting", after: ANSWER });
        }
        match self.silent_at() {
            Some(at) if at <= now => {
                Err(SessionError::Silent { waiting_for: "it owes us a reply", after: SILENCE })
            }
            _ => Ok(()),
        }
    }

    /// The number of the library's state that the index has acknowledged.
    pub(super) fn acknowledged_generation(&self) -> Option<u64> {
        self.list.acknowledged_generation()
    }

    /// Returns how things stand; nothing before the welcome.
    pub(super) fn status(&self) -> Option<IndexStatus> {
        let Standing::Welcome(place) = &self.standing else { return None };
        Some(IndexStatus::Online {
            you: place.you,
            reachable: place.reachable.clone(),
            registered: self.list.registered(),
            synced: self.list.is_synced(),
            trouble: self.list.trouble(),
            about: self.about,
        })
    }

    /// Ends the session: whoever waits is told.
    pub(super) fn end(self, error: &IndexError) {
        self.pending.fail(error);
        self.postponed.fail(error);
    }
}

#[cfg(test)]
mod tests;
