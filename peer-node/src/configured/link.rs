use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use protocol::configured::{ConfiguredPeerId, Framing};
use protocol::geometry::Geometry;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::disconnect_reason::GroupDisconnectReason;
use super::peer_framings::PeerFramings;
use super::reader::{GroupEvent, GroupReader};
use super::send_queue::{GroupSendQueue, OutgoingMessage};
use super::writer::GroupWriter;
use crate::transport::{BufferPool, OutstandingRequests, PeerStream};
use swarm::SourceId;

/// A connection after the handshake.
#[derive(Debug)]
pub(super) struct GroupConnection {
    pub(super) stream: PeerStream,
    pub(super) address: SocketAddr,
    pub(super) peer: ConfiguredPeerId,
    /// Whether the peer opened it.
    pub(super) is_inbound: bool,
    /// Cancelled when the connection has ended.
    pub(super) closed: CancellationToken,
}

/// Receives the events of all connections.
pub(super) type GroupEventSender = mpsc::Sender<(SourceId, GroupEvent)>;

/// Resources that all connections of a peer share.
#[derive(Debug, Clone)]
pub(super) struct LinkContext {
    pub(super) geometry: Geometry,
    pub(super) file: Arc<File>,
    pub(super) buffers: BufferPool,
    pub(super) framings: Arc<PeerFramings>,
    pub(super) events: GroupEventSender,
    pub(super) tracker: TaskTracker,
}

/// A connection to a neighbour. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct GroupLink {
    shared: Arc<GroupLinkState>,
}

/// State that a link's tasks and its owner share.
#[derive(Debug)]
pub(super) struct GroupLinkState {
    pub(super) queue: GroupSendQueue,
    pub(super) requests: Mutex<OutstandingRequests>,
    /// Framing in use, once known.
    pub(super) framing: watch::Sender<Option<Framing>>,
    /// Content bytes sent.
    pub(super) sent: AtomicU64,
    end_reason: Mutex<Option<GroupDisconnectReason>>,
    pub(super) closed: CancellationToken,
}

impl GroupLink {
    /// Starts the tasks of a connection. The framing is detected if none is given.
    pub(super) fn start(
        id: SourceId,
        connection: GroupConnection,
        framing: Option<Framing>,
        common: &LinkContext,
    ) -> Self {
        let GroupConnection { stream, address, peer, closed, .. } = connection;
        let shared = Arc::new(GroupLinkState {
            queue: GroupSendQueue::new(&common.geometry),
            // Without the fast extension: a choke drops pending requests without rejecting them.
            requests: Mutex::new(OutstandingRequests::new(false)),
            framing: watch::channel(framing).0,
            sent: AtomicU64::new(0),
            end_reason: Mutex::default(),
            closed,
        });
        let (read, write) = stream.split(address.ip(), Arc::default());
        let state = Arc::clone(&shared);
        let reader = GroupReader::new(read, peer, Arc::clone(&state), common, Instant::now());
        let writer = GroupWriter {
            stream: write,
            state,
            geometry: common.geometry,
            file: Arc::clone(&common.file),
            framings: Arc::clone(&common.framings),
        };
        let (state, events) = (Arc::clone(&shared), common.events.clone());
        common.tracker.spawn(async move {
            let mut reader = reader.with_events(id, events);
            let closed = state.closed.clone();
            // After everything has been written, the peer's end is awaited: closing earlier could destroy data that the peer
            // has yet to read.
            let both = async {
                tokio::select! {
                    reason = reader.run() => reason,
                    Err(reason) = writer.run() => reason,
                }
            };
            let reason = closed.run_until_cancelled(both).await;
            let reason =
                state.end_reason.lock().take().or(reason).unwrap_or(GroupDisconnectReason::ClosedByUs);
            state.closed.cancel();
            reader.report_disconnect(reason).await;
        });
        Self { shared }
    }

    /// Queues a message for the neighbour.
    pub(super) fn send(&self, message: OutgoingMessage) {
        if self.shared.queue.push(message).is_err() {
            self.close(GroupDisconnectReason::Violation { what: "it requests more than it reads" });
        }
    }

    /// Returns the pending requests.
    pub(super) fn requests(&self) -> parking_lot::MutexGuard<'_, OutstandingRequests> {
        self.shared.requests.lock()
    }

    /// Returns the framing in use, once known.
    pub(super) fn framing(&self) -> Option<Framing> {
        *self.shared.framing.borrow()
    }

    /// Returns the content bytes sent since the last call.
    pub(super) fn take_sent(&self) -> u64 {
        self.shared.sent.swap(0, Ordering::Relaxed)
    }

    /// Sends all queued messages, then waits for the peer to close the connection.
    pub(super) fn finish(&self) {
        self.shared.queue.close();
    }

    /// Closes the connection at once, with this reason unless it already has one.
    pub(super) fn close(&self, reason: GroupDisconnectReason) {
        self.shared.end_reason.lock().get_or_insert(reason);
        self.shared.closed.cancel();
    }
}

impl Drop for GroupLink {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}
