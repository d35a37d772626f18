//! What nodes share is fetched with other people's BitTorrent clients, from all who have it.

use tests::content::Content;
use tests::foreign::{Client, Mktorrent, client, infohash_of, skip};
use tests::home::Home;
use tests::index::Index;
use tests::network::{Network, Node};
use tests::torrent_peer::TorrentPeer;

/// An index that is a tracker, and nodes that share one content, some of them under a name of their own.
fn network_of(content: &Content, names: &[&str]) -> (Network, Vec<Node>) {
    let mut network = Network::around(Index::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]));
    // So slow that a client asks more than one.
    let slow = ["--max-upload-rate", "4M"];
    let nodes = names.iter().map(|name| network.sharer(&[(name, content)], &slow)).collect();
    (network, nodes)
}

fn everybody_gives(client: &dyn Client, seed: u64) {
    let content = Content::random(seed, (16 << 20) + 4711);
    let (_network, mut nodes) = network_of(&content, &["name one.bin", "name one.bin", "sub/another.bin"]);
    let folder = Home::new();
    let torrent = folder.path().join("the.torrent");
    let command = format!("torrent create {} as {}", content.digest, torrent.display());
    let answer = nodes.first_mut().expect("three nodes").peer.say(&command);
    assert!(answer.errors().is_empty() && answer.has("/announce"), "{answer:#?}");
    let home = Home::new();
    let mut running = client.join(&torrent, home.path());
    running.wait_complete();
    assert_eq!(home.files().get("name one.bin"), Some(&content));
    for node in &mut nodes {
        let sent = node.sent();
        assert!(sent >= 1 << 20, "{} of {} sent {sent} bytes", node.peer.address(), content.size());
    }
}

#[test]
fn aria2_fetches_what_nodes_share_from_all_of_them() {
    let Some(client) = client("aria2") else { return };
    everybody_gives(&*client, 981);
}

#[test]
fn libtorrent_fetches_what_nodes_share_from_all_of_them() {
    let Some(client) = client("libtorrent") else { return };
    everybody_gives(&*client, 982);
}

#[test]
fn our_own_client_fetches_what_nodes_share_from_all_of_them() {
    everybody_gives(&TorrentPeer::default(), 983);
}

#[test]
fn a_torrent_of_a_shared_file_is_the_one_that_mktorrent_makes() {
    let Some(mktorrent) = Mktorrent::find() else { return skip("mktorrent") };
    let content = Content::random(984, (3 << 20) + 5);
    let (_network, mut nodes) = network_of(&content, &["a file.bin"]);
    let node = nodes.first_mut().expect("a node");
    let (folder, path) = (Home::new(), node.home.path().join("a file.bin"));
    let (ours, theirs) = (folder.path().join("ours.torrent"), folder.path().join("theirs.torrent"));
    let answer = node.peer.say(&format!("torrent create {} as {}", content.digest, ours.display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    mktorrent.make(&path, "http://127.0.0.1:1/announce", 18, &theirs, &[]);
    assert_eq!(infohash_of(&ours), infohash_of(&theirs));
}

#[test]
fn what_is_not_shared_is_no_torrent() {
    let content = Content::random(985, 1 << 20);
    let (_network, mut nodes) = network_of(&content, &["a.bin"]);
    let node = nodes.first_mut().expect("a node");
    let answer = node.peer.say(&format!("torrent create {}", Content::random(986, 10).digest));
    assert!(answer.has("download it first"), "{answer:#?}");
}
