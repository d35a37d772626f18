//! The index as a BitTorrent tracker.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::index::{Reply, Request, TorrentHint, TrackerLocation};
use protocol::infohash::Infohash;
use protocol::tracker::{AnnounceRequest, ScrapeEntry, TrackerEvent};
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::http_tracker_client::{HttpTrackerClient, leecher_announce};
use tests::index::IndexProcess;
use tests::network::TestNetwork;
use tests::programs::programs;
use tests::third_party::{
    Mktorrent, SwarmTracker, TorrentFixture, TorrentLayout, find_client, report_skipped,
};

const TORRENT_INFOHASH: Infohash = Infohash::from_bytes([7; 20]);

fn start_tracker() -> (IndexProcess, HttpTrackerClient) {
    let index = IndexProcess::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]);
    let announcer = HttpTrackerClient::new(index.tracker_address());
    (index, announcer)
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// One client seeds a torrent, another downloads it; they find each other only through the index.
fn assert_transfer(layout: TorrentLayout, from: &str, to: &str) {
    let Some(mktorrent) = Mktorrent::find() else { return report_skipped("mktorrent") };
    let (Some(from), Some(to)) = (find_client(from), find_client(to)) else { return };
    let fixture = TorrentFixture::by_mktorrent(&mktorrent, layout, 700, SwarmTracker::index());
    let _seeding = fixture.start_seed(&*from, 1);
    let mut fetching = fixture.start_download(&*to, 2);
    fixture.wait_until_complete(&mut fetching);
}

#[test]
fn aria2_fetches_a_folder_from_transmission() {
    assert_transfer(TorrentLayout::Folder, "transmission", "aria2");
}

#[test]
fn libtorrent_fetches_a_file_from_aria2() {
    assert_transfer(TorrentLayout::File, "aria2", "libtorrent");
}

#[test]
fn joining_completing_and_leaving_clients_are_counted() {
    let (mut index, announcer) = start_tracker();
    let other = HttpTrackerClient::from_address(index.tracker_address(), [127, 0, 0, 2]);
    assert_eq!(announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000)), []);
    assert_eq!(
        other.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 2000)),
        [address("127.0.0.1:1000")]
    );
    let complete = AnnounceRequest {
        left: 0,
        event: Some(TrackerEvent::Completed),
        ..leecher_announce(TORRENT_INFOHASH, 1000)
    };
    assert_eq!(announcer.announce_for_peers(&complete), [address("127.0.0.2:2000")]);
    assert_eq!(announcer.scrape(TORRENT_INFOHASH), ScrapeEntry { complete: 1, downloaded: 1, incomplete: 1 });
    let stopped =
        AnnounceRequest { event: Some(TrackerEvent::Stopped), ..leecher_announce(TORRENT_INFOHASH, 2000) };
    assert_eq!(other.announce_for_peers(&stopped), []);
    assert_eq!(announcer.scrape(TORRENT_INFOHASH), ScrapeEntry { complete: 1, downloaded: 1, incomplete: 0 });
    assert_eq!(index.stop(), Some(0));
}

#[test]
fn ipv4_and_ipv6_clients_find_each_other_in_both_formats() {
    let index = IndexProcess::start_with("127.0.0.1:0", &["--tracker", "[::]:0"]);
    let port = index.tracker_address().port();
    let four = HttpTrackerClient::new(SocketAddr::from(([127, 0, 0, 1], port)));
    let six = HttpTrackerClient::new(SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), port));
    assert_eq!(six.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000)), []);
    assert_eq!(four.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 2000)), [address("[::1]:1000")]);
    assert_eq!(
        six.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000)),
        [address("127.0.0.1:2000")]
    );
    let long =
        AnnounceRequest { compact: false, no_peer_id: false, ..leecher_announce(TORRENT_INFOHASH, 3000) };
    let reply = four.announce(&long).expect("no refusal");
    let mut peers: Vec<_> = reply.peers.iter().map(|peer| (peer.address, peer.peer_id)).collect();
    peers.sort_unstable();
    let id = Some(leecher_announce(TORRENT_INFOHASH, 1).peer_id);
    assert_eq!(peers, [(address("127.0.0.1:2000"), id), (address("[::1]:1000"), id)]);
}

#[test]
fn nodes_sharing_an_offered_content_are_torrent_peers() {
    let (index, announcer) = start_tracker();
    let (mut network, content) = (TestNetwork::with_index(index), TestContent::random(701, 100_000));
    let mut node = network.start_node(&[("some file.bin", &content)]);
    let mut session = network.index.session();
    let hint = TorrentHint {
        infohash: TORRENT_INFOHASH,
        digest: content.digest,
        name: "some file.bin".into(),
        piece_length: 1 << 15,
    };
    assert_eq!(announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000)), []);
    let offered = session.call(Request::OfferTorrent { hint: hint.clone() }).expect("an answer");
    let tracker = Some(TrackerLocation::Port(network.index.tracker_address().port()));
    assert_eq!(offered, Reply::Offers { torrents: 1, tracker });
    assert_eq!(
        announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000)),
        [node.peer.address()]
    );
    assert_eq!(announcer.scrape(TORRENT_INFOHASH), ScrapeEntry { complete: 1, downloaded: 0, incomplete: 1 });
    let mut other = network.index.session();
    let found = other.call(Request::FindTorrent { infohash: TORRENT_INFOHASH }).expect("an answer");
    assert_eq!(found, Reply::Torrents { hints: vec![hint] });
    node.peer.stop();
    wait_until("the node to leave the swarm", DEFAULT_TIMEOUT, || {
        announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000)).is_empty()
    });
    session.call(Request::WithdrawTorrent { infohash: TORRENT_INFOHASH }).expect("an answer");
    let left = other.call(Request::TorrentsOf { digest: content.digest }).expect("an answer");
    assert_eq!(left, Reply::Torrents { hints: vec![] });
    assert_eq!(network.index.stop(), Some(0));
}

