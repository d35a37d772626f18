//! Limits on how fast content passes, from the beginning and changed while it does.

use std::time::{Duration, Instant};

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::network::Network;

#[test]
fn a_download_is_as_slow_as_its_source_may_send_until_the_limit_is_lifted() {
    let mut network = Network::new();
    let content = Content::random(240, 400 * PIECE);
    let mut sharer = network.node_with(&["--max-upload-rate", "1M"]);
    sharer.home.put("big.iso", &content);
    sharer.peer.say("register");
    network.wait_for_files(sharer.peer.address(), 1);
    assert!(sharer.peer.say("status").has("up at most 1.0 MiB/s"));
    let mut node = network.node(&[]);
    let begun = Instant::now();
    node.peer.say(&format!("download {} &", content.digest));
    until("some of it to be here", SOON, || {
        let transfers = node.peer.say("transfers");
        transfers.0.iter().any(|line| line.contains("\tfetching\t") && !line.contains("\t0 B/s\t"))
    });
    let answer = sharer.peer.say("limit up off");
    assert_eq!(answer.text(), "up\toff\ndown\toff");
    let answer = node.peer.say(&format!("download {}", content.digest));
    assert!(answer.done().len() == 1 || answer.has("already here"), "{answer:#?}");
    node.has(&content);
    // At the first rate it would have taken 100 seconds.
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[test]
fn a_node_fetches_no_faster_than_it_may() {
    let mut network = Network::new();
    let content = Content::random(241, 16 * PIECE);
    let _sharer = network.node(&[("big.iso", &content)]);
    let mut node = network.node_with(&[]);
    assert_eq!(node.peer.say("limit down 1M").text(), "up\toff\ndown\t1048576 bytes/s");
    assert!(node.peer.say("status").has("down at most 1.0 MiB/s"));
    let begun = Instant::now();
    node.fetch(&content);
    // 4 MiB; the first of them may pass at once.
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(node.peer.say("limit up 0").errors().len(), 1);
}
