//! What is shared, what is not, and what becomes of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::network::{Network, Node};
use tests::peer::Peer;

/// Starts a node's peer anew on the same folder.
fn start_again(network: &Network, node: &mut Node) {
    assert_eq!(node.peer.stop(), Some(0));
    node.peer = Peer::start(network.index.address(), node.home.path());
}

#[test]
fn what_lies_outside_is_shared_where_it_lies_and_still_is_after_a_restart() {
    let mut network = Network::new();
    let (film, song) = (Content::random(90, 3 * PIECE), Content::random(91, 500));
    let outside = Home::with("films/the film.mkv", &film);
    outside.put("song.ogg", &song);
    let mut node = network.node(&[]);
    for path in ["films", "song.ogg"] {
        let answer = node.peer.say(&format!("register \"{}\"", outside.path().join(path).display()));
        assert!(answer.0.iter().any(|line| line.starts_with("shared\t")), "{answer:#?}");
        assert!(answer.errors().is_empty(), "{answer:#?}");
    }
    network.wait_for_files(node.peer.address(), 2);
    assert!(node.home.files().is_empty(), "nothing is copied");
    start_again(&network, &mut node);
    node.peer.shares(2);
    network.wait_for_files(node.peer.address(), 2);
    network.node(&[]).fetch(&film);
}

#[test]
fn what_was_unregistered_stays_so_after_a_restart_and_lies_where_it_lay() {
    let mut network = Network::new();
    let (kept, hidden) = (Content::random(92, 1000), Content::random(93, 2000));
    let mut node = network.node(&[("kept.txt", &kept), ("private/diary.txt", &hidden)]);
    let answer = node.peer.say("unregister private/diary.txt");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    network.wait_for_files(node.peer.address(), 1);
    network.wait_for_hits("diary", 0, SOON);
    start_again(&network, &mut node);
    network.wait_for_files(node.peer.address(), 1);
    assert!(node.home.path().join("private/diary.txt").is_file());
    // Registered again, it is back.
    let answer = node.peer.say("register private/diary.txt");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    network.wait_for_files(node.peer.address(), 2);
}

#[test]
fn a_file_that_changes_is_found_as_it_is_now_and_not_as_it_was() {
    let mut network = Network::new();
    let (old, new) = (Content::random(94, 2 * PIECE), Content::random(95, 2 * PIECE));
    let node = network.node(&[("draft.txt", &old)]);
    node.home.put("draft.txt", &new);
    network.wait_for_sources(new.digest, 1, SOON);
    network.wait_for_sources(old.digest, 0, SOON);
    let mut fetcher = network.node(&[]);
    // What nobody has any more is waited for.
    let answer = fetcher.peer.say(&format!("download {} &", old.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    until("the download to wait", SOON, || fetcher.peer.say("transfers").states().len() == 1);
    fetcher.fetch(&new);
    assert!(!fetcher.home.files().values().any(|content| *content == old));
}

#[test]
fn files_that_come_go_and_move_are_followed() {
    let mut network = Network::new();
    let content = Content::random(96, 1000);
    let node = network.node(&[]);
    let place = node.home.put("incoming/new.txt", &content);
    network.wait_for_hits("new", 1, SOON);
    fs::rename(&place, node.home.path().join("incoming/renamed.txt")).expect("a rename");
    network.wait_for_hits("renamed", 1, SOON);
    network.wait_for_hits("new.txt", 0, SOON);
    fs::remove_dir_all(node.home.path().join("incoming")).expect("a removal");
    network.wait_for_sources(content.digest, 0, SOON);
}

#[test]
fn links_hidden_and_special_files_are_not_shared() {
    let mut network = Network::new();
    let home = Home::with("plain.txt", &Content::random(97, 100));
    let secret = Home::with("secret.txt", &Content::random(98, 100));
    let at = |name: &str| home.path().join(name);
    symlink(secret.path().join("secret.txt"), at("link.txt")).expect("a link");
    symlink(secret.path(), at("linked folder")).expect("a link");
    symlink("..", at("up")).expect("a link");
    symlink("nowhere", at("dangling")).expect("a link");
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    home.put(".hidden.txt", &Content::random(99, 100));
    home.put(".hidden folder/inside.txt", &Content::random(100, 100));
    home.put("half.bin.part", &Content::random(101, 100));
    let mut peer = Peer::start(network.index.address(), home.path());
    network.wait_for_files(peer.address(), 1);
    let files = peer.say("files");
    assert_eq!(files.files().len(), 1, "{files:#?}");
    let answer = peer.say(&format!("register \"{}\"", at("link.txt").display()));
    assert!(!answer.has("shared\t"), "{answer:#?}");
    until("the peer to be well", SOON, || peer.say("register").errors().is_empty());
    assert_eq!(peer.say("files").files().len(), 1);
}

#[test]
fn what_cannot_be_registered_is_told() {
    let mut network = Network::new();
    let mut node = network.node(&[]);
    let answer = node.peer.say("register /no/such/place");
    assert!(!answer.has("shared\t"), "{answer:#?}");
    assert!(answer.errors().len() == 1 || answer.has("skipped\t"), "{answer:#?}");
    assert_eq!(node.peer.say("unregister never-shared.txt").errors().len(), 1);
}
