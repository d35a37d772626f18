//! Third-party BitTorrent clients download what nodes share, from all nodes that have it.

use tests::content::TestContent;
use tests::index::IndexProcess;
use tests::network::{RunningNode, TestNetwork};
use tests::test_folder::TestFolder;
use tests::third_party::{Mktorrent, TorrentClient, find_client, read_infohash, report_skipped};
use tests::torrent_peer::TorrentPeer;

/// Returns an index with a tracker, and nodes that share one file, some under a different name.
fn network_of(content: &TestContent, names: &[&str]) -> (TestNetwork, Vec<RunningNode>) {
    let mut network =
        TestNetwork::with_index(IndexProcess::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]));
    // Slow enough that a client downloads from several nodes.
    let slow = ["--max-upload-rate", "4M"];
    let nodes = names.iter().map(|name| network.start_node_with(&[(name, content)], &slow)).collect();
    (network, nodes)
}

fn assert_all_nodes_upload(client: &dyn TorrentClient, seed: u64) {
    let content = TestContent::random(seed, (16 << 20) + 4711);
    let (_network, mut nodes) = network_of(&content, &["name one.bin", "name one.bin", "sub/another.bin"]);
    let folder = TestFolder::new();
    let torrent = folder.path().join("the.torrent");
    let command = format!("torrent create {} as {}", content.digest, torrent.display());
    let answer = nodes.first_mut().expect("three nodes").peer.run(&command);
    assert!(answer.errors().is_empty() && answer.contains("/announce"), "{answer:#?}");
    let download_dir = TestFolder::new();
    let mut running = client.join(&torrent, download_dir.path());
    running.wait_until_complete();
    assert_eq!(download_dir.visible_files().get("name one.bin"), Some(&content));
    for node in &mut nodes {
        let sent = node.bytes_sent();
        assert!(sent >= 1 << 20, "{} of {} sent {sent} bytes", node.peer.address(), content.size());
    }
}

#[test]
fn aria2_fetches_a_shared_file_from_all_nodes() {
    let Some(client) = find_client("aria2") else { return };
    assert_all_nodes_upload(&*client, 981);
}

#[test]
fn libtorrent_fetches_a_shared_file_from_all_nodes() {
    let Some(client) = find_client("libtorrent") else { return };
    assert_all_nodes_upload(&*client, 982);
}

#[test]
fn own_client_fetches_a_shared_file_from_all_nodes() {
    assert_all_nodes_upload(&TorrentPeer::default(), 983);
}

#[test]
fn torrent_of_a_shared_file_equals_that_of_mktorrent() {
    let Some(mktorrent) = Mktorrent::find() else { return report_skipped("mktorrent") };
    let content = TestContent::random(984, (3 << 20) + 5);
    let (_network, mut nodes) = network_of(&content, &["a file.bin"]);
    let node = nodes.first_mut().expect("a node");
    let (folder, path) = (TestFolder::new(), node.folder.path().join("a file.bin"));
    let (ours, theirs) = (folder.path().join("ours.torrent"), folder.path().join("theirs.torrent"));
    let answer = node.peer.run(&format!("torrent create {} as {}", content.digest, ours.display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    mktorrent.make(&path, "http://127.0.0.1:1/announce", 18, &theirs, &[]);
    assert_eq!(read_infohash(&ours), read_infohash(&theirs));
}

#[test]
fn no_torrent_is_created_of_an_unshared_file() {
    let content = TestContent::random(985, 1 << 20);
    let (_network, mut nodes) = network_of(&content, &["a.bin"]);
    let node = nodes.first_mut().expect("a node");
    let answer = node.peer.run(&format!("torrent create {}", TestContent::random(986, 10).digest));
    assert!(answer.contains("download it first"), "{answer:#?}");
}
