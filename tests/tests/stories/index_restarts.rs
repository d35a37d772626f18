//! The index dies and comes back while peers run.

use std::net::TcpListener;
use std::time::Duration;

use protocol::index::ListSummary;
use tests::content::{Content, PIECE};
use tests::eventually::SOON;
use tests::home::Home;
use tests::index::Index;
use tests::index_session::{IndexSession, key};
use tests::network::Network;
use tests::peer::Peer;

/// How long peers may take to find an index again that is back.
const BACK_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn peers_come_back_by_themselves_after_the_index_was_killed() {
    let mut network = Network::new();
    let content = Content::random(30, 20 * PIECE);
    let other = Content::random(31, 1000);
    let sharer = network.node(&[("lasting.iso", &content), ("notes/small.txt", &other)]);
    let mut fetcher = network.node(&[]);
    network.index.kill();
    network.index.restart();
    network.wait_for_files_within(sharer.peer.address(), 2, BACK_WITHIN);
    network.wait_for_hits("lasting", 1, BACK_WITHIN);
    let hits = tests::eventually::eventually("the fetcher to find it", BACK_WITHIN, || {
        let hits = fetcher.peer.say("search lasting").hits();
        (hits.len() == 1).then_some(hits)
    });
    assert_eq!(hits[0].digest, content.digest);
    fetcher.fetch(&content);
    assert!(network.index.is_running());
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9() {
    let mut index = Index::start();
    let files: Vec<_> = (0..500).map(|at| Content::random(at, 20).record(&format!("file {at}"))).collect();
    let open = |index: &Index| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        IndexSession::open_as(index.address(), &key(30), listener).expect("a welcome")
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
fn a_download_goes_on_while_the_index_is_gone() {
    let mut network = Network::new();
    let content = Content::random(32, 300 * PIECE);
    let sharers: Vec<_> = (0..2).map(|_| network.node(&[("big.iso", &content)])).collect();
    let mut fetcher = network.node(&[]);
    let asked = fetcher.peer.begin(&format!("download {}", content.digest));
    tests::eventually::until("blocks to come", SOON, || {
        fetcher.home.path().read_dir().expect("a folder").count() > 1
    });
    network.index.kill();
    let answer = fetcher.peer.answer(asked);
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    fetcher.has(&content);
    drop(sharers);
}

#[test]
fn a_peer_that_starts_without_an_index_is_there_when_it_appears() {
    let mut index = Index::start();
    assert_eq!(index.stop(), Some(0));
    let content = Content::random(33, 2 * PIECE);
    let home = Home::with("early.bin", &content);
    let mut peer = Peer::start(index.address(), home.path());
    peer.shares(1);
    let answer = peer.say("search early");
    assert_eq!(answer.errors().len(), 1, "a search without an index is told: {answer:#?}");
    index.restart();
    let mut network = Network::around(index);
    network.wait_for_files_within(peer.address(), 1, BACK_WITHIN);
    network.node(&[]).fetch(&content);
}
