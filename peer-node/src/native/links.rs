use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::node_id::NodeId;
use protocol::preamble::PreambleError;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::{Admission, Ticket};
use super::buffers::BufferPool;
use super::fetching::{FetchTable, SourceEvent};
use super::greeting::{self, Greeted, GreetingError, Visitor};
use super::link::{Link, LinkState};
use super::reader::{LinkError, Reader};
use super::send_queue::SendQueue;
use super::serving::{Serving, Shop};
use super::uploads::{Totals, Uploads};
use super::writer;
use crate::index_client::ProbeKey;
use crate::library::Library;
use crate::partials::Partials;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Of the sizes that the engine's budget allows, so many buffers are kept when no block needs them.
const SPARE_BUFFERS: usize = 64;

/// What the connections of a node need to know of it.
#[derive(Debug, Clone)]
pub struct LinksConfig {
    /// Who we are.
    pub node: NodeId,
    /// Where we accept connections.
    pub port: u16,
    /// What we share.
    pub library: Library,
    /// What we share although it is not all here.
    pub partials: Partials,
    /// What an index that calls back wants to hear.
    pub probe_key: ProbeKey,
    /// Owns all tasks of connections.
    pub tracker: TaskTracker,
    /// Ends them.
    pub cancel: CancellationToken,
}

/// A peer that could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nothing answers there.
    #[error("{address} does not answer: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What answers there is not the peer.
    #[error("{address}: {source}")]
    Greeting {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: GreetingError,
    },
}

/// All connections of a node to other peers: one to each, used by everybody; cheap to clone.
#[derive(Debug, Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

/// The one place for a connection to a peer; whoever dials holds it, so that others wait instead of dialling too.
type Slot = Arc<tokio::sync::Mutex<Option<Link>>>;

#[derive(Debug)]
struct Inner {
    config: LinksConfig,
    slots: Mutex<HashMap<NodeId, Slot>>,
    admission: Admission,
    buffers: BufferPool,
    uploads: Uploads,
}

impl Links {
    /// Makes a node's connections, none yet.
    pub fn new(config: LinksConfig) -> Self {
        let inner = Inner {
            config,
            slots: Mutex::default(),
            admission: Admission::default(),
            buffers: BufferPool::new(SPARE_BUFFERS),
            uploads: Uploads::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns what is going out.
    pub fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    /// Returns the buffers that blocks are read into.
    pub fn buffers(&self) -> &BufferPool {
        &self.inner.buffers
    }

    /// Returns what was sent and received, and how many peers are connected.
    pub fn totals(&self) -> Totals {
        let slots: Vec<Slot> = self.inner.slots.lock().values().cloned().collect();
        let is_open = |slot: &Slot| {
            slot.try_lock().is_ok_and(|link| link.as_ref().is_some_and(|link| !link.is_closed()))
        };
        self.inner.uploads.totals(slots.iter().filter(|slot| is_open(slot)).count())
    }

    /// Returns the connection to a peer, making it if there is none. Cancel safe.
    pub async fn to(&self, node: NodeId, address: SocketAddr) -> Result<Link, DialError> {
        let slot = {
            let mut slots = self.inner.slots.lock();
            forget_unused(&mut slots);
            Arc::clone(slots.entry(node).or_default())
        };
        let mut place = slot.lock().await;
        // A link that the other side made serves only if it listens where the index says: its id alone proves nothing.
        if let Some(link) = place.as_ref().filter(|link| !link.is_closed() && link.address() == address) {
            return Ok(link.clone());
        }
        let link = self.dial(node, address).await?;
        *place = Some(link.clone());
        Ok(link)
    }

    async fn dial(&self, node: NodeId, address: SocketAddr) -> Result<Link, DialError> {
        let config = &self.inner.config;
        let connecting = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address));
        let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let mut stream = connected.map_err(|source| DialError::Connect { address, source })?;
        let greeted = greeting::greet(&mut stream, config.node, config.port).await.and_then(|greeted| {
            if greeted.node == node { Ok(greeted) } else { Err(GreetingError::WrongNode) }
        });
        let greeted = greeted.map_err(|source| DialError::Greeting { address, source })?;
        tracing::info!(%address, node = %node.short(), "connected to a peer");
        Ok(self.run(stream, address, greeted, None))
    }

