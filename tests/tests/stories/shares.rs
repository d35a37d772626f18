//! The overview of shares: every folder is listed, skipped entries are reported, and patterns exclude files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;
use tests::peer::{PeerProcess, peer_node, run_with_input};
use tests::terminal::Terminal;
use tests::test_folder::TestFolder;

fn to_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns a folder from which a link and a non-UTF-8 name are skipped.
fn folder_with_skipped_entries() -> TestFolder {
    let folder = TestFolder::with_file("plain.txt", &TestContent::random(160, 10));
    symlink("plain.txt", folder.path().join("link.txt")).expect("a link");
    fs::write(folder.path().join(OsStr::from_bytes(b"caf\xe9.txt")), b"x").expect("a file");
    folder
}

#[test]
fn shares_lists_every_folder_and_its_skipped_entries() {
    let mut network = TestNetwork::new();
    let folder = folder_with_skipped_entries();
    let mut peer = PeerProcess::start(network.index.address(), folder.path());
    network.wait_for_files(peer.address(), 1);
    let outside = TestFolder::with_file("music/song.ogg", &TestContent::random(161, 20));
    outside.put("music/song.wav", &TestContent::random(162, 30));
    let music = outside.path().join("music");
    let answer = peer.run(&format!("register --exclude *.wav \"{}\"", music.display()));
    assert!(answer.errors().is_empty() && answer.contains("shared\tmusic/song.ogg"), "{answer:#?}");
    assert!(answer.contains("excluded by the pattern *.wav"), "{answer:#?}");
    let answer = peer.run("shares");
    let lines = [
        format!("folder\t{}\t\t1\t10\t2", folder.path().display()),
        format!("folder\t{}\tmusic\t1\t20\t1", music.display()),
        format!("pattern\t{}\t*.wav", music.display()),
        format!("left out\t{}\tlinks are not shared", folder.path().join("link.txt").display()),
    ];
    for line in lines {
        assert!(answer.0.contains(&line), "{line} is missing: {answer:#?}");
    }
    assert!(answer.contains("caf\\xe9.txt\tits name is not UTF-8"), "{answer:#?}");
    let answer = peer.run("shares music");
    assert!(answer.contains("song.wav\texcluded") && !answer.contains("link.txt"), "{answer:#?}");
    let status = peer.run("status");
    assert!(status.contains("left out\t3 left out ("), "{status:#?}");
    assert!(status.contains("names: 1"), "{status:#?}");
    assert!(peer.run("files").contains("3 left out"));
}

#[test]
fn skipped_entries_are_reported_at_start() {
    let network = TestNetwork::new();
    let folder = folder_with_skipped_entries();
    let output = run_with_input(peer_node(0, network.index.address(), folder.path()), "transfers\n");
    let errors = to_text(&output.stderr);
    assert!(errors.contains("2 left out (links: 1, names: 1); see shares"), "{errors}");
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), folder.path()));
    assert!(
        terminal.wait_for_prompt() && terminal.wait_for_text("2 left out", DEFAULT_TIMEOUT),
        "{}",
        terminal.text()
    );
    let shares = terminal.enter("shares");
    assert!(shares.contains("left out, links: 1") && shares.contains("link.txt"), "{shares}");
}

#[test]
fn empty_registered_folder_is_listed_and_watched() {
    let mut network = TestNetwork::new();
    let node = network.start_node(&[]);
    drop(node.peer);
    let outside = TestFolder::new();
    outside.put("docs/.hidden", &TestContent::random(163, 10));
    let docs = outside.path().join("docs");
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    let answer = terminal.enter(&format!("register {}", docs.display()));
    assert!(answer.contains("is now shared"), "{answer}");
    assert!(terminal.enter("shares").contains(&docs.display().to_string()));
    outside.put("docs/new.txt", &TestContent::random(164, 10));
    network.wait_for_hits("new", 1, DEFAULT_TIMEOUT);
}

#[test]
fn home_folder_is_registered_only_after_confirmation() {
    let network = TestNetwork::new();
    let (folder, share) =
        (TestFolder::with_file("diary.txt", &TestContent::random(165, 10)), TestFolder::new());
    let command = || {
        let mut command = peer_node(0, network.index.address(), share.path());
        command.env("HOME", folder.path());
        command
    };
    let output = run_with_input(command(), "register ~\nshares\n");
    let errors = to_text(&output.stderr);
    assert!(errors.contains("is your home folder, or contains it; add --yes"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
    assert!(!to_text(&output.stdout).contains(&folder.path().display().to_string()));

    let mut terminal = Terminal::start(command());
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    terminal.type_keys("register ~\r");
    assert!(terminal.wait_for_text("share it anyway? [y/N]", DEFAULT_TIMEOUT), "{}", terminal.text());
    terminal.type_keys("n\r");
    let shares = terminal.enter("shares");
    assert!(!shares.contains(&folder.path().display().to_string()), "{shares}");
    terminal.type_keys("register ~\ry\r");
    wait_until("the home folder to be shared", DEFAULT_TIMEOUT, || {
        terminal.enter("shares").contains(&folder.path().display().to_string())
    });
    terminal.type_keys("quit\r");
    assert_eq!(terminal.process.wait(DEFAULT_TIMEOUT).code(), Some(0), "{}", terminal.text());
    let output = run_with_input(command(), "unregister ~\nregister --yes ~\n");
    assert!(to_text(&output.stdout).contains("diary.txt"), "{}", to_text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{}", to_text(&output.stderr));
}

#[test]
fn patterns_exclude_files_at_start_and_while_running() {
    let mut network = TestNetwork::new();
    let folder = TestFolder::with_file("a.txt", &TestContent::random(166, 10));
    folder.put("a.bak", &TestContent::random(167, 10));
    folder.put("b.tmp", &TestContent::random(168, 10));
    let mut command = peer_node(0, network.index.address(), folder.path());
    command.args(["--exclude", "*.bak", "--exclude=*.old"]);
    let mut peer = PeerProcess::launch(command);
    network.wait_for_files(peer.address(), 2);
    fs::write(folder.path().join(".peerdexignore"), "*.tmp\n").expect("a file");
    network.wait_for_files(peer.address(), 1);
    network.wait_for_hits("b.tmp", 0, DEFAULT_TIMEOUT);
    let shares = peer.run("shares");
    assert!(shares.contains("b.tmp\texcluded by the pattern *.tmp"), "{shares:#?}");
    assert!(shares.contains("pattern\t\t*.bak") && shares.contains("pattern\t\t*.old"), "{shares:#?}");
    fs::remove_file(folder.path().join(".peerdexignore")).expect("a removal");
    network.wait_for_files(peer.address(), 2);
    assert!(!peer.run("files").contains("a.bak"));
}

#[test]
fn invalid_pattern_prevents_the_start() {
    let network = TestNetwork::new();
    let folder = TestFolder::new();
    let mut command = peer_node(0, network.index.address(), folder.path());
    command.args(["--exclude", "a[b"]);
    let output = run_with_input(command, "files\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(to_text(&output.stderr).contains("the pattern a[b is invalid"), "{}", to_text(&output.stderr));
}
