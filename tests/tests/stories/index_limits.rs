//! Nodes that ask an index for more than they may.

use std::time::Duration;

use protocol::index::{Refusal, Reply, Request};
use tests::content::Content;
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::hostile_index::HurriedIndex;
use tests::index::Index;
use tests::network::Network;
use tests::peer::Peer;

/// Little, for everybody.
const LITTLE: [&str; 5] =
    ["--limit-loopback", "--registrations-per-second", "1", "--searches-per-second", "2"];

fn search() -> Request {
    Request::Search { query: "x".into(), after: None, limit: 1 }
}

#[test]
fn who_asks_too_fast_is_told_when_to_ask_again_and_others_are_served() {
    let index = Index::start_with("127.0.0.1:0", &LITTLE);
    let (mut greedy, mut modest) = (index.session(), index.session());
    // 40 pass at once, and a few more meanwhile.
    let refused = (0..200).find_map(|_| match greedy.call(search()) {
        Ok(Reply::Refused(Refusal::TooFast { retry_after })) => Some(retry_after),
        Ok(Reply::Hits { .. }) => None,
        other => panic!("{other:?}"),
    });
    let retry_after = refused.expect("a refusal");
    assert!((1..=501).contains(&retry_after), "{retry_after} ms");
    assert!(matches!(modest.call(search()), Ok(Reply::Hits { .. })));
    let file = Content::random(1, 10).record("a");
    assert!(matches!(greedy.call(Request::Register { files: vec![file] }), Ok(Reply::List(_))));
    until("the pause to be over", SOON, || matches!(greedy.call(search()), Ok(Reply::Hits { .. })));
}

#[test]
fn a_node_waits_as_it_is_told_and_its_people_get_their_answers() {
    let options = ["--limit-loopback", "--searches-per-second", "25"];
    let mut network = Network::around(Index::start_with("127.0.0.1:0", &options));
    let content = Content::random(500, 100);
    let mut node = network.node(&[("file 0", &content)]);
    // 500 pass at once; whoever watches for the file is another node.
    for search in 0..540 {
        let answer = node.peer.say("search file");
        assert!(answer.errors().is_empty(), "search {search}: {answer:#?}");
    }
    until("a refusal in the log", SOON, || network.index.log().contains("too many requests"));
    assert!(node.peer.say("status").has("connected"));
}

#[test]
fn a_node_does_not_hurry_because_an_index_says_so() {
    let (index, home) = (HurriedIndex::start(), Home::new());
    home.put("a.bin", &Content::random(501, 100));
    let _node = Peer::start(index.address(), home.path());
    let refusals: Vec<_> = (0..9).map(|_| index.next_refusal()).collect();
    let took = refusals[8] - refusals[0];
    assert!(took >= Duration::from_secs(1), "nine attempts within {took:?}");
}
