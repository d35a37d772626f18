//! Nobody is kept from being served by an address with many connections.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocol::node_id::NodeId;
use tests::content::{Content, PIECE};
use tests::crowd::Latencies;
use tests::eventually::{SOON, until};
use tests::fetcher::Fetcher;
use tests::home::Home;
use tests::network::{Network, Node};
use tests::peer::{Peer, peer_node_at};
use tests::siege::Siege;
use tests::wire::Wire;

const MIB: u64 = 1 << 20;

fn address(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// Starts a node that shares nothing, on an address of its own.
fn node_at(network: &Network, last: u8) -> Node {
    let home = Home::new();
    let command = peer_node_at(address(last), network.index.address(), home.path());
    Node { peer: Peer::launch(command), home }
}

#[test]
fn a_greedy_address_leaves_an_honest_node_its_share() {
    let mut network = Network::new();
    let content = Content::random(960, 32 * PIECE);
    let options = ["--limit-loopback", "--max-upload-rate", "4M"];
    let sharer = network.sharer(&[("a.bin", &content)], &options);
    let mut honest = node_at(&network, 3);
    let greedy = Fetcher::begin(sharer.peer.address(), address(2), 16, &content);
    assert_eq!(greedy.connections(), 16);
    until("the greedy address to be served", SOON, || greedy.received() > 2 * MIB);
    let (begun, before) = (Instant::now(), greedy.received());
    honest.fetch(&content);
    // Half of 4 MiB/s are 4 s for 8 MiB. With slots by connection it waits half a minute for one in ten.
    let (took, theirs) = (begun.elapsed(), greedy.received() - before);
    assert!(took < Duration::from_secs(8), "8 MiB took {took:?} at half of 4 MiB/s");
    assert!(theirs > 4 * MIB, "the other address still gets its share: {theirs} bytes in {took:?}");
}

#[test]
fn each_of_five_addresses_gets_a_fifth() {
    let mut network = Network::new();
    let content = Content::random(961, 32 * PIECE);
    let options = ["--limit-loopback", "--max-upload-rate", "10M"];
    let sharer = network.sharer(&[("a.bin", &content)], &options);
    let begin =
        |last, connections| Fetcher::begin(sharer.peer.address(), address(last), connections, &content);
    let mut fetchers: Vec<Fetcher> = [2, 3].into_iter().map(|last| begin(last, 16)).collect();
    until("the greedy addresses to be served", SOON, || fetchers.iter().all(|one| one.received() > MIB));
    fetchers.extend([4, 5, 6].into_iter().map(|last| begin(last, 1)));
    let received = || fetchers.iter().map(Fetcher::received).collect::<Vec<_>>();
    until("everybody to be served", SOON, || received().iter().all(|bytes| *bytes > MIB));
    let before = received();
    let arrived = || received().iter().zip(&before).map(|(now, before)| now - before).collect::<Vec<_>>();
    until("four seconds' worth to arrive", SOON, || arrived().iter().sum::<u64>() > 40 * MIB);
    let parts = arrived();
    let fifth = parts.iter().sum::<u64>() / 5;
    let is_fair = |part: &u64| part.abs_diff(fifth) <= fifth / 5;
    assert!(parts.iter().all(is_fair), "{parts:?} are not each within 20 % of {fifth}");
}

#[test]
fn a_newcomer_finds_a_connection_reserved() {
    let mut network = Network::new();
    let content = Content::random(962, 4 * PIECE);
    let options = ["--limit-loopback", "--max-connections", "16"];
    let sharer = network.sharer(&[("a.bin", &content)], &options);
    let greedy: Vec<Fetcher> = [2, 3]
        .into_iter()
        .map(|last| Fetcher::begin(sharer.peer.address(), address(last), 16, &content))
        .collect();
    // 14 of the 16 are for others than the node itself, and 8 of those for addresses without a connection.
    let accepted: Vec<usize> = greedy.iter().map(Fetcher::connections).collect();
    assert!(accepted[0] <= 6 && accepted[1] == 1, "{accepted:?}");
    node_at(&network, 4).fetch(&content);
}

/// Besieges a node with 1,000 connections from 60 addresses, and greets it from others; returns how many of the thousand it
/// has let in.
fn newcomer_beside_a_thousand(options: &[&str]) -> usize {
    let mut network = Network::new();
    let content = Content::random(963, 16 * PIECE);
    let options = [&["--limit-loopback"], options].concat();
    let sharer = network.sharer(&[("a.bin", &content)], &options);
    let siege = Siege::begin(sharer.peer.address(), 1000, 60, content.digest);
    until("everybody to have tried", SOON, || siege.opened() >= 1000);
    let mut waits = Latencies::default();
    for last in 10..30 {
        waits.measure(|| {
            let mut wire = Wire::connect_from(address(last), sharer.peer.address()).expect("a connection");
            wire.greet(NodeId::from_bytes([last; 32]), 40_000).expect("a greeting")
        });
    }
    let (longest, held) = (waits.percentile(100), siege.held());
    eprintln!("greeted within {longest:?} beside {held} hostile connections, {} so far", siege.opened());
    // A second on a quiet machine, and five times that on a busy one.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    held
}

#[test]
fn a_newcomer_is_greeted_at_once_though_a_thousand_others_try_to_take_all_places() {
    newcomer_beside_a_thousand(&[]);
}

#[test]
fn a_newcomer_is_greeted_at_once_beside_a_thousand_that_were_let_in() {
    let options = ["--max-connections", "4000", "--connections-per-address", "0"];
    let held = newcomer_beside_a_thousand(&options);
    assert!(held > 500, "only {held} were held");
}
