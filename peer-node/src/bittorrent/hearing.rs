//! Sees to what the other side of a connection says; waits for nothing.

use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::bittorrent::{BlockSpec, ExtendedHandshake, Item, Message};
use protocol::geometry::{Geometry, PieceIndex};

use super::ending::Ending;
use super::event::WireEvent;
use super::intake::Intake;
use super::news::News;
use super::offering::Offering;
use super::serving::Serving;
use super::wire::{Wire, WireState};
use crate::transport::Answer;

/// Of each so many requests that a peer says may wait one is not made: Transmission rejects the last of its 512, and lets up
/// to ten seconds pass before it sends the rejection.
const SPARED: usize = 256;

/// So many rejections of what was not asked for are let pass: clients differ in what they reject.
const MAX_STRAY_REJECTIONS: u32 = 1024;

/// So often a peer may name pieces without a new one among them: each time all its pieces are looked at.
const MAX_REPETITIONS: u32 = 16;

/// What one connection has said so far.
#[derive(Debug)]
pub(super) struct Hearing {
    pub(super) wire: Arc<WireState>,
    pub(super) offering: Arc<Offering>,
    pub(super) serving: Serving,
    pub(super) intake: Intake,
    pub(super) news: News,
    pub(super) standing: Standing,
}

/// How far the connection has come.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Whether the peer was announced to those who fetch.
    has_joined: bool,
    stray_rejections: u32,
    repetitions: u32,
    /// How many requests may wait there, as far as it has said.
    takes: Option<usize>,
    /// Bytes of blocks that have come since this was last asked.
    received: usize,
}

impl Hearing {
    pub(super) const fn has_joined(&self) -> bool {
        self.standing.has_joined
    }

    /// Returns how many bytes of blocks have come since it was last asked.
    pub(super) fn received(&mut self) -> usize {
        std::mem::take(&mut self.standing.received)
    }

    /// Announces the peer, if that was not done.
    pub(super) fn join(&mut self) {
        if std::mem::replace(&mut self.standing.has_joined, true) {
            return;
        }
        let wire = Wire { shared: Arc::clone(&self.wire) };
        let (have, choked) = (self.wire.theirs.lock().have(), self.wire.asked.lock().is_choked());
        self.news.push(WireEvent::Joined { wire, have, choked });
        if let Some(requests) = self.standing.takes {
            self.news.push(WireEvent::Takes { requests });
        }
    }

    /// Has those told who wait for blocks that will not come.
    pub(super) fn reject(&mut self) {
        let rejected = self.wire.asked.lock().take_rejected();
        if !rejected.is_empty() {
            self.news.push(WireEvent::Rejected(rejected));
        }
    }

