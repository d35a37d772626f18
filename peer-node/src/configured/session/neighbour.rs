use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::configured::{ConfiguredMessage, ConfiguredPeerId, Framing};
use protocol::geometry::{Geometry, PieceIndex};

use crate::configured::disconnect_reason::GroupDisconnectReason;
use crate::configured::link::GroupLink;
use crate::configured::send_queue::{MAX_QUEUED_PIECES, OutgoingMessage};
use crate::transport::PeerPieces;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Neighbour {
    /// Who it is.
    pub(super) peer: ConfiguredPeerId,
    pub(super) link: GroupLink,
    /// What it has.
    pub(super) theirs: PeerPieces,
    /// Whether it serves us.
    pub(super) is_serving: bool,
    /// Whether we serve it.
    is_unchoked: bool,
    /// What it requested while it was not served, in that order: some programs never give such a request up. No more than a
    /// neighbour may be waiting for.
    withheld: VecDeque<PieceIndex>,
    interest: InterestState,
    /// When the connection began.
    connected_at: Instant,
    /// Whether it has sent any message.
    has_sent: bool,
    done: DoneExchange,
    /// How often it has said again what was known.
    pub(super) repetitions: u32,
}

/// How far the exchange of DONE has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DoneExchange {
    Open,
    /// The neighbour waits for ours.
    Awaited,
    Sent,
}

/// Whether we want anything of a neighbour.
#[derive(Debug, Default)]
struct InterestState {
    wanted: bool,
    sent: bool,
    /// Whether it has said what it has and must be answered.
    is_reply_owed: bool,
}

impl Neighbour {
    pub(super) fn new(peer: ConfiguredPeerId, link: GroupLink, geometry: &Geometry, now: Instant) -> Self {
        Self {
            peer,
            link,
            theirs: PeerPieces::empty(geometry),
            is_serving: false,
            is_unchoked: false,
            withheld: VecDeque::new(),
            interest: InterestState::default(),
            connected_at: now,
            has_sent: false,
            done: DoneExchange::Open,
            repetitions: 0,
        }
    }

    pub(super) fn send(&self, message: ConfiguredMessage<'static>) {
        self.link.send(OutgoingMessage::Short(message));
    }

    /// Notes whether it has anything that is wanted.
    pub(super) const fn set_wanted(&mut self, on: bool) {
        self.interest.wanted = on;
    }

    /// Says whether it has anything that is wanted.
    pub(super) const fn is_wanted(&self) -> bool {
        self.interest.wanted
    }

    /// Notes that it has to hear whether it has anything that is wanted, even if that has not changed.
    pub(super) const fn owe_interest_reply(&mut self) {
        self.interest.is_reply_owed = true;
    }

    /// Says whether it has anything that is wanted, if that is news or an answer.
    pub(super) fn send_interest(&mut self) {
        let InterestState { wanted, sent, is_reply_owed } = self.interest;
        if wanted != sent || is_reply_owed {
            self.send(if wanted { ConfiguredMessage::Interested } else { ConfiguredMessage::NotInterested });
            self.interest = InterestState { wanted, sent: wanted, is_reply_owed: false };
        }
    }

    /// Serves it from now on.
    pub(super) fn unchoke(&mut self) {
        if std::mem::replace(&mut self.is_unchoked, true) {
            return;
        }
        self.send(ConfiguredMessage::Unchoke);
        for piece in self.withheld.drain(..) {
            self.link.send(OutgoingMessage::Piece(piece));
        }
    }

    /// Serves it no more; what it has asked for until now it gets.
    pub(super) fn choke(&mut self) {
        if std::mem::replace(&mut self.is_unchoked, false) {
            self.send(ConfiguredMessage::Choke);
        }
    }

    /// Takes in a request for a piece that is here; a choked neighbour gets it after the next unchoke.
    pub(super) fn on_request(&mut self, piece: PieceIndex) {
        if self.is_unchoked {
            self.link.send(OutgoingMessage::Piece(piece));
        } else if !self.withheld.contains(&piece) {
            self.withheld.push_back(piece);
            if self.withheld.len() > MAX_QUEUED_PIECES {
                self.link.close(GroupDisconnectReason::Violation {
                    what: "it requests more pieces than it may wait for",
                });
            }
        }
    }

    /// Takes in that it has a piece; says whether that is new.
    pub(super) fn add_piece(&mut self, piece: PieceIndex) -> bool {
        self.withheld.retain(|withheld| *withheld != piece);
        self.theirs.insert(piece)
    }

    /// Notes that it has sent a message.
    pub(super) const fn mark_has_sent(&mut self) {
        self.has_sent = true;
    }

    /// Returns true if it has been connected for so long without sending any message.
    pub(super) fn is_silent(&self, now: Instant, patience: Duration) -> bool {
        !self.has_sent && now.saturating_duration_since(self.connected_at) >= patience
    }

    /// Notes that it waits for our DONE.
    pub(super) fn on_done(&mut self) {
        if self.done == DoneExchange::Open {
            self.done = DoneExchange::Awaited;
        }
    }

    /// Sends DONE, if it waits for that.
    pub(super) fn reply_done(&mut self) {
        if self.done == DoneExchange::Awaited {
            self.send_done();
        }
    }

    /// Sends DONE unasked, if it speaks as those do that have the message: they exit only when everybody has sent it.
    pub(super) fn send_last_done(&mut self) {
        if self.done != DoneExchange::Sent && self.link.framing() == Some(Framing::Exclusive) {
            self.send_done();
        }
    }

    fn send_done(&mut self) {
        self.done = DoneExchange::Sent;
        self.send(ConfiguredMessage::Done);
    }
}
