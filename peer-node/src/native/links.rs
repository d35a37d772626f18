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

use super::accusations::Accusations;
use super::block_reader::{BlockIntake, BlockReader};
use super::dial_error::DialError;
use super::fetching::{FIRST_CHANNEL, SourceEvent};
use super::further_readers::FurtherReaders;
use super::further_writers::{FurtherNumber, Joinable, Keys, follow_path};
use super::greeting::{self, Greeted, GreetingError, Us, Visitor};
use super::link::{Asking, Link, LinkState};
use super::older_peers::OlderPeers;
use super::reader::{LinkError, Reader};
use super::serving::{Serving, Shop};
use super::writer::Writer;
use crate::index_client::ProbeKey;
use crate::library::Library;
use crate::partials::Partials;
use crate::transport::{Ticket, Transport, Tuner, Turn, log_refusal};

/// Enough for a round-trip time of a second behind a full queue, and a lost packet.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

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
type Place = Arc<tokio::sync::Mutex<Option<Link>>>;

#[derive(Debug)]
struct Inner {
    config: LinksConfig,
    places: Mutex<HashMap<NodeId, Place>>,
    older_peers: Mutex<OlderPeers>,
    accusations: Arc<Mutex<Accusations>>,
    /// Which links may be joined by further connections.
    keys: Keys,
}

