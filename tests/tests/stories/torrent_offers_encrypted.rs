//! A torrent whose maker has left is served to clients that begin with a key exchange (MSE), which never name its infohash.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use protocol::infohash::Infohash;
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::free_port::free_port;
use tests::index::IndexProcess;
use tests::namespaces::NamespaceNetwork;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::PeerProcess;
use tests::programs::programs;
use tests::raw_client::RawClient;
use tests::test_folder::TestFolder;
use tests::third_party::{
    Encryption, NetworkLocation, TorrentClient, find_client_with, raw_key_exchange, read_infohash,
};

/// How soon a caller for a torrent that is not here is cut off: before the deadline of a handshake.
const CUTOFF_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts an index that is a tracker, at the address of a place.
fn network_with_tracker(place: &NetworkLocation) -> TestNetwork {
    let listen = format!("{}:0", place.address());
    let tracker = format!("{}:{}", place.address(), free_port());
    TestNetwork::with_index(IndexProcess::start_with(
        &listen,
        &["--tracker", &tracker, "--metrics", "127.0.0.1:0"],
    ))
}

/// Starts a node at the address of a place.
fn start_node_at(
    network: &mut TestNetwork,
    place: &NetworkLocation,
    path: &str,
    content: &TestContent,
) -> RunningNode {
    let home = TestFolder::new();
    home.put(path, content);
    let mut command = Command::new(&programs().peer_node);
    command.args(["0", "--listen-host", &place.address().to_string()]);
    command.args(["--index", &network.index.address().to_string(), "--share-dir"]).arg(home.path());
    let peer = PeerProcess::launch(command);
    network.wait_for_files(peer.address(), 1);
    RunningNode { peer, folder: home }
}

/// Lets a node make a torrent and leave for good.
fn create_and_leave(
    network: &mut TestNetwork,
    place: &NetworkLocation,
    content: &TestContent,
    folder: &TestFolder,
) -> PathBuf {
    let mut maker = start_node_at(network, place, "name one.bin", content);
    let torrent = folder.path().join("the.torrent");
    let answer = maker.peer.run(&format!("torrent create {} as {}", content.digest, torrent.display()));
    assert!(answer.errors().is_empty() && answer.contains("/announce"), "{answer:#?}");
    assert_eq!(maker.peer.stop(), Some(0));
    torrent
}

fn node_log(node: &RunningNode) -> String {
    fs::read_to_string(node.folder.path().join(".peerdex/log/node.log")).expect("a log")
}

/// A client fetches a torrent of a node that was never asked for it before.
fn assert_survives_its_creator(
    client: &dyn TorrentClient,
    place: &NetworkLocation,
    encryption: &str,
    seed: u64,
) {
    let content = TestContent::random(seed, (3 << 20) + 4711);
    let (mut network, folder, home) = (network_with_tracker(place), TestFolder::new(), TestFolder::new());
    let torrent = create_and_leave(&mut network, place, &content, &folder);
    let holder = start_node_at(&mut network, place, "sub/another.bin", &content);
    client.join(&torrent, home.path()).wait_until_complete();
    assert_eq!(home.visible_files().get("name one.bin"), Some(&content));
    let log = node_log(&holder);
    let is_connection = |line: &&str| line.contains("a BitTorrent peer has connected");
    let connected: Vec<&str> = log.lines().filter(is_connection).collect();
    // It was never called in plaintext, which would have named the infohash.
    let is_encrypted = |line: &&str| line.replace('"', "").contains(&format!("encryption={encryption}"));
    assert!(!connected.is_empty() && connected.iter().all(is_encrypted), "{log}");
}

#[test]
fn transmission_fetches_a_torrent_whose_creator_left() {
    // It does not dial the loopback.
    let Some(network) = NamespaceNetwork::new(1) else { return };
    let place = NetworkLocation::in_namespace(&network, 0);
    // They are built outside.
    programs();
    // Whatever this thread starts is in the namespace too.
    place.inside(|| {
        let Some(client) = find_client_with("transmission", Encryption::Default, &place) else { return };
        assert_survives_its_creator(&*client, &place, "rc4", 1120);
    });
}

#[test]
fn aria2_with_defaults_fetches_a_torrent_whose_creator_left() {
    let place = NetworkLocation::default();
    let Some(client) = find_client_with("aria2", Encryption::Default, &place) else { return };
    assert_survives_its_creator(&*client, &place, "handshake", 1121);
}

#[test]
fn encrypted_libtorrent_fetches_a_torrent_whose_creator_left() {
    let place = NetworkLocation::default();
    let Some(client) = find_client_with("libtorrent", Encryption::Required, &place) else { return };
    assert_survives_its_creator(&*client, &place, "rc4", 1122);
}

/// Calls a node for a torrent behind a key exchange, and returns true if it goes on.
fn key_exchange_is_answered(address: SocketAddr, infohash: Infohash) -> bool {
    let mut client = RawClient::connect(address);
    let offer = raw_key_exchange(&mut client, infohash);
    client.send(&offer);
    !client.receive(CUTOFF_TIMEOUT).bytes.is_empty()
}

#[test]
fn index_is_queried_once_for_a_repeated_key() {
    let place = NetworkLocation::default();
    let content = TestContent::random(1123, 1 << 20);
    let (mut network, folder) = (network_with_tracker(&place), TestFolder::new());
    let infohash = read_infohash(&create_and_leave(&mut network, &place, &content, &folder));
    let holder = start_node_at(&mut network, &place, "another.bin", &content);
    let metrics = network.index.metrics();
    let asked = || metrics.value("index_question_seconds_count");
    let before = asked();
    for _ in 0..20 {
        assert!(!key_exchange_is_answered(holder.peer.address(), Infohash::from_bytes([7; 20])));
    }
    // The lease may be renewed meanwhile.
    assert!((1.0..=3.0).contains(&(asked() - before)), "{} questions", asked() - before);
    assert!(node_log(&holder).contains("a torrent that is not here"));
    assert!(key_exchange_is_answered(holder.peer.address(), infohash));
    wait_until("the torrent to take part", DEFAULT_TIMEOUT, || {
        node_log(&holder).contains("hashing the pieces of a torrent")
    });
}
