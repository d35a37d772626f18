//! Downloads that were under way when their node ended go on when it is started again.

use std::fs;

use protocol::units::parse_size;
use rustix::process::Signal;
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::hostile_peer::{HostilePeer, Lie};
use tests::index::Index;
use tests::network::{Network, Node};
use tests::peer::{Peer, peer_node};
use tests::terminal::Terminal;

/// Reads the list of downloads as it lies on disk.
fn list(home: &Home) -> String {
    fs::read_to_string(home.path().join(".peerdex/downloads.json")).unwrap_or_default()
}

/// Waits until exactly these contents are listed on disk.
fn wait_for_list(home: &Home, contents: &[&Content]) {
    until(&format!("{} downloads to be listed", contents.len()), SOON, || {
        let list = list(home);
        let count = list.matches("\"digest\"").count();
        count == contents.len() && contents.iter().all(|content| list.contains(&content.digest.to_string()))
    });
}

fn wait_until_here(node: &Node, content: &Content) {
    until("the download to be complete", SOON, || node.home.files().values().any(|file| file == content));
}

/// A node that has half of a content, and will get no more of it for now.
fn half_way(network: &Network, content: &Content) -> Node {
    let half = HostilePeer::join(network.index.address(), "big.iso", content, Lie::FirstHalf);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    until("half of it to be here", SOON, || node.peer.say("transfers").has("10/20 pieces"));
    wait_for_list(&node.home, &[content]);
    drop(half);
    node
}

#[test]
fn a_download_goes_on_by_itself_after_kill_9_and_fetches_only_what_is_missing() {
    let mut network = Network::new();
    let content = Content::random(220, 20 * PIECE);
    let mut node = half_way(&network, &content);
    // The record beside the part is written once a second.
    until("the record to have the pieces", SOON, || {
        let record = fs::read_to_string(node.home.part_record(&content)).unwrap_or_default();
        record.contains("ffc000")
    });
    node.peer.kill();
    let sharer = network.node(&[("big.iso", &content)]);
    node.start_again(network.index.address());
    wait_until_here(&node, &content);
    wait_for_list(&node.home, &[]);
    let sent = sharer.home.path().join(".peerdex");
    assert!(sent.is_dir());
    let transfers = node.peer.say("transfers");
    assert_eq!(transfers.states(), ["done"], "{transfers:#?}");
    let received = node.peer.say("status").0.into_iter().find(|line| line.starts_with("totals"));
    assert!(received.is_some_and(|totals| totals.contains("2.5 MiB received")), "more than the missing half");
}

#[test]
fn a_download_goes_on_after_sigterm_without_an_index_until_it_comes_back() {
    let mut network = Network::new();
    let content = Content::random(221, 20 * PIECE);
    let mut node = half_way(&network, &content);
    assert_eq!(node.peer.stop(), Some(0));
    assert!(list(&node.home).contains(&content.digest.to_string()));
    // It does not give up, whether there is an index or not.
    let (folder, address) = (tempfile::tempdir().expect("a folder"), network.index.address());
    drop(folder);
    network.index.kill();
    node.start_again(address);
    until("the download to wait", SOON, || node.peer.say("transfers").states() == ["waiting for sources"]);
    let mut network = Network::around(Index::start());
    drop(network.node(&[]));
    assert_eq!(node.peer.say("transfers").states(), ["waiting for sources"]);
    assert_eq!(node.peer.stop(), Some(0));
    let _sharer = network.node(&[("big.iso", &content)]);
    node.start_again(network.index.address());
    wait_until_here(&node, &content);
}

#[test]
fn a_resumed_download_waits_for_its_sources_and_takes_them_when_they_come() {
    let mut network = Network::new();
    let content = Content::random(222, 20 * PIECE);
    let mut node = half_way(&network, &content);
    node.start_again(network.index.address());
    until("the download to wait", SOON, || node.peer.say("transfers").states() == ["waiting for sources"]);
    let _sharer = network.node(&[("big.iso", &content)]);
    node.peer.say("resume 1");
    wait_until_here(&node, &content);
}

