//! Handles the messages of a peer; never blocks.

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

/// One of this many requests of the peer's reqq is left unused: Transmission rejects the last of its 512 requests, and
/// delays the rejection by up to ten seconds.
const REQUEST_HEADROOM_DIVISOR: usize = 256;

/// Number of tolerated rejections of unrequested blocks: clients differ in what they reject.
const MAX_STRAY_REJECTIONS: u32 = 1024;

/// Number of tolerated bitfields without a new piece: each costs a scan of all pieces.
const MAX_REDUNDANT_BITFIELDS: u32 = 16;

/// Handles the messages of one connection.
#[derive(Debug)]
pub(super) struct WireMessageHandler {
    pub(super) wire: Arc<WireState>,
    pub(super) offering: Arc<TorrentOffering>,
    pub(super) requests: BlockRequestHandler,
    pub(super) blocks: BlockAssembler,
    pub(super) events: WireEventBatch,
    pub(super) state: MessageHandlerState,
}

/// What the connection has received so far.
#[derive(Debug, Default)]
pub(super) struct MessageHandlerState {
    /// True if the peer was reported to the torrent's owner.
    has_joined: bool,
    stray_rejections: u32,
    redundant_bitfields: u32,
    /// The peer's request limit, once it has sent its extended handshake.
    request_limit: Option<usize>,
    /// Bytes of blocks received since the last call of `take_received`.
    received: usize,
}

impl WireMessageHandler {
    pub(super) const fn has_joined(&self) -> bool {
        self.state.has_joined
    }

    /// Returns the bytes of blocks received since the last call.
    pub(super) fn take_received(&mut self) -> usize {
        std::mem::take(&mut self.state.received)
    }

    /// Reports the peer, unless that was done.
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

    /// Reports rejected blocks.
    pub(super) fn report_rejected(&mut self) {
        let rejected = self.wire.requests.lock().take_rejected();
        if !rejected.is_empty() {
            self.events.push(WireEvent::Rejected(rejected));
        }
    }

    /// Handles the next item of the stream.
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
            // Neither concerns the torrent.
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
            // Hints that are ignored; they must be valid all the same.
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

    /// Returns an error unless the peer announced the fast extension.
    fn require_fast(&self) -> Result<(), CloseReason> {
        if self.wire.peer.handshake.has_fast {
            return Ok(());
        }
        Err(CloseReason::Violation { what: "it used the fast extension without announcing it" })
    }

    /// Handles an extended handshake. Repeated or unreadable ones are no violation.
    fn handle_extended_handshake(&mut self, document: &[u8]) {
        let handshake = match ExtendedHandshake::decode(document) {
            Ok(handshake) => handshake,
            Err(error) => {
                let address = self.wire.peer.address;
                return tracing::debug!(%address, %error, "invalid extended handshake ignored");
            }
        };
        // Clients with a request limit send reqq (Transmission, libtorrent, …); others, such as aria2, take any number.
        let requests =
            handshake.requests.map_or(usize::MAX, |requests| requests - requests / REQUEST_HEADROOM_DIVISOR);
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

    /// Adds pieces announced later. aria2 sends another bitfield where it would have to send many "have" messages.
    fn add_pieces(&mut self, pieces: &Bitfield) -> Result<(), CloseReason> {
        let mut remote = self.wire.remote_pieces.lock();
        let named = self.offering.geometry().pieces().filter(|piece| pieces.has(*piece));
        let gained: Vec<PieceIndex> = named.filter(|piece| remote.insert(*piece)).collect();
        drop(remote);
        self.state.redundant_bitfields += u32::from(gained.is_empty());
        self.events.add_pieces(gained);
        if self.state.redundant_bitfields > MAX_REDUNDANT_BITFIELDS {
            return Err(CloseReason::Violation { what: "it repeats its bitfield without new pieces" });
        }
        Ok(())
    }

    fn handle_have(&mut self, piece: u32) -> Result<(), CloseReason> {
        let piece = checked_piece(self.offering.geometry(), piece)?;
        // A repeated "have" is not reported, so it cannot flood the owner.
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
            return Err(CloseReason::Violation { what: "it rejects blocks that were not requested" });
        }
        Ok(())
    }
}

fn checked_piece(geometry: &Geometry, piece: u32) -> Result<PieceIndex, CloseReason> {
    geometry.piece(piece).ok_or(CloseReason::Violation { what: "it named a piece that does not exist" })
}
