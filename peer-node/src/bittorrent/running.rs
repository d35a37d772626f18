use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::bittorrent::{Decoder, ExtendedHandshake, Message};
use protocol::limits::MAX_WIRE_REQUESTS;

use super::channel::Channel;
use super::hearing::{Hearing, Standing};
use super::inbox::Inbox;
use super::intake::Intake;
use super::news::News;
use super::reader::Reader;
use super::serving::Serving;
use super::torrent::{Listener, Torrent};
use super::wire::{Peer, WireState};
use super::wires::WiresConfig;
use super::writer::{Stride, Writer};
use crate::transfers::ContentId;
use crate::transport::{Claim, Ticket, Tuner, Turn, take_little};

/// Starts the tasks of a torrent's connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) config: &'a WiresConfig,
    pub(super) torrent: &'a Arc<Torrent>,
}

impl Running<'_> {
    /// Starts the tasks of a connection, unless there is another one to the same peer; says whether it did.
    pub(super) fn begin(self, channel: Channel, peer: Peer, ticket: Ticket) -> bool {
        let Channel { stream, ciphers, received, .. } = channel;
        let offering = &self.torrent.offering;
        let wire = Arc::new(WireState::new(peer, offering.geometry(), self.torrent.closed.child_token()));
        let Some(listener) = self.torrent.take_in(&wire, self.config.peer_id) else { return false };
        let tuner = Tuner::begin(&stream, peer.address.ip(), Arc::clone(&wire.path));
        take_little(&stream, peer.address.ip());
        let (here, cursor) = offering.follow(wire.queue.bell());
        present(&wire);
        tell_pieces(&wire, &here);
        let turn = Arc::clone(&wire.queue) as Arc<dyn Turn>;
        let claim = Arc::new(self.config.transport.slots().claim(turn, wire.peer.address.ip()));
        let (read_half, write_half) = stream.into_split();
        let (incoming, outgoing) = ciphers.map(|ciphers| (ciphers.incoming, ciphers.outgoing)).unzip();
        let mut writer = self.writer((write_half, tuner), &wire, &listener, &claim, cursor);
        writer.cipher = outgoing;
        let mut reader = self.reader(read_half, &wire, listener, claim);
        (reader.cipher, reader.inbox) = (incoming, Inbox::holding(received));
        let (writing, reading) = (Arc::clone(&wire), wire);
        self.config.tracker.spawn(async move {
            if let Some(ending) = writing.closed.run_until_cancelled(writer.run()).await {
                writing.end(ending);
            }
        });
        self.config.tracker.spawn(read(reading, reader, Arc::clone(self.torrent), ticket));
        true
    }

    fn writer(
        &self,
        (stream, tuner): (tokio::net::tcp::OwnedWriteHalf, Tuner),
        wire: &Arc<WireState>,
        listener: &Listener,
        claim: &Arc<Claim>,
        cursor: usize,
    ) -> Writer {
        let (transport, offering) = (&self.config.transport, &self.torrent.offering);
        let content = ContentId::Torrent(offering.infohash());
        let (name, size) = (offering.name().to_owned(), offering.geometry().size());
        Writer {
            stream,
            cipher: None,
            tuner,
            wire: Arc::clone(wire),
            listener: listener.clone(),
            claim: Arc::clone(claim),
            upload: transport.uploads().begin(wire.peer.address, content, name, size, wire.queue.stand()),
            stride: Stride::new(transport.upload_limit().lane()),
            cursor,
        }
    }

    fn reader(
        &self,
        stream: tokio::net::tcp::OwnedReadHalf,
        wire: &Arc<WireState>,
        listener: Listener,
        claim: Arc<Claim>,
    ) -> Reader {
        let (transport, offering) = (&self.config.transport, &self.torrent.offering);
        let now = Instant::now();
        let hearing = Hearing {
            wire: Arc::clone(wire),
            offering: Arc::clone(offering),
            serving: Serving::new(
                Arc::clone(offering),
                Arc::clone(&wire.queue),
                Arc::clone(&claim),
                wire.peer.greeted.has_fast,
            ),
            intake: Intake::new(transport.buffers().clone()),
            news: News::new(now),
            standing: Standing::default(),
        };
        Reader {
            stream,
            cipher: None,
            decoder: Decoder::new(offering.geometry()),
            inbox: Inbox::default(),
            hearing,
            listener,
            lane: transport.download_limit().lane(),
            claim,
            uploads: transport.uploads().clone(),
            heard: now,
        }
    }
}

/// Says how many requests may wait here, if the other side can hear it.
fn present(wire: &WireState) {
    if wire.peer.greeted.has_extended {
        let ours = ExtendedHandshake { requests: Some(MAX_WIRE_REQUESTS) };
        wire.queue.push(Message::Extended { extension: ExtendedHandshake::ID, body: &ours.encode() });
    }
}

/// Says which pieces are here.
fn tell_pieces(wire: &WireState, here: &Bitfield) {
    let count = here.count();
    match (wire.peer.greeted.has_fast, count) {
        (true, 0) => wire.queue.push(Message::HaveNone),
        (true, _) if here.is_full() => wire.queue.push(Message::HaveAll),
        (false, 0) => {}
        _ => wire.queue.push(Message::Bitfield(here.as_bytes())),
    }
}

/// Reads until the connection is over, and tells everybody that it is.
async fn read(wire: Arc<WireState>, mut reader: Reader, torrent: Arc<Torrent>, ticket: Ticket) {
    if let Some(ending) = wire.closed.run_until_cancelled(reader.run()).await {
        wire.end(ending);
    }
    torrent.forget(&wire);
    let ending = wire.ended();
    let (address, client) = (wire.peer.address, wire.peer.greeted.peer_id);
    if ending.is_violation() {
        tracing::warn!(%address, %client, %ending, "a BitTorrent peer misbehaved and was left");
    } else {
        tracing::info!(%address, %client, %ending, "a BitTorrent peer is gone");
    }
    drop(ticket);
    reader.end(&ending).await;
}