impl Links {
    /// Makes a node's connections, none yet.
    pub fn new(config: LinksConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                config,
                places: Mutex::default(),
                older_peers: Mutex::default(),
                accusations: Arc::default(),
                keys: Keys::default(),
            }),
        }
    }

    /// Counts the peers that are connected.
    pub fn connected(&self) -> usize {
        let places: Vec<Place> = self.inner.places.lock().values().cloned().collect();
        let is_open = |place: &Place| {
            place.try_lock().is_ok_and(|link| link.as_ref().is_some_and(|link| !link.is_closed()))
        };
        places.iter().filter(|place| is_open(place)).count()
    }

    /// Returns the connection to a peer, making it if there is none. Cancel safe.
    pub async fn to(&self, node: NodeId, address: SocketAddr) -> Result<Link, DialError> {
        let place = self.place_of(node);
        let mut place = place.lock().await;
        if let Some(link) = usable(place.as_ref(), address) {
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
        asking: &Asking,
    ) -> Result<(), DialError> {
        let place = self.place_of(node);
        let mut place = place.lock().await;
        if let Some(link) = usable(place.as_ref(), address)
            && link.ask(asking, false).await
        {
            return Ok(());
        }
        *place = Some(self.dial(node, address, Some(asking)).await?);
        Ok(())
    }

    fn place_of(&self, node: NodeId) -> Place {
        let mut places = self.inner.places.lock();
        forget_unused(&mut places);
        Arc::clone(places.entry(node).or_default())
    }

    async fn dial(
        &self,
        node: NodeId,
        address: SocketAddr,
        asking: Option<&Asking>,
    ) -> Result<Link, DialError> {
        let config = &self.inner.config;
        let admission = config.transport.admission();
        let most = admission.most();
        let ticket = admission.dial().ok_or(DialError::TooMany { address, most })?;
        let version = self.inner.older_peers.lock().version_of(&address, Instant::now());
        let (stream, greeted) = match self.call(node, address, version, asking).await {
            Err(DialError::Greeting { source, .. })
                if version > Version::One && source.suggests_version_1() =>
            {
                let called = self.call(node, address, Version::One, asking).await?;
                tracing::debug!(%address, "the peer speaks version 1 of the protocol");
                // A connection is reset for other reasons too: only the peer's own preamble is proof.
                if matches!(source, GreetingError::OtherVersion(_)) {
                    self.inner.older_peers.lock().remember(address, Instant::now());
                }
                called
            }
            called => called?,
        };
        let version = greeted.version.number();
        tracing::info!(%address, node = %node.short(), version, "connected to a peer");
        let link = Link::new(&greeted, address, config.cancel.child_token());
        if let Some(asking) = asking {
            // Nothing is read before it is known who waits for the answer.
            link.ask(asking, greeted.version > Version::One).await;
        }
        self.run(stream, &link, greeted.rest, ticket);
        Ok(link)
    }

    /// Connects to a peer and greets it in a version.
    async fn call(
        &self,
        node: NodeId,
        address: SocketAddr,
        version: Version,
        asking: Option<&Asking>,
    ) -> Result<(TcpStream, Greeted), DialError> {
        let connecting = self.inner.config.transport.source().connect(address);
        let (begun, connecting) = (Instant::now(), tokio::time::timeout(CONNECT_DEADLINE, connecting));
        let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let mut stream = connected.map_err(|source| DialError::Connect { address, source })?;
        let _ = stream.set_nodelay(true);
        let opening = asking.filter(|_| version > Version::One);
        let opening = opening.map(|asking| asking.message(FIRST_CHANNEL, version));
        let patience = greeting::patience(begun.elapsed());
        let greeted = greeting::greet(&mut stream, self.us(), version, opening.as_ref(), patience).await;
        let greeted =
            greeted.and_then(
                |greeted| {
                    if greeted.node == node { Ok(greeted) } else { Err(GreetingError::WrongNode) }
                },
            );
        let greeted = greeted.map_err(|source| DialError::Greeting { address, source })?;
        Ok((stream, greeted))
    }

    fn us(&self) -> Us {
        let LinksConfig { node, port, .. } = self.inner.config;
        Us { node, port }
    }

    /// Receives the greeting of somebody who has connected to us, and serves them.
    pub(crate) async fn visit(
        &self,
        mut stream: TcpStream,
        preamble: [u8; PREAMBLE_LEN],
        from: SocketAddr,
        ticket: Ticket,
    ) {
        let config = &self.inner.config;
        let _ = stream.set_nodelay(true);
        match greeting::receive(&mut stream, preamble, self.us()).await {
            Ok(Visitor::Peer(greeted)) => {
                let address = SocketAddr::new(from.ip(), greeted.port);
                if greeted.version > Version::One {
                    self.inner.older_peers.lock().forget(&address);
                }
                let version = greeted.version.number();
                tracing::info!(%address, node = %greeted.node.short(), version, "a peer has connected");
                let link = Link::new(&greeted, address, config.cancel.child_token());
                self.run(stream, &link, greeted.rest, ticket);
                self.adopt(greeted.node, link);
            }
            Ok(Visitor::Further(key)) => {
                // Whoever has no valid key gets no answer.
                let Some(joinable) = self.inner.keys.find(&key) else {
                    log_refusal(from, "unknown key");
                    return;
                };
                // The link has its place; only now this connection is known to be one of it.
                drop(ticket);
                if let Err(error) = self.accept_further(stream, from, key, joinable).await {
                    tracing::debug!(%from, %error, "further connection ended");
                }
            }
            Ok(Visitor::Probe(challenge)) => {
                tracing::debug!(%from, "called back by an index");
                if let Some(answer) = config.probe_key.answer(&challenge) {
                    let _ = greeting::answer_probe(&mut stream, answer).await;
                }
            }
            Err(GreetingError::Preamble(PreambleError::NotPeerdex)) => {
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
        joinable: Joinable,
    ) -> Result<(), GreetingError> {
        let admission = self.inner.config.transport.admission();
        let Joinable { state, lane, claim } = joinable;
        let (Some(place), Some(_ticket)) = (FurtherNumber::take(&state), admission.further(from.ip())) else {
            return Ok(());
        };
        greeting::accept_further(&mut stream, key).await?;
        tracing::debug!(%from, number = place.number, "further connection accepted");
        let tuner = Tuner::begin(&stream, from.ip(), Arc::default());
        let (_read_half, stream) = stream.into_split();
        let writer = Writer { stream, state: Arc::clone(&state), tuner, lane, claim };
        let written = state.closed.run_until_cancelled(writer.run_further(place.number)).await;
        if let Some(Err(error)) = written {
            // Nobody knows which blocks are lost.
            state.closed.cancel();
            return Err(error.into());
        }
        Ok(())
    }

    /// Uses a connection that the other side made for our own purposes too, if there is no other.
    fn adopt(&self, node: NodeId, link: Link) {
        let mut places = self.inner.places.lock();
        forget_unused(&mut places);
        let place = places.entry(node).or_default();
        if let Ok(mut place) = place.try_lock()
            && place.as_ref().is_none_or(Link::is_closed)
        {
            *place = Some(link);
        }
    }

    /// Has further connections opened for what we send over a link, as its path demands.
    fn follow_path(&self, joinable: Joinable) {
        let LinksConfig { transport, tracker, .. } = &self.inner.config;
        let closed = joinable.state.closed.clone();
        let following = follow_path(joinable, self.inner.keys.clone(), transport.upload_limit().clone());
        tracker.spawn(async move { closed.run_until_cancelled(following).await });
    }

    fn shop(&self) -> Shop {
        let LinksConfig { library, partials, is_searchable, transport, .. } = self.inner.config.clone();
        Shop {
            library,
            partials,
            is_searchable,
            uploads: transport.uploads().clone(),
            accusations: Arc::clone(&self.inner.accusations),
        }
    }

    /// Starts the tasks of a connection.
    fn run(&self, stream: TcpStream, link: &Link, rest: FrameBuffer, ticket: Ticket) {
        let (config, address) = (&self.inner.config, link.address());
        let tuner = Tuner::begin(&stream, address.ip(), Arc::clone(&link.shared.path));
        let transport = &config.transport;
        let turn = Arc::clone(&link.shared.queue) as Arc<dyn Turn>;
        let claim = Arc::new(transport.slots().claim(turn, address.ip()));
        let (read_half, write_half) = stream.into_split();
        let intake = BlockIntake {
            link: link.clone(),
            buffers: transport.buffers().clone(),
            uploads: transport.uploads().clone(),
            lane: transport.download_limit().shared_lane(),
            claim: Arc::clone(&claim),
        };
        let further = FurtherReaders::new(intake.clone(), transport.clone(), config.tracker.clone());
        let are_announced = further.are_announced();
        let reader = Reader {
            blocks: BlockReader { stream: read_half, buffer: rest, intake },
            serving: Serving::new(self.shop(), Arc::clone(&claim)),
            further,
            unsupported: 0,
        };
        let state = Arc::clone(&link.shared);
        let lane = transport.upload_limit().shared_lane();
        if are_announced {
            let joinable =
                Joinable { state: Arc::clone(&state), lane: lane.clone(), claim: Arc::clone(&claim) };
            self.follow_path(joinable);
        }
        let writer = Writer { stream: write_half, state: Arc::clone(&state), tuner, lane, claim };
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
            end(&state, ended.unwrap_or(LinkError::Closed)).await;
            drop(ticket);
        });
    }
}

/// Returns a link that can be used for a peer that listens at `address`. A link that the other side made serves only if it listens
/// where the index says: its id alone proves nothing.
fn usable(link: Option<&Link>, address: SocketAddr) -> Option<&Link> {
    link.filter(|link| !link.is_closed() && link.address() == address)
}

/// Forgets the places of peers that are neither connected nor being dialled.
fn forget_unused(places: &mut HashMap<NodeId, Place>) {
    places.retain(|_, place| {
        Arc::strong_count(place) > 1
            || place.try_lock().map_or(true, |link| link.as_ref().is_some_and(|link| !link.is_closed()))
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

#[cfg(test)]
mod tests;
