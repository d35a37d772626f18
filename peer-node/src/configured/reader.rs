//! Hears what a neighbour says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::configured::{ConfiguredDecoder, ConfiguredItem, ConfiguredMessage, ConfiguredPeerId, Framing};
use protocol::geometry::{Block, Geometry, PieceIndex};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::disconnect_reason::{GroupDisconnectReason, MIN_RATE};
use super::link::{GroupEventSender, GroupLinkState, LinkContext};
use super::peer_framings::PeerFramings;
use crate::transport::{AnswerKind, Buffer, BufferPool};
use swarm::SourceId;

/// How many bytes are read at once.
const READ_SIZE: usize = 64 << 10;

/// How often it is looked at a piece that comes slowly.
const RATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What a neighbour says, and what becomes of it.
#[derive(Debug)]
pub(super) enum GroupEvent {
    /// It serves nothing any more.
    Choke,
    /// It serves from now on.
    Unchoke,
    /// It wants something.
    Interested,
    /// It wants nothing.
    NotInterested,
    /// It has a piece more.
    Have(PieceIndex),
    /// It has these pieces.
    Bitfield(Bitfield),
    /// It asks for a piece.
    Request(PieceIndex),
    /// It has all and waits for the same word of others.
    Done,
    /// Some bytes of a piece have come.
    Bytes(u64),
    /// A piece that was asked for at some time is here.
    Piece(PieceIndex, Buffer),
    /// The connection is over.
    Disconnected(GroupDisconnectReason),
}

impl GroupEvent {
    /// Says whether it is something of which every occurrence has a line in the log.
    pub(super) const fn is_logged(&self) -> bool {
        matches!(self, Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested | Self::Have(_))
    }
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct GroupReader {
    stream: OwnedReadHalf,
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

/// The piece that is coming.
#[derive(Debug)]
struct IncomingPiece {
    piece: PieceIndex,
    data: Buffer,
    received: u32,
}

/// A reader that tells what it hears.
#[derive(Debug)]
pub(super) struct GroupEventReader {
    id: SourceId,
    events: GroupEventSender,
    reader: GroupReader,
}

impl GroupReader {
    pub(super) fn new(
        stream: OwnedReadHalf,
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

    /// Waits for bytes.
    async fn read(&mut self) -> Result<(), GroupDisconnectReason> {
        let room = READ_SIZE.max(self.decoder.as_ref().map_or(0, ConfiguredDecoder::max_header_len));
        self.buffered.reserve(room);
        let reading = self.stream.read_buf(&mut self.buffered);
        match tokio::time::timeout(RATE_CHECK_INTERVAL, reading).await {
            Ok(Ok(0)) => return Err(GroupDisconnectReason::ClosedByPeer),
            Ok(read) => drop(read?),
            Err(_) => {}
        }
        let Some(coming) = &self.incoming else { return Ok(()) };
        let taken = self.piece_started.elapsed();
        let is_slow = taken >= MIN_RATE.1 && u64::from(coming.received) < MIN_RATE.0 * taken.as_secs();
        if is_slow { Err(GroupDisconnectReason::TooSlow) } else { Ok(()) }
    }

    /// Sees to all that is here whole.
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
                    if let Err(ending) = self.handle_item(item, events) {
                        break Err(ending);
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

    /// Learns from the first message what lengths count, unless that was settled; then it must be the same.
    fn learn_framing(&self, head: [u8; Framing::HEAD_LEN]) -> Result<Framing, GroupDisconnectReason> {
        let spoken = Framing::of_first_message(head, &self.geometry);
        if let Some(theirs) = spoken {
            self.framings.record(self.peer, theirs);
        }
        let mut settled = spoken.unwrap_or(Framing::Inclusive);
        self.state.framing.send_modify(|framing| settled = *framing.get_or_insert(settled));
        match spoken {
            Some(theirs) if theirs != settled => Err(GroupDisconnectReason::OtherFraming { theirs }),
            _ => Ok(settled),
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

    /// Begins to take a piece in. One whose request was given up or choked may still be missing, so it is taken in as well.
    fn begin_piece(&mut self, piece: PieceIndex) -> Result<IncomingPiece, GroupDisconnectReason> {
        let block = piece_block(&self.geometry, piece);
        self.piece_started = Instant::now();
        if self.state.requests.lock().answered(block) == AnswerKind::Unrequested {
            return Err(GroupDisconnectReason::Violation {
                what: "it sent a piece that it was not asked for",
            });
        }
        Ok(IncomingPiece { piece, data: self.buffers.take(block.length as usize), received: 0 })
    }

    fn extend_piece(&mut self, bytes: &[u8], events: &mut Vec<GroupEvent>) {
        let Some(coming) = &mut self.incoming else { return };
        // No more than a piece.
        coming.received += u32::try_from(bytes.len()).unwrap_or(0);
        coming.data.vec().extend_from_slice(bytes);
        events.push(GroupEvent::Bytes(bytes.len() as u64));
        if coming.received == self.geometry.length_of(coming.piece)
            && let Some(IncomingPiece { piece, data, .. }) = self.incoming.take()
        {
            events.push(GroupEvent::Piece(piece, data));
        }
    }
}

impl GroupEventReader {
    /// Reads until the connection ends, and says why it did.
    pub(super) async fn run(&mut self) -> GroupDisconnectReason {
        let mut events = Vec::new();
        loop {
            let read = self.reader.read().await;
            let outcome = read.and_then(|()| self.reader.decode_buffered(&mut events));
            // What came before an offence was honest.
            for event in events.drain(..) {
                // Who does not listen any more ends the connection.
                let _ = self.events.send((self.id, event)).await;
            }
            if let Err(ending) = outcome {
                return ending;
            }
        }
    }

    /// Tells that the connection is over.
    pub(super) async fn report_disconnect(self, ending: GroupDisconnectReason) {
        let _ = self.events.send((self.id, GroupEvent::Disconnected(ending))).await;
    }
}

/// Returns the one block of a piece: pieces are asked for whole.
pub(super) fn piece_block(geometry: &Geometry, piece: PieceIndex) -> Block {
    Block { piece, begin: 0, length: geometry.length_of(piece) }
}
