//! Hears what a neighbour says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::configured::{Decoder, Framing, Item, Message, PeerId};
use protocol::geometry::{Block, Geometry, PieceIndex};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::ending::{Ending, SLOWEST};
use super::link::{Common, Events, LinkState};
use super::spoken_framings::SpokenFramings;
use crate::swarm::SourceId;
use crate::transport::{Answer, Buffer, BufferPool};

/// How many bytes are read at once.
const ROOM: usize = 64 << 10;

/// How often it is looked at a piece that comes slowly.
const LOOK: Duration = Duration::from_secs(1);

/// What a neighbour says, and what becomes of it.
#[derive(Debug)]
pub(super) enum Heard {
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
    Lost(Ending),
}

impl Heard {
    /// Says whether it is something of which every occurrence has a line in the log.
    pub(super) const fn is_written_down(&self) -> bool {
        matches!(self, Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested | Self::Have(_))
    }
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    stream: OwnedReadHalf,
    peer: PeerId,
    state: Arc<LinkState>,
    geometry: Geometry,
    buffers: BufferPool,
    spoken: Arc<SpokenFramings>,
    decoder: Option<Decoder>,
    kept: Vec<u8>,
    coming: Option<Coming>,
    begun: Instant,
}

/// The piece that is coming.
#[derive(Debug)]
struct Coming {
    piece: PieceIndex,
    data: Buffer,
    here: u32,
}

/// A reader that tells what it hears.
#[derive(Debug)]
pub(super) struct Telling {
    id: SourceId,
    events: Events,
    reader: Reader,
}

impl Reader {
    pub(super) fn new(
        stream: OwnedReadHalf,
        peer: PeerId,
        state: Arc<LinkState>,
        common: &Common,
        now: Instant,
    ) -> Self {
        Self {
            stream,
            peer,
            state,
            geometry: common.geometry,
            buffers: common.buffers.clone(),
            spoken: Arc::clone(&common.spoken),
            decoder: None,
            kept: Vec::new(),
            coming: None,
            begun: now,
        }
    }

    pub(super) const fn telling(self, id: SourceId, events: Events) -> Telling {
        Telling { id, events, reader: self }
    }

    /// Waits for bytes.
    async fn read(&mut self) -> Result<(), Ending> {
        let room = ROOM.max(self.decoder.as_ref().map_or(0, Decoder::longest_head));
        self.kept.reserve(room);
        let reading = self.stream.read_buf(&mut self.kept);
        match tokio::time::timeout(LOOK, reading).await {
            Ok(Ok(0)) => return Err(Ending::Closed),
            Ok(read) => drop(read?),
            Err(_) => {}
        }
        let Some(coming) = &self.coming else { return Ok(()) };
        let taken = self.begun.elapsed();
        let is_slow = taken >= SLOWEST.1 && u64::from(coming.here) < SLOWEST.0 * taken.as_secs();
        if is_slow { Err(Ending::TooSlow) } else { Ok(()) }
    }

    /// Sees to all that is here whole.
    fn hear_all(&mut self, heard: &mut Vec<Heard>) -> Result<(), Ending> {
        if self.decoder.is_none() {
            let Some(first) = self.kept.first_chunk() else { return Ok(()) };
            self.decoder = Some(Decoder::new(self.geometry, self.learn_framing(*first)?));
        }
        let Some(mut decoder) = self.decoder.take() else { return Ok(()) };
        let kept = std::mem::take(&mut self.kept);
        let mut input = kept.as_slice();
        let outcome = loop {
            match decoder.next(&mut input) {
                Ok(Some(item)) => {
                    if let Err(ending) = self.hear(item, heard) {
                        break Err(ending);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        let consumed = kept.len() - input.len();
        self.kept = kept;
        self.kept.drain(..consumed);
        self.decoder = Some(decoder);
        outcome
    }

    /// Learns from the first message what lengths count, unless that was settled; then it must be the same.
    fn learn_framing(&self, head: [u8; Framing::HEAD_LEN]) -> Result<Framing, Ending> {
        let told = Framing::of_first_message(head, &self.geometry);
        if let Some(theirs) = told {
            self.spoken.received(self.peer, theirs);
        }
        let mut settled = told.unwrap_or(Framing::Inclusive);
        self.state.framing.send_modify(|framing| settled = *framing.get_or_insert(settled));
        match told {
            Some(theirs) if theirs != settled => Err(Ending::OtherFraming { theirs }),
            _ => Ok(settled),
        }
    }

    fn hear(&mut self, item: Item<'_>, heard: &mut Vec<Heard>) -> Result<(), Ending> {
        match item {
            Item::Message(message) => heard.push(self.message(message)?),
            Item::Piece(piece) => self.coming = Some(self.begin(piece)?),
            Item::Bytes(bytes) => self.extend(bytes, heard),
        }
        Ok(())
    }

    fn message(&self, message: Message<'_>) -> Result<Heard, Ending> {
        Ok(match message {
            Message::Choke => {
                self.state.asked.lock().choked(true);
                Heard::Choke
            }
            Message::Unchoke => {
                self.state.asked.lock().choked(false);
                Heard::Unchoke
            }
            Message::Interested => Heard::Interested,
            Message::NotInterested => Heard::NotInterested,
            Message::Have { piece } => Heard::Have(piece),
            Message::Request { piece } => Heard::Request(piece),
            Message::Done => Heard::Done,
            Message::Bitfield(bytes) => Heard::Bitfield(Bitfield::masked(&self.geometry, bytes.to_vec())?),
        })
    }

    /// Begins to take a piece in. One whose request was given up or choked may still be missing, so it is taken in as well.
    fn begin(&mut self, piece: PieceIndex) -> Result<Coming, Ending> {
        let block = whole(&self.geometry, piece);
        self.begun = Instant::now();
        if self.state.asked.lock().answered(block) == Answer::Unasked {
            return Err(Ending::Violation { what: "it sent a piece that it was not asked for" });
        }
        Ok(Coming { piece, data: self.buffers.take(block.length as usize), here: 0 })
    }

    fn extend(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) {
        let Some(coming) = &mut self.coming else { return };
        // No more than a piece.
        coming.here += u32::try_from(bytes.len()).unwrap_or(0);
        coming.data.vec().extend_from_slice(bytes);
        heard.push(Heard::Bytes(bytes.len() as u64));
        if coming.here == self.geometry.length_of(coming.piece)
            && let Some(Coming { piece, data, .. }) = self.coming.take()
        {
            heard.push(Heard::Piece(piece, data));
        }
    }
}

impl Telling {
    /// Reads until the connection ends, and says why it did.
    pub(super) async fn run(&mut self) -> Ending {
        let mut heard = Vec::new();
        loop {
            let read = self.reader.read().await;
            let outcome = read.and_then(|()| self.reader.hear_all(&mut heard));
            // What came before an offence was honest.
            for event in heard.drain(..) {
                // Who does not listen any more ends the connection.
                let _ = self.events.send((self.id, event)).await;
            }
            if let Err(ending) = outcome {
                return ending;
            }
        }
    }

    /// Tells that the connection is over.
    pub(super) async fn end(self, ending: Ending) {
        let _ = self.events.send((self.id, Heard::Lost(ending))).await;
    }
}

/// Returns the one block of a piece: pieces are asked for whole.
pub(super) fn whole(geometry: &Geometry, piece: PieceIndex) -> Block {
    Block { piece, begin: 0, length: geometry.length_of(piece) }
}
