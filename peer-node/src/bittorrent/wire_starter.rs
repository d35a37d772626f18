use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::bittorrent::{BitTorrentDecoder, BitTorrentMessage, ExtendedHandshake};
use protocol::limits::MAX_BITTORRENT_REQUESTS;

use super::block_assembler::BlockAssembler;
use super::event_batch::WireEventBatch;
use super::joined_torrent::{JoinedTorrent, WireReporter};
use super::message_handler::{MessageHandlerState, WireMessageHandler};
use super::reader::WireReader;
use super::receive_buffer::WireReceiveBuffer;
use super::request_handler::BlockRequestHandler;
use super::wire::{WirePeer, WireState};
use super::wire_stream::WireStream;
use super::wires::WiresConfig;
use super::writer::{SendBudget, WireWriter};
use crate::transport::{AdmissionPermit, ChokeTarget, PeerReadHalf, PeerWriteHalf, SlotClaim};
use crate::view::ContentId;

/// Starts the tasks of a torrent's connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireStarter<'a> {
    pub(super) config: &'a WiresConfig,
    pub(super) torrent: &'a Arc<JoinedTorrent>,
}

impl WireStarter<'_> {
    /// Starts the tasks of a connection. Returns false if another connection to the same peer is kept.
    pub(super) fn start(self, channel: WireStream, peer: WirePeer, permit: AdmissionPermit) -> bool {
        let WireStream { stream, ciphers, received, .. } = channel;
        let offering = &self.torrent.offering;
        let wire = Arc::new(WireState::new(peer, offering.geometry(), self.torrent.closed.child_token()));
        let Some(reporter) = self.torrent.add(&wire, self.config.peer_id) else { return false };
        stream.shrink_receive_buffer(peer.address.ip());
        let (have, cursor) = offering.subscribe(wire.queue.filled());
        send_extended_handshake(&wire);
        send_pieces(&wire, &have);
        let choke_target = Arc::clone(&wire.queue) as Arc<dyn ChokeTarget>;
        let claim = Arc::new(self.config.transport.slots().claim(choke_target, wire.peer.address.ip()));
        let (read_half, write_half) = stream.split(peer.address.ip(), Arc::clone(&wire.path));
        let (incoming, outgoing) = ciphers.map(|ciphers| (ciphers.incoming, ciphers.outgoing)).unzip();
        let mut writer = self.writer(write_half, &wire, &reporter, &claim, cursor);
        writer.cipher = outgoing;
        let mut reader = self.reader(read_half, &wire, reporter, claim);
        (reader.cipher, reader.buffer) = (incoming, WireReceiveBuffer::with_received(received));
        let (writing, reading) = (Arc::clone(&wire), wire);
        self.config.tracker.spawn(async move {
            if let Some(reason) = writing.closed.run_until_cancelled(writer.run()).await {
                writing.close_with(reason);
            }
        });
        self.config.tracker.spawn(run_reader(reading, reader, Arc::clone(self.torrent), permit));
        true
    }

    fn writer(
        &self,
        stream: PeerWriteHalf,
        wire: &Arc<WireState>,
        reporter: &WireReporter,
        claim: &Arc<SlotClaim>,
        cursor: usize,
    ) -> WireWriter {
        let (transport, offering) = (&self.config.transport, &self.torrent.offering);
        let content = ContentId::Torrent(offering.infohash());
        let (name, size) = (offering.name().to_owned(), offering.geometry().size());
        WireWriter {
            stream,
            cipher: None,
            wire: Arc::clone(wire),
            reporter: reporter.clone(),
            claim: Arc::clone(claim),
            upload: transport.uploads().begin(
                wire.peer.address,
                content,
                name,
                size,
                wire.queue.slot_status(),
            ),
            budget: SendBudget::new(transport.upload_limit().peer_limiter()),
            cursor,
        }
    }

    fn reader(
        &self,
        stream: PeerReadHalf,
        wire: &Arc<WireState>,
        reporter: WireReporter,
        claim: Arc<SlotClaim>,
    ) -> WireReader {
        let (transport, offering) = (&self.config.transport, &self.torrent.offering);
        let now = Instant::now();
        let handler = WireMessageHandler {
            wire: Arc::clone(wire),
            offering: Arc::clone(offering),
            requests: BlockRequestHandler::new(
                Arc::clone(offering),
                Arc::clone(&wire.queue),
                Arc::clone(&claim),
                wire.peer.handshake.has_fast,
            ),
            blocks: BlockAssembler::new(transport.buffers().clone()),
            events: WireEventBatch::new(now),
            state: MessageHandlerState::default(),
        };
        WireReader {
            stream,
            cipher: None,
            decoder: BitTorrentDecoder::new(offering.geometry()),
            buffer: WireReceiveBuffer::default(),
            handler,
            reporter,
            limiter: transport.download_limit().peer_limiter(),
            claim,
            uploads: transport.uploads().clone(),
            last_received: now,
        }
    }
}

/// Sends our request limit, if the peer supports the extension protocol.
fn send_extended_handshake(wire: &WireState) {
    if wire.peer.handshake.has_extended {
        let ours = ExtendedHandshake { requests: Some(MAX_BITTORRENT_REQUESTS) };
        wire.queue
            .push(BitTorrentMessage::Extended { extension: ExtendedHandshake::ID, body: &ours.encode() });
    }
}

/// Sends our pieces.
fn send_pieces(wire: &WireState, have: &Bitfield) {
    let count = have.count();
    match (wire.peer.handshake.has_fast, count) {
        (true, 0) => wire.queue.push(BitTorrentMessage::HaveNone),
        (true, _) if have.is_full() => wire.queue.push(BitTorrentMessage::HaveAll),
        (false, 0) => {}
        _ => wire.queue.push(BitTorrentMessage::Bitfield(have.as_bytes())),
    }
}

/// Reads until the connection ends, then reports that to the owner.
async fn run_reader(
    wire: Arc<WireState>,
    mut reader: WireReader,
    torrent: Arc<JoinedTorrent>,
    permit: AdmissionPermit,
) {
    if let Some(reason) = wire.closed.run_until_cancelled(reader.run()).await {
        wire.close_with(reason);
    }
    torrent.remove(&wire);
    let reason = wire.close_reason();
    let (address, client) = (wire.peer.address, wire.peer.handshake.peer_id);
    if reason.is_violation() {
        tracing::warn!(%address, %client, %reason, "disconnected a misbehaving BitTorrent peer");
    } else {
        tracing::info!(%address, %client, %reason, "a BitTorrent peer has disconnected");
    }
    drop(permit);
    reader.report_closed(&reason).await;
}
