//! Downloads that were active when their node ended resume after its restart.

use std::fs;

use protocol::units::parse_size;
use rustix::process::Signal;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::index::IndexProcess;
use tests::network::{RunningNode, TestNetwork};
use tests::peer::{PeerProcess, peer_node};
use tests::terminal::Terminal;
use tests::test_folder::TestFolder;

/// Reads the stored list of downloads.
fn read_download_list(share_dir: &TestFolder) -> String {
    fs::read_to_string(share_dir.path().join(".peerdex/downloads.json")).unwrap_or_default()
}

/// Waits until the stored list contains exactly the given downloads.
fn wait_for_list(share_dir: &TestFolder, contents: &[&TestContent]) {
    wait_until(&format!("{} downloads to be listed", contents.len()), DEFAULT_TIMEOUT, || {
        let list = read_download_list(share_dir);
        let count = list.matches("\"digest\"").count();
        count == contents.len() && contents.iter().all(|content| list.contains(&content.digest.to_string()))
    });
}

fn wait_until_downloaded(node: &RunningNode, content: &TestContent) {
    wait_until("the download to complete", DEFAULT_TIMEOUT, || {
        node.folder.visible_files().values().any(|file| file == content)
    });
}

/// Returns a node that has half of the content and gets no more for now.
fn half_downloaded_node(network: &TestNetwork, content: &TestContent) -> RunningNode {
    let half = HostilePeer::join(network.index.address(), "big.iso", content, Lie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("10/20 pieces")
    });
    wait_for_list(&node.folder, &[content]);
    drop(half);
    node
}

#[test]
fn download_resumes_after_kill_9_with_the_missing_pieces() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(220, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    // The record beside the partial file is written once a second.
    wait_until("the record to have the pieces", DEFAULT_TIMEOUT, || {
        let record = fs::read_to_string(node.folder.part_record_path(&content)).unwrap_or_default();
        record.contains("ffc000")
    });
    node.peer.kill();
    let sharer = network.start_node(&[("big.iso", &content)]);
    node.restart(network.index.address());
    wait_until_downloaded(&node, &content);
    wait_for_list(&node.folder, &[]);
    let sent = sharer.folder.path().join(".peerdex");
    assert!(sent.is_dir());
    let transfers = node.peer.run("transfers");
    assert_eq!(transfers.download_states(), ["done"], "{transfers:#?}");
    let received = node.peer.run("status").0.into_iter().find(|line| line.starts_with("totals"));
    assert!(received.is_some_and(|totals| totals.contains("2.5 MiB received")), "more than the missing half");
}

#[test]
fn download_resumes_after_sigterm_and_waits_for_the_index() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(221, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    assert_eq!(node.peer.stop(), Some(0));
    assert!(read_download_list(&node.folder).contains(&content.digest.to_string()));
    // The download waits, with or without an index.
    let (folder, address) = (tempfile::tempdir().expect("a folder"), network.index.address());
    drop(folder);
    network.index.kill();
    node.restart(address);
    wait_until("the download to wait", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["waiting for sources"]
    });
    let mut network = TestNetwork::with_index(IndexProcess::start());
    drop(network.start_node(&[]));
    assert_eq!(node.peer.run("transfers").download_states(), ["waiting for sources"]);
    assert_eq!(node.peer.stop(), Some(0));
    let _sharer = network.start_node(&[("big.iso", &content)]);
    node.restart(network.index.address());
    wait_until_downloaded(&node, &content);
}

#[test]
fn resumed_download_waits_for_its_sources() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(222, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    node.restart(network.index.address());
    wait_until("the download to wait", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["waiting for sources"]
    });
    let _sharer = network.start_node(&[("big.iso", &content)]);
    node.peer.run("resume 1");
    wait_until_downloaded(&node, &content);
}

