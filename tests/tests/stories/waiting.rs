//! A download waits for anything that can return: sources, queue positions, the index. It reports what it waits for.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::{peer_node, run_script, run_with_input};
use tests::terminal::Terminal;
use tests::test_folder::TestFolder;

/// Time limit for a download without sources to yield its turn, and for a waiting download to find a source.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(1);

/// Enough for many downloads from one slow source.
const LONG_TIMEOUT: Duration = Duration::from_mins(2);

fn wait_for_states(node: &mut RunningNode, expected: &[&str], limit: Duration) {
    wait_until(&format!("the downloads to be {expected:?}"), limit, || {
        node.peer.run("transfers").download_states() == expected
    });
}

#[test]
fn download_continues_after_a_long_absence_of_its_source() {
    let mut network = TestNetwork::new();
    let (content, unknown) =
        (TestContent::random(500, 40 * PIECE_LENGTH), TestContent::random(501, 4 * PIECE_LENGTH));
    let slow = ["--max-upload-rate", "2M"];
    let mut source = network.start_node_with(&[("big.iso", &content)], &slow);
    let mut node = network.start_empty_node(&["--max-active-downloads", "1"]);
    node.peer.run(&format!("download {} &", content.digest));
    wait_until("a part of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").bytes_verified().is_some_and(|verified| verified > content.size() / 4)
    });
    source.peer.kill();
    wait_for_states(&mut node, &["waiting for sources"], DEFAULT_TIMEOUT);
    node.peer.run(&format!("download {} &", unknown.digest));
    wait_for_states(&mut node, &["waiting for sources", "queued 1"], DEFAULT_TIMEOUT);
    // Finally the first download yields to the other one, and neither of them fails.
    wait_for_states(&mut node, &["waiting for sources", "never seen"], RECOVERY_TIMEOUT);
    let missing = content.size() - node.peer.run("transfers").bytes_verified().expect("a download");
    source.restart_with(network.index.address(), &[]);
    let back = Instant::now();
    wait_for_states(&mut node, &["done", "never seen"], RECOVERY_TIMEOUT);
    eprintln!("continued and done {:?} after the source was back", back.elapsed());
    node.path_of(&content);
    let sent = source.bytes_sent();
    assert!(sent < missing + 3 * PIECE_LENGTH as u64, "{sent} bytes sent of {missing} that were missing");
}

#[test]
fn waiting_downloads_retry_when_the_index_returns() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(502, 4 * PIECE_LENGTH);
    let mut node = network.start_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    wait_for_states(&mut node, &["never seen"], DEFAULT_TIMEOUT);
    network.index.kill();
    wait_until("the lost connection to be noticed", DEFAULT_TIMEOUT, || {
        node.peer.run("status").contains("no connection")
    });
    network.index.restart();
    let _source = network.start_node(&[("late.bin", &content)]);
    wait_for_states(&mut node, &["done"], RECOVERY_TIMEOUT);
    node.path_of(&content);
}

#[test]
fn thirteen_nodes_share_a_source_with_two_slots() {
    let mut network = TestNetwork::new();
    let contents: Vec<(String, TestContent)> =
        (0..13).map(|at| (format!("{at}.bin"), TestContent::random(510 + at, 4 * PIECE_LENGTH))).collect();
    let files: Vec<(&str, &TestContent)> =
        contents.iter().map(|(name, content)| (&**name, content)).collect();
    let options = ["--upload-slots", "2", "--max-upload-rate", "1M"];
    let source = network.start_node_with(&files, &options);
    let mut nodes: Vec<RunningNode> = contents.iter().map(|_| network.start_empty_node(&[])).collect();
    for (node, (_, content)) in nodes.iter_mut().zip(&contents) {
        node.peer.run(&format!("download {} &", content.digest));
    }
    let queued = format!("queued at {}, position ", source.peer.address());
    let mut deepest = 0;
    wait_until("a node to be far back in the queue", DEFAULT_TIMEOUT, || {
        let states = nodes.iter_mut().flat_map(|node| node.peer.run("transfers").download_states());
        let positions = states.filter_map(|state| queue_position_in(&state, &queued));
        deepest = deepest.max(positions.max().unwrap_or(0));
        deepest >= 5
    });
    for node in &mut nodes {
        wait_for_states(node, &["done"], LONG_TIMEOUT);
    }
}

