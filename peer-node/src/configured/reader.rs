//! Receives the messages of a neighbour and converts them to events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::configured::{ConfiguredDecoder, ConfiguredItem, ConfiguredMessage, ConfiguredPeerId, Framing};
use protocol::geometry::{Block, Geometry, PieceIndex};
use tokio::io::AsyncReadExt;

use super::disconnect_reason::{GroupDisconnectReason, MIN_RATE};
use super::link::{GroupEventSender, GroupLinkState, LinkContext};
use super::peer_framings::PeerFramings;
use crate::transport::{AnswerKind, Buffer, BufferPool, PeerReadHalf};
use swarm::SourceId;

/// Size of one read.
const READ_SIZE: usize = 64 << 10;

/// Interval at which the rate of an incoming piece is checked.
const RATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A received message, or a change of the connection.
#[derive(Debug)]
pub(super) enum GroupEvent {
    /// The neighbour stopped serving us.
    Choke,
    /// The neighbour serves us from now on.
    Unchoke,
    /// The neighbour wants pieces from us.
    Interested,
    /// The neighbour wants nothing from us.
    NotInterested,
    /// The neighbour has one more piece.
    Have(PieceIndex),
    /// The neighbour has these pieces.
    Bitfield(Bitfield),
    /// The neighbour requests a piece.
    Request(PieceIndex),
    /// The neighbour has the whole file and waits until the others report the same.
    Done,
    /// Some bytes of a piece arrived.
    Bytes(u64),
    /// A piece that was requested at some time arrived.
    Piece(PieceIndex, Buffer),
    /// The connection ended.
    Disconnected(GroupDisconnectReason),
}

impl GroupEvent {
    /// Returns true if every occurrence of the event is logged.
    pub(super) const fn is_logged(&self) -> bool {
        matches!(self, Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested | Self::Have(_))
    }
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct GroupReader {
    stream: PeerReadHalf,
    peer: ConfiguredPeerId,
    state: Arc<GroupLinkState>,
    geometry: Geometry,
    buffers: BufferPool,
    framings: Arc<PeerFramings>,
    decoder: Option<ConfiguredDecoder>,
    buffered: Vec<u8>,
    incoming: Option<IncomingPiece>,
    piece_started: Instant,
}

/// The piece that is being received.
#[derive(Debug)]
struct IncomingPiece {
    piece: PieceIndex,
    data: Buffer,
    received: u32,
}

/// A reader that sends its events to the session.
#[derive(Debug)]
pub(super) struct GroupEventReader {
    id: SourceId,
    events: GroupEventSender,
    reader: GroupReader,
}

impl GroupReader {
    pub(super) fn new(
        stream: PeerReadHalf,
        peer: ConfiguredPeerId,
        state: Arc<GroupLinkState>,
        common: &LinkContext,
        now: Instant,
    ) -> Self {
        Self {
            stream,
            peer,
            state,
            geometry: common.geometry,
            buffers: common.buffers.clone(),
            framings: Arc::clone(&common.framings),
            decoder: None,
            buffered: Vec::new(),
            incoming: None,
            piece_started: now,
        }
    }

    pub(super) const fn with_events(self, id: SourceId, events: GroupEventSender) -> GroupEventReader {
        GroupEventReader { id, events, reader: self }
    }

    /// Reads some bytes. Fails if the connection was closed or the incoming piece is too slow.
    async fn read(&mut self) -> Result<(), GroupDisconnectReason> {
        let room = READ_SIZE.max(self.decoder.as_ref().map_or(0, ConfiguredDecoder::max_header_len));
        self.buffered.reserve(room);
        let reading = self.stream.read_buf(&mut self.buffered);
        match tokio::time::timeout(RATE_CHECK_INTERVAL, reading).await {
            Ok(Ok(0)) => return Err(GroupDisconnectReason::ClosedByPeer),
            Ok(read) => drop(read?),
            Err(_) => {}
        }
        let Some(incoming) = &self.incoming else { return Ok(()) };
        let taken = self.piece_started.elapsed();
        let is_slow = taken >= MIN_RATE.1 && u64::from(incoming.received) < MIN_RATE.0 * taken.as_secs();
        if is_slow { Err(GroupDisconnectReason::TooSlow) } else { Ok(()) }
    }

