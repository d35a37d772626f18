//! Content from two kinds of sources, nodes by its digest and BitTorrent clients by a torrent, is one download and one
//! file.

use std::fs;
use std::net::SocketAddr;

use protocol::index::{Reply, Request, TorrentHint};
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index_session::IndexSession;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::CommandOutput;
use tests::third_party::{RawPeer, SwarmTracker, TorrentFixture, TorrentLayout, TorrentLie};
use tests::torrent_peer::{TorrentPeer, create_torrent, listen_address};

const MIB: u64 = 1 << 20;

/// Limits the rate of each source, so that several sources get a share.
const SLOW_OPTIONS: [&str; 2] = ["--max-upload-rate", "2M"];

/// Returns a torrent created by our program, which contains the digest of its file. Its pieces are longer than the
/// native ones.
fn torrent_fixture(seed: u64) -> TorrentFixture {
    TorrentFixture::create_with(
        TorrentLayout::File,
        seed,
        SwarmTracker::in_process(),
        |content, url, torrent| {
            create_torrent(content, url, torrent, &["--piece-length", "1M"]);
        },
    )
}

fn content(fixture: &TorrentFixture) -> &TestContent {
    let [(_, content)] = fixture.files() else { panic!("expected a single-file fixture") };
    content
}

fn add_command(fixture: &TorrentFixture) -> String {
    format!("torrent add \"{}\"", fixture.torrent.display())
}

/// Registers at the index which content a torrent has.
fn offer_torrent(network: &TestNetwork, fixture: &TorrentFixture) -> IndexSession {
    let mut session = network.index.session();
    let (name, digest) = (TorrentLayout::File.name().into(), content(fixture).digest);
    let piece_length = u32::try_from(PIECE_LENGTH).expect("256 KiB");
    let hint = TorrentHint { infohash: fixture.infohash, digest, name, piece_length };
    let offered = session.call(Request::OfferTorrent { hint }).expect("an answer");
    assert!(matches!(offered, Reply::Offers { .. }), "{offered:?}");
    session
}

/// Returns the number of bytes from one source, from the lines after `done`.
fn bytes_received_from(answer: &CommandOutput, by: SocketAddr) -> u64 {
    let start = format!("  {by}\t");
    let line = answer.0.iter().find_map(|line| line.strip_prefix(&start));
    let bytes = line.and_then(|line| line.split(" bytes").next()?.parse().ok());
    bytes.unwrap_or_else(|| panic!("{by} sent nothing: {answer:#?}"))
}

/// Checks that a node has only the file, and shares it by its digest.
fn assert_shared_once(
    network: &mut TestNetwork,
    node: &mut RunningNode,
    fixture: &TorrentFixture,
    sources: usize,
) {
    fixture.assert_files_in(&node.folder);
    fixture.assert_only_files_in(&node.folder);
    network.wait_for_sources(content(fixture).digest, sources, DEFAULT_TIMEOUT);
    assert_eq!(node.peer.run("transfers").download_states(), ["seeding"]);
}

#[test]
fn torrent_is_fetched_from_nodes_and_bittorrent_clients() {
    let (mut network, fixture) = (TestNetwork::new(), torrent_fixture(1000));
    let native = network.start_node_with(&[("under another name.bin", content(&fixture))], &SLOW_OPTIONS);
    let seed = fixture.start_only_seed(&TorrentPeer::with_options(&SLOW_OPTIONS));
    let mut node = network.start_empty_node(&[]);
    let answer = node.peer.run(&add_command(&fixture));
    assert!(answer.errors().is_empty() && answer.contains("done\t"), "{answer:#?}");
    let (natively, otherwise) = (
        bytes_received_from(&answer, native.peer.address()),
        bytes_received_from(&answer, listen_address(&seed.client)),
    );
    assert!(natively > MIB && otherwise > MIB, "{answer:#?}");
    let size = content(&fixture).size();
    assert!((size..size + MIB).contains(&(natively + otherwise)), "{answer:#?}");
    assert_shared_once(&mut network, &mut node, &fixture, 2);
}

#[test]
fn index_finds_nodes_for_a_torrent() {
    let (mut network, fixture) = (TestNetwork::new(), TorrentFixture::by_hand(1001));
    let native = network.start_node(&[("a.bin", content(&fixture))]);
    let _offering = offer_torrent(&network, &fixture);
    let mut node = network.start_empty_node(&[]);
    let answer = node.peer.run(&add_command(&fixture));
    assert_eq!(bytes_received_from(&answer, native.peer.address()), content(&fixture).size(), "{answer:#?}");
    assert_shared_once(&mut network, &mut node, &fixture, 2);
}

#[test]
fn digest_of_a_torrent_is_remembered_after_a_restart() {
    let (mut network, fixture) = (TestNetwork::new(), TorrentFixture::by_hand(1005));
    let native = network.start_node_with(&[("a.bin", content(&fixture))], &SLOW_OPTIONS);
    let mut offering = offer_torrent(&network, &fixture);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("{} &", add_command(&fixture)));
    wait_until("a part of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").bytes_verified() >= Some(2 * MIB)
    });
    offering.call(Request::WithdrawTorrent { infohash: fixture.infohash }).expect("an answer");
    node.restart(network.index.address());
    let digest = content(&fixture).digest;
    let answer = node.peer.run(&format!("download {digest}"));
    assert!(answer.errors().is_empty() && answer.contains("done\t"), "{answer:#?}");
    assert!(
        bytes_received_from(&answer, native.peer.address()) < content(&fixture).size() - MIB,
        "{answer:#?}"
    );
    assert_shared_once(&mut network, &mut node, &fixture, 2);
}

