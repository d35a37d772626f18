use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use protocol::bittorrent::mse::TorrentKey;
use protocol::index::{Reply, Request, TorrentHint, TrackerLocation};
use protocol::infohash::Infohash;
use protocol::tracker::{AnnounceReply, AnnounceRequest};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::client::{TestIndexNode, file};
use super::{ServerConfig, TestIndex, with_timeout};
use crate::limits::{IndexLimits, RequestRate, TrackerLimits};
use crate::metrics::IndexMetrics;
use crate::server::TrackerListener;

const TORRENT: Infohash = Infohash::from_bytes([3; 20]);

async fn start(limits: TrackerLimits) -> (TestIndex, SocketAddr, tempfile::TempDir) {
    let dir = tempdir().unwrap();
    let (index, tracker) = start_in(dir.path(), limits).await;
    (index, tracker, dir)
}

async fn start_in(dir: &std::path::Path, limits: TrackerLimits) -> (TestIndex, SocketAddr) {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = IndexLimits { tracker: limits, ..super::limits() };
    let tracker = TrackerListener { listener, url: None };
    let index = TestIndex::start_tracking(dir, limits, Some(tracker)).await;
    (index, ([127, 0, 0, 1], port).into())
}

fn announce(port: u16) -> String {
    let request = AnnounceRequest {
        infohash: TORRENT,
        peer_id: [b'x'; 20],
        port,
        uploaded: 0,
        downloaded: 0,
        left: 5,
        event: None,
        numwant: None,
        compact: true,
        no_peer_id: false,
        key: None,
        tracker_id: None,
        ip: None,
    };
    format!("GET /announce?{} HTTP/1.1\r\nHost: t\r\n\r\n", request.query())
}

/// Sends a request and returns everything received until the tracker closes the connection.
async fn converse(tracker: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(tracker).await.unwrap();
    // A refused client may be disconnected before all is sent.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut received = Vec::new();
    let _ = with_timeout(stream.read_to_end(&mut received)).await;
    String::from_utf8_lossy(&received).into_owned()
}

/// Announces on a connection that is closed after the reply, and returns the peers.
async fn peers(tracker: SocketAddr, port: u16) -> Vec<SocketAddr> {
    let mut stream = TcpStream::connect(tracker).await.unwrap();
    let request = announce(port).replace("Host: t", "Host: t\r\nConnection: close");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    with_timeout(stream.read_to_end(&mut received)).await.unwrap();
    let body = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let reply = AnnounceReply::parse(&received[body..]).unwrap().unwrap();
    let mut peers: Vec<_> = reply.peers.into_iter().map(|peer| peer.address).collect();
    peers.sort_unstable();
    peers
}

#[tokio::test]
async fn ipv4_and_ipv6_clients_find_each_other() {
    let (index, tracker, _dir) = start(TrackerLimits::default()).await;
    let tracker6 = SocketAddr::from((Ipv6Addr::LOCALHOST, tracker.port()));
    assert_eq!(peers(tracker, 1000).await, []);
    assert_eq!(peers(tracker6, 2000).await, ["127.0.0.1:1000".parse().unwrap()]);
    let six: SocketAddr = "[::1]:2000".parse().unwrap();
    assert_eq!(peers(tracker, 1000).await, [six]);
    assert_eq!(peers(tracker, 3000).await, ["127.0.0.1:1000".parse().unwrap(), six]);
    index.stop().await;
}

