use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::features::PeerFeatures;
use protocol::frame::FrameBuffer;
use protocol::node_id::NodeId;
use protocol::peer::ConnectionKey;
use protocol::preamble::{PREAMBLE_LEN, PreambleError, Version};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::block_reader::{BlockIntake, BlockReader};
use super::dial_error::PeerDialError;
use super::fetching::{FIRST_CHANNEL, SourceEvent};
use super::further_readers::FurtherReaders;
use super::further_writers::{FurtherNumber, JoinableLink, LinkKeys, adapt_width};
use super::greeting::{self, FEATURES, GreetedPeer, IncomingConnection, LinkGreetingError, LocalNode};
use super::link::{ContentRequest, PeerLink, PeerLinkState};
use super::older_peers::OlderPeers;
use super::peer_listing::ListingLimiter;
use super::reader::{LinkError, LinkReader};
use super::serving::{LinkServing, ServingContext};
use super::writer::LinkWriter;
use super::wrong_piece_reports::WrongPieceReports;
use crate::library::Library;
use crate::native::ProbeKey;
use crate::native::partials::Partials;
use crate::transport::{AdmissionPermit, ChokeTarget, PeerStream, Transport, log_refusal};

/// Allows for a round-trip time of one second behind a full queue, and one lost packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Configuration of a node's links.
#[derive(Debug, Clone)]
pub(crate) struct LinksConfig {
    /// Id of this node.
    pub node: NodeId,
    /// Port on which this node accepts connections.
    pub port: u16,
    /// The shared files.
    pub library: Library,
    /// Downloads in progress, which are shared too.
    pub partials: Partials,
    /// Whether other peers may search and list the files. If not, searches find nothing.
    pub is_searchable: bool,
    /// Key for answering the probes of an index.
    pub probe_key: ProbeKey,
    /// Resources shared with the connections of other dialects.
    pub transport: Transport,
    /// Tracks all connection tasks.
    pub tracker: TaskTracker,
    /// Stops all connections.
    pub cancel: CancellationToken,
}

/// All links of a node to other peers. Each peer has at most one link, which all users share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    inner: Arc<Inner>,
}

/// The slot of the link to one peer. It stays locked while the peer is dialled, so that concurrent users wait instead of
/// dialling too.
type LinkSlot = Arc<tokio::sync::Mutex<Option<PeerLink>>>;

#[derive(Debug)]
struct Inner {
    config: LinksConfig,
    slots: Mutex<HashMap<NodeId, LinkSlot>>,
    older_peers: Mutex<OlderPeers>,
    wrong_piece_reports: Arc<Mutex<WrongPieceReports>>,
    /// Links that further connections may join.
    keys: LinkKeys,
    listing_limiter: ListingLimiter,
}

