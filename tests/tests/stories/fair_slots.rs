//! An address with many connections cannot prevent others from being served.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocol::node_id::NodeId;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::crowd::Latencies;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::greedy_downloader::GreedyDownloader;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::peer_node_at;
use tests::siege::Siege;
use tests::wire::FrameConnection;

const MIB: u64 = 1 << 20;

fn address(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// Starts a node without shared files on its own address.
fn node_at(network: &TestNetwork, last: u8) -> RunningNode {
    RunningNode::launch(&[], |folder| peer_node_at(address(last), network.index.address(), folder))
}

#[test]
fn greedy_address_leaves_an_honest_node_its_share() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(960, 32 * PIECE_LENGTH);
    let options = ["--limit-loopback", "--max-upload-rate", "4M"];
    let sharer = network.start_node_with(&[("a.bin", &content)], &options);
    let mut honest = node_at(&network, 3);
    let greedy = GreedyDownloader::start(sharer.peer.address(), address(2), 16, &content);
    assert_eq!(greedy.connection_count(), 16);
    wait_until("the greedy address to be served", DEFAULT_TIMEOUT, || greedy.bytes_received() > 2 * MIB);
    let (start, before) = (Instant::now(), greedy.bytes_received());
    honest.download(&content);
    // At half of 4 MiB/s, 8 MiB take 4 s. With slots per connection, the node would wait half a minute for one slot in
    // ten.
    let (took, theirs) = (start.elapsed(), greedy.bytes_received() - before);
    assert!(took < Duration::from_secs(8), "8 MiB took {took:?} at half of 4 MiB/s");
    assert!(theirs > 4 * MIB, "the greedy address still gets its share: {theirs} bytes in {took:?}");
}

#[test]
fn five_addresses_get_a_fifth_each() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(961, 32 * PIECE_LENGTH);
    let options = ["--limit-loopback", "--max-upload-rate", "10M"];
    let sharer = network.start_node_with(&[("a.bin", &content)], &options);
    let begin = |last, connections| {
        GreedyDownloader::start(sharer.peer.address(), address(last), connections, &content)
    };
    let mut fetchers: Vec<GreedyDownloader> = [2, 3].into_iter().map(|last| begin(last, 16)).collect();
    wait_until("the greedy addresses to be served", DEFAULT_TIMEOUT, || {
        fetchers.iter().all(|one| one.bytes_received() > MIB)
    });
    fetchers.extend([4, 5, 6].into_iter().map(|last| begin(last, 1)));
    let received = || fetchers.iter().map(GreedyDownloader::bytes_received).collect::<Vec<_>>();
    wait_until("all addresses to be served", DEFAULT_TIMEOUT, || received().iter().all(|bytes| *bytes > MIB));
    let before = received();
    let arrived = || received().iter().zip(&before).map(|(now, before)| now - before).collect::<Vec<_>>();
    wait_until("content of four seconds to arrive", DEFAULT_TIMEOUT, || {
        arrived().iter().sum::<u64>() > 40 * MIB
    });
    let parts = arrived();
    let fifth = parts.iter().sum::<u64>() / 5;
    let is_fair = |part: &u64| part.abs_diff(fifth) <= fifth / 5;
    assert!(parts.iter().all(is_fair), "{parts:?} are not each within 20 % of {fifth}");
}

#[test]
fn newcomer_gets_a_reserved_connection() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(962, 4 * PIECE_LENGTH);
    let options = ["--limit-loopback", "--max-connections", "16"];
    let sharer = network.start_node_with(&[("a.bin", &content)], &options);
    let greedy: Vec<GreedyDownloader> = [2, 3]
        .into_iter()
        .map(|last| GreedyDownloader::start(sharer.peer.address(), address(last), 16, &content))
        .collect();
    // Others may open 14 of the 16 connections, and 8 of these are reserved for addresses without a connection.
    let accepted: Vec<usize> = greedy.iter().map(GreedyDownloader::connection_count).collect();
    assert!(accepted[0] <= 6 && accepted[1] == 1, "{accepted:?}");
    node_at(&network, 4).download(&content);
}

/// Opens 1,000 connections from 60 addresses to a node, and connects from other addresses. Returns how many of the
/// thousand the node has accepted.
fn greet_beside_a_thousand_connections(options: &[&str]) -> usize {
    let mut network = TestNetwork::new();
    let content = TestContent::random(963, 16 * PIECE_LENGTH);
    let options = [&["--limit-loopback"], options].concat();
    let sharer = network.start_node_with(&[("a.bin", &content)], &options);
    let siege = Siege::begin(sharer.peer.address(), 1000, 60, content.digest);
    wait_until("all connections to be tried", DEFAULT_TIMEOUT, || siege.opened() >= 1000);
    let mut waits = Latencies::default();
    for last in 10..30 {
        waits.measure(|| {
            let mut wire =
                FrameConnection::connect_from(address(last), sharer.peer.address()).expect("a connection");
            wire.greet(NodeId::from_bytes([last; 32]), 40_000).expect("a greeting")
        });
    }
    let (longest, held) = (waits.percentile(100), siege.held());
    eprintln!("greeted within {longest:?} beside {held} hostile connections, {} so far", siege.opened());
    // A second on an idle machine, five seconds on a busy one.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    held
}

#[test]
fn newcomer_is_greeted_during_a_flood_of_connections() {
    greet_beside_a_thousand_connections(&[]);
}

#[test]
fn newcomer_is_greeted_beside_a_thousand_accepted_peers() {
    let options = ["--max-connections", "4000", "--connections-per-address", "0"];
    let held = greet_beside_a_thousand_connections(&options);
    assert!(held > 500, "only {held} were held");
}
