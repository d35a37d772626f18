//! A download waits for what can come back: sources, a place in their queues, the index; and says what it waits for.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::network::{Network, Node};
use tests::peer::{peer_node, run, script};
use tests::terminal::Terminal;

/// How long a download that has lost its sources may keep its turn, and how long one that waits may take to find a source.
const WITHIN: Duration = Duration::from_mins(1);

/// Enough for many downloads from one slow source.
const LONG: Duration = Duration::from_mins(2);

fn wait_for_states(node: &mut Node, expected: &[&str], limit: Duration) {
    until(&format!("the downloads to be {expected:?}"), limit, || {
        node.peer.say("transfers").states() == expected
    });
}

#[test]
fn a_download_continues_after_its_only_source_was_long_away() {
    let mut network = Network::new();
    let (content, unknown) = (Content::random(500, 40 * PIECE), Content::random(501, 4 * PIECE));
    let slow = ["--max-upload-rate", "2M"];
    let mut source = network.sharer(&[("big.iso", &content)], &slow);
    let mut node = network.node_with(&["--max-active-downloads", "1"]);
    node.peer.say(&format!("download {} &", content.digest));
    until("some of it to be here", SOON, || {
        node.peer.say("transfers").bytes_here().is_some_and(|here| here > content.size() / 4)
    });
    source.peer.kill();
    wait_for_states(&mut node, &["waiting for sources"], SOON);
    node.peer.say(&format!("download {} &", unknown.digest));
    wait_for_states(&mut node, &["waiting for sources", "queued 1"], SOON);
    // At last it makes way for the other one, and neither of them fails.
    wait_for_states(&mut node, &["waiting for sources", "never seen"], WITHIN);
    let missing = content.size() - node.peer.say("transfers").bytes_here().expect("a download");
    source.start_again_with(network.index.address(), &[]);
    let back = Instant::now();
    wait_for_states(&mut node, &["done", "never seen"], WITHIN);
    eprintln!("continued and done {:?} after the source was back", back.elapsed());
    node.has(&content);
    let sent = source.sent();
    assert!(sent < missing + 3 * PIECE as u64, "{sent} bytes sent of {missing} that were missing");
}

