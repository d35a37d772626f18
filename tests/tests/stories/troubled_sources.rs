//! Sources that crash, freeze or are slow, and a downloading node that crashes.

use std::time::Duration;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;
use tests::peer::PeerProcess;
use tests::test_folder::TestFolder;

/// Time limit for a waiting download to find a new source.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Waits until a download has started.
fn wait_for_part(folder: &TestFolder, content: &TestContent) {
    wait_until("a download to start", DEFAULT_TIMEOUT, || folder.part_path(content).exists());
}

#[test]
fn source_killed_in_mid_download_is_replaced() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(10, 400 * PIECE_LENGTH + 1);
    let mut sharers: Vec<_> = (0..3).map(|_| network.start_node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.start_node(&[]);
    let started = fetcher.peer.start_command(&format!("download {}", content.digest));
    wait_for_part(&fetcher.folder, &content);
    // While the downloading node is frozen nothing completes, and the source dies with outstanding requests.
    fetcher.peer.freeze();
    sharers[0].peer.kill();
    fetcher.peer.thaw();
    let answer = fetcher.peer.wait_for_output(started);
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    fetcher.path_of(&content);
}

#[test]
fn frozen_source_does_not_delay_the_download() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(11, 100 * PIECE_LENGTH);
    let sharers: Vec<_> = (0..2).map(|_| network.start_node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.start_node(&[]);
    sharers[0].peer.freeze();
    let done = fetcher.download(&content);
    let from_other = done.sources.iter().find(|(address, _)| *address == sharers[1].peer.address());
    assert_eq!(from_other.map(|(_, bytes)| *bytes >= content.size()), Some(true), "{done:?}");
}

#[test]
fn a_source_frozen_in_mid_download_is_overtaken() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(12, 400 * PIECE_LENGTH);
    let sharers: Vec<_> = (0..2).map(|_| network.start_node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.start_node(&[]);
    let started = fetcher.peer.start_command(&format!("download {}", content.digest));
    wait_for_part(&fetcher.folder, &content);
    sharers[1].peer.freeze();
    let answer = fetcher.peer.wait_for_output(started);
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    fetcher.path_of(&content);
}

#[test]
fn download_resumes_from_its_part_after_a_kill() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(13, 600 * PIECE_LENGTH);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    let mut fetcher = network.start_node(&[]);
    fetcher.peer.start_command(&format!("download {}", content.digest));
    wait_for_part(&fetcher.folder, &content);
    fetcher.peer.kill();
    fetcher.peer = PeerProcess::start(network.index.address(), fetcher.folder.path());
    let done = fetcher.peer.run(&format!("download {}", content.digest));
    if done.completed_downloads().is_empty() {
        assert!(done.contains("already here"), "{done:#?}");
    }
    fetcher.path_of(&content);
}

#[test]
fn download_without_any_known_source_waits() {
    let mut network = TestNetwork::new();
    let mut fetcher = network.start_node(&[]);
    let content = TestContent::random(14, 10);
    fetcher.peer.run(&format!("download {} &", content.digest));
    wait_until("the download to wait", DEFAULT_TIMEOUT, || {
        fetcher.peer.run("transfers").download_states() == ["never seen"]
    });
    assert!(fetcher.folder.visible_files().is_empty());
    let _sharer = network.start_node(&[("late.txt", &content)]);
    wait_until("the download to complete", WAIT_TIMEOUT, || {
        fetcher.peer.run("transfers").download_states() == ["done"]
    });
    fetcher.path_of(&content);
}

#[test]
fn source_that_no_longer_shares_the_file_is_named() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(15, 3 * PIECE_LENGTH);
    let mut fetcher = network.start_node(&[]);
    let former = HostilePeer::join(network.index.address(), "gone.bin", &content, Lie::NotShared);
    fetcher.peer.run(&format!("download {} &", content.digest));
    wait_until("the download to report why it waits", DEFAULT_TIMEOUT, || {
        let transfers = fetcher.peer.run("transfers");
        transfers.download_states() == ["waiting for sources"]
            && transfers.contains("no longer shares the file")
    });
    drop(former);
}
