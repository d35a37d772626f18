//! Tests the tracker without HTTP.

use std::time::Duration;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share, TorrentHint};
use protocol::node_id::NodeId;

use super::*;
use crate::catalog::Catalog;
use crate::offers::TorrentOffers;
use crate::roster::ListingRules;

const TORRENT: Infohash = Infohash::from_bytes([3; 20]);

struct TrackerFixture {
    directory: Directory,
    tracker: HttpTracker,
    now: Instant,
}

fn address(host: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, host], port).into()
}

fn request(port: u16) -> AnnounceRequest {
    AnnounceRequest {
        infohash: TORRENT,
        peer_id: [b'x'; 20],
        port,
        uploaded: 0,
        downloaded: 0,
        left: 5,
        event: Some(TrackerEvent::Started),
        numwant: None,
        compact: true,
        no_peer_id: false,
        key: None,
        tracker_id: None,
        ip: Some(address(200, 1).ip()),
    }
}

impl TrackerFixture {
    fn new() -> Self {
        let directory = Directory::new(Catalog::default(), TorrentOffers::default(), ListingRules::default());
        let tracker = HttpTracker::new(directory.clone(), TrackerLimits::default());
        Self { directory, tracker, now: Instant::now() }
    }

    fn announce(&self, host: u8, request: &AnnounceRequest) -> AnnounceReply {
        let answer = self.tracker.announce(self.now, address(host, 50_000), &request.query(), 7);
        AnnounceReply::parse(&answer.unwrap()).unwrap().unwrap()
    }

    fn peers(&self, host: u8, request: &AnnounceRequest) -> Vec<SocketAddr> {
        let mut peers: Vec<_> =
            self.announce(host, request).peers.into_iter().map(|peer| peer.address).collect();
        peers.sort_unstable();
        peers
    }

    fn failure(&self, query: &str) -> String {
        self.tracker.announce(self.now, address(1, 1), query, 7).unwrap_err().reason
    }

    fn scraped(&self) -> ScrapeEntry {
        let query = ScrapeRequest { infohashes: vec![TORRENT] }.query();
        let answer = self.tracker.scrape(address(99, 1), &query).unwrap();
        ScrapeReply::parse(&answer).unwrap().unwrap().torrents[0].1
    }

    /// Adds a node that shares a content and is listed.
    fn node(&self, host: u8, share: Share) -> crate::directory::NodeSession {
        let session =
            self.directory.start_session(NodeId::from_bytes([host; 32]), address(host, 7000)).unwrap();
        let file = FileRecord { path: "a".into(), size: 1, digest: Digest::from_bytes([9; 32]), share };
        self.directory.write(|state| state.catalog.register(session.node, &[file])).unwrap();
        self.directory.list_node(&session).unwrap();
        session
    }

    fn offer(&self, session: &crate::directory::NodeSession) {
        let digest = Digest::from_bytes([9; 32]);
        let hint = TorrentHint { infohash: TORRENT, digest, name: "a".into(), piece_length: 1 };
        self.directory.write(|state| state.offers.add(session.id, None, hint)).unwrap();
    }
}

#[test]
fn clients_are_listed_at_their_connection_address() {
    let world = TrackerFixture::new();
    assert_eq!(world.peers(1, &request(1000)), []);
    assert_eq!(world.peers(2, &request(2000)), [address(1, 1000)]);
    let reply = world.announce(1, &request(1000));
    assert_eq!(reply.peers, [TrackedPeer { address: address(2, 2000), peer_id: None }]);
    assert_eq!((reply.interval, reply.min_interval), (300, Some(60)));
    assert_eq!((reply.complete, reply.incomplete), (Some(0), Some(2)));
    let long = world.announce(1, &AnnounceRequest { compact: false, ..request(1000) });
    assert_eq!(long.peers[0].peer_id, Some([b'x'; 20]));
}

#[test]
fn seed_gets_no_seeds_and_numwant_is_honoured() {
    let world = TrackerFixture::new();
    let seed = |port| AnnounceRequest { left: 0, ..request(port) };
    for host in 1..100 {
        world.announce(host, &seed(1));
    }
    assert_eq!(world.peers(100, &seed(1)), []);
    assert_eq!(world.peers(101, &request(1)).len(), 50);
    for (numwant, given) in [(0, 0), (10, 10), (60, 60), (1_000_000, 100)] {
        let limited = AnnounceRequest { numwant: Some(numwant), ..request(1) };
        assert_eq!(world.peers(101, &limited).len(), given, "{numwant}");
    }
    assert_eq!(world.peers(100, &seed(1)), [address(101, 1)]);
}

