use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::bittorrent::PeerId;
use protocol::infohash::Infohash;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event::Events;
use super::greeting::{self, GreetingError};
use super::membership::{AlreadyHere, Membership};
use super::offering::Offering;
use super::resolver::Resolver;
use super::running::Running;
use super::torrent::Torrent;
use super::wire::Peer;
use super::wire_error::WireError;
use crate::swarm::SourceIds;
use crate::transport::{Ticket, Transport};

/// Enough for a round-trip time of a second behind a full queue, and a lost packet.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// What the connections of a node need to know of it.
#[derive(Debug, Clone)]
pub struct WiresConfig {
    /// Who we are, for this run.
    pub peer_id: PeerId,
    /// What they share with those of other dialects.
    pub transport: Transport,
    /// Owns all tasks of connections.
    pub tracker: TaskTracker,
    /// Ends them.
    pub cancel: CancellationToken,
}

/// All connections of a node in the BitTorrent dialect; cheap to clone.
#[derive(Debug, Clone)]
pub struct Wires {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: WiresConfig,
    torrents: Mutex<HashMap<Infohash, Arc<Torrent>>>,
    resolver: Mutex<Option<Arc<dyn Resolver>>>,
}

impl Wires {
    /// Makes a node's connections, none yet.
    pub fn new(config: WiresConfig) -> Self {
        let (torrents, resolver) = (Mutex::default(), Mutex::default());
        Self { inner: Arc::new(Inner { config, torrents, resolver }) }
    }

    /// Returns who we are.
    pub fn peer_id(&self) -> PeerId {
        self.inner.config.peer_id
    }

    /// Names who is asked for torrents that are not here.
    pub fn set_resolver(&self, resolver: Arc<dyn Resolver>) {
        *self.inner.resolver.lock() = Some(resolver);
    }

    /// Lets a torrent take part until the membership is dropped. Its connections, also those that others open, are told of
    /// on `events`, each under a number of `ids`.
    pub fn join(
        &self,
        offering: Arc<Offering>,
        ids: SourceIds,
        events: Events,
    ) -> Result<Membership, AlreadyHere> {
        let infohash = offering.infohash();
        let closed = self.inner.config.cancel.child_token();
        let torrent = Arc::new(Torrent::new(offering, ids, events, closed));
        match self.inner.torrents.lock().entry(infohash) {
            Entry::Vacant(place) => place.insert(Arc::clone(&torrent)),
            Entry::Occupied(_) => return Err(AlreadyHere { infohash }),
        };
        Ok(Membership { wires: self.clone(), torrent })
    }

    /// Says whether a torrent takes part.
    pub fn has(&self, infohash: Infohash) -> bool {
        self.inner.torrents.lock().contains_key(&infohash)
    }

    /// Counts the connections of all torrents.
    pub fn connected(&self) -> usize {
        let torrents: Vec<Arc<Torrent>> = self.inner.torrents.lock().values().cloned().collect();
        torrents.iter().map(|torrent| torrent.count()).sum()
    }

    /// Hears out somebody who has connected to us.
    pub async fn visit(&self, mut stream: TcpStream, from: SocketAddr, ticket: Ticket) {
        let us = self.peer_id();
        match greeting::hear(&mut stream, us, async |infohash| self.find(infohash).await).await {
            Ok((greeted, _)) if greeted.peer_id == us => tracing::debug!(%from, "connected to ourselves"),
            Ok((greeted, torrent)) => {
                let peer = Peer { greeted, address: from, is_inbound: true };
                if self.running(&torrent).begin(stream, peer, ticket) {
                    tracing::info!(%from, client = %greeted.peer_id, "a BitTorrent peer has connected");
                } else {
                    tracing::debug!(%from, "a BitTorrent peer has connected twice");
                }
            }
            Err(GreetingError::Unknown(infohash)) => {
                tracing::info!(%from, %infohash, "connection refused: no such torrent here");
            }
            Err(error) => tracing::warn!(%from, %error, "connection refused"),
        }
    }

    /// Connects to a peer of a torrent.
    pub(super) async fn dial(&self, torrent: &Arc<Torrent>, address: SocketAddr) -> Result<(), WireError> {
        let admission = self.inner.config.transport.admission();
        let most = admission.most();
        let ticket = admission.dial().ok_or(WireError::TooMany { address, most })?;
        let connecting = self.inner.config.transport.source().connect(address);
        let connecting = tokio::time::timeout(CONNECT_DEADLINE, connecting);
        let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let mut stream = connected.map_err(|source| WireError::Connect { address, source })?;
        let us = self.peer_id();
        let greeted = greeting::greet(&mut stream, torrent.offering.infohash(), us).await;
        let greeted = greeted.map_err(|source| WireError::Greeting { address, source })?;
        if greeted.peer_id == us {
            return Err(WireError::Ourselves { address });
        }
        let peer = Peer { greeted, address, is_inbound: false };
        if !self.running(torrent).begin(stream, peer, ticket) {
            return Err(WireError::AlreadyConnected { address });
        }
        tracing::info!(%address, client = %greeted.peer_id, "connected to a BitTorrent peer");
        Ok(())
    }

    /// Looks for a torrent that somebody wants.
    async fn find(&self, infohash: Infohash) -> Option<Arc<Torrent>> {
        let here = || self.inner.torrents.lock().get(&infohash).cloned();
        if let Some(torrent) = here() {
            return Some(torrent);
        }
        let resolver = self.inner.resolver.lock().clone()?;
        if resolver.resolve(infohash).await { here() } else { None }
    }

    /// Lets nobody connect for a torrent any more.
    pub(super) fn forget(&self, torrent: &Arc<Torrent>) {
        let mut torrents = self.inner.torrents.lock();
        let infohash = torrent.offering.infohash();
        if torrents.get(&infohash).is_some_and(|other| Arc::ptr_eq(other, torrent)) {
            torrents.remove(&infohash);
        }
    }

    fn running<'a>(&'a self, torrent: &'a Arc<Torrent>) -> Running<'a> {
        Running { config: &self.inner.config, torrent }
    }
}
