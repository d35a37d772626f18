//! The index as a BitTorrent tracker: who takes part in which torrent, for any client, over HTTP (BEP 3, 7, 23, 48).
//!
//! Clients announce themselves and are remembered in [`swarms`], in memory. Of a torrent that nodes offer
//! at the index, the nodes that share the whole of its content count as seeds too, as long as the
//! [`directory`](crate::directory) lists them. [`serve`] drives it; what a request means is decided by [`HttpTracker`],
//! which knows no HTTP.

mod http;
mod swarms;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use parking_lot::Mutex;
use protocol::address_group::address_group;
use protocol::infohash::Infohash;
use protocol::tracker::{
    AnnounceReply, AnnounceRequest, ScrapeEntry, ScrapeReply, ScrapeRequest, TrackedPeer, TrackerEvent,
    TrackerFailure,
};
use tokio::net::TcpListener;

use crate::directory::Directory;
use crate::limits::TrackerLimits;
use crate::metrics::HttpService;
use crate::net::http::{Endpoints, HttpServerConfig, plain_text, with_connection_close};
use crate::random::SplitMix64;
use crate::rate_limiter::RateLimiter;
use crate::service::IndexService;
use swarms::{PeerAnnounce, PeerEvent, SwarmPeer, Swarms, is_reachable_from};

/// Serves clients until it is dropped; the connections end with the service.
pub(crate) async fn serve(listener: TcpListener, service: &Arc<IndexService>) {
    let limits = &service.limits.tracker;
    let tracker = Arc::new(HttpTracker::new(service.directory.clone(), limits.clone()));
    let (tasks, stop, drop) = (service.tasks.clone(), service.stop.clone(), service.drop.clone());
    let metrics = Arc::clone(&service.metrics);
    let terms = HttpServerConfig {
        name: HttpService::Tracker.name(),
        limits: limits.http_limits(),
        on_eviction: Arc::new(move || metrics.count_evicted(HttpService::Tracker)),
        tasks,
        stop,
        drop,
    };
    let access = service.access.clone();
    let answer =
        move |ends: Endpoints, request: &Request<Incoming>| match access.check_address(ends.client.ip()) {
            Ok(()) => http::respond(&tracker, ends.client, request),
            Err(refusal) => with_connection_close(plain_text(StatusCode::FORBIDDEN, format!("{refusal}\n"))),
        };
    crate::net::http::serve(listener, terms, answer).await;
}

/// How many nodes that have a torrent's content are counted.
const MAX_NODES: usize = 1000;

/// How many peers a client gets that does not say how many it wants, and the most that it may want.
const DEFAULT_PEERS: usize = 50;
const MAX_PEERS: usize = 200;

/// Answers clients.
#[derive(Debug)]
pub(crate) struct HttpTracker {
    directory: Directory,
    limits: TrackerLimits,
    swarms: Mutex<Swarms>,
    rate_limiter: Mutex<RateLimiter<IpAddr>>,
}

impl HttpTracker {
    pub(crate) fn new(directory: Directory, limits: TrackerLimits) -> Self {
        let (swarms, rates) = (Swarms::new(limits.swarms), RateLimiter::new(limits.rate));
        Self { directory, limits, swarms: Mutex::new(swarms), rate_limiter: Mutex::new(rates) }
    }

    /// Counts a request, and says whether its sender has made too many.
    fn admit(&self, now: Instant, from: SocketAddr) -> Result<(), TrackerFailure> {
        let wait = self.rate_limiter.lock().try_acquire(now, address_group(from.ip()));
        wait.map_err(|wait| {
            let reason =
                format!("too many requests from your address; try again in {} s", wait.as_secs() + 1);
            TrackerFailure { reason }
        })
    }

