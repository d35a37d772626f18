//! A torrent of a shared file stays available while any node shares the content, until its creator withdraws it.

use std::fs;
use std::path::PathBuf;

use protocol::index::{Reply, Request, TorrentHint};
use protocol::infohash::Infohash;
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::free_port::free_port;
use tests::http_tracker_client::{HttpTrackerClient, leecher_announce};
use tests::index::IndexProcess;
use tests::network::{RunningNode, TestNetwork};
use tests::test_folder::TestFolder;
use tests::third_party::{RawWire, TorrentClient, find_client, read_infohash};
use tests::torrent_peer::TorrentPeer;

/// Log phrase of a node that reads a file for a torrent.
const HASHING_LOG_PHRASE: &str = "hashing the pieces of a torrent";

/// Returns an index with a tracker on a port that it keeps after a restart.
fn network_with_tracker() -> TestNetwork {
    let tracker = format!("127.0.0.1:{}", free_port());
    TestNetwork::with_index(IndexProcess::start_with("127.0.0.1:0", &["--tracker", &tracker]))
}

/// Creates a torrent at a node's prompt and returns its path.
fn create_torrent(node: &mut RunningNode, content: &TestContent, folder: &TestFolder) -> PathBuf {
    let torrent = folder.path().join("the.torrent");
    let command = format!("torrent create {} as {}", content.digest, torrent.display());
    let answer = node.peer.run(&command);
    assert!(answer.errors().is_empty() && answer.contains("/announce"), "{answer:#?}");
    torrent
}

/// Returns the torrent hints that the index has.
fn known_hints(network: &mut TestNetwork, infohash: Infohash) -> Vec<TorrentHint> {
    let found = network.observer().call(Request::FindTorrent { infohash });
    let Ok(Reply::Torrents { hints }) = found else { panic!("no torrents: {found:?}") };
    hints
}

fn hashing_count(node: &RunningNode) -> usize {
    let log = fs::read_to_string(node.folder.path().join(".peerdex/log/node.log")).expect("a log");
    log.matches(HASHING_LOG_PHRASE).count()
}

/// A node creates a torrent and leaves permanently, the index restarts, and a client downloads from another node.
fn assert_survives_its_creator(client: &dyn TorrentClient, seed: u64) {
    let content = TestContent::random(seed, (3 << 20) + 4711);
    let (mut network, folder) = (network_with_tracker(), TestFolder::new());
    let mut maker = network.start_node(&[("name one.bin", &content)]);
    let torrent = create_torrent(&mut maker, &content, &folder);
    assert_eq!(maker.peer.stop(), Some(0));
    network.index.restart();
    let mut holder = network.start_node(&[("sub/another.bin", &content)]);
    let download_dir = TestFolder::new();
    let mut running = client.join(&torrent, download_dir.path());
    running.wait_until_complete();
    assert_eq!(download_dir.visible_files().get("name one.bin"), Some(&content));
    // The count of sent bytes is accurate to about 50 KiB.
    assert!(holder.bytes_sent() >= 3 << 20, "the other node sent {} bytes", holder.bytes_sent());
    drop(running);
    // The hashes are stored: they are not computed again, even in another run.
    holder.restart(network.index.address());
    network.wait_for_files(holder.peer.address(), 1);
    let again = TestFolder::new();
    client.join(&torrent, again.path()).wait_until_complete();
    assert_eq!(hashing_count(&holder), 1);
}

#[test]
fn aria2_fetches_a_torrent_whose_creator_left() {
    let Some(client) = find_client("aria2") else { return };
    assert_survives_its_creator(&*client, 1100);
}

#[test]
fn libtorrent_fetches_a_torrent_whose_creator_left() {
    let Some(client) = find_client("libtorrent") else { return };
    assert_survives_its_creator(&*client, 1106);
}

#[test]
fn own_client_fetches_a_torrent_whose_creator_left() {
    assert_survives_its_creator(&TorrentPeer::default(), 1101);
}

#[test]
fn cancelled_torrent_is_withdrawn_permanently() {
    let content = TestContent::random(1102, 1 << 20);
    let (mut network, folder) = (network_with_tracker(), TestFolder::new());
    let mut maker = network.start_node(&[("a.bin", &content)]);
    let torrent = create_torrent(&mut maker, &content, &folder);
    let infohash = read_infohash(&torrent);
    assert_eq!(known_hints(&mut network, infohash).len(), 1);
    let answer = maker.peer.run("cancel 1");
    assert!(
        answer.errors().is_empty() && answer.contains(&format!("withdrawn\tinfohash {infohash}")),
        "{answer:#?}"
    );
    assert_eq!(known_hints(&mut network, infohash), []);
    let announcer = HttpTrackerClient::new(network.index.tracker_address());
    wait_until("the tracker to list no peers", DEFAULT_TIMEOUT, || {
        announcer.announce_for_peers(&leecher_announce(infohash, 1000)).is_empty()
    });
    // A peer cannot restart the seeding by connecting.
    let mut wire = RawWire::connect(maker.peer.address()).expect("a listening node");
    wire.send_raw(&RawWire::handshake(infohash, *b"-XX0001-storyteller0")).expect("a connection");
    assert!(wire.read_handshake().is_err());
    // Neither the node nor the index restores it.
    network.index.restart();
    maker.restart(network.index.address());
    network.wait_for_files(maker.peer.address(), 1);
    assert_eq!(known_hints(&mut network, infohash), []);
    // Creating the torrent again restores it.
    create_torrent(&mut maker, &content, &folder);
    assert_eq!(known_hints(&mut network, infohash).len(), 1);
}

