//! Both programs shut down in order within a few seconds, whatever they are doing.

use rustix::process::Signal;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::index::{IndexProcess, STOP_TIMEOUT};
use tests::network::TestNetwork;

#[test]
fn index_with_connected_peers_stops_on_sigterm() {
    let mut network = TestNetwork::new();
    let node = network.start_node(&[("a.txt", &TestContent::random(110, 10))]);
    let idle: Vec<_> = (0..3).map(|_| network.index.session()).collect();
    assert_eq!(network.index.stop(), Some(0));
    drop((node, idle));
}

#[test]
fn index_stops_on_ctrl_c() {
    let mut index = IndexProcess::start();
    index.signal(Signal::INT);
    assert_eq!(index.wait(STOP_TIMEOUT), Some(0));
}

#[test]
fn peer_stopped_by_sigterm_leaves_results_at_once() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[("a.txt", &TestContent::random(111, 10))]);
    assert_eq!(node.peer.stop(), Some(0));
    network.wait_for_hits("a.txt", 0, STOP_TIMEOUT);
}

#[test]
fn peer_stops_on_sigterm_during_transfers() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(112, 800 * PIECE_LENGTH);
    let mut sharer = network.start_node(&[("big.iso", &content)]);
    let mut fetcher = network.start_node(&[]);
    fetcher.peer.start_command(&format!("download {}", content.digest));
    tests::eventually::wait_until("a download to start", tests::eventually::DEFAULT_TIMEOUT, || {
        fetcher.folder.path().read_dir().expect("a folder").count() > 1
    });
    assert!(matches!(fetcher.peer.stop(), Some(0 | 1)));
    assert_eq!(sharer.peer.stop(), Some(0));
    let visible = fetcher.folder.visible_files();
    assert!(visible.iter().all(|(name, file)| name.contains(".part") || *file == content));
}

#[test]
fn peer_exits_at_the_end_of_its_input() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[]);
    node.peer.run("help");
    assert_eq!(node.peer.close_input(), Some(0));
}

#[test]
fn frozen_peer_does_not_block_index_shutdown() {
    let mut network = TestNetwork::new();
    let node = network.start_node(&[("a.txt", &TestContent::random(113, 10))]);
    node.peer.freeze();
    assert_eq!(network.index.stop(), Some(0));
}