    /// Sees to the next part of what was said.
    pub(super) fn hear(&mut self, item: Item<'_>) -> Result<(), Ending> {
        match item {
            Item::Message(message) => self.message(message),
            Item::Block(head) => {
                self.join();
                let wire = Arc::clone(&self.wire);
                self.intake.begin(head, self.offering.geometry(), &mut wire.asked.lock(), Instant::now())
            }
            Item::Bytes(bytes) => {
                self.standing.received += bytes.len();
                self.news.bytes(bytes.len());
                if let Some((block, data)) = self.intake.extend(bytes) {
                    self.news.block(block, data);
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, message: Message<'_>) -> Result<(), Ending> {
        match message {
            // Neither says anything of the torrent.
            Message::KeepAlive | Message::Port(_) => return Ok(()),
            Message::Extended { extension, body } => {
                if extension == ExtendedHandshake::ID {
                    self.presented(body);
                }
                return Ok(());
            }
            Message::Bitfield(bytes) => {
                let pieces = Bitfield::from_bytes(self.offering.geometry(), bytes.to_vec())?;
                return self.has_pieces(pieces);
            }
            Message::HaveAll => {
                self.fast()?;
                return self.has_pieces(Bitfield::full(self.offering.geometry()));
            }
            Message::HaveNone => {
                self.fast()?;
                return self.has_pieces(Bitfield::empty(self.offering.geometry()));
            }
            _ => self.join(),
        }
        match message {
            Message::Choke => self.choked(true),
            Message::Unchoke => self.choked(false),
            Message::Interested => self.serving.interest(true),
            Message::NotInterested => self.serving.interest(false),
            Message::Have { piece } => return self.has_piece(piece),
            Message::Request(block) => return self.serving.request(block),
            Message::Cancel(block) => return self.serving.cancel(block),
            Message::Reject(block) => return self.rejected(block),
            // Advice that is not taken; all the same it must make sense.
            Message::Suggest { piece } | Message::AllowedFast { piece } => {
                self.fast()?;
                existing(self.offering.geometry(), piece)?;
            }
            Message::KeepAlive
            | Message::Port(_)
            | Message::Bitfield(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Extended { .. } => {}
        }
        Ok(())
    }

    /// Checks that the other side may say what it says.
    fn fast(&self) -> Result<(), Ending> {
        if self.wire.peer.greeted.has_fast {
            return Ok(());
        }
        Err(Ending::Violation { what: "it speaks the fast extension, which it has not announced" })
    }

    /// Takes in what the other side says of itself. It is no fault to say it in other words, or again.
    fn presented(&mut self, document: &[u8]) {
        let said = match ExtendedHandshake::decode(document) {
            Ok(said) => said,
            Err(error) => {
                let address = self.wire.peer.address;
                return tracing::debug!(%address, %error, "extended handshake not understood");
            }
        };
        // Clients that limit the requests say so here: Transmission, libtorrent and others do, aria2 takes any number.
        let requests = said.requests.map_or(usize::MAX, |requests| requests - requests / SPARED);
        if self.standing.takes.replace(requests) != Some(requests) && self.standing.has_joined {
            self.news.push(WireEvent::Takes { requests });
        }
    }

    fn has_pieces(&mut self, pieces: Bitfield) -> Result<(), Ending> {
        if self.standing.has_joined {
            self.gains(&pieces)?;
        } else {
            self.wire.theirs.lock().set(pieces);
            self.join();
        }
        self.sated()
    }

    /// Takes in pieces that it names later, as aria2 does where there would be many single ones to name.
    fn gains(&mut self, pieces: &Bitfield) -> Result<(), Ending> {
        let mut theirs = self.wire.theirs.lock();
        let named = self.offering.geometry().pieces().filter(|piece| pieces.has(*piece));
        let gained: Vec<PieceIndex> = named.filter(|piece| theirs.insert(*piece)).collect();
        drop(theirs);
        self.standing.repetitions += u32::from(gained.is_empty());
        self.news.gained(gained);
        if self.standing.repetitions > MAX_REPETITIONS {
            return Err(Ending::Violation { what: "it goes on saying what it has" });
        }
        Ok(())
    }

    fn has_piece(&mut self, piece: u32) -> Result<(), Ending> {
        let piece = existing(self.offering.geometry(), piece)?;
        // It can say the same for ever: nobody needs to hear that.
        if self.wire.theirs.lock().insert(piece) {
            self.news.gained([piece]);
            return self.sated();
        }
        Ok(())
    }

    fn sated(&self) -> Result<(), Ending> {
        if self.wire.is_sated(&self.offering) { Err(Ending::Sated) } else { Ok(()) }
    }

    fn choked(&mut self, is_choked: bool) {
        if self.wire.asked.lock().choked(is_choked) {
            self.news.push(if is_choked { WireEvent::Choked } else { WireEvent::Unchoked });
        }
    }

    fn rejected(&mut self, block: BlockSpec) -> Result<(), Ending> {
        self.fast()?;
        let BlockSpec { piece, begin, length } = block;
        let block = self.offering.geometry().block(piece, begin, length)?;
        let answer = self.wire.asked.lock().answered(block);
        match answer {
            Answer::Wanted => self.news.push(WireEvent::Rejected(vec![block])),
            Answer::Late => {}
            Answer::Unasked => self.standing.stray_rejections += 1,
        }
        if self.standing.stray_rejections > MAX_STRAY_REJECTIONS {
            return Err(Ending::Violation { what: "it rejects what it was not asked for" });
        }
        Ok(())
    }
}

fn existing(geometry: &Geometry, piece: u32) -> Result<PieceIndex, Ending> {
    geometry.piece(piece).ok_or(Ending::Violation { what: "it named a piece that does not exist" })
}
