//! A torrent whose creator has left is served to clients that start with a key exchange (MSE), which never sends the
//! infohash.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use protocol::infohash::Infohash;
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::free_port::free_port;
use tests::index::IndexProcess;
use tests::namespaces::NamespaceNetwork;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::peer_node_at;
use tests::programs::programs;
use tests::raw_client::RawClient;
use tests::test_folder::TestFolder;
use tests::third_party::{
    Encryption, NetworkLocation, TorrentClient, find_client_with, raw_key_exchange, read_infohash,
};

/// Time limit for disconnecting a client that requests an unknown torrent: less than the handshake timeout.
const CUTOFF_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts an index with a tracker at a location.
fn network_with_tracker(location: &NetworkLocation) -> TestNetwork {
    let listen = format!("{}:0", location.address());
    let tracker = format!("{}:{}", location.address(), free_port());
    TestNetwork::with_index(IndexProcess::start_with(
        &listen,
        &["--tracker", &tracker, "--metrics", "127.0.0.1:0"],
    ))
}

/// Starts a node at a location.
fn start_node_at(
    network: &mut TestNetwork,
    location: &NetworkLocation,
    path: &str,
    content: &TestContent,
) -> RunningNode {
    let index = network.index.address();
    let node = RunningNode::launch(&[(path, content)], |folder| {
        peer_node_at(location.address().into(), index, folder)
    });
    network.wait_for_files(node.peer.address(), 1);
    node
}

/// Creates a torrent at a node that then leaves permanently.
fn create_and_leave(
    network: &mut TestNetwork,
    location: &NetworkLocation,
    content: &TestContent,
    folder: &TestFolder,
) -> PathBuf {
    let mut maker = start_node_at(network, location, "name one.bin", content);
    let torrent = folder.path().join("the.torrent");
    let answer = maker.peer.run(&format!("torrent create {} as {}", content.digest, torrent.display()));
    assert!(answer.errors().is_empty() && answer.contains("/announce"), "{answer:#?}");
    assert_eq!(maker.peer.stop(), Some(0));
    torrent
}

fn node_log(node: &RunningNode) -> String {
    fs::read_to_string(node.folder.path().join(".peerdex/log/node.log")).expect("a log")
}

/// A client downloads a torrent from a node that was never asked for it before.
fn assert_survives_its_creator(
    client: &dyn TorrentClient,
    location: &NetworkLocation,
    encryption: &str,
    seed: u64,
) {
    let content = TestContent::random(seed, (3 << 20) + 4711);
    let (mut network, folder, download_dir) =
        (network_with_tracker(location), TestFolder::new(), TestFolder::new());
    let torrent = create_and_leave(&mut network, location, &content, &folder);
    let holder = start_node_at(&mut network, location, "sub/another.bin", &content);
    client.join(&torrent, download_dir.path()).wait_until_complete();
    assert_eq!(download_dir.visible_files().get("name one.bin"), Some(&content));
    let log = node_log(&holder);
    let is_connection = |line: &&str| line.contains("a BitTorrent peer has connected");
    let connected: Vec<&str> = log.lines().filter(is_connection).collect();
    // No connection was in plaintext, which would have sent the infohash.
    let is_encrypted = |line: &&str| line.replace('"', "").contains(&format!("encryption={encryption}"));
    assert!(!connected.is_empty() && connected.iter().all(is_encrypted), "{log}");
}

#[test]
fn transmission_fetches_a_torrent_whose_creator_left() {
    // Transmission does not dial the loopback.
    let Some(network) = NamespaceNetwork::new(1) else { return };
    let location = NetworkLocation::in_namespace(&network, 0);
    // The programs are built outside the namespace.
    programs();
    // Processes that this thread starts are in the namespace too.
    location.inside(|| {
        let Some(client) = find_client_with("transmission", Encryption::Default, &location) else { return };
        assert_survives_its_creator(&*client, &location, "rc4", 1120);
    });
}

#[test]
fn aria2_with_defaults_fetches_a_torrent_whose_creator_left() {
    let location = NetworkLocation::default();
    let Some(client) = find_client_with("aria2", Encryption::Default, &location) else { return };
    assert_survives_its_creator(&*client, &location, "handshake", 1121);
}

#[test]
fn encrypted_libtorrent_fetches_a_torrent_whose_creator_left() {
    let location = NetworkLocation::default();
    let Some(client) = find_client_with("libtorrent", Encryption::Required, &location) else { return };
    assert_survives_its_creator(&*client, &location, "rc4", 1122);
}

/// Requests a torrent from a node by a key exchange. Returns true if the node continues the exchange.
fn key_exchange_is_answered(address: SocketAddr, infohash: Infohash) -> bool {
    let mut client = RawClient::connect(address);
    let offer = raw_key_exchange(&mut client, infohash);
    client.send(&offer);
    !client.receive(CUTOFF_TIMEOUT).bytes.is_empty()
}

#[test]
fn index_is_queried_once_for_a_repeated_key() {
    let location = NetworkLocation::default();
    let content = TestContent::random(1123, 1 << 20);
    let (mut network, folder) = (network_with_tracker(&location), TestFolder::new());
    let infohash = read_infohash(&create_and_leave(&mut network, &location, &content, &folder));
    let holder = start_node_at(&mut network, &location, "another.bin", &content);
    let metrics = network.index.metrics();
    let queries = || metrics.value("index_question_seconds_count");
    let before = queries();
    for _ in 0..20 {
        assert!(!key_exchange_is_answered(holder.peer.address(), Infohash::from_bytes([7; 20])));
    }
    // The lease may be renewed meanwhile.
    assert!((1.0..=3.0).contains(&(queries() - before)), "{} questions", queries() - before);
    assert!(node_log(&holder).contains("unknown torrent"));
    assert!(key_exchange_is_answered(holder.peer.address(), infohash));
    wait_until("the torrent to be activated", DEFAULT_TIMEOUT, || {
        node_log(&holder).contains("hashing the pieces of a torrent")
    });
}