    /// Accepts connections until the node is stopped.
    pub async fn accept(self, listener: TcpListener) {
        let cancel = self.inner.config.cancel.clone();
        while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, from)) => {
                    let visited = self.clone();
                    self.inner.config.tracker.spawn(async move {
                        let cancel = visited.inner.config.cancel.clone();
                        cancel.run_until_cancelled_owned(visited.visit(stream, from)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    // Out of descriptors, most likely: some will be free again.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn visit(self, mut stream: TcpStream, from: SocketAddr) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Some(ticket) = self.inner.admission.admit(from.ip()) else {
            tracing::warn!(%from, "connection refused: too many");
            return;
        };
        let config = &self.inner.config;
        match greeting::hear(&mut stream, config.node, config.port).await {
            Ok(Visitor::Peer(greeted)) => {
                let address = SocketAddr::new(from.ip(), greeted.port);
                tracing::info!(%address, node = %greeted.node.short(), "a peer has connected");
                let node = greeted.node;
                let link = self.run(stream, address, greeted, Some(ticket));
                self.adopt(node, link);
            }
            Ok(Visitor::Probe(challenge)) => {
                tracing::debug!(%from, "called back by an index");
                if let Some(answer) = config.probe_key.answer(&challenge) {
                    let _ = greeting::answer_probe(&mut stream, answer).await;
                }
            }
            Err(GreetingError::Preamble(PreambleError::NotPeerdex)) => {
                tracing::warn!(%from, "connection refused: a stranger");
            }
            Err(error) => tracing::warn!(%from, %error, "connection refused"),
        }
    }

    /// Uses a connection that the other side made for our own purposes too, if there is no other.
    fn adopt(&self, node: NodeId, link: Link) {
        let mut slots = self.inner.slots.lock();
        forget_unused(&mut slots);
        let slot = slots.entry(node).or_default();
        if let Ok(mut place) = slot.try_lock()
            && place.as_ref().is_none_or(Link::is_closed)
        {
            *place = Some(link);
        }
    }

    fn shop(&self) -> Shop {
        let LinksConfig { library, partials, .. } = self.inner.config.clone();
        Shop { library, partials, uploads: self.inner.uploads.clone() }
    }

    /// Starts the tasks of a connection.
    fn run(&self, stream: TcpStream, address: SocketAddr, greeted: Greeted, ticket: Option<Ticket>) -> Link {
        let config = &self.inner.config;
        tune(&stream);
        let shared = LinkState {
            node: greeted.node,
            address,
            queue: SendQueue::default(),
            fetches: FetchTable::default(),
            closed: config.cancel.child_token(),
        };
        let link = Link { shared: Arc::new(shared) };
        let (read_half, write_half) = stream.into_split();
        let reader = Reader {
            stream: read_half,
            buffer: greeted.rest,
            link: link.clone(),
            serving: Serving::new(self.shop()),
            buffers: self.inner.buffers.clone(),
            uploads: self.inner.uploads.clone(),
        };
        let state = Arc::clone(&link.shared);
        config.tracker.spawn(async move {
            let written = state.closed.run_until_cancelled(writer::write_all(write_half, &state.queue)).await;
            if let Some(Err(error)) = written {
                tracing::debug!(%address, %error, "writing to a peer failed");
            }
            state.closed.cancel();
        });
        let state = Arc::clone(&link.shared);
        config.tracker.spawn(async move {
            let ended = state.closed.run_until_cancelled(reader.run()).await;
            state.closed.cancel();
            end(&state, ended.unwrap_or(LinkError::Closed)).await;
            drop(ticket);
        });
        link
    }
}

/// Forgets the places of peers that are neither connected nor being dialled.
fn forget_unused(slots: &mut HashMap<NodeId, Slot>) {
    slots.retain(|_, slot| {
        Arc::strong_count(slot) > 1
            || slot.try_lock().map_or(true, |link| link.as_ref().is_some_and(|link| !link.is_closed()))
    });
}

/// Tells everybody who fetches over a connection that it is over.
async fn end(state: &LinkState, error: LinkError) {
    let address = state.address;
    match &error {
        LinkError::Closed | LinkError::Unused | LinkError::Io(_) => {
            tracing::info!(%address, %error, "a peer is gone");
        }
        _ => tracing::warn!(%address, %error, "a peer misbehaved and was left"),
    }
    for (source, events) in state.fetches.drain() {
        let _ = events.send((source, SourceEvent::Lost { reason: error.to_string() })).await;
    }
}

fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(20)).with_interval(Duration::from_secs(10));
    // Neither is needed for correctness.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
}
