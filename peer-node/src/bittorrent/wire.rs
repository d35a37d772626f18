use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use protocol::bittorrent::{BitTorrentMessage, PeerId};
use protocol::geometry::{Block, Geometry};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::close_reason::CloseReason;
use super::handshake::PeerHandshake;
use super::send_queue::WireSendQueue;
use crate::transport::{OutstandingRequests, PathGauge, PeerPieces, RequestStep};

/// A connection to a peer, about one torrent; cheap to clone.
///
/// It stays open when all its clones are dropped: it is the torrent's.
#[derive(Debug, Clone)]
pub struct PeerWire {
    pub(super) shared: Arc<WireState>,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct WirePeer {
    pub(super) handshake: PeerHandshake,
    pub(super) address: SocketAddr,
    pub(super) is_inbound: bool,
}

/// What the tasks of a connection and its users share.
#[derive(Debug)]
pub(super) struct WireState {
    pub(super) peer: WirePeer,
    pub(super) queue: Arc<WireSendQueue>,
    pub(super) requests: Mutex<OutstandingRequests>,
    pub(super) remote_pieces: Mutex<PeerPieces>,
    /// Rung when there is a rejection to tell of.
    pub(super) has_rejections: Notify,
    /// Whether we have told the other side that it has something for us.
    interested: AtomicBool,
    close_reason: Mutex<Option<CloseReason>>,
    pub(super) path: Arc<PathGauge>,
    pub(super) closed: CancellationToken,
}

impl PeerWire {
    /// Returns the address at the other end. If the peer has connected to us, it does not accept connections there.
    pub fn address(&self) -> SocketAddr {
        self.shared.peer.address
    }

    /// Returns what the peer says it is.
    pub fn peer_id(&self) -> PeerId {
        self.shared.peer.handshake.peer_id
    }

    /// Returns the name of the peer's client, fit to be shown.
    pub fn client(&self) -> String {
        self.shared.peer.handshake.peer_id.to_string()
    }

    /// Says whether the peer has connected to us.
    pub fn is_inbound(&self) -> bool {
        self.shared.peer.is_inbound
    }

    /// Returns the round-trip time of the path, if it is known.
    pub fn rtt(&self) -> Option<Duration> {
        self.shared.path.rtt()
    }

    /// Asks for a block.
    pub fn request(&self, block: Block) {
        let step = self.shared.requests.lock().request(block);
        self.shared.apply(step, BitTorrentMessage::Request(block.into()));
    }

    /// Says that a block is no longer wanted: it is rejected, unless it is here already.
    pub fn cancel(&self, block: Block) {
        let step = self.shared.requests.lock().cancel(block);
        self.shared.apply(step, BitTorrentMessage::Cancel(block.into()));
    }

    /// Says whether the peer has anything that is wanted; at first it is taken not to.
    pub fn set_interested(&self, is_interested: bool) {
        if self.shared.interested.swap(is_interested, Ordering::Relaxed) != is_interested {
            let message =
                if is_interested { BitTorrentMessage::Interested } else { BitTorrentMessage::NotInterested };
            self.shared.queue.push(message);
        }
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.shared.close_with(CloseReason::ClosedByUs);
    }

    /// Says whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }
}

impl WireState {
    pub(super) fn new(peer: WirePeer, geometry: &Geometry, closed: CancellationToken) -> Self {
        Self {
            peer,
            queue: Arc::new(WireSendQueue::new(peer.handshake.has_fast)),
            requests: Mutex::new(OutstandingRequests::new(peer.handshake.has_fast)),
            remote_pieces: Mutex::new(PeerPieces::empty(geometry)),
            has_rejections: Notify::new(),
            interested: AtomicBool::new(false),
            close_reason: Mutex::default(),
            path: Arc::default(),
            closed,
        }
    }

    /// Ends the connection, for that reason if it has not ended yet.
    pub(super) fn close_with(&self, ending: CloseReason) {
        self.close_reason.lock().get_or_insert(ending);
        self.closed.cancel();
    }

    /// Returns why the connection has ended.
    pub(super) fn close_reason(&self) -> CloseReason {
        self.close_reason.lock().take().unwrap_or(CloseReason::ClosedByUs)
    }

    fn apply(&self, step: RequestStep, message: BitTorrentMessage<'_>) {
        if matches!(step, RequestStep::Send | RequestStep::Both) {
            self.queue.push(message);
        }
        if matches!(step, RequestStep::ReportRejected | RequestStep::Both) {
            self.has_rejections.notify_one();
        }
    }
}
