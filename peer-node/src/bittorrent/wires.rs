use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::bittorrent::PeerId;
use protocol::bittorrent::mse::TorrentKey;
use protocol::infohash::Infohash;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event::WireEventSender;
use super::joined_torrent::JoinedTorrent;
use super::key_exchange_limit::KeyExchangeLimit;
use super::membership::{AlreadyJoined, SwarmMembership};
use super::offering::TorrentOffering;
use super::resolver::TorrentResolver;
use super::wire_starter::WireStarter;
use crate::transport::Transport;
use swarm::SourceIds;

/// Configuration of a node's BitTorrent connections.
#[derive(Debug, Clone)]
pub(crate) struct WiresConfig {
    /// Peer id of this run.
    pub peer_id: PeerId,
    /// Limits, slots and buffers shared with the other dialects.
    pub transport: Transport,
    /// Owns all connection tasks.
    pub tracker: TaskTracker,
    /// Stops all connection tasks.
    pub cancel: CancellationToken,
}

/// All BitTorrent connections of a node; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Wires {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: WiresConfig,
    torrents: Mutex<HashMap<Infohash, Arc<JoinedTorrent>>>,
    resolver: Mutex<Option<Arc<dyn TorrentResolver>>>,
    key_exchange_limit: KeyExchangeLimit,
}

impl Wires {
    /// Creates the handle, without connections.
    pub(crate) fn new(config: WiresConfig) -> Self {
        let (torrents, resolver) = (Mutex::default(), Mutex::default());
        let key_exchange_limit = KeyExchangeLimit::new();
        Self { inner: Arc::new(Inner { config, torrents, resolver, key_exchange_limit }) }
    }

    /// Returns this node's peer id.
    pub(crate) fn peer_id(&self) -> PeerId {
        self.inner.config.peer_id
    }

    /// Sets the resolver for torrents that have not joined.
    pub(crate) fn set_resolver(&self, resolver: Arc<dyn TorrentResolver>) {
        *self.inner.resolver.lock() = Some(resolver);
    }

    /// Adds a torrent until the membership is dropped. Events of its connections, inbound and outbound, are sent on
    /// `events`, each with a source number from `ids`.
    pub(crate) fn join(
        &self,
        offering: Arc<TorrentOffering>,
        ids: SourceIds,
        events: WireEventSender,
    ) -> Result<SwarmMembership, AlreadyJoined> {
        let infohash = offering.infohash();
        let closed = self.inner.config.cancel.child_token();
        let torrent = Arc::new(JoinedTorrent::new(offering, ids, events, closed));
        match self.inner.torrents.lock().entry(infohash) {
            Entry::Vacant(vacant) => vacant.insert(Arc::clone(&torrent)),
            Entry::Occupied(_) => return Err(AlreadyJoined { infohash }),
        };
        Ok(SwarmMembership { wires: self.clone(), torrent })
    }

    /// Returns true if the torrent has joined.
    pub(crate) fn has(&self, infohash: Infohash) -> bool {
        self.inner.torrents.lock().contains_key(&infohash)
    }

    /// Returns the number of connections of a torrent.
    pub(crate) fn connection_count(&self, infohash: Infohash) -> usize {
        self.inner.torrents.lock().get(&infohash).map_or(0, |torrent| torrent.connection_count())
    }

    /// Returns the number of connections of all torrents.
    pub(crate) fn total_connections(&self) -> usize {
        let torrents: Vec<Arc<JoinedTorrent>> = self.inner.torrents.lock().values().cloned().collect();
        torrents.iter().map(|torrent| torrent.connection_count()).sum()
    }

    /// Returns the torrent for an incoming connection; asks the resolver if it has not joined.
    pub(super) async fn find(&self, infohash: Infohash) -> Option<Arc<JoinedTorrent>> {
        let lookup = || self.inner.torrents.lock().get(&infohash).cloned();
        if let Some(torrent) = lookup() {
            return Some(torrent);
        }
        let resolver = self.inner.resolver.lock().clone()?;
        if resolver.resolve(infohash).await { lookup() } else { None }
    }

    /// Returns the torrent with the given key, for an incoming key exchange.
    pub(super) async fn find_by_key(&self, key: TorrentKey) -> Option<Arc<JoinedTorrent>> {
        let joined = self.inner.torrents.lock().values().find(|torrent| torrent.key == key).cloned();
        if joined.is_some() {
            return joined;
        }
        let resolver = self.inner.resolver.lock().clone()?;
        self.find(resolver.identify(key).await?).await
    }

    /// Removes a torrent, so that no peer can connect for it.
    pub(super) fn remove(&self, torrent: &Arc<JoinedTorrent>) {
        let mut torrents = self.inner.torrents.lock();
        let infohash = torrent.offering.infohash();
        if torrents.get(&infohash).is_some_and(|other| Arc::ptr_eq(other, torrent)) {
            torrents.remove(&infohash);
        }
    }

    pub(super) fn config(&self) -> &WiresConfig {
        &self.inner.config
    }

    pub(super) fn key_exchange_limit(&self) -> &KeyExchangeLimit {
        &self.inner.key_exchange_limit
    }

    pub(super) fn starter<'a>(&'a self, torrent: &'a Arc<JoinedTorrent>) -> WireStarter<'a> {
        WireStarter { config: &self.inner.config, torrent }
    }
}
