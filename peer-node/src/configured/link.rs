use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use protocol::configured::{ConfiguredPeerId, Framing};
use protocol::geometry::Geometry;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::disconnect_reason::GroupDisconnectReason;
use super::peer_framings::PeerFramings;
use super::reader::{GroupEvent, GroupReader};
use super::send_queue::{GroupSendQueue, OutgoingMessage};
use super::writer::GroupWriter;
use crate::transport::{BufferPool, OutstandingRequests, SocketTuner};
use swarm::SourceId;

/// A connection on which both sides have said who they are.
#[derive(Debug)]
pub(super) struct GroupConnection {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) peer: ConfiguredPeerId,
    /// Whether the other side has made it.
    pub(super) is_inbound: bool,
    /// Cancelled when it is over.
    pub(super) closed: CancellationToken,
}

/// Where the events of all connections go.
pub(super) type GroupEventSender = mpsc::Sender<(SourceId, GroupEvent)>;

/// What all connections of a peer share.
#[derive(Debug, Clone)]
pub(super) struct LinkContext {
    pub(super) geometry: Geometry,
    pub(super) file: Arc<File>,
    pub(super) buffers: BufferPool,
    pub(super) framings: Arc<PeerFramings>,
    pub(super) events: GroupEventSender,
    pub(super) tracker: TaskTracker,
}

/// A connection to a neighbour; closed when it is dropped.
#[derive(Debug)]
pub(super) struct GroupLink {
    shared: Arc<GroupLinkState>,
}

/// What the tasks of a connection share with who has it.
#[derive(Debug)]
pub(super) struct GroupLinkState {
    pub(super) queue: GroupSendQueue,
    pub(super) requests: Mutex<OutstandingRequests>,
    /// What its lengths count, once that is known.
    pub(super) framing: watch::Sender<Option<Framing>>,
    /// Bytes of content that went out.
    pub(super) sent: AtomicU64,
    end_reason: Mutex<Option<GroupDisconnectReason>>,
    pub(super) closed: CancellationToken,
}

impl GroupLink {
    /// Begins to speak on a connection. The framing is found out if none is given.
    pub(super) fn start(
        id: SourceId,
        greeted: GroupConnection,
        framing: Option<Framing>,
        common: &LinkContext,
    ) -> Self {
        let GroupConnection { stream, address, peer, closed, .. } = greeted;
        let tuner = SocketTuner::begin(&stream, address.ip(), Arc::default());
        let shared = Arc::new(GroupLinkState {
            queue: GroupSendQueue::new(&common.geometry),
            // A choke forgets what was asked for, and nothing rejects it.
            requests: Mutex::new(OutstandingRequests::new(false)),
            framing: watch::channel(framing).0,
            sent: AtomicU64::new(0),
            end_reason: Mutex::default(),
            closed,
        });
        let (read, write) = stream.into_split();
        let state = Arc::clone(&shared);
        let reader = GroupReader::new(read, peer, Arc::clone(&state), common, Instant::now());
        let writer = GroupWriter {
            stream: write,
            tuner,
            state,
            geometry: common.geometry,
            file: Arc::clone(&common.file),
            framings: Arc::clone(&common.framings),
        };
        let (state, events) = (Arc::clone(&shared), common.events.clone());
        common.tracker.spawn(async move {
            let mut reader = reader.with_events(id, events);
            let closed = state.closed.clone();
            // Whoever has written all waits for the other side's end: what it still sends must not break what it has to read.
            let both = async {
                tokio::select! {
                    ending = reader.run() => ending,
                    Err(ending) = writer.run() => ending,
                }
            };
            let ending = closed.run_until_cancelled(both).await;
            let ending =
                state.end_reason.lock().take().or(ending).unwrap_or(GroupDisconnectReason::ClosedByUs);
            state.closed.cancel();
            reader.report_disconnect(ending).await;
        });
        Self { shared }
    }

    /// Says something to the neighbour.
    pub(super) fn send(&self, saying: OutgoingMessage) {
        if self.shared.queue.push(saying).is_err() {
            self.close(GroupDisconnectReason::Violation { what: "it asks for more than it takes" });
        }
    }

    /// Returns what it was asked for.
    pub(super) fn requests(&self) -> parking_lot::MutexGuard<'_, OutstandingRequests> {
        self.shared.requests.lock()
    }

    /// Returns what lengths count here, once that is settled.
    pub(super) fn framing(&self) -> Option<Framing> {
        *self.shared.framing.borrow()
    }

    /// Returns how many bytes of content were sent since this was last asked.
    pub(super) fn take_sent(&self) -> u64 {
        self.shared.sent.swap(0, Ordering::Relaxed)
    }

    /// Has all said that waits, and then waits for the other side to end the connection.
    pub(super) fn finish(&self) {
        self.shared.queue.close();
    }

    /// Ends the connection at once, for that reason if it has not ended yet.
    pub(super) fn close(&self, ending: GroupDisconnectReason) {
        self.shared.end_reason.lock().get_or_insert(ending);
        self.shared.closed.cancel();
    }
}

impl Drop for GroupLink {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}