    /// Decodes all complete messages in the buffer.
    fn decode_buffered(&mut self, events: &mut Vec<GroupEvent>) -> Result<(), GroupDisconnectReason> {
        if self.decoder.is_none() {
            let Some(first) = self.buffered.first_chunk() else { return Ok(()) };
            self.decoder = Some(ConfiguredDecoder::new(self.geometry, self.learn_framing(*first)?));
        }
        let Some(mut decoder) = self.decoder.take() else { return Ok(()) };
        let kept = std::mem::take(&mut self.buffered);
        let mut input = kept.as_slice();
        let outcome = loop {
            match decoder.next(&mut input) {
                Ok(Some(item)) => {
                    if let Err(reason) = self.handle_item(item, events) {
                        break Err(reason);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        let consumed = kept.len() - input.len();
        self.buffered = kept;
        self.buffered.drain(..consumed);
        self.decoder = Some(decoder);
        outcome
    }

    /// Detects the framing from the first message, unless it is known already; then the message must match it.
    fn learn_framing(&self, head: [u8; Framing::HEAD_LEN]) -> Result<Framing, GroupDisconnectReason> {
        let detected = Framing::of_first_message(head, &self.geometry);
        if let Some(theirs) = detected {
            self.framings.record(self.peer, theirs);
        }
        let mut framing_in_use = detected.unwrap_or(Framing::Inclusive);
        self.state.framing.send_modify(|framing| framing_in_use = *framing.get_or_insert(framing_in_use));
        match detected {
            Some(theirs) if theirs != framing_in_use => Err(GroupDisconnectReason::OtherFraming { theirs }),
            _ => Ok(framing_in_use),
        }
    }

    fn handle_item(
        &mut self,
        item: ConfiguredItem<'_>,
        events: &mut Vec<GroupEvent>,
    ) -> Result<(), GroupDisconnectReason> {
        match item {
            ConfiguredItem::Message(message) => events.push(self.handle_message(message)?),
            ConfiguredItem::Piece(piece) => self.incoming = Some(self.begin_piece(piece)?),
            ConfiguredItem::Bytes(bytes) => self.extend_piece(bytes, events),
        }
        Ok(())
    }

    fn handle_message(&self, message: ConfiguredMessage<'_>) -> Result<GroupEvent, GroupDisconnectReason> {
        Ok(match message {
            ConfiguredMessage::Choke => {
                self.state.requests.lock().set_choked(true);
                GroupEvent::Choke
            }
            ConfiguredMessage::Unchoke => {
                self.state.requests.lock().set_choked(false);
                GroupEvent::Unchoke
            }
            ConfiguredMessage::Interested => GroupEvent::Interested,
            ConfiguredMessage::NotInterested => GroupEvent::NotInterested,
            ConfiguredMessage::Have { piece } => GroupEvent::Have(piece),
            ConfiguredMessage::Request { piece } => GroupEvent::Request(piece),
            ConfiguredMessage::Done => GroupEvent::Done,
            ConfiguredMessage::Bitfield(bytes) => {
                GroupEvent::Bitfield(Bitfield::masked(&self.geometry, bytes.to_vec())?)
            }
        })
    }

    /// Begins to receive a piece. A piece whose request was withdrawn or choked may still be missing, so it is accepted too.
    fn begin_piece(&mut self, piece: PieceIndex) -> Result<IncomingPiece, GroupDisconnectReason> {
        let block = piece_block(&self.geometry, piece);
        self.piece_started = Instant::now();
        if self.state.requests.lock().answered(block) == AnswerKind::Unrequested {
            return Err(GroupDisconnectReason::Violation { what: "it sent a piece that was not requested" });
        }
        Ok(IncomingPiece { piece, data: self.buffers.take(block.length as usize), received: 0 })
    }

    fn extend_piece(&mut self, bytes: &[u8], events: &mut Vec<GroupEvent>) {
        let Some(incoming) = &mut self.incoming else { return };
        // The decoder passes at most one piece, which fits in `u32`.
        incoming.received += u32::try_from(bytes.len()).unwrap_or(0);
        incoming.data.vec().extend_from_slice(bytes);
        events.push(GroupEvent::Bytes(bytes.len() as u64));
        if incoming.received == self.geometry.length_of(incoming.piece)
            && let Some(IncomingPiece { piece, data, .. }) = self.incoming.take()
        {
            events.push(GroupEvent::Piece(piece, data));
        }
    }
}

impl GroupEventReader {
    /// Reads until the connection ends, and returns the reason.
    pub(super) async fn run(&mut self) -> GroupDisconnectReason {
        let mut events = Vec::new();
        loop {
            let read = self.reader.read().await;
            let outcome = read.and_then(|()| self.reader.decode_buffered(&mut events));
            // Events before a violation are valid.
            for event in events.drain(..) {
                // If the receiver was dropped, the session is ending.
                let _ = self.events.send((self.id, event)).await;
            }
            if let Err(reason) = outcome {
                return reason;
            }
        }
    }

    /// Reports the end of the connection.
    pub(super) async fn report_disconnect(self, reason: GroupDisconnectReason) {
        let _ = self.events.send((self.id, GroupEvent::Disconnected(reason))).await;
    }
}

/// Returns the only block of a piece: this dialect requests whole pieces.
pub(super) fn piece_block(geometry: &Geometry, piece: PieceIndex) -> Block {
    geometry.whole_piece(piece)
}
