use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::frame::FrameBuffer;
use protocol::node_id::NodeId;
use protocol::peer::ConnectionKey;
use protocol::preamble::{PREAMBLE_LEN, PreambleError, Version};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::block_reader::{BlockIntake, BlockReader};
use super::dial_error::PeerDialError;
use super::fetching::{FIRST_CHANNEL, SourceEvent};
use super::further_readers::FurtherReaders;
use super::further_writers::{FurtherNumber, JoinableLink, LinkKeys, adapt_width};
use super::greeting::{self, GreetedPeer, IncomingConnection, LinkGreetingError, LocalNode};
use super::link::{ContentRequest, PeerLink, PeerLinkState};
use super::older_peers::OlderPeers;
use super::reader::{LinkError, LinkReader};
use super::serving::{LinkServing, ServingContext};
use super::writer::LinkWriter;
use super::wrong_piece_reports::WrongPieceReports;
use crate::library::Library;
use crate::native::ProbeKey;
use crate::native::partials::Partials;
use crate::transport::{AdmissionPermit, ChokeTarget, SocketTuner, Transport, log_refusal};

/// Enough for a round-trip time of a second behind a full queue, and a lost packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// Whether searches of other peers are answered; otherwise they find nothing.
    pub is_searchable: bool,
    /// What an index that calls back wants to hear.
    pub probe_key: ProbeKey,
    /// What they share with those of other dialects.
    pub transport: Transport,
    /// Owns all tasks of connections.
    pub tracker: TaskTracker,
    /// Ends them.
    pub cancel: CancellationToken,
}

/// All connections of a node to other peers: one to each, used by everybody; cheap to clone.
#[derive(Debug, Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

/// The one place for a connection to a peer; whoever dials holds it, so that others wait instead of dialling too.
type LinkSlot = Arc<tokio::sync::Mutex<Option<PeerLink>>>;

#[derive(Debug)]
struct Inner {
    config: LinksConfig,
    slots: Mutex<HashMap<NodeId, LinkSlot>>,
    older_peers: Mutex<OlderPeers>,
    wrong_piece_reports: Arc<Mutex<WrongPieceReports>>,
    /// Which links may be joined by further connections.
    keys: LinkKeys,
}