#[test]
fn a_paused_download_stays_paused_and_the_prompt_says_so() {
    let network = Network::new();
    let content = Content::random(223, 20 * PIECE);
    let mut node = half_way(&network, &content);
    node.peer.say("pause 1");
    node.peer.say("priority 1 low");
    until("the pause to be listed", SOON, || {
        let list = list(&node.home);
        list.contains("\"paused\":true") && list.contains("\"low\"")
    });
    node.peer.kill();
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    assert!(terminal.is_ready() && terminal.text().contains("1 download paused"), "{}", terminal.text());
    assert!(terminal.enter("transfers").contains("paused"));
    let answer = terminal.enter("resume 1");
    assert!(answer.contains("goes on"), "{answer}");
    terminal.process.signal(Signal::TERM);
    terminal.process.wait(SOON);
    let terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    assert!(terminal.is_ready() && terminal.text().contains("1 download goes on"), "{}", terminal.text());
}

#[test]
fn what_is_cancelled_is_not_begun_again() {
    let mut network = Network::new();
    let content = Content::random(224, 20 * PIECE);
    let mut node = half_way(&network, &content);
    node.peer.say("cancel 1");
    wait_for_list(&node.home, &[]);
    node.peer.stop();
    assert!(!list(&node.home).contains("digest"));
    // The part is kept, and serves whoever asks for it again.
    let _sharer = network.node(&[("big.iso", &content)]);
    node.start_again(network.index.address());
    assert!(node.peer.say("transfers").states().is_empty());
    let done = node.fetch(&content);
    let given: u64 = done.givers.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(given, content.size() / 2);
}

#[test]
fn the_rate_and_the_sources_of_a_resumed_download_are_those_of_this_run() {
    const LIMIT: u64 = 1 << 20;
    let mut network = Network::new();
    let content = Content::random(225, 20 * PIECE);
    let mut node = half_way(&network, &content);
    let limit = LIMIT.to_string();
    let _sharer = network.sharer(&[("big.iso", &content)], &["--max-upload-rate", &limit]);
    node.start_again(network.index.address());
    let answer = node.peer.say(&format!("download {}", content.digest));
    let [done] = &answer.done()[..] else { panic!("{answer:#?}") };
    assert_eq!(done.given(), content.size() / 2, "{answer:#?}");
    let rate = parse_size(done.rate.trim_end_matches("/s")).expect("a rate");
    assert!(rate <= LIMIT * 3 / 2, "{rate} bytes per second under a limit of {LIMIT}");
}

