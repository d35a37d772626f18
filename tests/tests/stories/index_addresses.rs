//! Keys cost nothing, so the index counts addresses; and it sees for itself whether a source answers.

use std::net::IpAddr;

use protocol::index::{FileRecord, Hit, NodePlace, Notice};
use protocol::limits::MAX_REPORTED;
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::index::Index;
use tests::listed_key::ListedKey;
use tests::network::{Network, Node};
use tests::peer::{Peer, peer_node_at};

const CALLED: &str = "index_dead_source_reports_total{outcome=\"called\"}";

fn address(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// Starts an index for which the addresses of this machine are addresses like others.
fn index_with(options: &[&str]) -> Index {
    Index::start_with("127.0.0.1:0", &[&["--limit-loopback", "--metrics", "127.0.0.1:0"], options].concat())
}

/// Starts a node on an address of its own, and waits until its files are listed.
fn node_at(network: &mut Network, last: u8, files: &[(&str, &Content)]) -> Node {
    let home = Home::new();
    for (path, content) in files {
        home.put(path, content);
    }
    let peer = Peer::launch(peer_node_at(address(last), network.index.address(), home.path()));
    network.wait_for_files(peer.address(), files.len());
    Node { peer, home }
}

/// Returns a counter's value, which is a whole number.
fn whole(number: f64) -> i64 {
    format!("{number:.0}").parse().expect("a number")
}

fn place(key: &ListedKey) -> NodePlace {
    NodePlace { node: key.node(), address: key.address() }
}

/// Joins as the only node of an address that shares a file.
fn sharer_at(index: &Index, last: u8, files: &[FileRecord]) -> ListedKey {
    ListedKey::join_listed(index.address(), address(last), files)
}

#[test]
fn many_keys_of_one_address_hide_no_honest_source() {
    let mut network = Network::around(index_with(&["--listed-per-address", "8"]));
    let content = Content::random(970, 4 * PIECE);
    let files = [content.record("truth.bin")];
    let index = network.index.address();
    let mut crowd: Vec<ListedKey> = (0..40).map(|_| ListedKey::join(index, address(2), &files)).collect();
    let listed = crowd.iter_mut().map(ListedKey::is_listed).filter(|listed| *listed).count();
    assert_eq!(listed, 8, "no more of one address are listed");
    let honest = [3, 4, 5].map(|last| sharer_at(&network.index, last, &files));
    for _ in 0..20 {
        let named = network.observer().some_sources(content.digest, 4);
        let is_named = |key: &ListedKey| named.iter().any(|source| source.node == key.node());
        assert!(honest.iter().all(is_named), "an address comes before a second node of another: {named:?}");
    }
    assert_eq!(
        network.observer().sources(content.digest).len(),
        3 + 4,
        "a few nodes of an address are named"
    );
    let [hit] = &network.observer().search("truth")[..] else { panic!("one hit") };
    assert_eq!(hit.whole, 4, "availability counts addresses");
    assert!(network.index.metrics().number("index_unlisted_for_address_total") > 31.5);
    let _sharer = node_at(&mut network, 7, &[("truth.bin", &content)]);
    node_at(&mut network, 8, &[]).fetch(&content);
}

#[test]
fn fake_names_of_one_address_displace_no_file_of_three() {
    let index = index_with(&[]);
    let truth = Content::random(971, 10).record("a song 99.mp3");
    let fakes: Vec<FileRecord> = (0..40)
        .map(|number| Content::random(2000 + number, 10).record(&format!("a song {number:02}.mp3")))
        .collect();
    let _keys: Vec<ListedKey> = (0..4).map(|_| sharer_at(&index, 2, &fakes)).collect();
    let honest = [3, 4, 5].map(|last| sharer_at(&index, last, std::slice::from_ref(&truth)));
    let mut observer = index.session();
    let counts = |hits: &[Hit]| hits.iter().map(|hit| (hit.digest, hit.whole)).collect::<Vec<_>>();
    let found = counts(&observer.search("song"));
    assert_eq!((found.len(), found[0]), (41, (truth.digest, 3)));
    assert!(found[1..].iter().all(|(_, whole)| *whole == 1), "{found:?}");
    drop(honest);
    until("the honest sources to be gone", SOON, || observer.search("song").len() == 40);
}

#[test]
fn a_dead_source_that_a_node_reports_is_called_and_demoted() {
    let mut network = Network::around(index_with(&[]));
    let content = Content::random(972, 16 * PIECE);
    let mut dead = sharer_at(&network.index, 2, &[content.record("a.bin")]);
    dead.hang_up();
    let _sharer = node_at(&mut network, 3, &[("a.bin", &content)]);
    network.wait_for_sources(content.digest, 2, SOON);
    node_at(&mut network, 4, &[]).fetch(&content);
    network.wait_for_sources(content.digest, 1, SOON);
    let metrics = network.index.metrics();
    let counts = [CALLED, "index_reported_sources_called_total{answered=\"no\"}"];
    assert_eq!(counts.map(|name| whole(metrics.number(name))), [1, 1]);
    assert!(matches!(dead.session.notice(), Ok(Notice::Unreachable { .. })), "its owner is told");
}

#[test]
fn reports_of_one_address_count_once_and_demote_nobody_that_lives() {
    let index = index_with(&[]);
    let content = Content::random(973, 10);
    let living = sharer_at(&index, 2, &[content.record("a.bin")]);
    let (mut accuser, mut same) = (sharer_at(&index, 3, &[]), sharer_at(&index, 3, &[]));
    let mut other = sharer_at(&index, 4, &[]);
    assert_eq!(accuser.session.report(&[place(&living)]), 1, "it is called");
    let metrics = index.metrics();
    let answered = "index_reported_sources_called_total{answered=\"yes\"}";
    until("the source to answer", SOON, || whole(metrics.number(answered)) == 1);
    assert_eq!(accuser.session.report(&[place(&living)]), 0, "once is enough");
    assert_eq!(same.session.report(&[place(&living)]), 0, "another key is not another address");
    assert_eq!(other.session.report(&[place(&living)]), 0, "it was called a moment ago");
    let elsewhere = NodePlace { address: other.address(), ..place(&living) };
    assert_eq!(other.session.report(&[elsewhere]), 0, "nobody is called but where he is listed");
    let count = |outcome: &str| {
        whole(metrics.number(&format!("index_dead_source_reports_total{{outcome=\"{outcome}\"}}")))
    };
    assert_eq!(["called", "repeated", "recent", "unknown"].map(count), [1, 2, 1, 1]);
    let sources = other.session.sources(content.digest);
    assert_eq!(sources.iter().map(|source| source.node).collect::<Vec<_>>(), [living.node()]);
}

#[test]
fn an_address_that_reports_too_much_is_not_listened_to() {
    let index = index_with(&["--reports-per-second", "1"]);
    let living = sharer_at(&index, 2, &[]);
    let mut accuser = sharer_at(&index, 3, &[]);
    let reports = vec![place(&living); MAX_REPORTED];
    // 50 pass at once, and a few more meanwhile.
    for _ in 0..4 {
        accuser.session.report(&reports);
    }
    let too_many = index.metrics().number("index_dead_source_reports_total{outcome=\"too_many\"}");
    assert!(whole(too_many) > 30, "{too_many}");
    assert_eq!(whole(index.metrics().number(CALLED)), 1);
}