    /// Takes a client's announce in and answers it; `seed` decides which peers it gets.
    fn announce(
        &self,
        now: Instant,
        from: SocketAddr,
        query: &str,
        seed: u64,
    ) -> Result<Vec<u8>, TrackerFailure> {
        let request = AnnounceRequest::from_query(query).map_err(|error| failure(&error))?;
        let infohash = request.infohash;
        // Where it connects from is where it is reached, whatever it claims.
        let address = SocketAddr::new(from.ip(), request.port);
        let is_seed = request.left == 0;
        let nodes = self.nodes(&infohash, address, seed);
        let mut random = SplitMix64::from_seed(seed);
        let mut swarms = self.swarms.lock();
        // Port 0 is that of a client that takes no connections.
        if request.port != 0 {
            let peer = SwarmPeer { address, peer_id: Some(request.peer_id) };
            let change = peer_event(request.event);
            let network = address_group(from.ip());
            swarms.announce(now, PeerAnnounce { infohash, peer, network, is_seed, event: change });
        }
        let wanted = match request.event {
            Some(TrackerEvent::Stopped) => 0,
            _ => request
                .numwant
                .and_then(|count| count.try_into().ok())
                .unwrap_or(DEFAULT_PEERS)
                .min(MAX_PEERS),
        };
        let mut peers = swarms.choose(&infohash, (address, is_seed), wanted, &mut random);
        let (complete, incomplete, _) = peer_counts(&swarms, &infohash, &nodes);
        drop(swarms);
        if !is_seed {
            merge_nodes(&mut peers, &nodes, wanted, &mut random);
        }
        let reply = AnnounceReply {
            interval: seconds(self.limits.interval),
            min_interval: Some(seconds(self.limits.min_interval.min(self.limits.interval))),
            complete: Some(complete),
            incomplete: Some(incomplete),
            peers: peers
                .into_iter()
                .map(|SwarmPeer { address, peer_id }| TrackedPeer { address, peer_id })
                .collect(),
            ..AnnounceReply::default()
        };
        Ok(reply.encode(request.compact, request.no_peer_id))
    }

    /// Answers a scrape.
    fn scrape(&self, from: SocketAddr, query: &str) -> Result<Vec<u8>, TrackerFailure> {
        let request = ScrapeRequest::from_query(query).map_err(|error| failure(&error))?;
        if request.infohashes.is_empty() {
            return Err(TrackerFailure {
                reason: "name the torrents: no list of all torrents is given".into(),
            });
        }
        let torrents = request.infohashes.into_iter().map(|infohash| {
            let nodes = self.nodes(&infohash, from, 0);
            let (complete, incomplete, downloaded) = peer_counts(&self.swarms.lock(), &infohash, &nodes);
            (infohash, ScrapeEntry { complete, downloaded, incomplete })
        });
        Ok(ScrapeReply { torrents: torrents.collect() }.encode())
    }

    /// Returns the nodes that have the content of a torrent, for a client at `asker`.
    fn nodes(&self, infohash: &Infohash, asker: SocketAddr, seed: u64) -> Vec<SocketAddr> {
        let mut nodes = self.directory.seeds_of(infohash, MAX_NODES, seed);
        nodes.retain(|node| *node != asker && is_reachable_from(asker, *node));
        nodes
    }
}

/// Counts who has a torrent, clients and nodes; a node that announces itself is one peer, not two.
fn peer_counts(swarms: &Swarms, infohash: &Infohash, nodes: &[SocketAddr]) -> (u32, u32, u32) {
    let counts = swarms.counts(infohash);
    let silent = nodes.iter().filter(|node| !swarms.contains(infohash, **node)).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(counts.complete + silent), number(counts.incomplete), counts.downloaded)
}

/// Puts nodes among peers, and keeps `wanted` of them all.
fn merge_nodes(peers: &mut Vec<SwarmPeer>, nodes: &[SocketAddr], wanted: usize, random: &mut SplitMix64) {
    let known: Vec<SocketAddr> = peers.iter().map(|peer| peer.address).collect();
    let fresh = nodes.iter().take(wanted).filter(|node| !known.contains(node));
    peers.extend(fresh.map(|node| SwarmPeer { address: *node, peer_id: None }));
    random.shuffle(peers);
    peers.truncate(wanted);
}

const fn peer_event(event: Option<TrackerEvent>) -> PeerEvent {
    match event {
        Some(TrackerEvent::Stopped) => PeerEvent::Stopped,
        Some(TrackerEvent::Completed) => PeerEvent::Completed,
        Some(TrackerEvent::Started) | None => PeerEvent::Present,
    }
}

fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn failure(error: &dyn std::fmt::Display) -> TrackerFailure {
    TrackerFailure { reason: error.to_string() }
}
