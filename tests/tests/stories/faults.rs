//! Sources, the index and the fetcher itself die or freeze while a download is under way.

use std::time::{Duration, Instant};

use protocol::index::Share;
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::network::{Network, Node};

const MIB: u64 = 1 << 20;

/// How much may have been asked of a source, or have come from it without being verified, when it or the fetcher dies.
const UNDER_WAY: u64 = 24 * MIB;

/// How long a download of some seconds may take when it meets with trouble.
const LIMIT: Duration = Duration::from_mins(1);

/// How long peers may take to find an index again that is back.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Waits until so many bytes of a node's only download are verified.
fn wait_for_bytes(node: &mut Node, bytes: u64) {
    until(&format!("{bytes} bytes to be here"), LIMIT, || {
        node.peer.say("transfers").bytes_here().is_some_and(|here| here >= bytes)
    });
}

/// Returns how many bytes of a node's only download are verified.
fn bytes_here(node: &mut Node) -> u64 {
    node.peer.say("transfers").bytes_here().expect("a download")
}

#[test]
fn what_a_killed_source_has_not_given_comes_from_the_others_and_nothing_twice() {
    let mut network = Network::new();
    let content = Content::random(420, 160 * PIECE);
    let slow = ["--max-upload-rate", "8M"];
    let mut sharers: Vec<Node> = (0..3).map(|_| network.sharer(&[("big.iso", &content)], &slow)).collect();
    let mut node = network.node(&[]);
    let asked = node.peer.begin(&format!("download {}", content.digest));
    // The fetcher, which is busy with its command, is listed with its first piece.
    network.wait_for_sources(content.digest, 4, SOON);
    sharers[0].peer.kill();
    let answer = node.peer.answer(asked);
    let [done] = &answer.done()[..] else { panic!("{answer:#?}") };
    node.has(&content);
    assert!(done.given() <= content.size() + UNDER_WAY, "{done:?}");
    assert!(done.given_by(sharers[0].peer.address()) < content.size() / 2, "{done:?}");
}

#[test]
fn a_download_waits_for_its_only_source_that_was_killed_and_goes_on_when_it_is_back() {
    let mut network = Network::new();
    let content = Content::random(421, 160 * PIECE);
    let slow = ["--max-upload-rate", "16M"];
    let mut source = network.sharer(&[("big.iso", &content)], &slow);
    let mut node = network.node(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    for part in 1..3 {
        wait_for_bytes(&mut node, content.size() * part / 3);
        source.start_again_with(network.index.address(), &slow);
    }
    let answer = node.peer.say_within(&format!("download {}", content.digest), LIMIT);
    let [done] = &answer.done()[..] else { panic!("{answer:#?}") };
    node.has(&content);
    assert!(done.given() <= content.size() + 2 * UNDER_WAY, "{done:?}");
}

#[test]
fn a_download_outlives_the_index_and_both_ends_are_listed_again_when_it_is_back() {
    let mut network = Network::new();
    let content = Content::random(422, 400 * PIECE);
    let mut source = network.sharer(&[("big.iso", &content)], &["--max-upload-rate", "2M"]);
    let mut node = network.node(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    wait_for_bytes(&mut node, 2 * MIB);
    network.wait_for_sources(content.digest, 2, SOON);
    network.index.kill();
    let before = bytes_here(&mut node);
    wait_for_bytes(&mut node, before + 4 * MIB);
    network.index.restart();
    network.wait_for_sources(content.digest, 2, BACK_WITHIN);
    let (whole, partial) = (source.peer.address(), node.peer.address());
    let sources = network.observer().sources(content.digest);
    let share = |address| sources.iter().find(|source| source.address == address).map(|source| source.share);
    assert_eq!(share(whole), Some(Share::Whole));
    assert!(share(partial) == Some(Share::Partial), "{sources:?}");
    source.peer.say("limit up off");
    let answer = node.peer.say_within(&format!("download {}", content.digest), LIMIT);
    assert!(answer.done().len() == 1 || answer.has("already here"), "{answer:#?}");
    node.has(&content);
}

#[test]
fn a_source_that_stays_frozen_costs_the_time_that_the_other_needs_and_little_more() {
    let mut network = Network::new();
    let content = Content::random(423, 160 * PIECE);
    let slow = ["--max-upload-rate", "8M"];
    let sharers: Vec<Node> = (0..2).map(|_| network.sharer(&[("big.iso", &content)], &slow)).collect();
    let mut node = network.node(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    wait_for_bytes(&mut node, content.size() / 4);
    sharers[1].peer.freeze();
    let frozen = Instant::now();
    let answer = node.peer.say_within(&format!("download {}", content.digest), LIMIT);
    let [done] = &answer.done()[..] else { panic!("{answer:#?}") };
    node.has(&content);
    let (took, needed) = (frozen.elapsed(), Duration::from_secs(40 * 3 / 4 / 8));
    assert!(took < needed * 2 + Duration::from_secs(15), "{took:?}");
    assert!(done.given() <= content.size() + UNDER_WAY, "{done:?}");
}

#[test]
fn an_only_source_that_is_frozen_again_and_again_is_waited_for() {
    let mut network = Network::new();
    let content = Content::random(424, 96 * PIECE);
    let source = network.sharer(&[("big.iso", &content)], &["--max-upload-rate", "16M"]);
    let mut node = network.node(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    for part in 1..4 {
        wait_for_bytes(&mut node, content.size() * part / 4 - MIB);
        source.peer.freeze();
        until("nothing to come any more", SOON, || node.peer.say("transfers").has("\t0 B/s\t"));
        source.peer.thaw();
    }
    let answer = node.peer.say_within(&format!("download {}", content.digest), LIMIT);
    let [done] = &answer.done()[..] else { panic!("{answer:#?}") };
    node.has(&content);
    assert_eq!(done.given(), content.size(), "{done:?}");
}
