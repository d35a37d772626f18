use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use protocol::bittorrent::{Message, PeerId};
use protocol::geometry::{Block, Geometry};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ending::Ending;
use super::greeting::Greeted;
use super::send_queue::SendQueue;
use crate::transport::{Asked, PathGauge, Step, Theirs};

/// A connection to a peer, about one torrent; cheap to clone.
///
/// It stays open when all its clones are dropped: it is the torrent's.
#[derive(Debug, Clone)]
pub struct Wire {
    pub(super) shared: Arc<WireState>,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) greeted: Greeted,
    pub(super) address: SocketAddr,
    pub(super) is_inbound: bool,
}

/// What the tasks of a connection and its users share.
#[derive(Debug)]
pub(super) struct WireState {
    pub(super) peer: Peer,
    pub(super) queue: Arc<SendQueue>,
    pub(super) asked: Mutex<Asked>,
    pub(super) theirs: Mutex<Theirs>,
    /// Rung when there is a rejection to tell of.
    pub(super) rejecting: Notify,
    /// Whether we have told the other side that it has something for us.
    interested: AtomicBool,
    ending: Mutex<Option<Ending>>,
    pub(super) path: Arc<PathGauge>,
    pub(super) closed: CancellationToken,
}

impl Wire {
    /// Returns the address at the other end. If the peer has connected to us, it does not accept connections there.
    pub fn address(&self) -> SocketAddr {
        self.shared.peer.address
    }

    /// Returns what the peer says it is.
    pub fn peer_id(&self) -> PeerId {
        self.shared.peer.greeted.peer_id
    }

    /// Returns the name of the peer's client, fit to be shown.
    pub fn client(&self) -> String {
        self.shared.peer.greeted.peer_id.to_string()
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
        let step = self.shared.asked.lock().ask(block);
        self.shared.carry_out(step, Message::Request(block.into()));
    }

    /// Says that a block is no longer wanted: it is rejected, unless it is here already.
    pub fn cancel(&self, block: Block) {
        let step = self.shared.asked.lock().cancel(block);
        self.shared.carry_out(step, Message::Cancel(block.into()));
    }

    /// Says whether the peer has anything that is wanted; at first it is taken not to.
    pub fn interested(&self, is_interested: bool) {
        if self.shared.interested.swap(is_interested, Ordering::Relaxed) != is_interested {
            let message = if is_interested { Message::Interested } else { Message::NotInterested };
            self.shared.queue.push(message);
        }
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.shared.end(Ending::Left);
    }

    /// Says whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }
}

impl WireState {
    pub(super) fn new(peer: Peer, geometry: &Geometry, closed: CancellationToken) -> Self {
        Self {
            peer,
            queue: Arc::new(SendQueue::new(peer.greeted.has_fast)),
            asked: Mutex::new(Asked::new(peer.greeted.has_fast)),
            theirs: Mutex::new(Theirs::none(geometry)),
            rejecting: Notify::new(),
            interested: AtomicBool::new(false),
            ending: Mutex::default(),
            path: Arc::default(),
            closed,
        }
    }

    /// Ends the connection, for that reason if it has not ended yet.
    pub(super) fn end(&self, ending: Ending) {
        self.ending.lock().get_or_insert(ending);
        self.closed.cancel();
    }

    /// Returns why the connection has ended.
    pub(super) fn ended(&self) -> Ending {
        self.ending.lock().take().unwrap_or(Ending::Left)
    }

    fn carry_out(&self, step: Step, message: Message<'_>) {
        if matches!(step, Step::Say | Step::Both) {
            self.queue.push(message);
        }
        if matches!(step, Step::Reject | Step::Both) {
            self.rejecting.notify_one();
        }
    }
}
