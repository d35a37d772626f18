//! Torrents at the prompt of a node, beside its other transfers and on the same port.

use tests::eventually::{SOON, until};
use tests::foreign::{RawPeer, Scene, WireLie};
use tests::network::{Network, Node};
use tests::torrent_peer::TorrentPeer;

fn add(node: &mut Node, scene: &Scene) {
    let answer = node.peer.say(&format!("torrent add \"{}\" &", scene.torrent.display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
}

fn wait_until_here(node: &Node, scene: &Scene) {
    let [(path, content)] = scene.files() else { panic!("a scene of a single file") };
    until("the torrent to be complete", SOON, || node.home.files().get(path) == Some(content));
}

#[test]
fn a_torrent_is_paused_and_goes_on_like_any_download() {
    let (network, scene) = (Network::new(), Scene::by_hand(970));
    let half = RawPeer::join(&scene, WireLie::FirstHalf);
    let mut node = network.node_with(&[]);
    add(&mut node, &scene);
    until("half of it to be here", SOON, || node.peer.say("transfers").has("24/49 pieces"));
    assert!(node.peer.say("pause 1").errors().is_empty());
    until("the pause", SOON, || node.peer.say("transfers").states() == ["paused"]);
    let honest = RawPeer::join(&scene, WireLie::None);
    assert!(node.peer.say("resume 1").errors().is_empty());
    wait_until_here(&node, &scene);
    assert!(honest.asked() <= 25 * 16 + 1, "{} blocks", honest.asked());
    drop(half);
}

#[test]
fn a_paused_torrent_that_is_added_again_goes_on() {
    let (network, scene) = (Network::new(), Scene::by_hand(974));
    let _honest = RawPeer::join(&scene, WireLie::None);
    let mut node = network.node_with(&["--max-download-rate", "1M"]);
    add(&mut node, &scene);
    assert!(node.peer.say("pause 1").errors().is_empty());
    until("the pause", SOON, || node.peer.say("transfers").states() == ["paused"]);
    assert!(node.peer.say("limit down off").errors().is_empty());
    add(&mut node, &scene);
    wait_until_here(&node, &scene);
}

#[test]
fn a_torrent_that_is_complete_is_given_on_the_port_of_the_node() {
    let (network, scene) = (Network::new(), Scene::by_hand(971));
    let honest = RawPeer::join(&scene, WireLie::None);
    let mut node = network.node_with(&[]);
    add(&mut node, &scene);
    wait_until_here(&node, &scene);
    drop(honest);
    let peer = node.peer.address().to_string();
    let mut other = scene.fetch_unseen(&TorrentPeer::with(&["--peer", &peer]));
    scene.completes(&mut other);
    assert_eq!(node.peer.stop(), Some(0));
}

#[test]
fn a_torrent_goes_on_after_the_node_was_killed() {
    let (network, scene) = (Network::new(), Scene::by_hand(972));
    let half = RawPeer::join(&scene, WireLie::FirstHalf);
    let mut node = network.node_with(&[]);
    add(&mut node, &scene);
    until("half of it to be here", SOON, || node.peer.say("transfers").has("24/49 pieces"));
    let part = node.home.path().join("single file.bin.part.json");
    until("the record", SOON, || std::fs::read_to_string(&part).is_ok_and(|text| text.contains("\"ffffff0")));
    drop(half);
    let _honest = RawPeer::join(&scene, WireLie::None);
    node.start_again(network.index.address());
    wait_until_here(&node, &scene);
}

#[test]
fn a_torrent_that_is_cancelled_is_no_longer_a_transfer() {
    let (network, scene) = (Network::new(), Scene::by_hand(973));
    let _half = RawPeer::join(&scene, WireLie::FirstHalf);
    let mut node = network.node_with(&[]);
    add(&mut node, &scene);
    until("half of it to be here", SOON, || node.peer.say("transfers").has("24/49 pieces"));
    let kept = node.home.path().join(format!(".peerdex/torrents/{}.torrent", scene.infohash));
    assert!(kept.exists());
    assert!(node.peer.say("cancel 1").errors().is_empty());
    until("the end", SOON, || node.peer.say("transfers").states() == ["cancelled"]);
    until("its .torrent to be gone", SOON, || !kept.exists());
}