#[test]
fn invalid_requests_are_refused_with_a_reason() {
    let (mut index, announcer) = start_tracker();
    let query = leecher_announce(TORRENT_INFOHASH, 1000).query();
    let hash = "info_hash=%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07";
    for (query, reason) in [
        (String::new(), "info_hash"),
        (query.replace("info_hash", "infohash"), "info_hash"),
        (query.replace("%07", "%7"), "info_hash"),
        (query.replacen("%07", "%zz", 1), "info_hash"),
        (query.replacen("%07", "", 1), "20"),
        (query.replace("port=1000", "port=65536"), "port"),
        (query.replace("port=1000", "port=-1"), "port"),
        (query.replace("port=1000", ""), "port"),
        (query.replace("left=1", "left=99999999999999999999"), "left"),
        (format!("{query}&{hash}"), "info_hash"),
        (format!("{query}&x={}", "y".repeat(9000)), "bytes"),
    ] {
        let body = announcer.get(&format!("/announce?{query}")).expect("an answer");
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.starts_with("d14:failure reason") && text.contains(reason), "{query:.80}: {text}");
        assert!(body.len() < 200, "{text}");
    }
    let everything = announcer.get("/scrape").expect("an answer");
    assert!(String::from_utf8_lossy(&everything).contains("name the torrents"));
    let many = announcer.get(&format!("/scrape?{}", [hash; 75].join("&"))).expect("an answer");
    assert!(String::from_utf8_lossy(&many).contains("more than 74"));
    assert_eq!(announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 2000)), []);
    assert_eq!(index.stop(), Some(0));
    assert!(!index.log().contains("internal error"), "{}", index.log());
}

#[test]
fn slow_client_is_disconnected_and_does_not_block_others() {
    let (mut index, announcer) = start_tracker();
    let start = Instant::now();
    let slow = || {
        let mut stream = announcer.connect().expect("a connection");
        stream.write_all(b"GET /announce?info_hash=").expect("a connection");
        stream
    };
    let mut held: Vec<_> = (0..100).map(|_| slow()).collect();
    for _ in 0..100 {
        announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000));
        // An occasional byte completes no request. On a slow machine some connections are closed by now.
        for stream in &mut held {
            let _ = stream.write_all(b"%");
        }
    }
    for mut stream in held {
        let mut rest = Vec::new();
        // The server may close with a reset.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 300);
    }
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    assert_eq!(index.stop(), Some(0));
}

/// Announces different torrents one after the other. Returns the number of accepted announces.
fn flood(announcer: HttpTrackerClient, torrents: u32) -> u32 {
    let (mut stream, mut accepted) = (announcer.connect().expect("a connection"), 0);
    for number in 0..torrents {
        let mut infohash = [1; 20];
        infohash[..4].copy_from_slice(&number.to_be_bytes());
        let query = leecher_announce(Infohash::from_bytes(infohash), 1000).query();
        let request = format!("GET /announce?{query} HTTP/1.1\r\nHost: t\r\n\r\n");
        let mut answer = [0; 2000];
        let mut read = 0;
        // A connection lasts a minute, so the flood may use several.
        while read == 0 {
            let sent = stream.write_all(request.as_bytes());
            read = sent.and_then(|()| stream.read(&mut answer)).unwrap_or_default();
            if read == 0 {
                stream = announcer.connect().expect("a connection");
            }
        }
        let text = String::from_utf8_lossy(&answer[..read]);
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
        accepted += u32::from(!text.contains("too many requests"));
    }
    accepted
}

#[test]
fn flood_of_torrents_from_one_address_is_bounded() {
    let (mut index, flooder) = start_tracker();
    let others = HttpTrackerClient::from_address(index.tracker_address(), [127, 0, 0, 2]);
    assert_eq!(others.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 2000)), []);
    let start = Instant::now();
    let accepted = flood(flooder, 10_000);
    // A thousand announces may come at once, and then a hundred per second.
    let allowed = 1000 + 100 * (start.elapsed().as_secs() + 1);
    assert!((1000..=allowed).contains(&u64::from(accepted)), "{accepted} in {:?}", start.elapsed());
    assert_eq!(
        others.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 3000)),
        [address("127.0.0.2:2000")]
    );
    let memory = std::fs::read_to_string(format!("/proc/{}/statm", index.pid())).expect("a process");
    let pages: usize = memory.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    assert!(pages * 4 < 100 << 10, "{pages} pages");
    assert_eq!(index.stop(), Some(0));
}

#[test]
fn restarted_tracker_learns_peers_from_new_announces() {
    let (mut index, announcer) = start_tracker();
    announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000));
    index.restart();
    let announcer = HttpTrackerClient::new(index.tracker_address());
    assert_eq!(announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 2000)), []);
    assert_eq!(
        announcer.announce_for_peers(&leecher_announce(TORRENT_INFOHASH, 1000)),
        [address("127.0.0.1:2000")]
    );
}

#[test]
fn invalid_tracker_options_are_refused() {
    for options in [
        &["--tracker-url", "http://t/announce"][..],
        &["--tracker", "127.0.0.1:0", "--tracker-url", "file:///x"],
        &["--tracker", "127.0.0.1:0", "--tracker-interval", "0"],
    ] {
        let mut command = std::process::Command::new(&programs().index_server);
        let output = command.args(options).output().expect("a program");
        assert_eq!(output.status.code(), Some(2), "{options:?}");
    }
}
