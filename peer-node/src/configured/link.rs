use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use protocol::configured::{Framing, PeerId};
use protocol::geometry::Geometry;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ending::Ending;
use super::reader::{Heard, Reader};
use super::send_queue::{Saying, SendQueue};
use super::spoken_framings::SpokenFramings;
use super::writer::Writer;
use crate::swarm::SourceId;
use crate::transport::{Asked, BufferPool, Tuner};

/// A connection on which both sides have said who they are.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) peer: PeerId,
    /// Whether the other side has made it.
    pub(super) is_inbound: bool,
    /// Cancelled when it is over.
    pub(super) closed: CancellationToken,
}

/// Where the events of all connections go.
pub(super) type Events = mpsc::Sender<(SourceId, Heard)>;

/// What all connections of a peer share.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) geometry: Geometry,
    pub(super) file: Arc<File>,
    pub(super) buffers: BufferPool,
    pub(super) spoken: Arc<SpokenFramings>,
    pub(super) events: Events,
    pub(super) tracker: TaskTracker,
}

/// A connection to a neighbour; closed when it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<LinkState>,
}

/// What the tasks of a connection share with who has it.
#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) queue: SendQueue,
    pub(super) asked: Mutex<Asked>,
    /// What its lengths count, once that is known.
    pub(super) framing: watch::Sender<Option<Framing>>,
    /// Bytes of content that went out.
    pub(super) sent: AtomicU64,
    ending: Mutex<Option<Ending>>,
    pub(super) closed: CancellationToken,
}

impl Link {
    /// Begins to speak on a connection. The framing is found out if none is given.
    pub(super) fn begin(id: SourceId, greeted: Greeted, framing: Option<Framing>, common: &Common) -> Self {
        let Greeted { stream, address, peer, closed, .. } = greeted;
        let tuner = Tuner::begin(&stream, address.ip(), Arc::default());
        let shared = Arc::new(LinkState {
            queue: SendQueue::new(&common.geometry),
            // A choke forgets what was asked for, and nothing rejects it.
            asked: Mutex::new(Asked::new(false)),
            framing: watch::channel(framing).0,
            sent: AtomicU64::new(0),
            ending: Mutex::default(),
            closed,
        });
        let (read, write) = stream.into_split();
        let state = Arc::clone(&shared);
        let reader = Reader::new(read, peer, Arc::clone(&state), common, Instant::now());
        let writer = Writer {
            stream: write,
            tuner,
            state,
            geometry: common.geometry,
            file: Arc::clone(&common.file),
            spoken: Arc::clone(&common.spoken),
        };
        let (state, events) = (Arc::clone(&shared), common.events.clone());
        common.tracker.spawn(async move {
            let mut reader = reader.telling(id, events);
            let closed = state.closed.clone();
            // Whoever has written all waits for the other side's end: what it still sends must not break what it has to read.
            let both = async {
                tokio::select! {
                    ending = reader.run() => ending,
                    Err(ending) = writer.run() => ending,
                }
            };
            let ending = closed.run_until_cancelled(both).await;
            let ending = state.ending.lock().take().or(ending).unwrap_or(Ending::Left);
            state.closed.cancel();
            reader.end(ending).await;
        });
        Self { shared }
    }

    /// Says something to the neighbour.
    pub(super) fn say(&self, saying: Saying) {
        if self.shared.queue.push(saying).is_err() {
            self.end(Ending::Violation { what: "it asks for more than it takes" });
        }
    }

    /// Returns what it was asked for.
    pub(super) fn asked(&self) -> parking_lot::MutexGuard<'_, Asked> {
        self.shared.asked.lock()
    }

    /// Returns what lengths count here, once that is settled.
    pub(super) fn framing(&self) -> Option<Framing> {
        *self.shared.framing.borrow()
    }

    /// Returns how many bytes of content were sent since this was last asked.
    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.swap(0, Ordering::Relaxed)
    }

    /// Has all said that waits, and then waits for the other side to end the connection.
    pub(super) fn finish(&self) {
        self.shared.queue.end();
    }

    /// Ends the connection at once, for that reason if it has not ended yet.
    pub(super) fn end(&self, ending: Ending) {
        self.shared.ending.lock().get_or_insert(ending);
        self.shared.closed.cancel();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}
