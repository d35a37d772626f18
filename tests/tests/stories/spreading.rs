//! Nodes that download the same file exchange pieces and relieve the source.
//!
//! The source is slow, so that unoptimised nodes on a slow machine keep up with it: what is judged is who sends, not how fast.

use tests::content::{PIECE_LENGTH, TestContent};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::CompletedDownload;

/// Starts a slow source and lets several nodes download its file at once. Returns the source and their results.
fn spread(
    seed: u64,
    pieces: usize,
    rate: &str,
    peers: usize,
) -> (TestContent, RunningNode, Vec<(RunningNode, CompletedDownload)>) {
    let mut network = TestNetwork::new();
    let content = TestContent::random(seed, pieces * PIECE_LENGTH);
    let source = network.start_node_with(&[("big.iso", &content)], &["--max-upload-rate", rate]);
    let nodes: Vec<RunningNode> = (0..peers).map(|_| network.start_node(&[])).collect();
    let command = format!("download {}", content.digest);
    let started: Vec<(RunningNode, usize)> = nodes
        .into_iter()
        .map(|mut node| {
            let started = node.peer.start_command(&command);
            (node, started)
        })
        .collect();
    let fetched = started.into_iter().map(|(node, started)| {
        let answer = node.peer.wait_for_output(started);
        let mut done = answer.completed_downloads();
        assert_eq!(done.len(), 1, "{answer:#?}");
        node.path_of(&content);
        (node, done.swap_remove(0))
    });
    let fetched = fetched.collect();
    (content, source, fetched)
}

#[test]
fn two_downloaders_exchange_pieces_from_the_start() {
    let (content, mut source, fetched) = spread(440, 96, "3M", 2);
    let [(first, from_second), (second, from_first)] = &fetched[..] else { panic!("two peers") };
    let given = [
        from_second.bytes_received_from(second.peer.address()),
        from_first.bytes_received_from(first.peer.address()),
    ];
    let sent = source.bytes_sent();
    eprintln!("{sent} of {} bytes sent by the source, {given:?} by the two", content.size());
    assert!(given.iter().all(|bytes| *bytes > content.size() / 10), "{given:?}");
    assert!(sent < content.size() * 3 / 2, "{sent} bytes of {}", content.size());
}

#[test]
fn eight_downloaders_need_little_more_than_one_upload() {
    let (content, mut source, _fetched) = spread(441, 160, "2500K", 8);
    let sent = source.bytes_sent();
    eprintln!("{sent} of {} bytes sent by the source", content.size());
    // A file of so few pieces spreads inefficiently; large files come closer to one upload.
    assert!(sent * 10 <= content.size() * 16, "{sent} bytes of {}", content.size());
}
