//! The index as a BitTorrent tracker: who takes part in which torrent, for any client, over HTTP (BEP 3, 7, 23, 48).
//!
//! Clients announce themselves and are remembered in [`swarms`], in memory. Of a torrent that nodes offer
//! at the index, the nodes that share the whole of its content count as seeds too, as long as the
//! [`directory`](crate::directory) lists them. [`serve`] drives it; what a request means is decided by [`Tracker`],
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
use protocol::household::household;
use protocol::infohash::Infohash;
use protocol::tracker::{
    AnnounceReply, AnnounceRequest, Event, Failure, ScrapeReply, ScrapeRequest, Scraped, TrackedPeer,
};
use tokio::net::TcpListener;

use crate::directory::Directory;
use crate::http::{Ends, Terms, closing, plain};
use crate::limits::TrackerLimits;
use crate::metrics::HttpService;
use crate::random::Random;
use crate::rates::Rates;
use crate::server::Service;
use swarms::{Announcement, Change, Peer, Swarms, is_near_enough};

/// Serves clients until it is dropped; the connections end with the service.
pub(crate) async fn serve(listener: TcpListener, service: &Arc<Service>) {
    let limits = &service.limits.tracker;
    let tracker = Arc::new(Tracker::new(service.directory.clone(), limits.clone()));
    let (tasks, stop, drop) = (service.tasks.clone(), service.stop.clone(), service.drop.clone());
    let metrics = Arc::clone(&service.metrics);
    let terms = Terms { service: HttpService::Tracker, limits: limits.http(), metrics, tasks, stop, drop };
    let access = service.access.clone();
    let answer = move |ends: Ends, request: &Request<Incoming>| match access.judge_address(ends.from.ip()) {
        Ok(()) => http::answer(&tracker, ends.from, request),
        Err(refusal) => closing(plain(StatusCode::FORBIDDEN, format!("{refusal}\n"))),
    };
    crate::http::serve(listener, terms, answer).await;
}

/// How many nodes that have a torrent's content are counted.
const NODES: usize = 1000;

/// How many peers a client gets that does not say how many it wants, and the most that it may want.
const USUAL: usize = 50;
const MOST: usize = 200;

/// Answers clients.
#[derive(Debug)]
pub(crate) struct Tracker {
    directory: Directory,
    limits: TrackerLimits,
    swarms: Mutex<Swarms>,
    rates: Mutex<Rates<IpAddr>>,
}

impl Tracker {
    pub(crate) fn new(directory: Directory, limits: TrackerLimits) -> Self {
        let (swarms, rates) = (Swarms::new(limits.swarms), Rates::new(limits.rate));
        Self { directory, limits, swarms: Mutex::new(swarms), rates: Mutex::new(rates) }
    }

    /// Counts a request, and says whether its sender has made too many.
    fn admit(&self, now: Instant, from: SocketAddr) -> Result<(), Failure> {
        let wait = self.rates.lock().pass(now, household(from.ip()));
        wait.map_err(|wait| {
            let reason =
                format!("too many requests from your address; try again in {} s", wait.as_secs() + 1);
            Failure { reason }
        })
    }

    /// Takes a client's announce in and answers it; `seed` decides which peers it gets.
    fn announce(&self, now: Instant, from: SocketAddr, query: &str, seed: u64) -> Result<Vec<u8>, Failure> {
        let request = AnnounceRequest::from_query(query).map_err(|error| failure(&error))?;
        let infohash = request.infohash;
        // Where it connects from is where it is reached, whatever it claims.
        let address = SocketAddr::new(from.ip(), request.port);
        let is_seed = request.left == 0;
        let nodes = self.nodes(&infohash, address, seed);
        let mut random = Random::from_seed(seed);
        let mut swarms = self.swarms.lock();
        // Port 0 is that of a client that takes no connections.
        if request.port != 0 {
            let peer = Peer { address, peer_id: Some(request.peer_id) };
            let change = change(request.event);
            let network = household(from.ip());
            swarms.hear(now, Announcement { infohash, peer, network, is_seed, change });
        }
        let wanted = match request.event {
            Some(Event::Stopped) => 0,
            _ => request.numwant.and_then(|count| count.try_into().ok()).unwrap_or(USUAL).min(MOST),
        };
        let mut peers = swarms.choose(&infohash, (address, is_seed), wanted, &mut random);
        let (complete, incomplete, _) = count(&swarms, &infohash, &nodes);
        drop(swarms);
        if !is_seed {
            join(&mut peers, &nodes, wanted, &mut random);
        }
        let reply = AnnounceReply {
            interval: seconds(self.limits.interval),
            min_interval: Some(seconds(self.limits.min_interval.min(self.limits.interval))),
            complete: Some(complete),
            incomplete: Some(incomplete),
            peers: peers
                .into_iter()
                .map(|Peer { address, peer_id }| TrackedPeer { address, peer_id })
                .collect(),
            ..AnnounceReply::default()
        };
        Ok(reply.encode(request.compact, request.no_peer_id))
    }

    /// Answers a scrape.
    fn scrape(&self, from: SocketAddr, query: &str) -> Result<Vec<u8>, Failure> {
        let request = ScrapeRequest::from_query(query).map_err(|error| failure(&error))?;
        if request.infohashes.is_empty() {
            return Err(Failure { reason: "name the torrents: no list of all torrents is given".into() });
        }
        let torrents = request.infohashes.into_iter().map(|infohash| {
            let nodes = self.nodes(&infohash, from, 0);
            let (complete, incomplete, downloaded) = count(&self.swarms.lock(), &infohash, &nodes);
            (infohash, Scraped { complete, downloaded, incomplete })
        });
        Ok(ScrapeReply { torrents: torrents.collect() }.encode())
    }

    /// Returns the nodes that have the content of a torrent, for a client at `asker`.
    fn nodes(&self, infohash: &Infohash, asker: SocketAddr, seed: u64) -> Vec<SocketAddr> {
        let mut nodes = self.directory.seeds_of(infohash, NODES, seed);
        nodes.retain(|node| *node != asker && is_near_enough(asker, *node));
        nodes
    }
}

/// Counts who has a torrent, clients and nodes; a node that announces itself is one peer, not two.
fn count(swarms: &Swarms, infohash: &Infohash, nodes: &[SocketAddr]) -> (u32, u32, u32) {
    let counts = swarms.counts(infohash);
    let silent = nodes.iter().filter(|node| !swarms.contains(infohash, **node)).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(counts.complete + silent), number(counts.incomplete), counts.downloaded)
}

/// Puts nodes among peers, and keeps `wanted` of them all.
fn join(peers: &mut Vec<Peer>, nodes: &[SocketAddr], wanted: usize, random: &mut Random) {
    let known: Vec<SocketAddr> = peers.iter().map(|peer| peer.address).collect();
    let fresh = nodes.iter().take(wanted).filter(|node| !known.contains(node));
    peers.extend(fresh.map(|node| Peer { address: *node, peer_id: None }));
    random.shuffle(peers);
    peers.truncate(wanted);
}

const fn change(event: Option<Event>) -> Change {
    match event {
        Some(Event::Stopped) => Change::Stopped,
        Some(Event::Completed) => Change::Completed,
        Some(Event::Started) | None => Change::Here,
    }
}

fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn failure(error: &dyn std::fmt::Display) -> Failure {
    Failure { reason: error.to_string() }
}
