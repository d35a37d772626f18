//! Sees to what the other side of a connection says; waits for nothing.

use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::bittorrent::{BitTorrentItem, BitTorrentMessage, BlockSpec, ExtendedHandshake};
use protocol::geometry::{Geometry, PieceIndex};

use super::block_assembler::BlockAssembler;
use super::close_reason::CloseReason;
use super::event::WireEvent;
use super::event_batch::WireEventBatch;
use super::offering::TorrentOffering;
use super::request_handler::BlockRequestHandler;
use super::wire::{PeerWire, WireState};
use crate::transport::AnswerKind;

/// Of each so many requests that a peer says may wait one is not made: Transmission rejects the last of its 512, and lets up
/// to ten seconds pass before it sends the rejection.
const REQUEST_HEADROOM_DIVISOR: usize = 256;

/// So many rejections of what was not asked for are let pass: clients differ in what they reject.
const MAX_STRAY_REJECTIONS: u32 = 1024;

/// So often a peer may name pieces without a new one among them: each time all its pieces are looked at.
const MAX_REDUNDANT_BITFIELDS: u32 = 16;

/// What one connection has said so far.
#[derive(Debug)]
pub(super) struct WireMessageHandler {
    pub(super) wire: Arc<WireState>,
    pub(super) offering: Arc<TorrentOffering>,
    pub(super) requests: BlockRequestHandler,
    pub(super) blocks: BlockAssembler,
    pub(super) events: WireEventBatch,
    pub(super) state: MessageHandlerState,
}

/// How far the connection has come.
#[derive(Debug, Default)]
pub(super) struct MessageHandlerState {
    /// Whether the peer was announced to those who fetch.
    has_joined: bool,
    stray_rejections: u32,
    redundant_bitfields: u32,
    /// How many requests may wait there, as far as it has said.
    request_limit: Option<usize>,
    /// Bytes of blocks that have come since this was last asked.
    received: usize,
}

impl WireMessageHandler {
    pub(super) const fn has_joined(&self) -> bool {
        self.state.has_joined
    }

    /// Returns how many bytes of blocks have come since it was last asked.
    pub(super) fn take_received(&mut self) -> usize {
        std::mem::take(&mut self.state.received)
    }

    /// Announces the peer, if that was not done.
    pub(super) fn report_joined(&mut self) {
        if std::mem::replace(&mut self.state.has_joined, true) {
            return;
        }
        let wire = PeerWire { shared: Arc::clone(&self.wire) };
        let (have, choked) = (self.wire.remote_pieces.lock().have(), self.wire.requests.lock().is_choked());
        self.events.push(WireEvent::Joined { wire, have, choked });
        if let Some(requests) = self.state.request_limit {
            self.events.push(WireEvent::RequestLimit { requests });
        }
    }

    /// Has those told who wait for blocks that will not come.
    pub(super) fn report_rejected(&mut self) {
        let rejected = self.wire.requests.lock().take_rejected();
        if !rejected.is_empty() {
            self.events.push(WireEvent::Rejected(rejected));
        }
    }

    /// Sees to the next part of what was said.
    pub(super) fn handle(&mut self, item: BitTorrentItem<'_>) -> Result<(), CloseReason> {
        match item {
            BitTorrentItem::Message(message) => self.handle_message(message),
            BitTorrentItem::Block(head) => {
                self.report_joined();
                let wire = Arc::clone(&self.wire);
                self.blocks.begin(head, self.offering.geometry(), &mut wire.requests.lock(), Instant::now())
            }
            BitTorrentItem::Bytes(bytes) => {
                self.state.received += bytes.len();
                self.events.add_bytes(bytes.len());
                if let Some((block, data)) = self.blocks.extend(bytes) {
                    self.events.add_block(block, data);
                }
                Ok(())
            }
        }
    }

    fn handle_message(&mut self, message: BitTorrentMessage<'_>) -> Result<(), CloseReason> {
        match message {
            // Neither says anything of the torrent.
            BitTorrentMessage::KeepAlive | BitTorrentMessage::Port(_) => return Ok(()),
            BitTorrentMessage::Extended { extension, body } => {
                if extension == ExtendedHandshake::ID {
                    self.handle_extended_handshake(body);
                }
                return Ok(());
            }
            BitTorrentMessage::Bitfield(bytes) => {
                let pieces = Bitfield::from_bytes(self.offering.geometry(), bytes.to_vec())?;
                return self.handle_bitfield(pieces);
            }
            BitTorrentMessage::HaveAll => {
                self.require_fast()?;
                return self.handle_bitfield(Bitfield::full(self.offering.geometry()));
            }
            BitTorrentMessage::HaveNone => {
                self.require_fast()?;
                return self.handle_bitfield(Bitfield::empty(self.offering.geometry()));
            }
            _ => self.report_joined(),
        }
        match message {
            BitTorrentMessage::Choke => self.handle_choke(true),
            BitTorrentMessage::Unchoke => self.handle_choke(false),
            BitTorrentMessage::Interested => self.requests.set_interested(true),
            BitTorrentMessage::NotInterested => self.requests.set_interested(false),
            BitTorrentMessage::Have { piece } => return self.handle_have(piece),
            BitTorrentMessage::Request(block) => return self.requests.request(block),
            BitTorrentMessage::Cancel(block) => return self.requests.cancel(block),
            BitTorrentMessage::Reject(block) => return self.handle_reject(block),
            // Advice that is not taken; all the same it must make sense.
            BitTorrentMessage::Suggest { piece } | BitTorrentMessage::AllowedFast { piece } => {
                self.require_fast()?;
                checked_piece(self.offering.geometry(), piece)?;
            }
            BitTorrentMessage::KeepAlive
            | BitTorrentMessage::Port(_)
            | BitTorrentMessage::Bitfield(_)
            | BitTorrentMessage::HaveAll
            | BitTorrentMessage::HaveNone
            | BitTorrentMessage::Extended { .. } => {}
        }
        Ok(())
    }

