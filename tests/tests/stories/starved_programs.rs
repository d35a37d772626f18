//! Programs that get little processor time or little memory.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::index::IndexProcess;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::peer_node;
use tests::process::command_after;

/// How many processes compete with the programs for one processor.
const BUSY_PROCESSES: usize = 6;

/// The address space that suffices for each program, in KiB.
const ADDRESS_SPACE: &str = "1500000";

/// Processes that keep the first processor busy; they end with the test.
struct BusyProcessor(Vec<Child>);

impl BusyProcessor {
    fn new() -> Self {
        let start = |_| {
            let mut command = Command::new("taskset");
            command.args(["-c", "0", "sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
            command.spawn().expect("taskset")
        };
        Self((0..BUSY_PROCESSES).map(start).collect())
    }
}

impl Drop for BusyProcessor {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a node in a shell that first runs `setup`.
fn start_node_after(setup: &str, network: &TestNetwork, files: &[(&str, &TestContent)]) -> RunningNode {
    let index = network.index.address();
    RunningNode::launch(files, |folder| command_after(setup, &peer_node(0, index, folder), &[]))
}

#[test]
fn starved_programs_have_no_false_timeouts() {
    // Each program has one processor at a low priority and shares it with busy processes.
    let starved = "taskset -p -c 0 $$ >/dev/null && renice -n 10 $$ >/dev/null";
    let mut network = TestNetwork::with_index(IndexProcess::start_after(starved, &[]));
    let content = TestContent::random(474, 24 * PIECE_LENGTH);
    let mut sharer = start_node_after(starved, &network, &[("film.mkv", &content)]);
    network.wait_for_files_within(sharer.peer.address(), 1, DEFAULT_TIMEOUT);
    let mut fetcher = start_node_after(starved, &network, &[]);
    let _busy = BusyProcessor::new();
    let answer = fetcher.peer.run_within(&format!("download {}", content.digest), Duration::from_mins(2));
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    // Nothing was requested again because it was late, and nobody was disconnected.
    assert_eq!(done.bytes_received(), content.size(), "{done:?}");
    assert_eq!(network.observer().sources(content.digest).len(), 2);
    assert!(sharer.peer.run("status").errors().is_empty());
}

#[test]
fn limited_address_space_is_sufficient() {
    let limited = format!("ulimit -v {ADDRESS_SPACE}");
    let mut network = TestNetwork::with_index(IndexProcess::start_after(&limited, &[]));
    let content = TestContent::random(475, 160 * PIECE_LENGTH);
    let sharer = start_node_after(&limited, &network, &[("film.mkv", &content)]);
    network.wait_for_files(sharer.peer.address(), 1);
    let mut fetcher = start_node_after(&limited, &network, &[]);
    fetcher.download(&content);
    fetcher.path_of(&content);
}
