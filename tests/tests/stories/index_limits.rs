//! Nodes that exceed the request limits of an index.

use std::time::Duration;

use protocol::index::{Refusal, Reply, Request};
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::index::IndexProcess;
use tests::network::TestNetwork;
use tests::peer::PeerProcess;
use tests::refusing_index::RefusingIndex;
use tests::test_folder::TestFolder;

/// Low limits for all clients.
const LOW_LIMITS: [&str; 5] =
    ["--limit-loopback", "--registrations-per-second", "1", "--searches-per-second", "2"];

fn search_request() -> Request {
    Request::Search { query: "x".into(), after: None, limit: 1 }
}

#[test]
fn rate_limited_client_gets_a_retry_delay() {
    let index = IndexProcess::start_with("127.0.0.1:0", &LOW_LIMITS);
    let (mut greedy, mut modest) = (index.session(), index.session());
    // 40 requests pass at once, and a few more during the test.
    let refused = (0..200).find_map(|_| match greedy.call(search_request()) {
        Ok(Reply::Refused(Refusal::TooFast { retry_after })) => Some(retry_after),
        Ok(Reply::Hits { .. }) => None,
        other => panic!("{other:?}"),
    });
    let retry_after = refused.expect("a refusal");
    assert!((1..=501).contains(&retry_after), "{retry_after} ms");
    assert!(matches!(modest.call(search_request()), Ok(Reply::Hits { .. })));
    let file = TestContent::random(1, 10).file_record("a");
    assert!(matches!(greedy.call(Request::Register { files: vec![file] }), Ok(Reply::List(_))));
    wait_until("the rate limit to reset", DEFAULT_TIMEOUT, || {
        matches!(greedy.call(search_request()), Ok(Reply::Hits { .. }))
    });
}

#[test]
fn node_waits_when_rate_limited_and_searches_succeed() {
    let options = ["--limit-loopback", "--searches-per-second", "25"];
    let mut network = TestNetwork::with_index(IndexProcess::start_with("127.0.0.1:0", &options));
    let content = TestContent::random(500, 100);
    let mut node = network.start_node(&[("file 0", &content)]);
    // 500 requests pass at once; the observer is another node.
    for search in 0..540 {
        let answer = node.peer.run("search file");
        assert!(answer.errors().is_empty(), "search {search}: {answer:#?}");
    }
    wait_until("a refusal in the log", DEFAULT_TIMEOUT, || network.index.log().contains("too many requests"));
    assert!(node.peer.run("status").contains("connected"));
}

#[test]
fn node_backs_off_even_if_it_may_retry_at_once() {
    let (index, folder) = (RefusingIndex::start(), TestFolder::new());
    folder.put("a.bin", &TestContent::random(501, 100));
    let _node = PeerProcess::start(index.address(), folder.path());
    let refusals: Vec<_> = (0..9).map(|_| index.next_refusal()).collect();
    let took = refusals[8] - refusals[0];
    assert!(took >= Duration::from_secs(1), "nine attempts within {took:?}");
}
