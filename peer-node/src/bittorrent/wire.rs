use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use protocol::bittorrent::BitTorrentMessage;
use protocol::geometry::{Block, Geometry};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::close_reason::CloseReason;
use super::handshake::PeerHandshake;
use super::send_queue::WireSendQueue;
use crate::transport::{OutstandingRequests, PathGauge, PeerPieces, RequestStep};

/// A connection to a peer of one torrent; cheap to clone.
///
/// The torrent owns the connection: it stays open when all clones are dropped.
#[derive(Debug, Clone)]
pub(crate) struct PeerWire {
    pub(super) shared: Arc<WireState>,
}

/// Identity of the peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct WirePeer {
    pub(super) handshake: PeerHandshake,
    pub(super) address: SocketAddr,
    pub(super) is_inbound: bool,
}

/// State shared by the tasks of a connection and its users.
#[derive(Debug)]
pub(super) struct WireState {
    pub(super) peer: WirePeer,
    pub(super) queue: Arc<WireSendQueue>,
    pub(super) requests: Mutex<OutstandingRequests>,
    pub(super) remote_pieces: Mutex<PeerPieces>,
    /// Notified when there are rejections to report.
    pub(super) has_rejections: Notify,
    /// True if we have sent "interested".
    interested: AtomicBool,
    close_reason: Mutex<Option<CloseReason>>,
    pub(super) path: Arc<PathGauge>,
    pub(super) closed: CancellationToken,
}

impl PeerWire {
    /// Returns the remote address. An inbound peer does not accept connections at this address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.peer.address
    }

    /// Returns the name of the peer's client, sanitized for display.
    pub(crate) fn client(&self) -> String {
        self.shared.peer.handshake.peer_id.to_string()
    }

    /// Returns true if the peer dialled us.
    pub(crate) fn is_inbound(&self) -> bool {
        self.shared.peer.is_inbound
    }

    /// Returns the round-trip time of the path, if known.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.shared.path.rtt()
    }

    /// Requests a block.
    pub(crate) fn request(&self, block: Block) {
        let step = self.shared.requests.lock().request(block);
        self.shared.apply(step, BitTorrentMessage::Request(block.into()));
    }

    /// Cancels a request. It is reported as rejected unless the block has been received.
    pub(crate) fn cancel(&self, block: Block) {
        let step = self.shared.requests.lock().cancel(block);
        self.shared.apply(step, BitTorrentMessage::Cancel(block.into()));
    }

    /// Declares interest in the peer's pieces, or its end. Initially the connection is not interested.
    pub(crate) fn set_interested(&self, is_interested: bool) {
        if self.shared.interested.swap(is_interested, Ordering::Relaxed) != is_interested {
            let message =
                if is_interested { BitTorrentMessage::Interested } else { BitTorrentMessage::NotInterested };
            self.shared.queue.push(message);
        }
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        self.shared.close_with(CloseReason::ClosedByUs);
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

    /// Closes the connection; keeps the first reason.
    pub(super) fn close_with(&self, reason: CloseReason) {
        self.close_reason.lock().get_or_insert(reason);
        self.closed.cancel();
    }

    /// Takes the reason why the connection ended.
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
