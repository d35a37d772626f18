//! One content by two ways, from nodes by its digest and from BitTorrent clients by a torrent, is one download and one file.

use std::fs;
use std::net::SocketAddr;

use protocol::index::{Reply, Request, TorrentHint};
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::foreign::{Layout, RawPeer, Scene, SwarmTracker, WireLie};
use tests::index_session::IndexSession;
use tests::network::{Network, Node};
use tests::peer::Answer;
use tests::torrent_peer::{TorrentPeer, address, create};

const MIB: u64 = 1 << 20;

/// How fast each source gives where several are to have something to do.
const SLOWLY: [&str; 2] = ["--max-upload-rate", "2M"];

/// A torrent of our own make, which says what its file's digest is. Its pieces are longer than the native ones.
fn scene(seed: u64) -> Scene {
    Scene::made(Layout::File, seed, SwarmTracker::within(), |content, url, torrent| {
        create(content, url, torrent, &["--piece-length", "1M"]);
    })
}

fn content(scene: &Scene) -> &Content {
    let [(_, content)] = scene.files() else { panic!("a scene of a single file") };
    content
}

fn add(scene: &Scene) -> String {
    format!("torrent add \"{}\"", scene.torrent.display())
}

/// Tells the index what content a torrent has.
fn offer(network: &Network, scene: &Scene) -> IndexSession {
    let mut session = network.index.session();
    let (name, digest) = (Layout::File.name().into(), content(scene).digest);
    let piece_length = u32::try_from(PIECE).expect("256 KiB");
    let hint = TorrentHint { infohash: scene.infohash, digest, name, piece_length };
    let offered = session.call(Request::OfferTorrent { hint }).expect("an answer");
    assert!(matches!(offered, Reply::Offers { .. }), "{offered:?}");
    session
}

/// Says how many bytes somebody gave, by the lines behind `done`.
fn given(answer: &Answer, by: SocketAddr) -> u64 {
    let start = format!("  {by}\t");
    let line = answer.0.iter().find_map(|line| line.strip_prefix(&start));
    let bytes = line.and_then(|line| line.split(" bytes").next()?.parse().ok());
    bytes.unwrap_or_else(|| panic!("{by} gave nothing: {answer:#?}"))
}

/// Says that a node has the file, and nothing else, and shares it by its digest.
fn has_it_once(network: &mut Network, node: &mut Node, scene: &Scene, sources: usize) {
    scene.is_in(&node.home);
    scene.is_tidy(&node.home);
    network.wait_for_sources(content(scene).digest, sources, SOON);
    assert_eq!(node.peer.say("transfers").states(), ["seeding"]);
}

#[test]
fn a_torrent_is_fed_by_nodes_and_by_bittorrent_clients() {
    let (mut network, scene) = (Network::new(), scene(1000));
    let native = network.sharer(&[("under another name.bin", content(&scene))], &SLOWLY);
    let seed = scene.seed_alone(&TorrentPeer::with(&SLOWLY));
    let mut node = network.node_with(&[]);
    let answer = node.peer.say(&add(&scene));
    assert!(answer.errors().is_empty() && answer.has("done\t"), "{answer:#?}");
    let (natively, otherwise) =
        (given(&answer, native.peer.address()), given(&answer, address(&seed.running)));
    assert!(natively > MIB && otherwise > MIB, "{answer:#?}");
    let size = content(&scene).size();
    assert!((size..size + MIB).contains(&(natively + otherwise)), "{answer:#?}");
    has_it_once(&mut network, &mut node, &scene, 2);
}

#[test]
fn nodes_are_found_by_what_the_index_knows_of_a_torrent() {
    let (mut network, scene) = (Network::new(), Scene::by_hand(1001));
    let native = network.node(&[("a.bin", content(&scene))]);
    let _offering = offer(&network, &scene);
    let mut node = network.node_with(&[]);
    let answer = node.peer.say(&add(&scene));
    assert_eq!(given(&answer, native.peer.address()), content(&scene).size(), "{answer:#?}");
    has_it_once(&mut network, &mut node, &scene, 2);
}

#[test]
fn what_the_index_knew_of_a_torrent_is_known_after_a_restart_without_it() {
    let (mut network, scene) = (Network::new(), Scene::by_hand(1005));
    let native = network.sharer(&[("a.bin", content(&scene))], &SLOWLY);
    let mut offering = offer(&network, &scene);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("{} &", add(&scene)));
    until("a part of it", SOON, || node.peer.say("transfers").bytes_here() >= Some(2 * MIB));
    offering.call(Request::WithdrawTorrent { infohash: scene.infohash }).expect("an answer");
    node.start_again(network.index.address());
    let digest = content(&scene).digest;
    let answer = node.peer.say(&format!("download {digest}"));
    assert!(answer.errors().is_empty() && answer.has("done\t"), "{answer:#?}");
    assert!(given(&answer, native.peer.address()) < content(&scene).size() - MIB, "{answer:#?}");
    has_it_once(&mut network, &mut node, &scene, 2);
}

