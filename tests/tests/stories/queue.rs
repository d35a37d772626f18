//! Several downloads, in the order and at the time that the user wants.

use std::fs;
use std::path::PathBuf;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{RunningNode, TestNetwork};

/// Waits until the downloads have the given states; `active` means searching for sources or downloading.
fn wait_for_states(node: &mut RunningNode, expected: &[&str]) {
    let mut last = Vec::new();
    let fits = |(state, expected): (&String, &&str)| {
        state == expected || (*expected == "active" && matches!(state.as_str(), "looking" | "fetching"))
    };
    wait_until(&format!("the downloads to be {expected:?}"), DEFAULT_TIMEOUT, || {
        last = node.peer.run("transfers").download_states();
        last.len() == expected.len() && last.iter().zip(expected).all(fits)
    });
}

/// Starts sources that never reply, so that their downloads make no progress.
fn silent_sources(network: &TestNetwork, count: usize) -> Vec<(HostilePeer, TestContent)> {
    let silent = |seed: usize| {
        let content = TestContent::random(seed as u64, 4 * PIECE_LENGTH);
        let name = format!("{seed}.bin");
        (HostilePeer::join(network.index.address(), &name, &content, Lie::NeverAnswers), content)
    };
    (200..200 + count).map(silent).collect()
}

#[test]
fn downloads_are_queued_by_priority_and_arrival() {
    let network = TestNetwork::new();
    let sources = silent_sources(&network, 4);
    let mut node = network.start_empty_node(&["--max-active-downloads", "1"]);
    for (_, content) in &sources {
        let begun = node.peer.run(&format!("download {} &", content.digest));
        assert!(begun.errors().is_empty(), "{begun:#?}");
    }
    wait_for_states(&mut node, &["active", "queued 1", "queued 2", "queued 3"]);
    let answer = node.peer.run("priority 4 high");
    assert!(answer.contains("high priority, number 1 in the queue"), "{answer:#?}");
    wait_for_states(&mut node, &["active", "queued 2", "queued 3", "queued 1"]);
    let answer = node.peer.run("pause 1");
    assert!(answer.contains("paused") && answer.errors().is_empty(), "{answer:#?}");
    wait_for_states(&mut node, &["paused", "queued 1", "queued 2", "active"]);
    assert!(node.peer.run("pause 1").contains("already paused"));
    let answer = node.peer.run("resume 1");
    assert!(answer.contains("resumed, number 1 in the queue"), "{answer:#?}");
    wait_for_states(&mut node, &["queued 1", "queued 2", "queued 3", "active"]);
    node.peer.run("priority 1-2 low");
    wait_for_states(&mut node, &["queued 2", "queued 3", "queued 1", "active"]);
    node.peer.run("cancel 4");
    wait_for_states(&mut node, &["queued 1", "queued 2", "active", "cancelled"]);
    node.peer.run("pause all");
    wait_for_states(&mut node, &["paused", "paused", "paused", "cancelled"]);
    // The first of them takes the free slot.
    node.peer.run("resume all");
    wait_for_states(&mut node, &["active", "queued 2", "queued 1", "cancelled"]);
}

#[test]
fn invalid_pause_and_priority_commands_are_reported() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[]);
    for (command, reason) in [
        ("pause", "a number is missing"),
        ("pause x", "x is not a number"),
        ("pause 1", "download 1 is neither under way nor failed"),
        ("resume 1", "download 1 is neither under way nor failed"),
        ("priority 1", "1 is not a priority"),
        ("priority high", "a number is missing"),
        ("priority 1 high", "download 1 is neither under way nor failed"),
    ] {
        let answer = node.peer.run(command);
        assert!(answer.errors().len() == 1 && answer.contains(reason), "{command}: {answer:#?}");
    }
    assert!(node.peer.run("pause all").errors().is_empty());
}

#[test]
fn paused_download_resumes_where_it_stopped() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(210, 20 * PIECE_LENGTH + 3);
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("10/21 pieces")
    });
    let answer = node.peer.run("pause 1");
    assert!(answer.contains("big.iso: paused at 49%") || answer.contains(": paused at 49%"), "{answer:#?}");
    drop(half);
    let sharer = network.start_node(&[("big.iso", &content)]);
    assert_eq!(node.peer.run("transfers").download_states(), ["paused"]);
    node.peer.run("resume 1");
    // Requesting it again follows it to its end.
    let answer = node.peer.run(&format!("download {}", content.digest));
    if let [done] = answer.completed_downloads().as_slice() {
        let sent = done.sources.iter().find(|(address, _)| *address == sharer.peer.address());
        assert_eq!(sent.map(|(_, bytes)| *bytes), Some(10 * PIECE_LENGTH as u64 + 3), "{answer:#?}");
    } else {
        assert!(answer.contains("already here"), "{answer:#?}");
    }
    node.path_of(&content);
}

#[test]
fn requesting_a_paused_download_resumes_it() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(211, 3 * PIECE_LENGTH);
    let silent = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::NeverAnswers);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    node.peer.run("pause all");
    drop(silent);
    let _sharer = network.start_node(&[("a.bin", &content)]);
    node.download(&content);
}

/// Returns the partial files that a process has open.
fn open_part_files(node: &mut RunningNode) -> Vec<PathBuf> {
    let descriptors =
        fs::read_dir(format!("/proc/{}/fd", node.peer.process().child().id())).expect("a process");
    let open = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    open.filter(|path| path.to_string_lossy().contains(".part")).collect()
}

#[test]
fn cancelled_download_leaves_no_file_open() {
    let mut network = TestNetwork::new();
    let [slow, half, never_seen, waiting] =
        [260, 261, 262, 263].map(|seed| TestContent::random(seed, 20 * PIECE_LENGTH));
    let _slow = network
        .start_node_with(&[("slow.iso", &slow), ("waiting.iso", &waiting)], &["--max-upload-rate", "100K"]);
    let half_source = HostilePeer::join(network.index.address(), "half.iso", &half, Lie::FirstHalf);
    let mut node = network.start_empty_node(&["--max-active-downloads", "3"]);
    for content in [&slow, &half, &never_seen, &waiting] {
        node.peer.run(&format!("download {} &", content.digest));
    }
    wait_until("half of one file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("10/20 pieces")
    });
    drop(half_source);
    wait_until("one download without sources and one never seen", DEFAULT_TIMEOUT, || {
        let states = node.peer.run("transfers").download_states();
        states.contains(&"waiting for sources".to_owned()) && states.contains(&"never seen".to_owned())
    });
    assert!(!open_part_files(&mut node).is_empty());
    node.peer.run("pause 4");
    // Active, waiting for sources, never seen, paused; each is cancelled twice, which changes nothing.
    for _ in 0..2 {
        for number in 1..=4 {
            node.peer.run(&format!("cancel {number}"));
        }
    }
    wait_for_states(&mut node, &["cancelled"; 4]);
    wait_until("the partial files to be closed", DEFAULT_TIMEOUT, || open_part_files(&mut node).is_empty());
    assert!(node.folder.visible_files().is_empty());
    // The slots are free again.
    node.peer.run("limit up off");
    let complete = network.start_node(&[("half.iso", &half)]);
    let done = node.download(&half);
    assert_eq!(
        done.bytes_received_from(complete.peer.address()),
        half.size() / 2,
        "the verified half is kept"
    );
}