impl Links {
    /// Creates the owner of a node's links, without any connection.
    pub(crate) fn new(config: LinksConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                config,
                slots: Mutex::default(),
                older_peers: Mutex::default(),
                wrong_piece_reports: Arc::default(),
                keys: LinkKeys::default(),
                listing_limiter: ListingLimiter::default(),
            }),
        }
    }

    /// Returns the number of connected peers.
    pub(crate) fn connected(&self) -> usize {
        let slots: Vec<LinkSlot> = self.inner.slots.lock().values().cloned().collect();
        let is_open = |slot: &LinkSlot| {
            slot.try_lock().is_ok_and(|link| link.as_ref().is_some_and(|link| !link.is_closed()))
        };
        slots.iter().filter(|slot| is_open(slot)).count()
    }

    /// Returns the link to a peer, connecting if there is none. Cancel safe.
    pub(crate) async fn get_or_connect(
        &self,
        node: NodeId,
        address: SocketAddr,
    ) -> Result<PeerLink, PeerDialError> {
        let slot = self.slot_for(node);
        let mut slot = slot.lock().await;
        if let Some(link) = usable_link(slot.as_ref(), address) {
            return Ok(link.clone());
        }
        let link = self.dial(node, address, None).await?;
        *slot = Some(link.clone());
        Ok(link)
    }

    /// Requests a content from a peer, over the existing link or along with the greeting of a new one. Cancel safe.
    pub(crate) async fn open(
        &self,
        node: NodeId,
        address: SocketAddr,
        request: &ContentRequest,
    ) -> Result<(), PeerDialError> {
        let slot = self.slot_for(node);
        let mut slot = slot.lock().await;
        if let Some(link) = usable_link(slot.as_ref(), address)
            && link.request_content(request, false).await
        {
            return Ok(());
        }
        *slot = Some(self.dial(node, address, Some(request)).await?);
        Ok(())
    }

    fn slot_for(&self, node: NodeId) -> LinkSlot {
        let mut slots = self.inner.slots.lock();
        forget_unused(&mut slots);
        Arc::clone(slots.entry(node).or_default())
    }

    async fn dial(
        &self,
        node: NodeId,
        address: SocketAddr,
        request: Option<&ContentRequest>,
    ) -> Result<PeerLink, PeerDialError> {
        let config = &self.inner.config;
        let admission = config.transport.admission();
        let max = admission.max_connections();
        // The permit is taken before connecting, so that concurrent dials respect the limit.
        let permit = admission.admit_outgoing().ok_or(PeerDialError::TooMany { address, max })?;
        let version = self.inner.older_peers.lock().version_of(&address, Instant::now());
        let (stream, greeted) = match self.connect(node, address, version, request).await {
            Err(PeerDialError::Greeting { source, .. })
                if version > Version::One && source.suggests_version_1() =>
            {
                let connected = self.connect(node, address, Version::One, request).await?;
                tracing::debug!(%address, "the peer speaks version 1 of the protocol");
                // Connections are reset for other reasons too; only the peer's own preamble is proof.
                if matches!(source, LinkGreetingError::OtherVersion(_)) {
                    self.inner.older_peers.lock().remember(address, Instant::now());
                }
                connected
            }
            connected => connected?,
        };
        let version = greeted.version.number();
        tracing::info!(%address, node = %node.short(), version, "connected to a peer");
        let link = PeerLink::new(&greeted, address, config.cancel.child_token());
        if let Some(request) = request {
            // The receiver of the answer must be registered before anything is read.
            link.request_content(request, greeted.version > Version::One).await;
        }
        self.spawn_tasks(stream, &link, greeted.rest, permit);
        Ok(link)
    }

    /// Connects to a peer and exchanges greetings in one version.
    async fn connect(
        &self,
        node: NodeId,
        address: SocketAddr,
        version: Version,
        request: Option<&ContentRequest>,
    ) -> Result<(PeerStream, GreetedPeer), PeerDialError> {
        let (begun, source_address) = (Instant::now(), self.inner.config.transport.source_address());
        let connected = PeerStream::connect(source_address, address, CONNECT_TIMEOUT).await;
        let mut stream = connected.map_err(|source| PeerDialError::Connect { address, source })?;
        let _ = stream.send_at_once();
        // Version 1 has no message that may precede the peer's greeting.
        let opening = request.filter(|_| version > Version::One);
        let opening = opening.map(|request| request.message(FIRST_CHANNEL, version));
        let timeout = greeting::greeting_timeout(begun.elapsed());
        let greeted =
            greeting::greet(&mut stream, self.local_node(), version, opening.as_ref(), timeout).await;
        let greeted = greeted.and_then(|greeted| {
            if greeted.node == node { Ok(greeted) } else { Err(LinkGreetingError::WrongNode) }
        });
        let greeted = greeted.map_err(|source| PeerDialError::Greeting { address, source })?;
        Ok((stream, greeted))
    }

    fn local_node(&self) -> LocalNode {
        let LinksConfig { node, port, is_searchable, .. } = self.inner.config;
        // A node that answers no searches does not list its files either.
        let features = if is_searchable { FEATURES.with(PeerFeatures::BROWSE) } else { FEATURES };
        LocalNode { node, port, features }
    }

    /// Receives the greeting of an incoming connection and serves the peer.
    pub(crate) async fn accept(
        &self,
        mut stream: PeerStream,
        preamble: [u8; PREAMBLE_LEN],
        from: SocketAddr,
        permit: AdmissionPermit,
    ) {
        let config = &self.inner.config;
        let _ = stream.send_at_once();
        match greeting::receive(&mut stream, preamble, self.local_node()).await {
            Ok(IncomingConnection::Peer(greeted)) => {
                let address = SocketAddr::new(from.ip(), greeted.port);
                if greeted.version > Version::One {
                    self.inner.older_peers.lock().forget(&address);
                }
                let version = greeted.version.number();
                tracing::info!(%address, node = %greeted.node.short(), version, "peer connected");
                let link = PeerLink::new(&greeted, address, config.cancel.child_token());
                self.spawn_tasks(stream, &link, greeted.rest, permit);
                self.adopt_incoming(greeted.node, link);
            }
            Ok(IncomingConnection::Further(key)) => {
                // Without a valid key there is no answer.
                let Some(joinable) = self.inner.keys.find(&key) else {
                    log_refusal(from, "unknown key");
                    return;
                };
                // Only now is this connection known to belong to a link, which holds its own permit.
                drop(permit);
                if let Err(error) = self.accept_further(stream, from, key, joinable).await {
                    tracing::debug!(%from, %error, "further connection ended");
                }
            }
            Ok(IncomingConnection::Probe(challenge)) => {
                tracing::debug!(%from, "probed by an index");
                if let Some(answer) = config.probe_key.answer(&challenge) {
                    let _ = greeting::answer_probe(&mut stream, answer).await;
                }
            }
            Err(LinkGreetingError::Preamble(PreambleError::NotPeerdex)) => {
                log_refusal(from, "not a Peerdex client");
            }
            Err(error) => log_refusal(from, error),
        }
    }

    /// Sends blocks over a further connection of a link until the connection is closed.
    async fn accept_further(
        &self,
        mut stream: PeerStream,
        from: SocketAddr,
        key: ConnectionKey,
        joinable: JoinableLink,
    ) -> Result<(), LinkGreetingError> {
        let admission = self.inner.config.transport.admission();
        let JoinableLink { state, limiter, claim } = joinable;
        let (Some(slot), Some(_permit)) = (FurtherNumber::take(&state), admission.admit_further(from.ip()))
        else {
            return Ok(());
        };
        greeting::accept_further(&mut stream, key).await?;
        tracing::debug!(%from, number = slot.number, "further connection accepted");
        let (_read_half, stream) = stream.split(from.ip(), Arc::default());
        let writer = LinkWriter { stream, state: Arc::clone(&state), limiter, claim };
        let written = state.closed.run_until_cancelled(writer.run_further(slot.number)).await;
        if let Some(Err(error)) = written {
            // It is unknown which blocks were lost.
            state.closed.cancel();
            return Err(error.into());
        }
        Ok(())
    }

    /// Adopts an incoming link for our own requests if there is no other link to the peer.
    fn adopt_incoming(&self, node: NodeId, link: PeerLink) {
        let mut slots = self.inner.slots.lock();
        forget_unused(&mut slots);
        let slot = slots.entry(node).or_default();
        if let Ok(mut slot) = slot.try_lock()
            && slot.as_ref().is_none_or(PeerLink::is_closed)
        {
            *slot = Some(link);
        }
    }

    /// Starts the task that adapts the number of connections we send over to the path.
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
            listing_limiter: self.inner.listing_limiter.clone(),
        }
    }

    /// Starts the tasks of a connection.
    fn spawn_tasks(&self, stream: PeerStream, link: &PeerLink, rest: FrameBuffer, permit: AdmissionPermit) {
        let (config, address) = (&self.inner.config, link.address());
        let transport = &config.transport;
        let target = Arc::clone(&link.shared.queue) as Arc<dyn ChokeTarget>;
        let claim = Arc::new(transport.slots().claim(target, address.ip()));
        let (read_half, write_half) = stream.split(address.ip(), Arc::clone(&link.shared.path));
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
        let limiter = transport.upload_limit().shared_peer_limiter();
        if are_announced {
            let joinable = JoinableLink {
                state: Arc::clone(&state),
                limiter: limiter.clone(),
                claim: Arc::clone(&claim),
            };
            self.adapt_width(joinable);
        }
        let writer = LinkWriter { stream: write_half, state: Arc::clone(&state), limiter, claim };
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

/// Returns the link if it is open and its peer listens at `address`. The node id alone proves nothing, so an incoming link
/// is usable only if its address is the one that the index reports.
fn usable_link(link: Option<&PeerLink>, address: SocketAddr) -> Option<&PeerLink> {
    link.filter(|link| !link.is_closed() && link.address() == address)
}

/// Removes the slots of peers that are neither connected nor being dialled.
fn forget_unused(slots: &mut HashMap<NodeId, LinkSlot>) {
    slots.retain(|_, slot| {
        Arc::strong_count(slot) > 1
            || slot.try_lock().map_or(true, |link| link.as_ref().is_some_and(|link| !link.is_closed()))
    });
}

/// Notifies all fetches over a link that it has ended.
async fn notify_closed(state: &PeerLinkState, error: LinkError) {
    let address = state.address;
    match &error {
        LinkError::Closed | LinkError::Unused | LinkError::Io(_) => {
            tracing::info!(%address, %error, "peer disconnected");
        }
        _ => tracing::warn!(%address, %error, "peer misbehaved; disconnected"),
    }
    for (source, events) in state.fetches.drain() {
        let _ = events.send((source, SourceEvent::Disconnected { reason: error.to_string() })).await;
    }
}

#[cfg(test)]
mod tests;