#[test]
fn withdrawal_without_the_index_is_sent_later() {
    let content = TestContent::random(1103, 1 << 20);
    let (mut network, folder) = (network_with_tracker(), TestFolder::new());
    let mut maker = network.start_node(&[("a.bin", &content)]);
    let infohash = read_infohash(&create_torrent(&mut maker, &content, &folder));
    // After a restart it is a transfer again, with a number.
    maker.restart(network.index.address());
    wait_until("the torrent to be served", DEFAULT_TIMEOUT, || {
        maker.peer.run("transfers").download_states() == ["seeding"]
    });
    network.index.kill();
    wait_until("the lost connection to be noticed", DEFAULT_TIMEOUT, || {
        !maker.peer.run("search x").errors().is_empty()
    });
    let answer = maker.peer.run("cancel 1");
    assert!(answer.contains("no answer from the index"), "{answer:#?}");
    maker.peer.kill();
    network.index.restart();
    assert_eq!(known_hints(&mut network, infohash).len(), 1);
    maker.restart(network.index.address());
    wait_until("the withdrawal", DEFAULT_TIMEOUT, || known_hints(&mut network, infohash).is_empty());
    let folder = maker.folder.path().join(".peerdex/torrents/offered");
    wait_until("the pending withdrawal to be removed", DEFAULT_TIMEOUT, || {
        let entries = fs::read_dir(&folder).expect("a folder").flatten();
        entries.filter(|entry| entry.path().extension().is_some()).count() == 0
    });
}

#[test]
fn false_torrent_hints_cost_one_hashing() {
    let content = TestContent::random(1104, 4 << 20);
    let mut network = network_with_tracker();
    let holder = network.start_node(&[("a.bin", &content)]);
    let infohash = Infohash::from_bytes([0x5a; 20]);
    let lie = |name: &str, piece_length| {
        let (name, digest) = (name.to_owned(), content.digest);
        TorrentHint { infohash, digest, name, piece_length }
    };
    let lies = [
        lie("one.bin", 1 << 18),
        lie("two.bin", 1 << 18),
        lie("three\u{1b}[2J", 1 << 18),
        lie("four.bin", 1),
        lie("five.bin", 12_345),
        lie("six.bin", 1 << 13),
    ];
    let mut liars = Vec::new();
    for hint in lies {
        let mut liar = network.index.session();
        // Some hints are refused at once.
        let answered = liar.call(Request::OfferTorrent { hint }).expect("an answer");
        assert!(matches!(answered, Reply::Offers { .. } | Reply::Refused(_)), "{answered:?}");
        liars.push(liar);
    }
    assert!(known_hints(&mut network, infohash).len() >= 4);
    for _ in 0..3 {
        let mut wire = RawWire::connect(holder.peer.address()).expect("a listening node");
        wire.send_raw(&RawWire::handshake(infohash, *b"-XX0001-storyteller0")).expect("a connection");
        assert!(wire.read_handshake().is_err());
    }
    assert_eq!(hashing_count(&holder), 1);
    drop(holder);
}

#[test]
fn node_with_too_many_offers_is_refused() {
    let network = network_with_tracker();
    let (mut greedy, mut modest) = (network.index.session(), network.index.session());
    let hint = |number: u32| {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let (infohash, digest) = (Infohash::from_bytes(bytes), TestContent::random(1105, 10).digest);
        TorrentHint { infohash, digest, name: "n".repeat(255), piece_length: 1 << 18 }
    };
    let mut accepted = 0;
    let refused = loop {
        match greedy.call(Request::OfferTorrent { hint: hint(accepted) }).expect("an answer") {
            Reply::Offers { torrents, .. } => {
                accepted += 1;
                assert_eq!(torrents, accepted);
            }
            other => break other,
        }
    };
    assert!(matches!(refused, Reply::Refused(protocol::index::Refusal::TooMany { .. })), "{refused:?}");
    assert_eq!(accepted, (2 << 20) / (255 + 56));
    let accepted = modest.call(Request::OfferTorrent { hint: hint(u32::MAX) }).expect("an answer");
    assert!(matches!(accepted, Reply::Offers { torrents: 1, .. }), "{accepted:?}");
}