    /// Checks that the other side may say what it says.
    fn require_fast(&self) -> Result<(), CloseReason> {
        if self.wire.peer.handshake.has_fast {
            return Ok(());
        }
        Err(CloseReason::Violation { what: "it speaks the fast extension, which it has not announced" })
    }

    /// Takes in what the other side says of itself. It is no fault to say it in other words, or again.
    fn handle_extended_handshake(&mut self, document: &[u8]) {
        let said = match ExtendedHandshake::decode(document) {
            Ok(said) => said,
            Err(error) => {
                let address = self.wire.peer.address;
                return tracing::debug!(%address, %error, "extended handshake not understood");
            }
        };
        // Clients that limit the requests say so here: Transmission, libtorrent and others do, aria2 takes any number.
        let requests =
            said.requests.map_or(usize::MAX, |requests| requests - requests / REQUEST_HEADROOM_DIVISOR);
        if self.state.request_limit.replace(requests) != Some(requests) && self.state.has_joined {
            self.events.push(WireEvent::RequestLimit { requests });
        }
    }

    fn handle_bitfield(&mut self, pieces: Bitfield) -> Result<(), CloseReason> {
        if self.state.has_joined {
            self.add_pieces(&pieces)?;
        } else {
            self.wire.remote_pieces.lock().set(pieces);
            self.report_joined();
        }
        self.check_both_complete()
    }

    /// Takes in pieces that it names later, as aria2 does where there would be many single ones to name.
    fn add_pieces(&mut self, pieces: &Bitfield) -> Result<(), CloseReason> {
        let mut theirs = self.wire.remote_pieces.lock();
        let named = self.offering.geometry().pieces().filter(|piece| pieces.has(*piece));
        let gained: Vec<PieceIndex> = named.filter(|piece| theirs.insert(*piece)).collect();
        drop(theirs);
        self.state.redundant_bitfields += u32::from(gained.is_empty());
        self.events.add_pieces(gained);
        if self.state.redundant_bitfields > MAX_REDUNDANT_BITFIELDS {
            return Err(CloseReason::Violation { what: "it goes on saying what it has" });
        }
        Ok(())
    }

    fn handle_have(&mut self, piece: u32) -> Result<(), CloseReason> {
        let piece = checked_piece(self.offering.geometry(), piece)?;
        // It can say the same for ever: nobody needs to hear that.
        if self.wire.remote_pieces.lock().insert(piece) {
            self.events.add_pieces([piece]);
            return self.check_both_complete();
        }
        Ok(())
    }

    fn check_both_complete(&self) -> Result<(), CloseReason> {
        if self.wire.are_both_complete(&self.offering) { Err(CloseReason::BothComplete) } else { Ok(()) }
    }

    fn handle_choke(&mut self, is_choked: bool) {
        if self.wire.requests.lock().set_choked(is_choked) {
            self.events.push(if is_choked { WireEvent::Choked } else { WireEvent::Unchoked });
        }
    }

    fn handle_reject(&mut self, block: BlockSpec) -> Result<(), CloseReason> {
        self.require_fast()?;
        let BlockSpec { piece, begin, length } = block;
        let block = self.offering.geometry().block(piece, begin, length)?;
        let answer = self.wire.requests.lock().answered(block);
        match answer {
            AnswerKind::Wanted => self.events.push(WireEvent::Rejected(vec![block])),
            AnswerKind::Late => {}
            AnswerKind::Unrequested => self.state.stray_rejections += 1,
        }
        if self.state.stray_rejections > MAX_STRAY_REJECTIONS {
            return Err(CloseReason::Violation { what: "it rejects what it was not asked for" });
        }
        Ok(())
    }
}

fn checked_piece(geometry: &Geometry, piece: u32) -> Result<PieceIndex, CloseReason> {
    geometry.piece(piece).ok_or(CloseReason::Violation { what: "it named a piece that does not exist" })
}