#[test]
fn a_native_download_goes_on_as_the_torrent_with_what_has_come() {
    let (mut network, scene) = (Network::new(), scene(1002));
    let mut native = network.sharer(&[("under another name.bin", content(&scene))], &SLOWLY);
    let mut node = network.node_with(&[]);
    let begun = node.peer.say(&format!("download {} &", content(&scene).digest));
    assert!(begun.errors().is_empty(), "{begun:#?}");
    until("a part of it", SOON, || node.peer.say("transfers").bytes_here() >= Some(4 * MIB));
    // A selection that cannot be costs nothing.
    let wrong = node.peer.say(&format!("{} only 7", add(&scene)));
    assert_eq!(wrong.errors().len(), 1, "{wrong:#?}");
    assert_eq!(node.peer.say("transfers").states(), ["fetching"]);
    let honest = RawPeer::join(&scene, WireLie::None);
    let answer = node.peer.say(&add(&scene));
    assert!(answer.errors().is_empty() && answer.has("done\t"), "{answer:#?}");
    has_it_once(&mut network, &mut node, &scene, 2);
    let (natively, otherwise) = (native.sent(), honest.asked() as u64 * (16 << 10));
    assert!(natively >= 4 * MIB, "{natively} and {otherwise} bytes");
    // What was under way between them.
    assert!(natively + otherwise < content(&scene).size() + 3 * MIB / 2, "{natively} and {otherwise} bytes");
}

#[test]
fn torrent_goes_on_with_what_a_cancelled_download_has_left() {
    let (mut network, scene) = (Network::new(), scene(1006));
    let mut native = network.sharer(&[("under another name.bin", content(&scene))], &SLOWLY);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} &", content(&scene).digest));
    until("a part of it", SOON, || node.peer.say("transfers").bytes_here() >= Some(4 * MIB));
    node.peer.say("cancel 1");
    until("the download to be over", SOON, || node.peer.say("transfers").states() == ["cancelled"]);
    let answer = node.peer.say(&add(&scene));
    assert!(answer.errors().is_empty() && answer.has("done\t"), "{answer:#?}");
    scene.is_in(&node.home);
    scene.is_tidy(&node.home);
    assert!(!node.home.part(content(&scene)).exists());
    assert!(native.sent() < content(&scene).size() + 2 * MIB, "{}", native.sent());
}

#[test]
fn a_download_of_what_a_torrent_is_fetching_is_that_torrent() {
    let (mut network, scene) = (Network::new(), scene(1003));
    let _native = network.sharer(&[("under another name.bin", content(&scene))], &SLOWLY);
    let mut node = network.node_with(&[]);
    let begun = node.peer.say(&format!("{} &", add(&scene)));
    assert!(begun.has("started\t1\t"), "{begun:#?}");
    let again = node.peer.say(&format!("download {} &", content(&scene).digest));
    assert!(again.has("started\t1\t"), "{again:#?}");
    let answer = node.peer.say(&format!("download {}", content(&scene).digest));
    assert!(answer.errors().is_empty() && answer.has("done\t"), "{answer:#?}");
    has_it_once(&mut network, &mut node, &scene, 2);
    let here = node.peer.say(&format!("download {}", content(&scene).digest));
    assert!(here.has("already here"), "{here:#?}");
}

#[test]
fn a_torrent_that_is_said_to_be_another_file_is_fetched_and_is_not_taken_for_it() {
    let decoy = Content::random(1, (12 << 20) + 4711);
    let scene = Scene::made(Layout::File, 1004, SwarmTracker::within(), |path, url, torrent| {
        create(path, url, torrent, &["--piece-length", "1M"]);
        let (true_digest, bytes) = (tests::content::digest_of_file(path), fs::read(torrent));
        let (true_digest, bytes) = (true_digest.expect("a file").to_string(), bytes.expect("a torrent"));
        let at = bytes.windows(64).position(|window| window == true_digest.as_bytes()).expect("a hint");
        let lying = [&bytes[..at], decoy.digest.to_string().as_bytes(), &bytes[at + 64..]].concat();
        fs::write(torrent, lying).expect("a folder of ours");
    });
    let mut network = Network::new();
    let mut native = network.node(&[("decoy.bin", &decoy)]);
    let _seed = scene.seed_alone(&TorrentPeer::with(&["--max-upload-rate", "6M"]));
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("{} &", add(&scene)));
    let fooled = node.peer.say(&format!("download {}", decoy.digest));
    assert!(!fooled.has("done\t"), "{fooled:#?}");
    let true_digest = content(&scene).digest;
    assert!(fooled.errors().iter().any(|error| error.contains(&true_digest.to_string())), "{fooled:#?}");
    // Two pieces and what was under way.
    assert!(native.sent() < 4 * MIB, "{}", native.sent());
    has_it_once(&mut network, &mut node, &scene, 1);
    network.wait_for_sources(decoy.digest, 1, SOON);
    let again = node.peer.say(&add(&scene));
    assert!(again.has(&format!("not sha256 {}", decoy.digest)), "{again:#?}");
    node.fetch(&decoy);
    scene.is_in(&node.home);
    network.wait_for_sources(decoy.digest, 2, SOON);
}
