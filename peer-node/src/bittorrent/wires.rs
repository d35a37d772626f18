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
    torrents: Mutex<HashMap<Infohash, Arc<JoinedTorrent>>>,
    resolver: Mutex<Option<Arc<dyn TorrentResolver>>>,
    key_exchange_limit: KeyExchangeLimit,
}

impl Wires {
    /// Makes a node's connections, none yet.
    pub fn new(config: WiresConfig) -> Self {
        let (torrents, resolver) = (Mutex::default(), Mutex::default());
        let exchange_limit = KeyExchangeLimit::new();
        Self { inner: Arc::new(Inner { config, torrents, resolver, key_exchange_limit: exchange_limit }) }
    }

    /// Returns who we are.
    pub fn peer_id(&self) -> PeerId {
        self.inner.config.peer_id
    }

    /// Names who is asked for torrents that are not here.
    pub fn set_resolver(&self, resolver: Arc<dyn TorrentResolver>) {
        *self.inner.resolver.lock() = Some(resolver);
    }

    /// Lets a torrent take part until the membership is dropped. Its connections, also those that others open, are told of
    /// on `events`, each under a number of `ids`.
    pub fn join(
        &self,
        offering: Arc<TorrentOffering>,
        ids: SourceIds,
        events: WireEventSender,
    ) -> Result<SwarmMembership, AlreadyJoined> {
        let infohash = offering.infohash();
        let closed = self.inner.config.cancel.child_token();
        let torrent = Arc::new(JoinedTorrent::new(offering, ids, events, closed));
        match self.inner.torrents.lock().entry(infohash) {
            Entry::Vacant(place) => place.insert(Arc::clone(&torrent)),
            Entry::Occupied(_) => return Err(AlreadyJoined { infohash }),
        };
        Ok(SwarmMembership { wires: self.clone(), torrent })
    }

    /// Says whether a torrent takes part.
    pub fn has(&self, infohash: Infohash) -> bool {
        self.inner.torrents.lock().contains_key(&infohash)
    }

    /// Counts the connections of a torrent.
    pub(crate) fn connection_count(&self, infohash: Infohash) -> usize {
        self.inner.torrents.lock().get(&infohash).map_or(0, |torrent| torrent.connection_count())
    }

    /// Counts the connections of all torrents.
    pub fn total_connections(&self) -> usize {
        let torrents: Vec<Arc<JoinedTorrent>> = self.inner.torrents.lock().values().cloned().collect();
        torrents.iter().map(|torrent| torrent.connection_count()).sum()
    }

    /// Looks for a torrent that somebody wants.
    pub(super) async fn find(&self, infohash: Infohash) -> Option<Arc<JoinedTorrent>> {
        let here = || self.inner.torrents.lock().get(&infohash).cloned();
        if let Some(torrent) = here() {
            return Some(torrent);
        }
        let resolver = self.inner.resolver.lock().clone()?;
        if resolver.resolve(infohash).await { here() } else { None }
    }

    /// Looks for a torrent of which only the key is known.
    pub(super) async fn find_by_key(&self, key: TorrentKey) -> Option<Arc<JoinedTorrent>> {
        let here = self.inner.torrents.lock().values().find(|torrent| torrent.key == key).cloned();
        if here.is_some() {
            return here;
        }
        let resolver = self.inner.resolver.lock().clone()?;
        self.find(resolver.identify(key).await?).await
    }

    /// Lets nobody connect for a torrent any more.
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
