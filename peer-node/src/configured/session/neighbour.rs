use protocol::configured::{Message, PeerId};
use protocol::geometry::{Geometry, PieceIndex};

use crate::configured::link::Link;
use crate::configured::send_queue::Saying;
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
    /// What it asked for while it was not served: some programs never give such a request up.
    withheld: Option<PieceIndex>,
    interest: Interest,
    /// Whether it waits to hear that we have the whole file.
    wants_done: bool,
    /// How often it has said again what was known.
    pub(super) repetitions: u32,
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
    pub(super) fn new(peer: PeerId, link: Link, geometry: &Geometry) -> Self {
        Self {
            peer,
            link,
            theirs: Theirs::none(geometry),
            is_serving: false,
            is_served: false,
            withheld: None,
            interest: Interest::default(),
            wants_done: false,
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
        if let Some(piece) = self.withheld.take() {
            self.link.say(Saying::Piece(piece));
        }
    }

    /// Serves it no more; what it has asked for until now it gets.
    pub(super) fn refuse(&mut self) {
        if std::mem::replace(&mut self.is_served, false) {
            self.say(Message::Choke);
        }
    }

    /// Takes in a request for a piece that is here.
    pub(super) fn requested(&mut self, piece: PieceIndex) {
        if self.is_served {
            self.link.say(Saying::Piece(piece));
        } else {
            self.withheld = Some(piece);
        }
    }

    /// Takes in that it has a piece; says whether that is new.
    pub(super) fn has(&mut self, piece: PieceIndex) -> bool {
        self.withheld.take_if(|withheld| *withheld == piece);
        self.theirs.insert(piece)
    }

    /// Takes in that it waits to hear that we have the whole file.
    pub(super) const fn waits_for_done(&mut self) {
        self.wants_done = true;
    }

    /// Tells it that we have the whole file, if it waits for that.
    pub(super) fn answer_done(&mut self) {
        if std::mem::replace(&mut self.wants_done, false) {
            self.say(Message::Done);
        }
    }
}
