//! Several downloads, in the order and at the time that a person wants.

use std::fs;
use std::path::PathBuf;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{Network, Node};

/// Waits until the downloads are in these states; `active` stands for one that looks for sources or fetches.
fn wait_for_states(node: &mut Node, expected: &[&str]) {
    let mut last = Vec::new();
    let fits = |(state, expected): (&String, &&str)| {
        state == expected || (*expected == "active" && matches!(state.as_str(), "looking" | "fetching"))
    };
    until(&format!("the downloads to be {expected:?}"), SOON, || {
        last = node.peer.say("transfers").states();
        last.len() == expected.len() && last.iter().zip(expected).all(fits)
    });
}

/// Peers that are asked and never answer, so that their downloads stay where they are.
fn mute_sources(network: &Network, count: usize) -> Vec<(HostilePeer, Content)> {
    let mute = |seed: usize| {
        let content = Content::random(seed as u64, 4 * PIECE);
        let name = format!("{seed}.bin");
        (HostilePeer::join(network.index.address(), &name, &content, Lie::NeverAnswers), content)
    };
    (200..200 + count).map(mute).collect()
}

#[test]
fn downloads_wait_for_their_turn_by_priority_and_arrival() {
    let network = Network::new();
    let sources = mute_sources(&network, 4);
    let mut node = network.node_with(&["--max-active-downloads", "1"]);
    for (_, content) in &sources {
        let begun = node.peer.say(&format!("download {} &", content.digest));
        assert!(begun.errors().is_empty(), "{begun:#?}");
    }
    wait_for_states(&mut node, &["active", "queued 1", "queued 2", "queued 3"]);
    let answer = node.peer.say("priority 4 high");
    assert!(answer.has("high priority, number 1 in the queue"), "{answer:#?}");
    wait_for_states(&mut node, &["active", "queued 2", "queued 3", "queued 1"]);
    let answer = node.peer.say("pause 1");
    assert!(answer.has("paused") && answer.errors().is_empty(), "{answer:#?}");
    wait_for_states(&mut node, &["paused", "queued 1", "queued 2", "active"]);
    assert!(node.peer.say("pause 1").has("paused already"));
    let answer = node.peer.say("resume 1");
    assert!(answer.has("goes on, number 1 in the queue"), "{answer:#?}");
    wait_for_states(&mut node, &["queued 1", "queued 2", "queued 3", "active"]);
    node.peer.say("priority 1-2 low");
    wait_for_states(&mut node, &["queued 2", "queued 3", "queued 1", "active"]);
    node.peer.say("cancel 4");
    wait_for_states(&mut node, &["queued 1", "queued 2", "active", "cancelled"]);
    node.peer.say("pause all");
    wait_for_states(&mut node, &["paused", "paused", "paused", "cancelled"]);
    // The first of them finds the place free.
    node.peer.say("resume all");
    wait_for_states(&mut node, &["active", "queued 2", "queued 1", "cancelled"]);
}

#[test]
fn what_cannot_be_paused_is_told() {
    let mut network = Network::new();
    let mut node = network.node(&[]);
    for (command, reason) in [
        ("pause", "a number is missing"),
        ("pause x", "x is not a number"),
        ("pause 1", "no download 1 under way"),
        ("resume 1", "no download 1 under way"),
        ("priority 1", "1 is not a priority"),
        ("priority high", "a number is missing"),
        ("priority 1 high", "no download 1 under way"),
    ] {
        let answer = node.peer.say(command);
        assert!(answer.errors().len() == 1 && answer.has(reason), "{command}: {answer:#?}");
    }
    assert!(node.peer.say("pause all").errors().is_empty());
}

#[test]
fn a_paused_download_goes_on_from_where_it_was() {
    let mut network = Network::new();
    let content = Content::random(210, 20 * PIECE + 3);
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    until("half of it to be here", SOON, || node.peer.say("transfers").has("10/21 pieces"));
    let answer = node.peer.say("pause 1");
    assert!(answer.has("big.iso: paused at 49%") || answer.has(": paused at 49%"), "{answer:#?}");
    drop(half);
    let sharer = network.node(&[("big.iso", &content)]);
    assert_eq!(node.peer.say("transfers").states(), ["paused"]);
    node.peer.say("resume 1");
    // Asked for again it is followed to its end.
    let answer = node.peer.say(&format!("download {}", content.digest));
    if let [done] = answer.done().as_slice() {
        let given = done.givers.iter().find(|(address, _)| *address == sharer.peer.address());
        assert_eq!(given.map(|(_, bytes)| *bytes), Some(10 * PIECE as u64 + 3), "{answer:#?}");
    } else {
        assert!(answer.has("already here"), "{answer:#?}");
    }
    node.has(&content);
}

#[test]
fn a_paused_download_that_is_asked_for_again_goes_on() {
    let mut network = Network::new();
    let content = Content::random(211, 3 * PIECE);
    let mute = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::NeverAnswers);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    node.peer.say("pause all");
    drop(mute);
    let _sharer = network.node(&[("a.bin", &content)]);
    node.fetch(&content);
}

/// Returns the files for partial content that a process has open.
fn open_parts(node: &mut Node) -> Vec<PathBuf> {
    let descriptors =
        fs::read_dir(format!("/proc/{}/fd", node.peer.process().child().id())).expect("a process");
    let open = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    open.filter(|path| path.to_string_lossy().contains(".part")).collect()
}

#[test]
fn a_download_cancelled_in_any_state_leaves_nothing_open() {
    let mut network = Network::new();
    let [slow, half, nobodys, waiting] = [260, 261, 262, 263].map(|seed| Content::random(seed, 20 * PIECE));
    let _slow =
        network.sharer(&[("slow.iso", &slow), ("waiting.iso", &waiting)], &["--max-upload-rate", "100K"]);
    let half_there = HostilePeer::join(network.index.address(), "half.iso", &half, Lie::FirstHalf);
    let mut node = network.node_with(&["--max-active-downloads", "3"]);
    for content in [&slow, &half, &nobodys, &waiting] {
        node.peer.say(&format!("download {} &", content.digest));
    }
    until("half of one to be here", SOON, || node.peer.say("transfers").has("10/20 pieces"));
    drop(half_there);
    until("one to wait for sources, and one for nobody", SOON, || {
        let states = node.peer.say("transfers").states();
        states.contains(&"waiting for sources".to_owned()) && states.contains(&"never seen".to_owned())
    });
    assert!(!open_parts(&mut node).is_empty());
    node.peer.say("pause 4");
    // Fetching, waiting for sources, never seen, paused; and once more each, which changes nothing.
    for _ in 0..2 {
        for number in 1..=4 {
            node.peer.say(&format!("cancel {number}"));
        }
    }
    wait_for_states(&mut node, &["cancelled"; 4]);
    until("the parts to be closed", SOON, || open_parts(&mut node).is_empty());
    assert!(node.home.files().is_empty());
    // The places are free again.
    node.peer.say("limit up off");
    let whole = network.node(&[("half.iso", &half)]);
    let done = node.fetch(&half);
    assert_eq!(done.given_by(whole.peer.address()), half.size() / 2, "what was here is kept");
}