#[tokio::test]
async fn clients_find_all_nodes_with_offered_content() {
    let (index, tracker, dir) = start(TrackerLimits::default()).await;
    let mut node = TestIndexNode::new(1).await;
    let mut client = node.join(index.address).await;
    let record = file("a.iso", 5);
    let digest = record.digest;
    client.register(vec![record]).await;
    assert_eq!(peers(tracker, 1).await, []);
    let hint = TorrentHint { infohash: TORRENT, digest, name: "a.iso".into(), piece_length: 1 << 18 };
    let offered = client.ask(Request::OfferTorrent { hint: hint.clone() }).await;
    let location = Some(TrackerLocation::Port(tracker.port()));
    assert_eq!(offered, Reply::Offers { torrents: 1, tracker: location.clone() });
    assert_eq!(peers(tracker, 1).await, [node.address()]);
    let mut other = TestIndexNode::new(2).await.join(index.address).await;
    let found = Reply::Torrents { hints: vec![hint.clone()] };
    assert_eq!(other.ask(Request::FindTorrent { infohash: TORRENT }).await, found);
    assert_eq!(other.ask(Request::TorrentsOf { digest }).await, found);
    let key = TorrentKey::of(TORRENT);
    assert_eq!(other.ask(Request::FindTorrentByKey { key }).await, found);
    let unknown = Request::FindTorrentByKey { key: TorrentKey::from_bytes(*TORRENT.as_bytes()) };
    assert_eq!(other.ask(unknown).await, Reply::Torrents { hints: Vec::new() });
    let withdrawn = client.ask(Request::WithdrawTorrent { infohash: TORRENT }).await;
    assert_eq!(withdrawn, Reply::Offers { torrents: 0, tracker: location });
    let hints = other.ask(Request::FindTorrentByKey { key }).await;
    assert_eq!(hints, Reply::Torrents { hints: Vec::new() });
    assert_eq!(peers(tracker, 1).await, []);
    client.ask(Request::OfferTorrent { hint }).await;
    drop(client);
    with_timeout(async {
        while !peers(tracker, 1).await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // After the offering node has left, another node with the content serves it, even after a restart of the index.
    assert_eq!(served_by_another(3, (&index, tracker)).await, found);
    index.stop().await;
    let (index, tracker) = start_in(dir.path(), TrackerLimits::default()).await;
    assert_eq!(served_by_another(4, (&index, tracker)).await, found);
    index.stop().await;
}

/// Adds a node with the content, waits until it is the torrent's only peer, and returns the hints that it gets.
async fn served_by_another(seed: u8, (index, tracker): (&TestIndex, SocketAddr)) -> Reply {
    let mut node = TestIndexNode::new(seed).await;
    let mut client = node.join(index.address).await;
    client.register(vec![file("under another name", 5)]).await;
    with_timeout(async {
        while peers(tracker, 1).await != [node.address()] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.ask(Request::FindTorrentByKey { key: TorrentKey::of(TORRENT) }).await
}

#[tokio::test]
async fn verifiable_hints_come_first() {
    let (index, _, _dir) = start(TrackerLimits::default()).await;
    let own = file("a.iso", 5);
    let hint =
        |digest| TorrentHint { infohash: TORRENT, digest, name: "a.iso".into(), piece_length: 1 << 18 };
    for liar in 10..20 {
        let mut liar_client = TestIndexNode::new(liar).await.join(index.address).await;
        let lie = hint(protocol::digest::Digest::from_bytes([liar; 32]));
        liar_client.ask(Request::OfferTorrent { hint: lie }).await;
    }
    let mut maker = TestIndexNode::new(1).await.join(index.address).await;
    maker.ask(Request::OfferTorrent { hint: hint(own.digest) }).await;
    let mut holder = TestIndexNode::new(2).await;
    let mut client = holder.join(index.address).await;
    client.register(vec![own.clone()]).await;
    with_timeout(async {
        loop {
            let Reply::Torrents { hints } = client.ask(Request::FindTorrent { infohash: TORRENT }).await
            else {
                panic!("no torrents")
            };
            assert_eq!(hints.len(), 8);
            if hints[0] == hint(own.digest) {
                break;
            }
        }
    })
    .await;
    index.stop().await;
}

#[tokio::test]
async fn index_without_tracker_accepts_offers() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    let digest = file("a", 1).digest;
    let hint = TorrentHint { infohash: TORRENT, digest, name: "a".into(), piece_length: 1 };
    let offered = client.ask(Request::OfferTorrent { hint }).await;
    assert_eq!(offered, Reply::Offers { torrents: 1, tracker: None });
    index.stop().await;
}

#[tokio::test]
async fn concurrent_offers_share_commits() {
    let dir = tempdir().unwrap();
    let metrics = Arc::<IndexMetrics>::default();
    let config =
        ServerConfig { limits: super::limits(), metrics: Arc::clone(&metrics), ..ServerConfig::default() };
    let index = TestIndex::start_with_config(dir.path(), config, None).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    let before = metrics.commits.count();
    let hint = |number: u8| {
        let (infohash, digest) = (Infohash::from_bytes([number; 20]), file("a", 1).digest);
        TorrentHint { infohash, digest, name: "a".into(), piece_length: 1 << 14 }
    };
    let offers = (0..200).map(|number| Request::OfferTorrent { hint: hint(number) });
    let withdrawal = Request::WithdrawTorrent { infohash: hint(7).infohash };
    let requests: Vec<Request> = offers.chain([withdrawal, Request::Renew]).collect();
    let replies = client.ask_together(&requests).await;
    for (number, reply) in replies[..200].iter().enumerate() {
        let torrents = u32::try_from(number).unwrap() + 1;
        assert_eq!(*reply, Reply::Offers { torrents, tracker: None });
    }
    assert_eq!(replies[200], Reply::Offers { torrents: 199, tracker: None });
    assert!(matches!(replies[201], Reply::List(_)), "{:?}", replies[201]);
    let commits = metrics.commits.count() - before;
    assert!((1..=100).contains(&commits), "{commits} commits for 201 changes");
    index.stop().await;
}

#[tokio::test]
async fn pipelined_http_requests_are_answered() {
    let (index, tracker, _dir) = start(TrackerLimits::default()).await;
    let last = announce(3).replace("Host: t", "Host: t\r\nConnection: close");
    let received = converse(tracker, &[&announce(1), &announce(2), &*last].concat()).await;
    assert_eq!(received.matches("HTTP/1.1 200 OK").count(), 3, "{received}");
    index.stop().await;
}

#[tokio::test]
async fn invalid_http_requests_are_rejected() {
    let (index, tracker, _dir) = start(TrackerLimits::default()).await;
    let long = "x".repeat(20_000);
    let header = format!("X: {}\r\n", "y".repeat(100));
    for (text, expected) in [
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), "404"),
        ("GET /../announce HTTP/1.0\r\n\r\n".into(), "404"),
        ("POST /announce HTTP/1.0\r\n\r\n".into(), "405"),
        ("GET /announce HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello".into(), "413"),
        ("GET /announce HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n".into(), "413"),
        ("GET /announce HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n".into(), "413"),
        (format!("GET /announce?{long} HTTP/1.0\r\n\r\n"), "414|431|failure reason"),
        (format!("GET /announce HTTP/1.0\r\n{}\r\n", header.repeat(100)), "431"),
        ("BitTorrent protocol\r\n\r\n".into(), "400"),
        ("\u{16}\u{3}\u{1}\u{2}".repeat(10_000), "400|"),
        ("GET /announce HTTP/1.0\r\n\r\n".into(), "failure reason"),
        ("GET /scrape HTTP/1.0\r\n\r\n".into(), "failure reason"),
        ("GET /announce?info_hash=%zz&peer_id=1&port=1 HTTP/1.0\r\n\r\n".into(), "failure reason"),
    ] {
        let received = converse(tracker, &text).await;
        let expected: Vec<&str> = expected.split('|').collect();
        assert!(expected.iter().any(|word| received.contains(word)), "{text:.60}: {received}");
        assert!(received.len() < 400, "{received}");
    }
    assert_eq!(peers(tracker, 1).await, []);
    index.stop().await;
}

#[tokio::test]
async fn slow_or_idle_http_clients_are_closed() {
    let limits = TrackerLimits {
        request_timeout: Duration::from_millis(200),
        connection_lifetime: Duration::from_millis(600),
        // The last client must not exceed its address's rate.
        rate: RequestRate { per_second: 1_000_000, burst: 1_000_000 },
        ..TrackerLimits::default()
    };
    let (index, tracker, _dir) = start(limits).await;
    let mut silent = TcpStream::connect(tracker).await.unwrap();
    let mut halfway = TcpStream::connect(tracker).await.unwrap();
    halfway.write_all(b"GET /announce?info_hash=").await.unwrap();
    let mut idle = TcpStream::connect(tracker).await.unwrap();
    idle.write_all(announce(1).as_bytes()).await.unwrap();
    for stream in [&mut silent, &mut halfway, &mut idle] {
        let mut received = Vec::new();
        let _ = with_timeout(stream.read_to_end(&mut received)).await;
    }
    let mut stalled = TcpStream::connect(tracker).await.unwrap();
    let started = Instant::now();
    let (request, mut sent) = (announce(2), 0_usize);
    // The client never reads; it sends until a write fails or times out.
    while sent < 100_000_000 {
        match with_timeout(stalled.write(request.as_bytes())).await {
            Ok(bytes) if bytes > 0 => sent += bytes,
            _ => break,
        }
    }
    assert!(sent < 100_000_000 && started.elapsed() < Duration::from_secs(15), "{sent}");
    assert!(!peers(tracker, 3).await.is_empty());
    index.stop().await;
}

#[tokio::test]
async fn requests_above_the_rate_are_refused() {
    let rate = RequestRate { per_second: 1, burst: 20 };
    let (index, tracker, _dir) = start(TrackerLimits { rate, ..TrackerLimits::default() }).await;
    let text = announce(1).repeat(50) + "GET / HTTP/1.0\r\n\r\n";
    let received = converse(tracker, &text).await;
    let refused = received.matches("too many requests from your address").count();
    assert!((28..=30).contains(&refused), "{refused}");
    index.stop().await;
}

#[tokio::test]
async fn idlest_connection_is_evicted_all_end_with_tracker() {
    let (index, tracker, _dir) = start(TrackerLimits { connections: 2, ..TrackerLimits::default() }).await;
    let mut held = [TcpStream::connect(tracker).await.unwrap(), TcpStream::connect(tracker).await.unwrap()];
    for stream in &mut held {
        stream.write_all(announce(1).as_bytes()).await.unwrap();
        assert!(with_timeout(stream.read(&mut [0; 1000])).await.unwrap() > 0);
    }
    peers(tracker, 2).await;
    let [mut idlest, mut other] = held;
    assert_eq!(with_timeout(idlest.read(&mut [0; 10])).await.unwrap_or(0), 0);
    other.write_all(announce(1).as_bytes()).await.unwrap();
    assert!(with_timeout(other.read(&mut [0; 1000])).await.unwrap() > 0);
    let started = Instant::now();
    index.stop().await;
    assert!(started.elapsed() < Duration::from_secs(4));
    assert_eq!(with_timeout(other.read(&mut [0; 10])).await.unwrap_or(0), 0);
}
