//! Who is there, and who is found.

use std::time::Duration;

use tests::content::{Content, PIECE};
use tests::eventually::SOON;
use tests::network::Network;
use tests::peer::Peer;

/// How long a killed peer may stay in the results.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// What the index logs when it has put a change of a list on its disk.
const STORED: &str = "committed";

#[test]
fn a_killed_peer_leaves_the_results_within_seconds() {
    let mut network = Network::new();
    let content = Content::random(40, 1000);
    let mut sharers: Vec<_> = (0..2).map(|_| network.node(&[("shared.txt", &content)])).collect();
    assert_eq!(network.wait_for_hits("shared", 1, SOON)[0].whole, 2);
    sharers[0].peer.kill();
    network.wait_for_sources(content.digest, 1, GONE_WITHIN);
    sharers[1].peer.kill();
    network.wait_for_hits("shared", 0, GONE_WITHIN);
}

#[test]
fn a_peer_that_returns_unchanged_does_not_send_its_list_again() {
    let mut network = Network::new();
    let (kept, extra) = (Content::random(41, PIECE), Content::random(42, 10));
    let mut node = network.node(&[("kept.bin", &kept), ("more/extra.txt", &extra)]);
    let address = node.peer.address();
    assert_eq!(node.peer.stop(), Some(0));
    network.wait_for_hits("kept", 0, GONE_WITHIN);
    // The index keeps the list of a node that is gone.
    assert_eq!(network.observer().statistics().files, 2);
    node.peer = Peer::start_on(address.port(), network.index.address(), node.home.path());
    network.wait_for_files(address, 2);
    assert_eq!(network.index.stop(), Some(0));
    let log = network.index.log();
    let greeting = format!(" port={} ", address.port());
    let (first, second) = log.rsplit_once(&greeting).expect("a greeting");
    assert!(first.contains(STORED), "{log}");
    let until_the_end = second.split("asked to stop").next();
    assert!(until_the_end.is_some_and(|lines| !lines.contains(STORED)), "{log}");
}

#[test]
fn a_peer_that_changed_while_it_was_away_is_listed_as_it_is() {
    let mut network = Network::new();
    let (old, new) = (Content::random(43, PIECE), Content::random(44, PIECE));
    let mut node = network.node(&[("stays.bin", &old), ("goes.bin", &Content::random(45, 77))]);
    assert_eq!(node.peer.stop(), Some(0));
    std::fs::remove_file(node.home.path().join("goes.bin")).expect("a file");
    node.home.put("comes.bin", &new);
    node.peer = Peer::start(network.index.address(), node.home.path());
    network.wait_for_hits("comes", 1, SOON);
    network.wait_for_hits("goes", 0, SOON);
    network.wait_for_files(node.peer.address(), 2);
}

#[test]
fn a_peer_sees_that_others_can_reach_it() {
    let mut network = Network::new();
    let mut node = network.node(&[]);
    let index = network.index.address().to_string();
    let status = node.peer.say("status");
    assert!(status.has(&index), "{status:#?}");
    assert!(status.has(&node.peer.address().to_string()), "{status:#?}");
    assert!(status.has(", reachable"), "{status:#?}");
}
