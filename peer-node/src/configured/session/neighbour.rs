use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::configured::{Framing, Message, PeerId};
use protocol::geometry::{Geometry, PieceIndex};

use crate::configured::ending::Ending;
use crate::configured::link::Link;
use crate::configured::send_queue::{MAX_PIECES, Saying};
use crate::transport::Theirs;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Neighbour {
    /// Who it is.
    pub(super) peer: PeerId,
    pub(super) link: Link,
    /// What it has.
    pub(super) theirs: Theirs,
    /// Whether it serves us.
    pub(super) is_serving: bool,
    /// Whether we serve it.
    is_served: bool,
    /// What it requested while it was not served, in that order: some programs never give such a request up. No more than a
    /// neighbour may be waiting for.
    withheld: VecDeque<PieceIndex>,
    interest: Interest,
    /// When the connection began.
    since: Instant,
    /// Whether it has sent any message.
    has_spoken: bool,
    done: Done,
    /// How often it has said again what was known.
    pub(super) repetitions: u32,
}

/// How far the exchange of DONE has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Open,
    /// The neighbour waits for ours.
    Awaited,
    Sent,
}

/// Whether we want anything of a neighbour.
#[derive(Debug, Default)]
struct Interest {
    wanted: bool,
    told: bool,
    /// Whether it has said what it has and must be answered.
    is_owed: bool,
}

impl Neighbour {
    pub(super) fn new(peer: PeerId, link: Link, geometry: &Geometry, now: Instant) -> Self {
        Self {
            peer,
            link,
            theirs: Theirs::none(geometry),
            is_serving: false,
            is_served: false,
            withheld: VecDeque::new(),
            interest: Interest::default(),
            since: now,
            has_spoken: false,
            done: Done::Open,
            repetitions: 0,
        }
    }

    pub(super) fn say(&self, message: Message<'static>) {
        self.link.say(Saying::Short(message));
    }

    /// Notes whether it has anything that is wanted.
    pub(super) const fn wanted(&mut self, on: bool) {
        self.interest.wanted = on;
    }

    /// Says whether it has anything that is wanted.
    pub(super) const fn is_wanted(&self) -> bool {
        self.interest.wanted
    }

    /// Notes that it has to hear whether it has anything that is wanted, even if that has not changed.
    pub(super) const fn owes_answer(&mut self) {
        self.interest.is_owed = true;
    }

    /// Says whether it has anything that is wanted, if that is news or an answer.
    pub(super) fn tell_interest(&mut self) {
        let Interest { wanted, told, is_owed } = self.interest;
        if wanted != told || is_owed {
            self.say(if wanted { Message::Interested } else { Message::NotInterested });
            self.interest = Interest { wanted, told: wanted, is_owed: false };
        }
    }

    /// Serves it from now on.
    pub(super) fn serve(&mut self) {
        if std::mem::replace(&mut self.is_served, true) {
            return;
        }
        self.say(Message::Unchoke);
        for piece in self.withheld.drain(..) {
            self.link.say(Saying::Piece(piece));
        }
    }

    /// Serves it no more; what it has asked for until now it gets.
    pub(super) fn refuse(&mut self) {
        if std::mem::replace(&mut self.is_served, false) {
            self.say(Message::Choke);
        }
    }

    /// Takes in a request for a piece that is here; a choked neighbour gets it after the next unchoke.
    pub(super) fn requested(&mut self, piece: PieceIndex) {
        if self.is_served {
            self.link.say(Saying::Piece(piece));
        } else if !self.withheld.contains(&piece) {
            self.withheld.push_back(piece);
            if self.withheld.len() > MAX_PIECES {
                self.link.end(Ending::Violation { what: "it requests more pieces than it may wait for" });
            }
        }
    }

    /// Takes in that it has a piece; says whether that is new.
    pub(super) fn has(&mut self, piece: PieceIndex) -> bool {
        self.withheld.retain(|withheld| *withheld != piece);
        self.theirs.insert(piece)
    }

    /// Notes that it has sent a message.
    pub(super) const fn spoke(&mut self) {
        self.has_spoken = true;
    }

    /// Returns true if it has been connected for so long without sending any message.
    pub(super) fn is_silent(&self, now: Instant, patience: Duration) -> bool {
        !self.has_spoken && now.saturating_duration_since(self.since) >= patience
    }

    /// Notes that it waits for our DONE.
    pub(super) fn awaits_done(&mut self) {
        if self.done == Done::Open {
            self.done = Done::Awaited;
        }
    }

    /// Sends DONE, if it waits for that.
    pub(super) fn answer_done(&mut self) {
        if self.done == Done::Awaited {
            self.send_done();
        }
    }

    /// Sends DONE unasked, if it speaks as those do that have the message: they exit only when everybody has sent it.
    pub(super) fn send_last_done(&mut self) {
        if self.done != Done::Sent && self.link.framing() == Some(Framing::Exclusive) {
            self.send_done();
        }
    }

    fn send_done(&mut self) {
        self.done = Done::Sent;
        self.say(Message::Done);
    }
}
