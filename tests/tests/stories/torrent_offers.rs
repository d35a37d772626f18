//! A torrent of a shared file lives as long as any node shares the content, until whoever made it withdraws it.

use std::fs;
use std::path::PathBuf;

use protocol::index::{Reply, Request, TorrentHint};
use protocol::infohash::Infohash;
use tests::announcer::{Announcer, leecher};
use tests::content::Content;
use tests::eventually::{SOON, until};
use tests::foreign::{Client, RawWire, client, infohash_of};
use tests::free_port::free_port;
use tests::home::Home;
use tests::index::Index;
use tests::network::{Network, Node};
use tests::torrent_peer::TorrentPeer;

/// How a node says in its log that it reads a file for a torrent.
const HASHING: &str = "hashing the pieces of a torrent";

/// An index that is a tracker, on a port that it keeps.
fn tracking() -> Network {
    let tracker = format!("127.0.0.1:{}", free_port());
    Network::around(Index::start_with("127.0.0.1:0", &["--tracker", &tracker]))
}

/// Makes a torrent at a node's prompt, and returns where it lies.
fn create(node: &mut Node, content: &Content, folder: &Home) -> PathBuf {
    let torrent = folder.path().join("the.torrent");
    let command = format!("torrent create {} as {}", content.digest, torrent.display());
    let answer = node.peer.say(&command);
    assert!(answer.errors().is_empty() && answer.has("/announce"), "{answer:#?}");
    torrent
}

/// Returns what the index knows of a torrent.
fn known(network: &mut Network, infohash: Infohash) -> Vec<TorrentHint> {
    let found = network.observer().call(Request::FindTorrent { infohash });
    let Ok(Reply::Torrents { hints }) = found else { panic!("no torrents: {found:?}") };
    hints
}

fn hashings(node: &Node) -> usize {
    let log = fs::read_to_string(node.home.path().join(".peerdex/log/node.log")).expect("a log");
    log.matches(HASHING).count()
}

/// A node makes a torrent and leaves for good; the index is started again; a client fetches it from another node.
fn outlives_its_maker(client: &dyn Client, seed: u64) {
    let content = Content::random(seed, (3 << 20) + 4711);
    let (mut network, folder) = (tracking(), Home::new());
    let mut maker = network.node(&[("name one.bin", &content)]);
    let torrent = create(&mut maker, &content, &folder);
    assert_eq!(maker.peer.stop(), Some(0));
    network.index.restart();
    let mut holder = network.node(&[("sub/another.bin", &content)]);
    let home = Home::new();
    let mut running = client.join(&torrent, home.path());
    running.wait_complete();
    assert_eq!(home.files().get("name one.bin"), Some(&content));
    // What it sent is told to about 50 KiB.
    assert!(holder.sent() >= 3 << 20, "the other node sent {} bytes", holder.sent());
    drop(running);
    // What was hashed once is not hashed again, by another run either.
    holder.start_again(network.index.address());
    network.wait_for_files(holder.peer.address(), 1);
    let again = Home::new();
    client.join(&torrent, again.path()).wait_complete();
    assert_eq!(hashings(&holder), 1);
}

#[test]
fn aria2_fetches_a_torrent_whose_maker_has_left() {
    let Some(client) = client("aria2") else { return };
    outlives_its_maker(&*client, 1100);
}

#[test]
fn libtorrent_fetches_a_torrent_whose_maker_has_left() {
    let Some(client) = client("libtorrent") else { return };
    outlives_its_maker(&*client, 1106);
}

#[test]
fn our_own_client_fetches_a_torrent_whose_maker_has_left() {
    outlives_its_maker(&TorrentPeer::default(), 1101);
}