#[test]
fn a_download_that_failed_stays_listed_until_it_can_be_written() {
    let mut network = Network::new();
    let (one, other) = (Content::random(229, 3 * PIECE), Content::random(230, 300));
    let _sharer = network.node(&[("one.bin", &one), ("other.bin", &other)]);
    let mut node = network.node(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    // What should be a folder is a file.
    let blocked = folder.path().join("blocked");
    fs::write(&blocked, "in the way").expect("a file");
    for (content, name) in [(&one, "one.bin"), (&other, "other.bin")] {
        let command = format!("download {} as {}/{name}", content.digest, blocked.display());
        let answer = node.peer.say(&command);
        assert!(answer.errors().len() == 1 && answer.has("not a folder that can be written"), "{answer:#?}");
    }
    assert_eq!(node.peer.say("transfers").states(), ["failed", "failed"]);
    // Clearing what is over leaves them listed.
    assert!(node.peer.say("transfers clear").errors().is_empty());
    assert_eq!(node.peer.say("transfers").states(), ["failed", "failed"]);
    // It is tried again, and fails again for the same reason.
    assert!(node.peer.say("retry 1").errors().is_empty());
    until("the download to fail again", SOON, || node.peer.say("transfers").states() == ["failed", "failed"]);
    // A restart tries both again; the list keeps them.
    wait_for_list(&node.home, &[&one, &other]);
    node.start_again(network.index.address());
    until("both to fail again", SOON, || node.peer.say("transfers").states() == ["failed", "failed"]);
    wait_for_list(&node.home, &[&one, &other]);
    fs::remove_file(&blocked).expect("a file");
    assert!(node.peer.say("retry 1").has("one.bin: tries again"));
    assert!(node.peer.say("resume 2").has("other.bin: goes on"));
    until("both to be done", SOON, || node.peer.say("transfers").states() == ["done", "done"]);
    for (content, name) in [(&one, "one.bin"), (&other, "other.bin")] {
        let bytes = fs::read(blocked.join(name)).expect("the file");
        assert_eq!(Content::of(bytes).digest, content.digest);
    }
    wait_for_list(&node.home, &[]);
    assert!(node.peer.say("retry all").has("no download has failed"));
}

#[test]
fn a_download_that_failed_is_removed_by_cancel() {
    let mut network = Network::new();
    let content = Content::random(231, PIECE);
    let _sharer = network.node(&[("one.bin", &content)]);
    let mut node = network.node(&[]);
    let command = format!("download {} as /dev/null/one.bin", content.digest);
    assert_eq!(node.peer.say(&command).errors().len(), 1);
    wait_for_list(&node.home, &[&content]);
    assert!(node.peer.say("cancel 1").has("one.bin: removed"));
    assert!(node.peer.say("transfers").states().is_empty());
    wait_for_list(&node.home, &[]);
}

#[test]
fn a_damaged_list_is_told_and_kept_and_the_node_starts() {
    let network = Network::new();
    let content = Content::random(226, 20 * PIECE);
    let mut node = half_way(&network, &content);
    node.peer.kill();
    let path = node.home.path().join(".peerdex/downloads.json");
    let whole = list(&node.home);
    fs::write(&path, &whole[..whole.len() / 2]).expect("a file");
    node.peer = Peer::start(network.index.address(), node.home.path());
    assert!(node.peer.output().contains("warning: the list of downloads cannot be used"));
    assert!(node.peer.say("transfers").states().is_empty());
    let aside = fs::read_to_string(path.with_extension("json.damaged")).expect("the damaged list");
    assert_eq!(aside, whole[..whole.len() / 2]);
}

#[test]
fn a_script_follows_what_is_under_way_and_a_script_that_is_interrupted_goes_on_later() {
    let mut network = Network::new();
    let content = Content::random(227, 20 * PIECE);
    let mut node = half_way(&network, &content);
    node.start_again(network.index.address());
    let asked = node.peer.begin(&format!("download {}", content.digest));
    node.peer.process().signal(Signal::INT);
    // It may not have read the command by then.
    assert!(matches!(node.peer.process().wait(SOON).code(), Some(0 | 1)));
    assert!(list(&node.home).contains(&content.digest.to_string()), "{asked}: {}", node.peer.output());
    let _sharer = network.node(&[("big.iso", &content)]);
    node.start_again(network.index.address());
    let answer = node.peer.say(&format!("download {}", content.digest));
    assert!(answer.done().len() == 1 || answer.has("already here"), "{answer:#?}");
    node.has(&content);
}

#[test]
fn a_file_that_was_finished_just_before_the_end_is_not_fetched_again() {
    let mut network = Network::new();
    let content = Content::random(228, 20 * PIECE);
    let mut node = half_way(&network, &content);
    node.peer.kill();
    // As if the node had been killed between the renaming of the file and the forgetting of the download.
    for path in [node.home.part(&content), node.home.part_record(&content)] {
        fs::remove_file(path).expect("the part");
    }
    node.home.put("big.iso", &content);
    let _sharer = network.node(&[("other.iso", &content)]);
    node.start_again(network.index.address());
    until("the download to be done", SOON, || node.peer.say("transfers").states() == ["done"]);
    wait_for_list(&node.home, &[]);
    assert_eq!(node.home.files().keys().collect::<Vec<_>>(), ["big.iso"]);
}
