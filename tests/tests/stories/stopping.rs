//! Both programs stop in order, within a few seconds, whatever is going on.

use rustix::process::Signal;
use tests::content::{Content, PIECE};
use tests::index::{Index, STOP_WITHIN};
use tests::network::Network;

#[test]
fn the_index_stops_by_sigterm_with_peers_connected() {
    let mut network = Network::new();
    let node = network.node(&[("a.txt", &Content::random(110, 10))]);
    let idle: Vec<_> = (0..3).map(|_| network.index.session()).collect();
    assert_eq!(network.index.stop(), Some(0));
    drop((node, idle));
}

#[test]
fn the_index_stops_by_ctrl_c() {
    let mut index = Index::start();
    index.signal(Signal::INT);
    assert_eq!(index.wait(STOP_WITHIN), Some(0));
}

#[test]
fn a_peer_stops_by_sigterm_and_leaves_the_results_at_once() {
    let mut network = Network::new();
    let mut node = network.node(&[("a.txt", &Content::random(111, 10))]);
    assert_eq!(node.peer.stop(), Some(0));
    network.wait_for_hits("a.txt", 0, STOP_WITHIN);
}

#[test]
fn a_peer_stops_by_sigterm_in_mid_download_and_upload() {
    let mut network = Network::new();
    let content = Content::random(112, 800 * PIECE);
    let mut sharer = network.node(&[("big.iso", &content)]);
    let mut fetcher = network.node(&[]);
    fetcher.peer.begin(&format!("download {}", content.digest));
    tests::eventually::until("a download to begin", tests::eventually::SOON, || {
        fetcher.home.path().read_dir().expect("a folder").count() > 1
    });
    assert!(matches!(fetcher.peer.stop(), Some(0 | 1)));
    assert_eq!(sharer.peer.stop(), Some(0));
    let visible = fetcher.home.files();
    assert!(visible.iter().all(|(name, file)| name.contains(".part") || *file == content));
}

#[test]
fn a_peer_ends_when_its_commands_do() {
    let mut network = Network::new();
    let mut node = network.node(&[]);
    node.peer.say("help");
    assert_eq!(node.peer.close(), Some(0));
}

#[test]
fn a_frozen_peer_does_not_keep_the_index_from_stopping() {
    let mut network = Network::new();
    let node = network.node(&[("a.txt", &Content::random(113, 10))]);
    node.peer.freeze();
    assert_eq!(network.index.stop(), Some(0));
}
