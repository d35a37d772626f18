//! Which nodes are online, and which of them a search finds.

use std::time::Duration;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::network::TestNetwork;
use tests::peer::PeerProcess;

/// Maximum time that a killed node may remain in the results.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Log phrase of the index for a stored change of a list.
const COMMIT_LOG_PHRASE: &str = "committed";

#[test]
fn a_killed_peer_leaves_the_results_within_seconds() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(40, 1000);
    let mut sharers: Vec<_> = (0..2).map(|_| network.start_node(&[("shared.txt", &content)])).collect();
    assert_eq!(network.wait_for_hits("shared", 1, DEFAULT_TIMEOUT)[0].complete, 2);
    sharers[0].peer.kill();
    network.wait_for_sources(content.digest, 1, REMOVAL_TIMEOUT);
    sharers[1].peer.kill();
    network.wait_for_hits("shared", 0, REMOVAL_TIMEOUT);
}

#[test]
fn unchanged_peer_does_not_send_its_list_again() {
    let mut network = TestNetwork::new();
    let (kept, extra) = (TestContent::random(41, PIECE_LENGTH), TestContent::random(42, 10));
    let mut node = network.start_node(&[("kept.bin", &kept), ("more/extra.txt", &extra)]);
    let address = node.peer.address();
    assert_eq!(node.peer.stop(), Some(0));
    network.wait_for_hits("kept", 0, REMOVAL_TIMEOUT);
    // The index keeps the list of a disconnected node.
    assert_eq!(network.observer().statistics().files, 2);
    node.peer = PeerProcess::start_on(address.port(), network.index.address(), node.folder.path());
    network.wait_for_files(address, 2);
    assert_eq!(network.index.stop(), Some(0));
    let log = network.index.log();
    let greeting = format!(" port={} ", address.port());
    let (first, second) = log.rsplit_once(&greeting).expect("a greeting");
    assert!(first.contains(COMMIT_LOG_PHRASE), "{log}");
    let until_the_end = second.split("shutdown requested").next();
    assert!(until_the_end.is_some_and(|lines| !lines.contains(COMMIT_LOG_PHRASE)), "{log}");
}

#[test]
fn peer_changed_while_offline_is_listed_as_it_is_now() {
    let mut network = TestNetwork::new();
    let (old, new) = (TestContent::random(43, PIECE_LENGTH), TestContent::random(44, PIECE_LENGTH));
    let mut node = network.start_node(&[("stays.bin", &old), ("goes.bin", &TestContent::random(45, 77))]);
    assert_eq!(node.peer.stop(), Some(0));
    std::fs::remove_file(node.folder.path().join("goes.bin")).expect("a file");
    node.folder.put("comes.bin", &new);
    node.peer = PeerProcess::start(network.index.address(), node.folder.path());
    network.wait_for_hits("comes", 1, DEFAULT_TIMEOUT);
    network.wait_for_hits("goes", 0, DEFAULT_TIMEOUT);
    network.wait_for_files(node.peer.address(), 2);
}

#[test]
fn peer_is_notified_that_it_is_reachable() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[]);
    let index = network.index.address().to_string();
    let status = node.peer.run("status");
    assert!(status.contains(&index), "{status:#?}");
    assert!(status.contains(&node.peer.address().to_string()), "{status:#?}");
    assert!(status.contains(", reachable"), "{status:#?}");
}
