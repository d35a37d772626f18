//! Peers that fetch the same file give it to each other, and spare the one that had it first.

use tests::content::{Content, PIECE};
use tests::network::{Network, Node};
use tests::peer::Done;

/// Starts a source that sends slowly, and has so many peers fetch its file at once; returns the source and what they said.
fn spread(seed: u64, pieces: usize, rate: &str, peers: usize) -> (Content, Node, Vec<(Node, Done)>) {
    let mut network = Network::new();
    let content = Content::random(seed, pieces * PIECE);
    let source = network.sharer(&[("big.iso", &content)], &["--max-upload-rate", rate]);
    let nodes: Vec<Node> = (0..peers).map(|_| network.node(&[])).collect();
    let order = format!("download {}", content.digest);
    let asked: Vec<(Node, usize)> = nodes
        .into_iter()
        .map(|mut node| {
            let asked = node.peer.begin(&order);
            (node, asked)
        })
        .collect();
    let fetched = asked.into_iter().map(|(node, asked)| {
        let answer = node.peer.answer(asked);
        let mut done = answer.done();
        assert_eq!(done.len(), 1, "{answer:#?}");
        node.has(&content);
        (node, done.swap_remove(0))
    });
    let fetched = fetched.collect();
    (content, source, fetched)
}

#[test]
fn two_that_fetch_together_give_to_each_other_from_their_first_pieces_on() {
    let (content, mut source, fetched) = spread(440, 96, "6M", 2);
    let [(first, from_second), (second, from_first)] = &fetched[..] else { panic!("two peers") };
    let given = [from_second.given_by(second.peer.address()), from_first.given_by(first.peer.address())];
    let sent = source.sent();
    eprintln!("{sent} of {} bytes sent by the source, {given:?} by the two", content.size());
    assert!(given.iter().all(|bytes| *bytes > content.size() / 10), "{given:?}");
    assert!(sent < content.size() * 3 / 2, "{sent} bytes of {}", content.size());
}

#[test]
fn eight_that_fetch_together_need_the_source_for_little_more_than_the_file_once() {
    let (content, mut source, _fetched) = spread(441, 160, "10M", 8);
    let sent = source.sent();
    eprintln!("{sent} of {} bytes sent by the source", content.size());
    // A file of so few pieces is hard to spread; large ones come closer to once.
    assert!(sent * 10 <= content.size() * 16, "{sent} bytes of {}", content.size());
}