#[test]
fn native_download_continues_as_a_torrent() {
    let (mut network, fixture) = (TestNetwork::new(), torrent_fixture(1002));
    let mut native = network.start_node_with(&[("under another name.bin", content(&fixture))], &SLOW_OPTIONS);
    let mut node = network.start_empty_node(&[]);
    let begun = node.peer.run(&format!("download {} &", content(&fixture).digest));
    assert!(begun.errors().is_empty(), "{begun:#?}");
    wait_until("a part of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").bytes_verified() >= Some(4 * MIB)
    });
    // An invalid selection costs nothing.
    let wrong = node.peer.run(&format!("{} only 7", add_command(&fixture)));
    assert_eq!(wrong.errors().len(), 1, "{wrong:#?}");
    assert_eq!(node.peer.run("transfers").download_states(), ["fetching"]);
    let honest = RawPeer::join(&fixture, TorrentLie::None);
    let answer = node.peer.run(&add_command(&fixture));
    assert!(answer.errors().is_empty() && answer.contains("done\t"), "{answer:#?}");
    assert_shared_once(&mut network, &mut node, &fixture, 2);
    let (natively, otherwise) = (native.bytes_sent(), honest.requests_received() as u64 * (16 << 10));
    assert!(natively >= 4 * MIB, "{natively} and {otherwise} bytes");
    // The excess is what was in flight between the two.
    assert!(
        natively + otherwise < content(&fixture).size() + 3 * MIB / 2,
        "{natively} and {otherwise} bytes"
    );
}

#[test]
fn torrent_reuses_the_part_of_a_cancelled_download() {
    let (mut network, fixture) = (TestNetwork::new(), torrent_fixture(1006));
    let mut native = network.start_node_with(&[("under another name.bin", content(&fixture))], &SLOW_OPTIONS);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} &", content(&fixture).digest));
    wait_until("a part of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").bytes_verified() >= Some(4 * MIB)
    });
    node.peer.run("cancel 1");
    wait_until("the download to leave the list", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["cancelled"]
    });
    let answer = node.peer.run(&add_command(&fixture));
    assert!(answer.errors().is_empty() && answer.contains("done\t"), "{answer:#?}");
    fixture.assert_files_in(&node.folder);
    fixture.assert_only_files_in(&node.folder);
    assert!(!node.folder.part_path(content(&fixture)).exists());
    assert!(native.bytes_sent() < content(&fixture).size() + 2 * MIB, "{}", native.bytes_sent());
}

#[test]
fn download_of_an_active_torrents_file_joins_the_torrent() {
    let (mut network, fixture) = (TestNetwork::new(), torrent_fixture(1003));
    let _native = network.start_node_with(&[("under another name.bin", content(&fixture))], &SLOW_OPTIONS);
    let mut node = network.start_empty_node(&[]);
    let begun = node.peer.run(&format!("{} &", add_command(&fixture)));
    assert!(begun.contains("started\t1\t"), "{begun:#?}");
    let again = node.peer.run(&format!("download {} &", content(&fixture).digest));
    assert!(again.contains("started\t1\t"), "{again:#?}");
    let answer = node.peer.run(&format!("download {}", content(&fixture).digest));
    assert!(answer.errors().is_empty() && answer.contains("done\t"), "{answer:#?}");
    assert_shared_once(&mut network, &mut node, &fixture, 2);
    let repeated = node.peer.run(&format!("download {}", content(&fixture).digest));
    assert!(repeated.contains("already here"), "{repeated:#?}");
}

#[test]
fn torrent_with_a_false_digest_is_fetched_as_itself() {
    let decoy = TestContent::random(1, (12 << 20) + 4711);
    let fixture = TorrentFixture::create_with(
        TorrentLayout::File,
        1004,
        SwarmTracker::in_process(),
        |path, url, torrent| {
            create_torrent(path, url, torrent, &["--piece-length", "1M"]);
            let (true_digest, bytes) = (tests::content::digest_of_file(path), fs::read(torrent));
            let (true_digest, bytes) = (true_digest.expect("a file").to_string(), bytes.expect("a torrent"));
            let at = bytes.windows(64).position(|window| window == true_digest.as_bytes()).expect("a hint");
            let lying = [&bytes[..at], decoy.digest.to_string().as_bytes(), &bytes[at + 64..]].concat();
            fs::write(torrent, lying).expect("our own folder");
        },
    );
    let mut network = TestNetwork::new();
    let mut native = network.start_node(&[("decoy.bin", &decoy)]);
    let _seed = fixture.start_only_seed(&TorrentPeer::with_options(&["--max-upload-rate", "6M"]));
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("{} &", add_command(&fixture)));
    let fooled = node.peer.run(&format!("download {}", decoy.digest));
    assert!(!fooled.contains("done\t"), "{fooled:#?}");
    let true_digest = content(&fixture).digest;
    assert!(fooled.errors().iter().any(|error| error.contains(&true_digest.to_string())), "{fooled:#?}");
    // Two pieces, and what was in flight.
    assert!(native.bytes_sent() < 4 * MIB, "{}", native.bytes_sent());
    assert_shared_once(&mut network, &mut node, &fixture, 1);
    network.wait_for_sources(decoy.digest, 1, DEFAULT_TIMEOUT);
    let again = node.peer.run(&add_command(&fixture));
    assert!(again.contains(&format!("not sha256 {}", decoy.digest)), "{again:#?}");
    node.download(&decoy);
    fixture.assert_files_in(&node.folder);
    network.wait_for_sources(decoy.digest, 2, DEFAULT_TIMEOUT);
}
