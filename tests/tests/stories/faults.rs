//! Sources, the index and the downloading node crash or freeze during a download.

use std::time::{Duration, Instant};

use protocol::index::Share;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::{RunningNode, TestNetwork};

const MIB: u64 = 1 << 20;

/// Maximum amount requested from a source or received but unverified when a process is killed.
const MAX_UNVERIFIED: u64 = 24 * MIB;

/// Time limit of a download of a few seconds that meets a fault.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// Time limit for nodes to reconnect to a restarted index.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until a node's only download has `bytes` verified bytes.
fn wait_for_bytes(node: &mut RunningNode, bytes: u64) {
    wait_until(&format!("{bytes} bytes to be verified"), TIME_LIMIT, || {
        node.peer.run("transfers").bytes_verified().is_some_and(|verified| verified >= bytes)
    });
}

/// Returns the verified bytes of a node's only download.
fn bytes_verified(node: &mut RunningNode) -> u64 {
    node.peer.run("transfers").bytes_verified().expect("a download")
}

#[test]
fn killed_source_is_replaced_without_refetching() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(420, 160 * PIECE_LENGTH);
    let slow = ["--max-upload-rate", "8M"];
    let mut sharers: Vec<RunningNode> =
        (0..3).map(|_| network.start_node_with(&[("big.iso", &content)], &slow)).collect();
    let mut node = network.start_node(&[]);
    let started = node.peer.start_command(&format!("download {}", content.digest));
    // The downloading node is busy with its command; it is listed as a source from its first piece on.
    network.wait_for_sources(content.digest, 4, DEFAULT_TIMEOUT);
    sharers[0].peer.kill();
    let answer = node.peer.wait_for_output(started);
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    node.path_of(&content);
    assert!(done.bytes_received() <= content.size() + MAX_UNVERIFIED, "{done:?}");
    assert!(done.bytes_received_from(sharers[0].peer.address()) < content.size() / 2, "{done:?}");
}

#[test]
fn download_waits_until_its_killed_source_returns() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(421, 160 * PIECE_LENGTH);
    let slow = ["--max-upload-rate", "16M"];
    let mut source = network.start_node_with(&[("big.iso", &content)], &slow);
    let mut node = network.start_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    for part in 1..3 {
        wait_for_bytes(&mut node, content.size() * part / 3);
        source.restart_with(network.index.address(), &slow);
    }
    let answer = node.peer.run_within(&format!("download {}", content.digest), TIME_LIMIT);
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    node.path_of(&content);
    assert!(done.bytes_received() <= content.size() + 2 * MAX_UNVERIFIED, "{done:?}");
}

#[test]
fn download_survives_an_index_restart() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(422, 400 * PIECE_LENGTH);
    let mut source = network.start_node_with(&[("big.iso", &content)], &["--max-upload-rate", "2M"]);
    let mut node = network.start_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    wait_for_bytes(&mut node, 2 * MIB);
    network.wait_for_sources(content.digest, 2, DEFAULT_TIMEOUT);
    network.index.kill();
    let before = bytes_verified(&mut node);
    wait_for_bytes(&mut node, before + 4 * MIB);
    network.index.restart();
    network.wait_for_sources(content.digest, 2, RECONNECT_TIMEOUT);
    let (complete, partial) = (source.peer.address(), node.peer.address());
    let sources = network.observer().sources(content.digest);
    let share = |address| sources.iter().find(|source| source.address == address).map(|source| source.share);
    assert_eq!(share(complete), Some(Share::Complete));
    assert!(share(partial) == Some(Share::Partial), "{sources:?}");
    source.peer.run("limit up off");
    let answer = node.peer.run_within(&format!("download {}", content.digest), TIME_LIMIT);
    assert!(answer.completed_downloads().len() == 1 || answer.contains("already here"), "{answer:#?}");
    node.path_of(&content);
}

#[test]
fn frozen_source_delays_a_download_only_a_little() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(423, 160 * PIECE_LENGTH);
    let slow = ["--max-upload-rate", "8M"];
    let sharers: Vec<RunningNode> =
        (0..2).map(|_| network.start_node_with(&[("big.iso", &content)], &slow)).collect();
    let mut node = network.start_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    wait_for_bytes(&mut node, content.size() / 4);
    sharers[1].peer.freeze();
    let frozen = Instant::now();
    let answer = node.peer.run_within(&format!("download {}", content.digest), TIME_LIMIT);
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    node.path_of(&content);
    let (took, needed) = (frozen.elapsed(), Duration::from_secs(40 * 3 / 4 / 8));
    assert!(took < needed * 2 + Duration::from_secs(15), "{took:?}");
    assert!(done.bytes_received() <= content.size() + MAX_UNVERIFIED, "{done:?}");
}

#[test]
fn download_waits_for_its_repeatedly_frozen_source() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(424, 96 * PIECE_LENGTH);
    let source = network.start_node_with(&[("big.iso", &content)], &["--max-upload-rate", "4M"]);
    let mut node = network.start_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    for part in 1..4 {
        wait_for_bytes(&mut node, content.size() * part / 4 - MIB);
        source.peer.freeze();
        wait_until("the download to stall", DEFAULT_TIMEOUT, || {
            node.peer.run("transfers").contains("\t0 B/s\t")
        });
        source.peer.thaw();
    }
    let answer = node.peer.run_within(&format!("download {}", content.digest), TIME_LIMIT);
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    node.path_of(&content);
    assert_eq!(done.bytes_received(), content.size(), "{done:?}");
}