#[test]
fn stopped_client_is_removed_and_gets_no_peers() {
    let world = TrackerFixture::new();
    world.announce(1, &request(1));
    world.announce(2, &request(2));
    let stopped = AnnounceRequest { event: Some(TrackerEvent::Stopped), ..request(1) };
    assert_eq!(world.peers(1, &stopped), []);
    assert_eq!(world.peers(2, &request(2)), []);
}

#[test]
fn client_with_port_zero_gets_peers_but_is_not_listed() {
    let world = TrackerFixture::new();
    world.announce(1, &request(1));
    assert_eq!(world.peers(2, &request(0)), [address(1, 1)]);
    assert_eq!(world.peers(1, &request(1)), []);
}

#[test]
fn nodes_with_complete_offered_content_are_seeds() {
    let world = TrackerFixture::new();
    let (complete, partial) = (world.node(1, Share::Complete), world.node(2, Share::Partial));
    assert_eq!(world.peers(9, &request(1)), []);
    world.offer(&partial);
    assert_eq!(world.peers(9, &request(1)), [address(1, 7000)]);
    assert_eq!(world.scraped(), ScrapeEntry { complete: 1, downloaded: 0, incomplete: 1 });
    // A node that also announces itself counts as one seed, and seeds do not get it.
    let seed = AnnounceRequest { left: 0, ..request(7000) };
    assert_eq!(world.peers(1, &seed), [address(9, 1)]);
    assert_eq!(world.peers(9, &request(1)), [address(1, 7000)]);
    assert_eq!(world.scraped(), ScrapeEntry { complete: 1, downloaded: 0, incomplete: 1 });
    world.announce(1, &AnnounceRequest { event: Some(TrackerEvent::Stopped), ..seed });
    assert_eq!(world.peers(9, &request(1)), [address(1, 7000)]);
    world.directory.end_session(&complete);
    assert_eq!(world.peers(9, &request(1)), []);
    world.node(1, Share::Complete);
    world.directory.end_session(&partial);
    assert_eq!(world.peers(9, &request(1)), [address(1, 7000)], "the offer outlasts its node");
}

#[test]
fn nodes_and_clients_share_numwant() {
    let world = TrackerFixture::new();
    for host in 1..50 {
        world.offer(&world.node(host, Share::Complete));
        world.announce(host + 100, &request(1));
    }
    let limited = AnnounceRequest { numwant: Some(40), ..request(1) };
    let peers = world.peers(99, &limited);
    let nodes = peers.iter().filter(|peer| peer.port() == 7000).count();
    assert!(peers.len() == 40 && (5..35).contains(&nodes), "{nodes} of {}", peers.len());
}

#[test]
fn bad_requests_get_a_failure_reason() {
    let world = TrackerFixture::new();
    assert!(world.failure("").contains("info_hash"), "{}", world.failure(""));
    assert!(world.failure("info_hash=abc&peer_id=x&port=1").contains("info_hash"));
    let everything = world.tracker.scrape(address(1, 1), "").unwrap_err();
    assert!(everything.reason.contains("name the torrents"));
    assert!(world.swarms_are_empty());
}

#[test]
fn too_frequent_requests_are_refused() {
    let world = TrackerFixture::new();
    let refused = (0..1100).filter_map(|_| world.tracker.admit(world.now, address(1, 1)).err());
    let refused: Vec<TrackerFailure> = refused.collect();
    assert_eq!(refused.len(), 100);
    assert!(refused[0].reason.contains("too many requests"));
    assert!(world.tracker.admit(world.now, address(2, 1)).is_ok());
    assert!(world.tracker.admit(world.now + Duration::from_millis(11), address(1, 2)).is_ok());
}

impl TrackerFixture {
    fn swarms_are_empty(&self) -> bool {
        self.tracker.swarms.lock().counts(&TORRENT) == swarms::SwarmCounts::default()
    }
}