#[test]
fn paused_download_stays_paused_after_a_restart() {
    let network = TestNetwork::new();
    let content = TestContent::random(223, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    node.peer.run("pause 1");
    node.peer.run("priority 1 low");
    wait_until("the pause to be recorded", DEFAULT_TIMEOUT, || {
        let list = read_download_list(&node.folder);
        list.contains("\"paused\":true") && list.contains("\"low\"")
    });
    node.peer.kill();
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(
        terminal.wait_for_prompt() && terminal.text().contains("1 download paused"),
        "{}",
        terminal.text()
    );
    assert!(terminal.enter("transfers").contains("paused"));
    let answer = terminal.enter("resume 1");
    assert!(answer.contains("resumed"), "{answer}");
    terminal.process.signal(Signal::TERM);
    terminal.process.wait(DEFAULT_TIMEOUT);
    let terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(
        terminal.wait_for_prompt() && terminal.text().contains("1 download resumed"),
        "{}",
        terminal.text()
    );
}

#[test]
fn cancelled_download_is_not_resumed() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(224, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    node.peer.run("cancel 1");
    wait_for_list(&node.folder, &[]);
    node.peer.stop();
    assert!(!read_download_list(&node.folder).contains("digest"));
    // The partial file is kept and used when the content is requested again.
    let _sharer = network.start_node(&[("big.iso", &content)]);
    node.restart(network.index.address());
    assert!(node.peer.run("transfers").download_states().is_empty());
    let done = node.download(&content);
    let given: u64 = done.sources.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(given, content.size() / 2);
}

#[test]
fn resumed_download_reports_rate_and_sources_of_this_run() {
    const LIMIT: u64 = 1 << 20;
    let mut network = TestNetwork::new();
    let content = TestContent::random(225, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    let limit = LIMIT.to_string();
    let _sharer = network.start_node_with(&[("big.iso", &content)], &["--max-upload-rate", &limit]);
    node.restart(network.index.address());
    let answer = node.peer.run(&format!("download {}", content.digest));
    let [done] = &answer.completed_downloads()[..] else { panic!("{answer:#?}") };
    assert_eq!(done.bytes_received(), content.size() / 2, "{answer:#?}");
    let rate = parse_size(done.rate.trim_end_matches("/s")).expect("a rate");
    assert!(rate <= LIMIT * 3 / 2, "{rate} bytes per second under a limit of {LIMIT}");
}

#[test]
fn failed_download_stays_listed_until_it_succeeds() {
    let mut network = TestNetwork::new();
    let (one, other) = (TestContent::random(229, 3 * PIECE_LENGTH), TestContent::random(230, 300));
    let _sharer = network.start_node(&[("one.bin", &one), ("other.bin", &other)]);
    let mut node = network.start_node(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    // A file is in the place of a folder.
    let blocked = folder.path().join("blocked");
    fs::write(&blocked, "in the way").expect("a file");
    for (content, name) in [(&one, "one.bin"), (&other, "other.bin")] {
        let command = format!("download {} as {}/{name}", content.digest, blocked.display());
        let answer = node.peer.run(&command);
        assert!(
            answer.errors().len() == 1 && answer.contains("not a folder that can be written"),
            "{answer:#?}"
        );
    }
    assert_eq!(node.peer.run("transfers").download_states(), ["failed", "failed"]);
    // Clearing finished downloads keeps the failed ones.
    assert!(node.peer.run("transfers clear").errors().is_empty());
    assert_eq!(node.peer.run("transfers").download_states(), ["failed", "failed"]);
    // A retry fails again for the same reason.
    assert!(node.peer.run("retry 1").errors().is_empty());
    wait_until("the download to fail again", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["failed", "failed"]
    });
    // A restart retries both; the list keeps them.
    wait_for_list(&node.folder, &[&one, &other]);
    node.restart(network.index.address());
    wait_until("both downloads to fail again", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["failed", "failed"]
    });
    wait_for_list(&node.folder, &[&one, &other]);
    fs::remove_file(&blocked).expect("a file");
    assert!(node.peer.run("retry 1").contains("one.bin: retrying"));
    assert!(node.peer.run("resume 2").contains("other.bin: resumed"));
    wait_until("both downloads to complete", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["done", "done"]
    });
    for (content, name) in [(&one, "one.bin"), (&other, "other.bin")] {
        let bytes = fs::read(blocked.join(name)).expect("the file");
        assert_eq!(TestContent::from_bytes(bytes).digest, content.digest);
    }
    wait_for_list(&node.folder, &[]);
    assert!(node.peer.run("retry all").contains("no download has failed"));
}

#[test]
fn cancel_removes_a_failed_download() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(231, PIECE_LENGTH);
    let _sharer = network.start_node(&[("one.bin", &content)]);
    let mut node = network.start_node(&[]);
    let command = format!("download {} as /dev/null/one.bin", content.digest);
    assert_eq!(node.peer.run(&command).errors().len(), 1);
    wait_for_list(&node.folder, &[&content]);
    assert!(node.peer.run("cancel 1").contains("one.bin: removed"));
    assert!(node.peer.run("transfers").download_states().is_empty());
    wait_for_list(&node.folder, &[]);
}

#[test]
fn damaged_download_list_is_reported_and_kept() {
    let network = TestNetwork::new();
    let content = TestContent::random(226, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    node.peer.kill();
    let path = node.folder.path().join(".peerdex/downloads.json");
    let full_list = read_download_list(&node.folder);
    fs::write(&path, &full_list[..full_list.len() / 2]).expect("a file");
    node.peer = PeerProcess::start(network.index.address(), node.folder.path());
    assert!(node.peer.output().contains("warning: the list of downloads cannot be used"));
    assert!(node.peer.run("transfers").download_states().is_empty());
    let aside = fs::read_to_string(path.with_extension("json.damaged")).expect("the damaged list");
    assert_eq!(aside, full_list[..full_list.len() / 2]);
}

#[test]
fn interrupted_script_download_is_followed_by_a_later_script() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(227, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    node.restart(network.index.address());
    let started = node.peer.start_command(&format!("download {}", content.digest));
    node.peer.process().signal(Signal::INT);
    // The node may not have read the command yet.
    assert!(matches!(node.peer.process().wait(DEFAULT_TIMEOUT).code(), Some(0 | 1)));
    assert!(
        read_download_list(&node.folder).contains(&content.digest.to_string()),
        "{started}: {}",
        node.peer.output()
    );
    let _sharer = network.start_node(&[("big.iso", &content)]);
    node.restart(network.index.address());
    let answer = node.peer.run(&format!("download {}", content.digest));
    assert!(answer.completed_downloads().len() == 1 || answer.contains("already here"), "{answer:#?}");
    node.path_of(&content);
}

#[test]
fn file_finished_just_before_a_kill_is_not_fetched_again() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(228, 20 * PIECE_LENGTH);
    let mut node = half_downloaded_node(&network, &content);
    node.peer.kill();
    // As if the node had been killed after it renamed the file and before it removed the download from the list.
    for path in [node.folder.part_path(&content), node.folder.part_record_path(&content)] {
        fs::remove_file(path).expect("the part");
    }
    node.folder.put("big.iso", &content);
    let _sharer = network.start_node(&[("other.iso", &content)]);
    node.restart(network.index.address());
    wait_until("the download to complete", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["done"]
    });
    wait_for_list(&node.folder, &[]);
    assert_eq!(node.folder.visible_files().keys().collect::<Vec<_>>(), ["big.iso"]);
}
