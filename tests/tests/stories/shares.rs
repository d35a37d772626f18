//! What is shared is clear: every folder is listed, what is left out is reported, and patterns leave files out.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use tests::content::Content;
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::network::Network;
use tests::peer::{Peer, peer_node, run};
use tests::terminal::Terminal;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder from which a link and a name that is not text are left out.
fn home_with_left_out() -> Home {
    let home = Home::with("plain.txt", &Content::random(160, 10));
    symlink("plain.txt", home.path().join("link.txt")).expect("a link");
    fs::write(home.path().join(OsStr::from_bytes(b"caf\xe9.txt")), b"x").expect("a file");
    home
}

#[test]
fn shares_lists_every_folder_and_what_is_left_out_of_it() {
    let mut network = Network::new();
    let home = home_with_left_out();
    let mut peer = Peer::start(network.index.address(), home.path());
    network.wait_for_files(peer.address(), 1);
    let outside = Home::with("music/song.ogg", &Content::random(161, 20));
    outside.put("music/song.wav", &Content::random(162, 30));
    let music = outside.path().join("music");
    let answer = peer.say(&format!("register --exclude *.wav \"{}\"", music.display()));
    assert!(answer.errors().is_empty() && answer.has("shared\tmusic/song.ogg"), "{answer:#?}");
    assert!(answer.has("excluded by the pattern *.wav"), "{answer:#?}");
    let answer = peer.say("shares");
    let lines = [
        format!("folder\t{}\t\t1\t10\t2", home.path().display()),
        format!("folder\t{}\tmusic\t1\t20\t1", music.display()),
        format!("pattern\t{}\t*.wav", music.display()),
        format!("left out\t{}\tlinks are not shared", home.path().join("link.txt").display()),
    ];
    for line in lines {
        assert!(answer.0.contains(&line), "{line} is missing: {answer:#?}");
    }
    assert!(answer.has("caf\\xe9.txt\tits name is not UTF-8"), "{answer:#?}");
    let answer = peer.say("shares music");
    assert!(answer.has("song.wav\texcluded") && !answer.has("link.txt"), "{answer:#?}");
    let status = peer.say("status");
    assert!(status.has("left out\t3 left out ("), "{status:#?}");
    assert!(status.has("names: 1"), "{status:#?}");
    assert!(peer.say("files").has("3 left out"));
}

#[test]
fn what_is_left_out_is_reported_at_the_start() {
    let network = Network::new();
    let home = home_with_left_out();
    let output = run(peer_node(0, network.index.address(), home.path()), "transfers\n");
    let errors = text(&output.stderr);
    assert!(errors.contains("2 left out (links: 1, names: 1); see shares"), "{errors}");
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), home.path()));
    assert!(terminal.is_ready() && terminal.shows("2 left out", SOON), "{}", terminal.text());
    let shares = terminal.enter("shares");
    assert!(shares.contains("left out, links: 1") && shares.contains("link.txt"), "{shares}");
}

#[test]
fn a_registered_folder_without_files_is_listed_and_followed() {
    let mut network = Network::new();
    let node = network.node(&[]);
    drop(node.peer);
    let outside = Home::new();
    outside.put("docs/.hidden", &Content::random(163, 10));
    let docs = outside.path().join("docs");
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    assert!(terminal.is_ready(), "{}", terminal.text());
    let answer = terminal.enter(&format!("register {}", docs.display()));
    assert!(answer.contains("is shared from now on"), "{answer}");
    assert!(terminal.enter("shares").contains(&docs.display().to_string()));
    outside.put("docs/new.txt", &Content::random(164, 10));
    network.wait_for_hits("new", 1, SOON);
}

#[test]
fn a_home_folder_is_registered_only_after_a_confirmation() {
    let network = Network::new();
    let (home, share) = (Home::with("diary.txt", &Content::random(165, 10)), Home::new());
    let command = || {
        let mut command = peer_node(0, network.index.address(), share.path());
        command.env("HOME", home.path());
        command
    };
    let output = run(command(), "register ~\nshares\n");
    let errors = text(&output.stderr);
    assert!(errors.contains("is your home folder, or contains it; add --yes"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
    assert!(!text(&output.stdout).contains(&home.path().display().to_string()));

    let mut terminal = Terminal::start(command());
    assert!(terminal.is_ready(), "{}", terminal.text());
    terminal.press("register ~\r");
    assert!(terminal.shows("share it all the same? [y/N]", SOON), "{}", terminal.text());
    terminal.press("n\r");
    let shares = terminal.enter("shares");
    assert!(!shares.contains(&home.path().display().to_string()), "{shares}");
    terminal.press("register ~\ry\r");
    until("the home folder to be shared", SOON, || {
        terminal.enter("shares").contains(&home.path().display().to_string())
    });
    terminal.press("quit\r");
    assert_eq!(terminal.process.wait(SOON).code(), Some(0), "{}", terminal.text());
    let output = run(command(), "unregister ~\nregister --yes ~\n");
    assert!(text(&output.stdout).contains("diary.txt"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn patterns_leave_files_out_while_the_node_runs_and_from_its_start() {
    let mut network = Network::new();
    let home = Home::with("a.txt", &Content::random(166, 10));
    home.put("a.bak", &Content::random(167, 10));
    home.put("b.tmp", &Content::random(168, 10));
    let mut command = peer_node(0, network.index.address(), home.path());
    command.args(["--exclude", "*.bak", "--exclude=*.old"]);
    let mut peer = Peer::launch(command);
    network.wait_for_files(peer.address(), 2);
    fs::write(home.path().join(".peerdexignore"), "*.tmp\n").expect("a file");
    network.wait_for_files(peer.address(), 1);
    network.wait_for_hits("b.tmp", 0, SOON);
    let shares = peer.say("shares");
    assert!(shares.has("b.tmp\texcluded by the pattern *.tmp"), "{shares:#?}");
    assert!(shares.has("pattern\t\t*.bak") && shares.has("pattern\t\t*.old"), "{shares:#?}");
    fs::remove_file(home.path().join(".peerdexignore")).expect("a removal");
    network.wait_for_files(peer.address(), 2);
    assert!(!peer.say("files").has("a.bak"));
}

#[test]
fn a_bad_pattern_stops_the_start() {
    let network = Network::new();
    let home = Home::new();
    let mut command = peer_node(0, network.index.address(), home.path());
    command.args(["--exclude", "a[b"]);
    let output = run(command, "files\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the pattern a[b is invalid"), "{}", text(&output.stderr));
}
