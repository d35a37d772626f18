//! The index crashes and restarts while nodes run.

use std::net::TcpListener;
use std::time::Duration;

use protocol::index::ListSummary;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::index::IndexProcess;
use tests::index_session::{IndexSession, signing_key};
use tests::network::TestNetwork;
use tests::peer::PeerProcess;
use tests::test_folder::TestFolder;

/// Time limit for nodes to reconnect to a restarted index.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn peers_reconnect_after_the_index_was_killed() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(30, 20 * PIECE_LENGTH);
    let other = TestContent::random(31, 1000);
    let sharer = network.start_node(&[("lasting.iso", &content), ("notes/small.txt", &other)]);
    let mut fetcher = network.start_node(&[]);
    network.index.kill();
    network.index.restart();
    network.wait_for_files_within(sharer.peer.address(), 2, RECONNECT_TIMEOUT);
    network.wait_for_hits("lasting", 1, RECONNECT_TIMEOUT);
    let hits = tests::eventually::eventually("the node to find the file", RECONNECT_TIMEOUT, || {
        let hits = fetcher.peer.run("search lasting").hits();
        (hits.len() == 1).then_some(hits)
    });
    assert_eq!(hits[0].digest, content.digest);
    fetcher.download(&content);
    assert!(network.index.is_running());
}

#[test]
fn acknowledged_files_are_there_after_kill_9() {
    let mut index = IndexProcess::start();
    let files: Vec<_> =
        (0..500).map(|at| TestContent::random(at, 20).file_record(&format!("file {at}"))).collect();
    let open = |index: &IndexProcess| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        IndexSession::open_as(index.address(), &signing_key(30), listener).expect("a welcome")
    };
    let mut session = open(&index);
    session.register(&files).expect("acknowledged");
    let before = session.statistics();
    index.kill();
    index.restart();
    let mut after = open(&index);
    assert_eq!(after.statistics().files, 500);
    assert_eq!((after.statistics().contents, after.statistics().bytes), (before.contents, before.bytes));
    let mut expected = ListSummary::default();
    for file in &files {
        expected.add(file);
    }
    assert_eq!(after.welcome.list, expected);
}

#[test]
fn download_continues_while_the_index_is_down() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(32, 300 * PIECE_LENGTH);
    let sharers: Vec<_> = (0..2).map(|_| network.start_node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.start_node(&[]);
    let started = fetcher.peer.start_command(&format!("download {}", content.digest));
    tests::eventually::wait_until("blocks to arrive", DEFAULT_TIMEOUT, || {
        fetcher.folder.path().read_dir().expect("a folder").count() > 1
    });
    network.index.kill();
    let answer = fetcher.peer.wait_for_output(started);
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    fetcher.path_of(&content);
    drop(sharers);
}

#[test]
fn peer_started_without_an_index_connects_when_it_appears() {
    let mut index = IndexProcess::start();
    assert_eq!(index.stop(), Some(0));
    let content = TestContent::random(33, 2 * PIECE_LENGTH);
    let folder = TestFolder::with_file("early.bin", &content);
    let mut peer = PeerProcess::start(index.address(), folder.path());
    peer.wait_for_shared_files(1);
    let answer = peer.run("search early");
    assert_eq!(answer.errors().len(), 1, "a search without an index fails: {answer:#?}");
    index.restart();
    let mut network = TestNetwork::with_index(index);
    network.wait_for_files_within(peer.address(), 1, RECONNECT_TIMEOUT);
    network.start_node(&[]).download(&content);
}