#[test]
fn downloads_that_wait_ask_at_once_when_the_index_comes_back() {
    let mut network = Network::new();
    let content = Content::random(502, 4 * PIECE);
    let mut node = network.node(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    wait_for_states(&mut node, &["never seen"], SOON);
    network.index.kill();
    until("the index to be missed", SOON, || node.peer.say("status").has("no connection"));
    network.index.restart();
    let _source = network.node(&[("late.bin", &content)]);
    wait_for_states(&mut node, &["done"], WITHIN);
    node.has(&content);
}

#[test]
fn thirteen_nodes_at_one_source_with_two_slots_all_get_their_file() {
    let mut network = Network::new();
    let contents: Vec<(String, Content)> =
        (0..13).map(|at| (format!("{at}.bin"), Content::random(510 + at, 4 * PIECE))).collect();
    let files: Vec<(&str, &Content)> = contents.iter().map(|(name, content)| (&**name, content)).collect();
    let options = ["--upload-slots", "2", "--max-upload-rate", "1M"];
    let source = network.sharer(&files, &options);
    let mut nodes: Vec<Node> = contents.iter().map(|_| network.node_with(&[])).collect();
    for (node, (_, content)) in nodes.iter_mut().zip(&contents) {
        node.peer.say(&format!("download {} &", content.digest));
    }
    let queued = format!("queued at {}, position ", source.peer.address());
    let mut deepest = 0;
    until("somebody to be far behind in the queue", SOON, || {
        let states = nodes.iter_mut().flat_map(|node| node.peer.say("transfers").states());
        let places = states.filter_map(|state| place_in(&state, &queued));
        deepest = deepest.max(places.max().unwrap_or(0));
        deepest >= 5
    });
    for node in &mut nodes {
        wait_for_states(node, &["done"], LONG);
    }
}

/// Returns the position that a state tells, if it tells one.
fn place_in(state: &str, beginning: &str) -> Option<u32> {
    let (place, length) = state.strip_prefix(beginning)?.split_once(" of ")?;
    let (place, length): (u32, u32) = (place.parse().ok()?, length.parse().ok()?);
    assert!(place <= length && length <= 13, "{state}");
    Some(place)
}

#[test]
fn a_script_that_waits_no_longer_ends_with_a_status_of_its_own() {
    let mut network = Network::new();
    let content = Content::random(530, 4 * PIECE);
    let home = Home::new();
    let download = format!("download {}", content.digest);
    let output = script(network.index.address(), home.path(), &[&format!("{download} --timeout 1")]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{errors}");
    assert!(errors.contains("unfinished, will resume (never seen)"), "{errors}");
    let mut command = peer_node(0, network.index.address(), home.path());
    command.args(["--timeout", "1"]);
    let output = run(command, &format!("{download}\n"));
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    // What failed weighs more than what is unfinished.
    let output =
        script(network.index.address(), home.path(), &["download 9", &format!("{download} --timeout=1")]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let _sharer = network.node(&[("late.bin", &content)]);
    let output = script(network.index.address(), home.path(), &[&download]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(home.files().values().any(|file| *file == content));
}

#[test]
fn a_script_learns_of_all_that_is_over_when_it_waits_no_longer() {
    let mut network = Network::new();
    let (missing, here) = (Content::random(533, PIECE), Content::random(534, PIECE));
    let _sharer = network.node(&[("here.bin", &here)]);
    let home = Home::new();
    let download = format!("download {} {} --timeout 3", missing.digest, here.digest);
    let output = script(network.index.address(), home.path(), &[&download]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{errors}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.lines().any(|line| line.starts_with("done\t")), "{shown}{errors}");
    let unfinished = errors.lines().filter(|line| line.contains("unfinished, will resume"));
    assert_eq!(unfinished.count(), 1, "{errors}");
}

#[test]
fn a_failure_in_the_background_is_a_failure_of_the_script() {
    let mut network = Network::new();
    let (one, other) = (Content::random(535, 300), Content::random(536, PIECE));
    let _sharer = network.node(&[("one.bin", &one), ("other.bin", &other)]);
    let (home, folder) = (Home::new(), tempfile::tempdir().expect("a folder"));
    let blocked = folder.path().join("blocked");
    fs::write(&blocked, "in the way").expect("a file");
    let fails = format!("download {} as {}/one.bin &", one.digest, blocked.display());
    let follows = format!("download {}", other.digest);
    let output = script(network.index.address(), home.path(), &[&fails, &follows]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("not a folder that can be written"), "{errors}");
}

#[test]
fn a_script_is_told_every_half_minute_why_it_waits() {
    let mut network = Network::new();
    let content = Content::random(531, 4 * PIECE);
    let mut node = network.node(&[]);
    let asked = node.peer.begin(&format!("download {}", content.digest));
    until("the reason to be told", WITHIN, || node.peer.output().contains(": never seen"));
    let _sharer = network.node(&[("late.bin", &content)]);
    let answer = node.peer.answer(asked);
    assert!(answer.done().len() == 1 && answer.errors().is_empty(), "{answer:#?}");
    assert!(answer.0.iter().any(|line| line.starts_with("note: ")), "{answer:#?}");
}

#[test]
fn a_person_sees_in_the_bar_why_a_download_waits_and_ctrl_c_stops_it() {
    let network = Network::new();
    let (content, home) = (Content::random(532, PIECE), Home::new());
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), home.path()));
    assert!(terminal.is_ready());
    terminal.press(&format!("download {}\r", content.digest));
    assert!(terminal.shows("never seen", SOON), "{}", terminal.text());
    terminal.process.signal(Signal::INT);
    assert!(terminal.shows(": stopped", SOON), "{}", terminal.text());
    let answer = terminal.enter(&format!("download {} --timeout 1", content.digest));
    assert!(answer.contains("in the background"), "{answer}");
}
