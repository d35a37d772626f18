//! A torrent whose maker has left is served to clients that begin with a key exchange (MSE), which never name its infohash.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use protocol::infohash::Infohash;
use tests::content::Content;
use tests::eventually::{SOON, until};
use tests::foreign::{Client, Encryption, Place, client_with, infohash_of, raw_exchange};
use tests::free_port::free_port;
use tests::home::Home;
use tests::index::Index;
use tests::namespaces::Namespaces;
use tests::network::{Network, Node};
use tests::peer::Peer;
use tests::programs::programs;
use tests::raw_client::RawClient;

/// How soon a caller for a torrent that is not here is cut off: before the deadline of a handshake.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Starts an index that is a tracker, at the address of a place.
fn tracking(place: &Place) -> Network {
    let listen = format!("{}:0", place.address());
    let tracker = format!("{}:{}", place.address(), free_port());
    Network::around(Index::start_with(&listen, &["--tracker", &tracker, "--metrics", "127.0.0.1:0"]))
}

/// Starts a node at the address of a place.
fn node(network: &mut Network, place: &Place, path: &str, content: &Content) -> Node {
    let home = Home::new();
    home.put(path, content);
    let mut command = Command::new(&programs().peer_node);
    command.args(["0", "--listen-host", &place.address().to_string()]);
    command.args(["--index", &network.index.address().to_string(), "--share-dir"]).arg(home.path());
    let peer = Peer::launch(command);
    network.wait_for_files(peer.address(), 1);
    Node { peer, home }
}

/// Lets a node make a torrent and leave for good.
fn made_and_left(network: &mut Network, place: &Place, content: &Content, folder: &Home) -> PathBuf {
    let mut maker = node(network, place, "name one.bin", content);
    let torrent = folder.path().join("the.torrent");
    let answer = maker.peer.say(&format!("torrent create {} as {}", content.digest, torrent.display()));
    assert!(answer.errors().is_empty() && answer.has("/announce"), "{answer:#?}");
    assert_eq!(maker.peer.stop(), Some(0));
    torrent
}

fn log(node: &Node) -> String {
    fs::read_to_string(node.home.path().join(".peerdex/log/node.log")).expect("a log")
}

/// A client fetches a torrent of a node that was never asked for it before.
fn outlives_its_maker(client: &dyn Client, place: &Place, encryption: &str, seed: u64) {
    let content = Content::random(seed, (3 << 20) + 4711);
    let (mut network, folder, home) = (tracking(place), Home::new(), Home::new());
    let torrent = made_and_left(&mut network, place, &content, &folder);
    let holder = node(&mut network, place, "sub/another.bin", &content);
    client.join(&torrent, home.path()).wait_complete();
    assert_eq!(home.files().get("name one.bin"), Some(&content));
    let log = log(&holder);
    let is_connection = |line: &&str| line.contains("a BitTorrent peer has connected");
    let connected: Vec<&str> = log.lines().filter(is_connection).collect();
    // It was never called in plaintext, which would have named the infohash.
    let is_encrypted = |line: &&str| line.replace('"', "").contains(&format!("encryption={encryption}"));
    assert!(!connected.is_empty() && connected.iter().all(is_encrypted), "{log}");
}

#[test]
fn transmission_as_it_comes_fetches_what_its_maker_has_left() {
    // It does not dial the loopback.
    let Some(network) = Namespaces::new(1) else { return };
    let place = Place::host(&network, 0);
    // They are built outside.
    programs();
    // Whatever this thread starts is in the namespace too.
    place.inside(|| {
        let Some(client) = client_with("transmission", Encryption::Default, &place) else { return };
        outlives_its_maker(&*client, &place, "rc4", 1120);
    });
}

#[test]
fn aria2_as_it_comes_fetches_what_its_maker_has_left() {
    let place = Place::default();
    let Some(client) = client_with("aria2", Encryption::Default, &place) else { return };
    outlives_its_maker(&*client, &place, "handshake", 1121);
}

#[test]
fn libtorrent_that_requires_encryption_fetches_what_its_maker_has_left() {
    let place = Place::default();
    let Some(client) = client_with("libtorrent", Encryption::Required, &place) else { return };
    outlives_its_maker(&*client, &place, "rc4", 1122);
}

/// Calls a node for a torrent behind a key exchange, and returns true if it goes on.
fn is_answered(address: SocketAddr, infohash: Infohash) -> bool {
    let mut client = RawClient::connect(address);
    let offer = raw_exchange(&mut client, infohash);
    client.send(&offer);
    !client.hear(AT_ONCE).bytes.is_empty()
}

#[test]
fn the_index_is_asked_once_for_a_key_that_is_called_often() {
    let place = Place::default();
    let content = Content::random(1123, 1 << 20);
    let (mut network, folder) = (tracking(&place), Home::new());
    let infohash = infohash_of(&made_and_left(&mut network, &place, &content, &folder));
    let holder = node(&mut network, &place, "another.bin", &content);
    let metrics = network.index.metrics();
    let asked = || metrics.number("index_question_seconds_count");
    let before = asked();
    for _ in 0..20 {
        assert!(!is_answered(holder.peer.address(), Infohash::from_bytes([7; 20])));
    }
    // The lease may be renewed meanwhile.
    assert!((1.0..=3.0).contains(&(asked() - before)), "{} questions", asked() - before);
    assert!(log(&holder).contains("a torrent that is not here"));
    assert!(is_answered(holder.peer.address(), infohash));
    until("the torrent to take part", SOON, || log(&holder).contains("hashing the pieces of a torrent"));
}