#[test]
fn a_torrent_that_is_cancelled_is_withdrawn_for_good() {
    let content = Content::random(1102, 1 << 20);
    let (mut network, folder) = (tracking(), Home::new());
    let mut maker = network.node(&[("a.bin", &content)]);
    let torrent = create(&mut maker, &content, &folder);
    let infohash = infohash_of(&torrent);
    assert_eq!(known(&mut network, infohash).len(), 1);
    let answer = maker.peer.say("cancel 1");
    assert!(
        answer.errors().is_empty() && answer.has(&format!("withdrawn\tinfohash {infohash}")),
        "{answer:#?}"
    );
    assert_eq!(known(&mut network, infohash), []);
    let announcer = Announcer::new(network.index.tracker());
    until("the tracker to name nobody", SOON, || announcer.peers(&leecher(infohash, 1000)).is_empty());
    // Nobody has it served by calling for it.
    let mut wire = RawWire::connect(maker.peer.address()).expect("a node that listens");
    wire.send_raw(&RawWire::handshake(infohash, *b"-XX0001-storyteller0")).expect("a connection");
    assert!(wire.read_handshake().is_err());
    // Neither the node nor the index brings it back.
    network.index.restart();
    maker.start_again(network.index.address());
    network.wait_for_files(maker.peer.address(), 1);
    assert_eq!(known(&mut network, infohash), []);
    // Made again, it is there again.
    create(&mut maker, &content, &folder);
    assert_eq!(known(&mut network, infohash).len(), 1);
}

#[test]
fn what_is_withdrawn_without_the_index_is_withdrawn_later() {
    let content = Content::random(1103, 1 << 20);
    let (mut network, folder) = (tracking(), Home::new());
    let mut maker = network.node(&[("a.bin", &content)]);
    let infohash = infohash_of(&create(&mut maker, &content, &folder));
    // After a restart it is a transfer again, which has a number.
    maker.start_again(network.index.address());
    until("the torrent to be served", SOON, || maker.peer.say("transfers").states() == ["seeding"]);
    network.index.kill();
    until("the loss to be seen", SOON, || !maker.peer.say("search x").errors().is_empty());
    let answer = maker.peer.say("cancel 1");
    assert!(answer.has("no answer from the index"), "{answer:#?}");
    maker.peer.kill();
    network.index.restart();
    assert_eq!(known(&mut network, infohash).len(), 1);
    maker.start_again(network.index.address());
    until("the withdrawal", SOON, || known(&mut network, infohash).is_empty());
    let folder = maker.home.path().join(".peerdex/torrents/offered");
    until("no mark to be left", SOON, || {
        let entries = fs::read_dir(&folder).expect("a folder").flatten();
        entries.filter(|entry| entry.path().extension().is_some()).count() == 0
    });
}

#[test]
fn lies_about_a_torrent_have_a_file_read_once() {
    let content = Content::random(1104, 4 << 20);
    let mut network = tracking();
    let holder = network.node(&[("a.bin", &content)]);
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
        // Some are refused at once.
        let answered = liar.call(Request::OfferTorrent { hint }).expect("an answer");
        assert!(matches!(answered, Reply::Offers { .. } | Reply::Refused(_)), "{answered:?}");
        liars.push(liar);
    }
    assert!(known(&mut network, infohash).len() >= 4);
    for _ in 0..3 {
        let mut wire = RawWire::connect(holder.peer.address()).expect("a node that listens");
        wire.send_raw(&RawWire::handshake(infohash, *b"-XX0001-storyteller0")).expect("a connection");
        assert!(wire.read_handshake().is_err());
    }
    assert_eq!(hashings(&holder), 1);
    drop(holder);
}

#[test]
fn a_node_that_offers_too_much_is_refused_and_others_are_not() {
    let network = tracking();
    let (mut greedy, mut modest) = (network.index.session(), network.index.session());
    let hint = |number: u32| {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let (infohash, digest) = (Infohash::from_bytes(bytes), Content::random(1105, 10).digest);
        TorrentHint { infohash, digest, name: "n".repeat(255), piece_length: 1 << 18 }
    };
    let mut taken = 0;
    let refused = loop {
        match greedy.call(Request::OfferTorrent { hint: hint(taken) }).expect("an answer") {
            Reply::Offers { torrents, .. } => {
                taken += 1;
                assert_eq!(torrents, taken);
            }
            other => break other,
        }
    };
    assert!(matches!(refused, Reply::Refused(protocol::index::Refusal::TooMany { .. })), "{refused:?}");
    assert_eq!(taken, (2 << 20) / (255 + 56));
    let taken = modest.call(Request::OfferTorrent { hint: hint(u32::MAX) }).expect("an answer");
    assert!(matches!(taken, Reply::Offers { torrents: 1, .. }), "{taken:?}");
}
