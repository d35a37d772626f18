//! Torrents at the prompt of a node, beside its other transfers and on the same port.

use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::{RunningNode, TestNetwork};
use tests::third_party::{RawPeer, TorrentFixture, TorrentLie};
use tests::torrent_peer::TorrentPeer;

fn add_torrent(node: &mut RunningNode, fixture: &TorrentFixture) {
    let answer = node.peer.run(&format!("torrent add \"{}\" &", fixture.torrent.display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
}

fn wait_until_downloaded(node: &RunningNode, fixture: &TorrentFixture) {
    let [(path, content)] = fixture.files() else { panic!("expected a single-file fixture") };
    wait_until("the torrent to complete", DEFAULT_TIMEOUT, || {
        node.folder.visible_files().get(path) == Some(content)
    });
}

#[test]
fn torrent_can_be_paused_and_resumed() {
    let (network, fixture) = (TestNetwork::new(), TorrentFixture::by_hand(970));
    let half = RawPeer::join(&fixture, TorrentLie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    add_torrent(&mut node, &fixture);
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("24/49 pieces")
    });
    assert!(node.peer.run("pause 1").errors().is_empty());
    wait_until("the pause", DEFAULT_TIMEOUT, || node.peer.run("transfers").download_states() == ["paused"]);
    let honest = RawPeer::join(&fixture, TorrentLie::None);
    assert!(node.peer.run("resume 1").errors().is_empty());
    wait_until_downloaded(&node, &fixture);
    assert!(honest.requests_received() <= 25 * 16 + 1, "{} blocks", honest.requests_received());
    drop(half);
}

#[test]
fn adding_a_paused_torrent_resumes_it() {
    let (network, fixture) = (TestNetwork::new(), TorrentFixture::by_hand(974));
    let _honest = RawPeer::join(&fixture, TorrentLie::None);
    let mut node = network.start_empty_node(&["--max-download-rate", "1M"]);
    add_torrent(&mut node, &fixture);
    assert!(node.peer.run("pause 1").errors().is_empty());
    wait_until("the pause", DEFAULT_TIMEOUT, || node.peer.run("transfers").download_states() == ["paused"]);
    assert!(node.peer.run("limit down off").errors().is_empty());
    add_torrent(&mut node, &fixture);
    wait_until_downloaded(&node, &fixture);
}

#[test]
fn complete_torrent_is_seeded_on_the_port_of_the_node() {
    let (network, fixture) = (TestNetwork::new(), TorrentFixture::by_hand(971));
    let honest = RawPeer::join(&fixture, TorrentLie::None);
    let mut node = network.start_empty_node(&[]);
    add_torrent(&mut node, &fixture);
    wait_until_downloaded(&node, &fixture);
    drop(honest);
    let peer = node.peer.address().to_string();
    let mut other = fixture.start_download_unseen(&TorrentPeer::with_options(&["--peer", &peer]));
    fixture.wait_until_complete(&mut other);
    assert_eq!(node.peer.stop(), Some(0));
}

#[test]
fn torrent_resumes_after_the_node_was_killed() {
    let (network, fixture) = (TestNetwork::new(), TorrentFixture::by_hand(972));
    let half = RawPeer::join(&fixture, TorrentLie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    add_torrent(&mut node, &fixture);
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("24/49 pieces")
    });
    let part = node.folder.path().join("single file.bin.part.json");
    wait_until("the record", DEFAULT_TIMEOUT, || {
        std::fs::read_to_string(&part).is_ok_and(|text| text.contains("\"ffffff0"))
    });
    drop(half);
    let _honest = RawPeer::join(&fixture, TorrentLie::None);
    node.restart(network.index.address());
    wait_until_downloaded(&node, &fixture);
}

#[test]
fn cancelled_torrent_is_no_longer_listed() {
    let (network, fixture) = (TestNetwork::new(), TorrentFixture::by_hand(973));
    let _half = RawPeer::join(&fixture, TorrentLie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    add_torrent(&mut node, &fixture);
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("24/49 pieces")
    });
    let kept = node.folder.path().join(format!(".peerdex/torrents/{}.torrent", fixture.infohash));
    assert!(kept.exists());
    assert!(node.peer.run("cancel 1").errors().is_empty());
    wait_until("the end", DEFAULT_TIMEOUT, || node.peer.run("transfers").download_states() == ["cancelled"]);
    wait_until("its .torrent to be removed", DEFAULT_TIMEOUT, || !kept.exists());
}