impl Links {
    /// Makes a node's connections, none yet.
    pub fn new(config: LinksConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                config,
                slots: Mutex::default(),
                older_peers: Mutex::default(),
                wrong_piece_reports: Arc::default(),
                keys: LinkKeys::default(),
            }),
        }
    }

    /// Counts the peers that are connected.
    pub fn connected(&self) -> usize {
        let places: Vec<LinkSlot> = self.inner.slots.lock().values().cloned().collect();
        let is_open = |place: &LinkSlot| {
            place.try_lock().is_ok_and(|link| link.as_ref().is_some_and(|link| !link.is_closed()))
        };
        places.iter().filter(|place| is_open(place)).count()
    }

    /// Returns the connection to a peer, making it if there is none. Cancel safe.
    pub async fn get_or_connect(&self, node: NodeId, address: SocketAddr) -> Result<PeerLink, PeerDialError> {
        let place = self.slot_for(node);
        let mut place = place.lock().await;
        if let Some(link) = usable_link(place.as_ref(), address) {
            return Ok(link.clone());
        }
        let link = self.dial(node, address, None).await?;
        *place = Some(link.clone());
        Ok(link)
    }

    /// Asks a peer for a content, over the connection to it or along with the greeting of a new one. Cancel safe.
    pub(crate) async fn open(
        &self,
        node: NodeId,
        address: SocketAddr,
        request: &ContentRequest,
    ) -> Result<(), PeerDialError> {
        let place = self.slot_for(node);
        let mut place = place.lock().await;
        if let Some(link) = usable_link(place.as_ref(), address)
            && link.request_content(request, false).await
        {
            return Ok(());
        }
        *place = Some(self.dial(node, address, Some(request)).await?);
        Ok(())
    }

    fn slot_for(&self, node: NodeId) -> LinkSlot {
        let mut places = self.inner.slots.lock();
        forget_unused(&mut places);
        Arc::clone(places.entry(node).or_default())
    }

    async fn dial(
        &self,
        node: NodeId,
        address: SocketAddr,
        asking: Option<&ContentRequest>,
    ) -> Result<PeerLink, PeerDialError> {
        let config = &self.inner.config;
        let admission = config.transport.admission();
        let most = admission.max_connections();
        let ticket = admission.admit_outgoing().ok_or(PeerDialError::TooMany { address, most })?;
        let version = self.inner.older_peers.lock().version_of(&address, Instant::now());
        let (stream, greeted) = match self.connect(node, address, version, asking).await {
            Err(PeerDialError::Greeting { source, .. })
                if version > Version::One && source.suggests_version_1() =>
            {
                let called = self.connect(node, address, Version::One, asking).await?;
                tracing::debug!(%address, "the peer speaks version 1 of the protocol");
                // A connection is reset for other reasons too: only the peer's own preamble is proof.
                if matches!(source, LinkGreetingError::OtherVersion(_)) {
                    self.inner.older_peers.lock().remember(address, Instant::now());
                }
                called
            }
            called => called?,
        };
        let version = greeted.version.number();
        tracing::info!(%address, node = %node.short(), version, "connected to a peer");
        let link = PeerLink::new(&greeted, address, config.cancel.child_token());
        if let Some(asking) = asking {
            // Nothing is read before it is known who waits for the answer.
            link.request_content(asking, greeted.version > Version::One).await;
        }
        self.spawn_tasks(stream, &link, greeted.rest, ticket);
        Ok(link)
    }

    /// Connects to a peer and greets it in a version.
    async fn connect(
        &self,
        node: NodeId,
        address: SocketAddr,
        version: Version,
        asking: Option<&ContentRequest>,
    ) -> Result<(TcpStream, GreetedPeer), PeerDialError> {
        let connecting = self.inner.config.transport.source_address().connect(address);
        let (begun, connecting) = (Instant::now(), tokio::time::timeout(CONNECT_TIMEOUT, connecting));
        let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let mut stream = connected.map_err(|source| PeerDialError::Connect { address, source })?;
        let _ = stream.set_nodelay(true);
        let opening = asking.filter(|_| version > Version::One);
        let opening = opening.map(|asking| asking.message(FIRST_CHANNEL, version));
        let patience = greeting::greeting_timeout(begun.elapsed());
        let greeted =
            greeting::greet(&mut stream, self.local_node(), version, opening.as_ref(), patience).await;
        let greeted = greeted.and_then(|greeted| {
            if greeted.node == node { Ok(greeted) } else { Err(LinkGreetingError::WrongNode) }
        });
        let greeted = greeted.map_err(|source| PeerDialError::Greeting { address, source })?;
        Ok((stream, greeted))
    }

    fn local_node(&self) -> LocalNode {
        let LinksConfig { node, port, .. } = self.inner.config;
        LocalNode { node, port }
    }

    /// Receives the greeting of somebody who has connected to us, and serves them.
    pub(crate) async fn accept(
        &self,
        mut stream: TcpStream,
        preamble: [u8; PREAMBLE_LEN],
        from: SocketAddr,
        permit: AdmissionPermit,
    ) {
        let config = &self.inner.config;
        let _ = stream.set_nodelay(true);
        match greeting::receive(&mut stream, preamble, self.local_node()).await {
            Ok(IncomingConnection::Peer(greeted)) => {
                let address = SocketAddr::new(from.ip(), greeted.port);
                if greeted.version > Version::One {
                    self.inner.older_peers.lock().forget(&address);
                }
                let version = greeted.version.number();
                tracing::info!(%address, node = %greeted.node.short(), version, "a peer has connected");
                let link = PeerLink::new(&greeted, address, config.cancel.child_token());
                self.spawn_tasks(stream, &link, greeted.rest, permit);
                self.adopt_incoming(greeted.node, link);
            }
            Ok(IncomingConnection::Further(key)) => {
                // Whoever has no valid key gets no answer.
                let Some(joinable) = self.inner.keys.find(&key) else {
                    log_refusal(from, "unknown key");
                    return;
                };
                // The link has its place; only now this connection is known to be one of it.
                drop(permit);
                if let Err(error) = self.accept_further(stream, from, key, joinable).await {
                    tracing::debug!(%from, %error, "further connection ended");
                }
            }
            Ok(IncomingConnection::Probe(challenge)) => {
                tracing::debug!(%from, "called back by an index");
                if let Some(answer) = config.probe_key.answer(&challenge) {
                    let _ = greeting::answer_probe(&mut stream, answer).await;
                }
            }
            Err(LinkGreetingError::Preamble(PreambleError::NotPeerdex)) => {
                log_refusal(from, "a stranger");
            }
            Err(error) => log_refusal(from, error),
        }
    }

    /// Sends blocks over a further connection of a link until it is closed.
    async fn accept_further(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        key: ConnectionKey,
        joinable: JoinableLink,
    ) -> Result<(), LinkGreetingError> {
        let admission = self.inner.config.transport.admission();
        let JoinableLink { state, limiter: lane, claim } = joinable;
        let (Some(place), Some(_ticket)) = (FurtherNumber::take(&state), admission.admit_further(from.ip()))
        else {
            return Ok(());
        };
        greeting::accept_further(&mut stream, key).await?;
        tracing::debug!(%from, number = place.number, "further connection accepted");
        let tuner = SocketTuner::begin(&stream, from.ip(), Arc::default());
        let (_read_half, stream) = stream.into_split();
        let writer = LinkWriter { stream, state: Arc::clone(&state), tuner, limiter: lane, claim };
        let written = state.closed.run_until_cancelled(writer.run_further(place.number)).await;
        if let Some(Err(error)) = written {
            // Nobody knows which blocks are lost.
            state.closed.cancel();
            return Err(error.into());
        }
        Ok(())
    }

    /// Uses a connection that the other side made for our own purposes too, if there is no other.
    fn adopt_incoming(&self, node: NodeId, link: PeerLink) {
        let mut places = self.inner.slots.lock();
        forget_unused(&mut places);
        let place = places.entry(node).or_default();
        if let Ok(mut place) = place.try_lock()
            && place.as_ref().is_none_or(PeerLink::is_closed)
        {
            *place = Some(link);
        }
    }

    /// Has further connections opened for what we send over a link, as its path demands.
    fn adapt_width(&self, joinable: JoinableLink) {
        let LinksConfig { transport, tracker, .. } = &self.inner.config;
        let closed = joinable.state.closed.clone();
        let following = adapt_width(joinable, self.inner.keys.clone(), transport.upload_limit().clone());
        tracker.spawn(async move { closed.run_until_cancelled(following).await });
    }

    fn serving_context(&self) -> ServingContext {
        let LinksConfig { library, partials, is_searchable, transport, .. } = self.inner.config.clone();
        ServingContext {
            library,
            partials,
            is_searchable,
            uploads: transport.uploads().clone(),
            wrong_piece_reports: Arc::clone(&self.inner.wrong_piece_reports),
        }
    }

    /// Starts the tasks of a connection.
    fn spawn_tasks(&self, stream: TcpStream, link: &PeerLink, rest: FrameBuffer, permit: AdmissionPermit) {
        let (config, address) = (&self.inner.config, link.address());
        let tuner = SocketTuner::begin(&stream, address.ip(), Arc::clone(&link.shared.path));
        let transport = &config.transport;
        let turn = Arc::clone(&link.shared.queue) as Arc<dyn ChokeTarget>;
        let claim = Arc::new(transport.slots().claim(turn, address.ip()));
        let (read_half, write_half) = stream.into_split();
        let intake = BlockIntake {
            link: link.clone(),
            buffers: transport.buffers().clone(),
            uploads: transport.uploads().clone(),
            limiter: transport.download_limit().shared_peer_limiter(),
            claim: Arc::clone(&claim),
        };
        let further = FurtherReaders::new(intake.clone(), transport.clone(), config.tracker.clone());
        let are_announced = further.is_supported();
        let reader = LinkReader {
            blocks: BlockReader { stream: read_half, buffer: rest, intake },
            serving: LinkServing::new(self.serving_context(), Arc::clone(&claim)),
            further,
            unsupported: 0,
        };
        let state = Arc::clone(&link.shared);
        let lane = transport.upload_limit().shared_peer_limiter();
        if are_announced {
            let joinable =
                JoinableLink { state: Arc::clone(&state), limiter: lane.clone(), claim: Arc::clone(&claim) };
            self.adapt_width(joinable);
        }
        let writer =
            LinkWriter { stream: write_half, state: Arc::clone(&state), tuner, limiter: lane, claim };
        config.tracker.spawn(async move {
            let written = state.closed.run_until_cancelled(writer.run()).await;
            if let Some(Err(error)) = written {
                tracing::debug!(%address, %error, "writing to a peer failed");
            }
            state.closed.cancel();
        });
        let state = Arc::clone(&link.shared);
        config.tracker.spawn(async move {
            let ended = state.closed.run_until_cancelled(reader.run()).await;
            state.closed.cancel();
            notify_closed(&state, ended.unwrap_or(LinkError::Closed)).await;
            drop(permit);
        });
    }
}

/// Returns a link that can be used for a peer that listens at `address`. A link that the other side made serves only if it listens
/// where the index says: its id alone proves nothing.
fn usable_link(link: Option<&PeerLink>, address: SocketAddr) -> Option<&PeerLink> {
    link.filter(|link| !link.is_closed() && link.address() == address)
}

/// Forgets the places of peers that are neither connected nor being dialled.
fn forget_unused(places: &mut HashMap<NodeId, LinkSlot>) {
    places.retain(|_, place| {
        Arc::strong_count(place) > 1
            || place.try_lock().map_or(true, |link| link.as_ref().is_some_and(|link| !link.is_closed()))
    });
}

/// Tells everybody who fetches over a connection that it is over.
async fn notify_closed(state: &PeerLinkState, error: LinkError) {
    let address = state.address;
    match &error {
        LinkError::Closed | LinkError::Unused | LinkError::Io(_) => {
            tracing::info!(%address, %error, "a peer is gone");
        }
        _ => tracing::warn!(%address, %error, "a peer misbehaved and was left"),
    }
    for (source, events) in state.fetches.drain() {
        let _ = events.send((source, SourceEvent::Disconnected { reason: error.to_string() })).await;
    }
}

#[cfg(test)]
mod tests;
