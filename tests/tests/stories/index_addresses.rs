//! The index counts addresses, because keys cost nothing, and verifies itself whether a source is reachable.

use std::net::IpAddr;

use protocol::index::{FileRecord, Hit, NodeAddress, Notice};
use protocol::limits::MAX_REPORTED;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::IndexProcess;
use tests::listed_node::ListedNode;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::peer_node_at;

const CALLED_METRIC: &str = "index_dead_source_reports_total{outcome=\"called\"}";

fn address(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// Starts an index that treats the addresses of this machine like any others.
fn index_with(options: &[&str]) -> IndexProcess {
    IndexProcess::start_with(
        "127.0.0.1:0",
        &[&["--limit-loopback", "--metrics", "127.0.0.1:0"], options].concat(),
    )
}

/// Starts a node on its own address and waits until its files are listed.
fn node_at(network: &mut TestNetwork, last: u8, files: &[(&str, &TestContent)]) -> RunningNode {
    let index = network.index.address();
    let node = RunningNode::launch(files, |folder| peer_node_at(address(last), index, folder));
    network.wait_for_files(node.peer.address(), files.len());
    node
}

/// Returns a counter's value as an integer.
fn counter_value(number: f64) -> i64 {
    format!("{number:.0}").parse().expect("a number")
}

fn node_address(key: &ListedNode) -> NodeAddress {
    NodeAddress { node: key.node_id(), address: key.address() }
}

/// Joins as the only node of an address, with shared files.
fn sharer_at(index: &IndexProcess, last: u8, files: &[FileRecord]) -> ListedNode {
    ListedNode::join_listed(index.address(), address(last), files)
}

#[test]
fn many_keys_of_one_address_hide_no_honest_source() {
    let mut network = TestNetwork::with_index(index_with(&["--listed-per-address", "8"]));
    let content = TestContent::random(970, 4 * PIECE_LENGTH);
    let files = [content.file_record("truth.bin")];
    let index = network.index.address();
    let mut crowd: Vec<ListedNode> = (0..40).map(|_| ListedNode::join(index, address(2), &files)).collect();
    let listed = crowd.iter_mut().map(ListedNode::wait_for_listing).filter(|listed| *listed).count();
    assert_eq!(listed, 8, "the limit per address");
    let honest = [3, 4, 5].map(|last| sharer_at(&network.index, last, &files));
    for _ in 0..20 {
        let named = network.observer().sources_up_to(content.digest, 4);
        let is_named = |key: &ListedNode| named.iter().any(|source| source.node == key.node_id());
        assert!(
            honest.iter().all(is_named),
            "every address comes before a second node of the same address: {named:?}"
        );
    }
    assert_eq!(
        network.observer().sources(content.digest).len(),
        3 + 4,
        "a few nodes per address are returned"
    );
    let [hit] = &network.observer().search("truth")[..] else { panic!("one hit") };
    assert_eq!(hit.complete, 4, "availability counts addresses");
    assert!(network.index.metrics().value("index_unlisted_for_address_total") > 31.5);
    let _sharer = node_at(&mut network, 7, &[("truth.bin", &content)]);
    node_at(&mut network, 8, &[]).download(&content);
}

#[test]
fn fake_names_of_one_address_displace_no_popular_file() {
    let index = index_with(&[]);
    let popular = TestContent::random(971, 10).file_record("a song 99.mp3");
    let fakes: Vec<FileRecord> = (0..40)
        .map(|number| TestContent::random(2000 + number, 10).file_record(&format!("a song {number:02}.mp3")))
        .collect();
    let _keys: Vec<ListedNode> = (0..4).map(|_| sharer_at(&index, 2, &fakes)).collect();
    let honest = [3, 4, 5].map(|last| sharer_at(&index, last, std::slice::from_ref(&popular)));
    let mut observer = index.session();
    let counts = |hits: &[Hit]| hits.iter().map(|hit| (hit.digest, hit.complete)).collect::<Vec<_>>();
    let found = counts(&observer.search("song"));
    assert_eq!((found.len(), found[0]), (41, (popular.digest, 3)));
    assert!(found[1..].iter().all(|(_, complete)| *complete == 1), "{found:?}");
    drop(honest);
    wait_until("the honest sources to be unlisted", DEFAULT_TIMEOUT, || observer.search("song").len() == 40);
}

#[test]
fn reported_dead_source_is_probed_and_demoted() {
    let mut network = TestNetwork::with_index(index_with(&[]));
    let content = TestContent::random(972, 16 * PIECE_LENGTH);
    let mut dead = sharer_at(&network.index, 2, &[content.file_record("a.bin")]);
    dead.close_port();
    let _sharer = node_at(&mut network, 3, &[("a.bin", &content)]);
    network.wait_for_sources(content.digest, 2, DEFAULT_TIMEOUT);
    node_at(&mut network, 4, &[]).download(&content);
    network.wait_for_sources(content.digest, 1, DEFAULT_TIMEOUT);
    let metrics = network.index.metrics();
    let counts = [CALLED_METRIC, "index_reported_sources_called_total{answered=\"no\"}"];
    assert_eq!(counts.map(|name| counter_value(metrics.value(name))), [1, 1]);
    assert!(matches!(dead.session.next_notice(), Ok(Notice::Unreachable { .. })), "the owner is notified");
}

#[test]
fn reports_of_one_address_count_once_and_demote_no_live_node() {
    let index = index_with(&[]);
    let content = TestContent::random(973, 10);
    let reachable = sharer_at(&index, 2, &[content.file_record("a.bin")]);
    let (mut reporter, mut same) = (sharer_at(&index, 3, &[]), sharer_at(&index, 3, &[]));
    let mut other = sharer_at(&index, 4, &[]);
    assert_eq!(reporter.session.report_unreachable(&[node_address(&reachable)]), 1, "the node is probed");
    let metrics = index.metrics();
    let answered = "index_reported_sources_called_total{answered=\"yes\"}";
    wait_until("the source to answer", DEFAULT_TIMEOUT, || counter_value(metrics.value(answered)) == 1);
    assert_eq!(
        reporter.session.report_unreachable(&[node_address(&reachable)]),
        0,
        "a repeated report is ignored"
    );
    assert_eq!(
        same.session.report_unreachable(&[node_address(&reachable)]),
        0,
        "another key at the same address does not count"
    );
    assert_eq!(
        other.session.report_unreachable(&[node_address(&reachable)]),
        0,
        "it was probed a moment ago"
    );
    let elsewhere = NodeAddress { address: other.address(), ..node_address(&reachable) };
    assert_eq!(other.session.report_unreachable(&[elsewhere]), 0, "only listed addresses are probed");
    let count = |outcome: &str| {
        counter_value(metrics.value(&format!("index_dead_source_reports_total{{outcome=\"{outcome}\"}}")))
    };
    assert_eq!(["called", "repeated", "recent", "unknown"].map(count), [1, 2, 1, 1]);
    let sources = other.session.sources(content.digest);
    assert_eq!(sources.iter().map(|source| source.node).collect::<Vec<_>>(), [reachable.node_id()]);
}

#[test]
fn reports_beyond_the_limit_are_ignored() {
    let index = index_with(&["--reports-per-second", "1"]);
    let reachable = sharer_at(&index, 2, &[]);
    let mut reporter = sharer_at(&index, 3, &[]);
    let reports = vec![node_address(&reachable); MAX_REPORTED];
    // 50 reports pass at once, and a few more during the test.
    for _ in 0..4 {
        reporter.session.report_unreachable(&reports);
    }
    let too_many = index.metrics().value("index_dead_source_reports_total{outcome=\"too_many\"}");
    assert!(counter_value(too_many) > 30, "{too_many}");
    assert_eq!(counter_value(index.metrics().value(CALLED_METRIC)), 1);
}
