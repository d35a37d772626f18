//! The BitTorrent tracker of the index, over HTTP for any client (BEP 3, 7, 23, 48).
//!
//! Clients announce themselves and are kept in [`swarms`], in memory. For a torrent that nodes offer at the index, the listed
//! nodes that share its complete content count as seeds too (see [`directory`](crate::directory)). [`serve`] runs the HTTP
//! service; [`HttpTracker`] handles the requests and does not depend on HTTP.

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

/// Serves clients until dropped; their connections end with the index service.
pub(crate) async fn serve(listener: TcpListener, service: &Arc<IndexService>) {
    let limits = &service.limits.tracker;
    let tracker = Arc::new(HttpTracker::new(service.directory.clone(), limits.clone()));
    let (tasks, stop, drop) = (service.tasks.clone(), service.stop.clone(), service.drop.clone());
    let metrics = Arc::clone(&service.metrics);
    let config = HttpServerConfig {
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
    crate::net::http::serve(listener, config, answer).await;
}

/// Maximum number of nodes with a torrent's content that are counted.
const MAX_NODES: usize = 1000;

/// The number of peers returned if a client does not request a number, and the maximum.
const DEFAULT_PEERS: usize = 50;
const MAX_PEERS: usize = 200;

/// Handles tracker requests.
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

    /// Counts a request; returns an error if its sender exceeds the rate.
    fn admit(&self, now: Instant, from: SocketAddr) -> Result<(), TrackerFailure> {
        let wait = self.rate_limiter.lock().try_acquire(now, address_group(from.ip()));
        wait.map_err(|wait| {
            let reason =
                format!("too many requests from your address; try again in {} s", wait.as_secs() + 1);
            TrackerFailure { reason }
        })
    }

    /// Handles an announce; `seed` determines which peers are returned.
    fn announce(
        &self,
        now: Instant,
        from: SocketAddr,
        query: &str,
        seed: u64,
    ) -> Result<Vec<u8>, TrackerFailure> {
        let request = AnnounceRequest::from_query(query).map_err(|error| failure(&error))?;
        let infohash = request.infohash;
        // Use the address that the client connects from, not the one it claims.
        let address = SocketAddr::new(from.ip(), request.port);
        let is_seed = request.left == 0;
        let nodes = self.nodes(&infohash, address, seed);
        let mut random = SplitMix64::from_seed(seed);
        let mut swarms = self.swarms.lock();
        // A client that announces port 0 accepts no connections.
        if request.port != 0 {
            let peer = SwarmPeer { address, peer_id: Some(request.peer_id) };
            let event = peer_event(request.event);
            let network = address_group(from.ip());
            swarms.announce(now, PeerAnnounce { infohash, peer, network, is_seed, event });
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

    /// Handles a scrape.
    fn scrape(&self, from: SocketAddr, query: &str) -> Result<Vec<u8>, TrackerFailure> {
        let request = ScrapeRequest::from_query(query).map_err(|error| failure(&error))?;
        if request.infohashes.is_empty() {
            return Err(TrackerFailure {
                reason: "name the torrents: a list of all torrents is not available".into(),
            });
        }
        let torrents = request.infohashes.into_iter().map(|infohash| {
            let nodes = self.nodes(&infohash, from, 0);
            let (complete, incomplete, downloaded) = peer_counts(&self.swarms.lock(), &infohash, &nodes);
            (infohash, ScrapeEntry { complete, downloaded, incomplete })
        });
        Ok(ScrapeReply { torrents: torrents.collect() }.encode())
    }

    /// Returns the nodes that have the complete content of a torrent and that a client at `asker` can reach.
    fn nodes(&self, infohash: &Infohash, asker: SocketAddr, seed: u64) -> Vec<SocketAddr> {
        let mut nodes = self.directory.seeds_of(infohash, MAX_NODES, seed);
        nodes.retain(|node| *node != asker && is_reachable_from(asker, *node));
        nodes
    }
}

/// Counts the clients and nodes of a torrent; a node that announces itself counts once.
fn peer_counts(swarms: &Swarms, infohash: &Infohash, nodes: &[SocketAddr]) -> (u32, u32, u32) {
    let counts = swarms.counts(infohash);
    let unannounced = nodes.iter().filter(|node| !swarms.contains(infohash, **node)).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(counts.complete + unannounced), number(counts.incomplete), counts.downloaded)
}

/// Mixes nodes into the peers, and keeps `wanted` of them.
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
