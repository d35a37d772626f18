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
    /// Id of the peer.
    pub(super) peer: ConfiguredPeerId,
    pub(super) link: GroupLink,
    /// Pieces that it has.
    pub(super) pieces: PeerPieces,
    /// Whether it serves us.
    pub(super) is_serving: bool,
    /// Whether we serve it.
    is_unchoked: bool,
    /// Requests received while the neighbour was choked, in order: some implementations never repeat such a request. At most
    /// [`MAX_QUEUED_PIECES`].
    withheld: VecDeque<PieceIndex>,
    interest: InterestState,
    /// Start of the connection.
    connected_at: Instant,
    /// Whether it has sent any message.
    has_sent: bool,
    done: DoneExchange,
    /// Number of messages that repeated known facts.
    pub(super) repetitions: u32,
}

/// State of the DONE exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DoneExchange {
    Open,
    /// The neighbour waits for our DONE.
    Awaited,
    Sent,
}

/// Our interest in a neighbour.
#[derive(Debug, Default)]
struct InterestState {
    wanted: bool,
    sent: bool,
    /// Whether a bitfield must be answered with our interest.
    is_reply_owed: bool,
}

impl Neighbour {
    pub(super) fn new(peer: ConfiguredPeerId, link: GroupLink, geometry: &Geometry, now: Instant) -> Self {
        Self {
            peer,
            link,
            pieces: PeerPieces::empty(geometry),
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

    /// Records whether the neighbour has a wanted piece.
    pub(super) const fn set_wanted(&mut self, on: bool) {
        self.interest.wanted = on;
    }

    /// Returns true if the neighbour has a wanted piece.
    pub(super) const fn is_wanted(&self) -> bool {
        self.interest.wanted
    }

    /// Records that the next interest message must be sent even if the interest has not changed.
    pub(super) const fn owe_interest_reply(&mut self) {
        self.interest.is_reply_owed = true;
    }

    /// Sends our interest if it has changed or an answer is owed.
    pub(super) fn send_interest(&mut self) {
        let InterestState { wanted, sent, is_reply_owed } = self.interest;
        if wanted != sent || is_reply_owed {
            self.send(if wanted { ConfiguredMessage::Interested } else { ConfiguredMessage::NotInterested });
            self.interest = InterestState { wanted, sent: wanted, is_reply_owed: false };
        }
    }

    /// Unchokes the neighbour and answers its withheld requests.
    pub(super) fn unchoke(&mut self) {
        if std::mem::replace(&mut self.is_unchoked, true) {
            return;
        }
        self.send(ConfiguredMessage::Unchoke);
        for piece in self.withheld.drain(..) {
            self.link.send(OutgoingMessage::Piece(piece));
        }
    }

    /// Chokes the neighbour. Pieces requested before are still sent.
    pub(super) fn choke(&mut self) {
        if std::mem::replace(&mut self.is_unchoked, false) {
            self.send(ConfiguredMessage::Choke);
        }
    }

    /// Handles a request for a stored piece. A choked neighbour gets the piece after the next unchoke.
    pub(super) fn on_request(&mut self, piece: PieceIndex) {
        if self.is_unchoked {
            self.link.send(OutgoingMessage::Piece(piece));
        } else if !self.withheld.contains(&piece) {
            self.withheld.push_back(piece);
            if self.withheld.len() > MAX_QUEUED_PIECES {
                self.link
                    .close(GroupDisconnectReason::Violation { what: "it requests too many pieces at once" });
            }
        }
    }

    /// Records that the neighbour has a piece. Returns true if that is new.
    pub(super) fn add_piece(&mut self, piece: PieceIndex) -> bool {
        self.withheld.retain(|withheld| *withheld != piece);
        self.pieces.insert(piece)
    }

    /// Records that the neighbour has sent a message.
    pub(super) const fn mark_has_sent(&mut self) {
        self.has_sent = true;
    }

    /// Returns true if the neighbour has been connected for `timeout` without sending any message.
    pub(super) fn is_silent(&self, now: Instant, timeout: Duration) -> bool {
        !self.has_sent && now.saturating_duration_since(self.connected_at) >= timeout
    }

    /// Records that the neighbour waits for our DONE.
    pub(super) fn on_done(&mut self) {
        if self.done == DoneExchange::Open {
            self.done = DoneExchange::Awaited;
        }
    }

    /// Sends DONE if the neighbour waits for it.
    pub(super) fn reply_done(&mut self) {
        if self.done == DoneExchange::Awaited {
            self.send_done();
        }
    }

    /// Sends an unrequested DONE to neighbours whose framing shows that they use it: they exit only after all peers have
    /// sent DONE.
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