/// Returns the queue position in a state, if there is one.
fn queue_position_in(state: &str, beginning: &str) -> Option<u32> {
    let (position, length) = state.strip_prefix(beginning)?.split_once(" of ")?;
    let (position, length): (u32, u32) = (position.parse().ok()?, length.parse().ok()?);
    assert!(position <= length && length <= 13, "{state}");
    Some(position)
}

#[test]
fn script_timeout_has_its_own_exit_status() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(530, 4 * PIECE_LENGTH);
    let share_dir = TestFolder::new();
    let download = format!("download {}", content.digest);
    let output = run_script(network.index.address(), share_dir.path(), &[&format!("{download} --timeout 1")]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{errors}");
    assert!(errors.contains("unfinished, will resume (never seen)"), "{errors}");
    let mut command = peer_node(0, network.index.address(), share_dir.path());
    command.args(["--timeout", "1"]);
    let output = run_with_input(command, &format!("{download}\n"));
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    // A failure takes precedence over an unfinished download.
    let output = run_script(
        network.index.address(),
        share_dir.path(),
        &["download 9", &format!("{download} --timeout=1")],
    );
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let _sharer = network.start_node(&[("late.bin", &content)]);
    let output = run_script(network.index.address(), share_dir.path(), &[&download]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(share_dir.visible_files().values().any(|file| *file == content));
}

#[test]
fn script_timeout_reports_finished_and_unfinished_downloads() {
    let mut network = TestNetwork::new();
    let (missing, present) = (TestContent::random(533, PIECE_LENGTH), TestContent::random(534, PIECE_LENGTH));
    let _sharer = network.start_node(&[("here.bin", &present)]);
    let share_dir = TestFolder::new();
    let download = format!("download {} {} --timeout 3", missing.digest, present.digest);
    let output = run_script(network.index.address(), share_dir.path(), &[&download]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{errors}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.lines().any(|line| line.starts_with("done\t")), "{shown}{errors}");
    let unfinished = errors.lines().filter(|line| line.contains("unfinished, will resume"));
    assert_eq!(unfinished.count(), 1, "{errors}");
}

#[test]
fn background_failure_fails_the_script() {
    let mut network = TestNetwork::new();
    let (one, other) = (TestContent::random(535, 300), TestContent::random(536, PIECE_LENGTH));
    let _sharer = network.start_node(&[("one.bin", &one), ("other.bin", &other)]);
    let (share_dir, folder) = (TestFolder::new(), tempfile::tempdir().expect("a folder"));
    let blocked = folder.path().join("blocked");
    fs::write(&blocked, "in the way").expect("a file");
    let fails = format!("download {} as {}/one.bin &", one.digest, blocked.display());
    let follows = format!("download {}", other.digest);
    let output = run_script(network.index.address(), share_dir.path(), &[&fails, &follows]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("not a folder that can be written"), "{errors}");
}

#[test]
fn waiting_script_gets_a_periodic_reason() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(531, 4 * PIECE_LENGTH);
    let mut node = network.start_node(&[]);
    let started = node.peer.start_command(&format!("download {}", content.digest));
    wait_until("the reason to be printed", RECOVERY_TIMEOUT, || node.peer.output().contains(": never seen"));
    let _sharer = network.start_node(&[("late.bin", &content)]);
    let answer = node.peer.wait_for_output(started);
    assert!(answer.completed_downloads().len() == 1 && answer.errors().is_empty(), "{answer:#?}");
    assert!(answer.0.iter().any(|line| line.starts_with("note: ")), "{answer:#?}");
}

#[test]
fn progress_bar_shows_why_a_download_waits() {
    let network = TestNetwork::new();
    let (content, share_dir) = (TestContent::random(532, PIECE_LENGTH), TestFolder::new());
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), share_dir.path()));
    assert!(terminal.wait_for_prompt());
    terminal.type_keys(&format!("download {}\r", content.digest));
    assert!(terminal.wait_for_text("never seen", DEFAULT_TIMEOUT), "{}", terminal.text());
    terminal.process.signal(Signal::INT);
    assert!(terminal.wait_for_text(": stopped", DEFAULT_TIMEOUT), "{}", terminal.text());
    let answer = terminal.enter(&format!("download {} --timeout 1", content.digest));
    assert!(answer.contains("in the background"), "{answer}");
}
