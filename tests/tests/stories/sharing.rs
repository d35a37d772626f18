//! What a node shares, what it does not, and how it follows changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::PeerProcess;
use tests::test_folder::TestFolder;

/// Restarts a node on the same folder.
fn restart_on_same_folder(network: &TestNetwork, node: &mut RunningNode) {
    assert_eq!(node.peer.stop(), Some(0));
    node.peer = PeerProcess::start(network.index.address(), node.folder.path());
}

#[test]
fn outside_file_is_shared_in_place_and_after_a_restart() {
    let mut network = TestNetwork::new();
    let (film, song) = (TestContent::random(90, 3 * PIECE_LENGTH), TestContent::random(91, 500));
    let outside = TestFolder::with_file("films/the film.mkv", &film);
    outside.put("song.ogg", &song);
    let mut node = network.start_node(&[]);
    for path in ["films", "song.ogg"] {
        let answer = node.peer.run(&format!("register \"{}\"", outside.path().join(path).display()));
        assert!(answer.0.iter().any(|line| line.starts_with("shared\t")), "{answer:#?}");
        assert!(answer.errors().is_empty(), "{answer:#?}");
    }
    network.wait_for_files(node.peer.address(), 2);
    assert!(node.folder.visible_files().is_empty(), "files outside the folder are not copied");
    restart_on_same_folder(&network, &mut node);
    node.peer.wait_for_shared_files(2);
    network.wait_for_files(node.peer.address(), 2);
    network.start_node(&[]).download(&film);
}

#[test]
fn unregistered_file_stays_unregistered_and_in_place() {
    let mut network = TestNetwork::new();
    let (kept, hidden) = (TestContent::random(92, 1000), TestContent::random(93, 2000));
    let mut node = network.start_node(&[("kept.txt", &kept), ("private/diary.txt", &hidden)]);
    let answer = node.peer.run("unregister private/diary.txt");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    network.wait_for_files(node.peer.address(), 1);
    network.wait_for_hits("diary", 0, DEFAULT_TIMEOUT);
    restart_on_same_folder(&network, &mut node);
    network.wait_for_files(node.peer.address(), 1);
    assert!(node.folder.path().join("private/diary.txt").is_file());
    // Registered again, the file is shared again.
    let answer = node.peer.run("register private/diary.txt");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    network.wait_for_files(node.peer.address(), 2);
}

#[test]
fn changed_file_is_found_with_its_new_content() {
    let mut network = TestNetwork::new();
    let (old, new) = (TestContent::random(94, 2 * PIECE_LENGTH), TestContent::random(95, 2 * PIECE_LENGTH));
    let node = network.start_node(&[("draft.txt", &old)]);
    node.folder.put("draft.txt", &new);
    network.wait_for_sources(new.digest, 1, DEFAULT_TIMEOUT);
    network.wait_for_sources(old.digest, 0, DEFAULT_TIMEOUT);
    let mut fetcher = network.start_node(&[]);
    // A download waits for content that no node has any more.
    let answer = fetcher.peer.run(&format!("download {} &", old.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    wait_until("the download to wait", DEFAULT_TIMEOUT, || {
        fetcher.peer.run("transfers").download_states().len() == 1
    });
    fetcher.download(&new);
    assert!(!fetcher.folder.visible_files().values().any(|content| *content == old));
}

#[test]
fn added_removed_and_moved_files_are_tracked() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(96, 1000);
    let node = network.start_node(&[]);
    let path = node.folder.put("incoming/new.txt", &content);
    network.wait_for_hits("new", 1, DEFAULT_TIMEOUT);
    fs::rename(&path, node.folder.path().join("incoming/renamed.txt")).expect("a rename");
    network.wait_for_hits("renamed", 1, DEFAULT_TIMEOUT);
    network.wait_for_hits("new.txt", 0, DEFAULT_TIMEOUT);
    fs::remove_dir_all(node.folder.path().join("incoming")).expect("a removal");
    network.wait_for_sources(content.digest, 0, DEFAULT_TIMEOUT);
}

#[test]
fn links_hidden_and_special_files_are_not_shared() {
    let mut network = TestNetwork::new();
    let folder = TestFolder::with_file("plain.txt", &TestContent::random(97, 100));
    let secret = TestFolder::with_file("secret.txt", &TestContent::random(98, 100));
    let at = |name: &str| folder.path().join(name);
    symlink(secret.path().join("secret.txt"), at("link.txt")).expect("a link");
    symlink(secret.path(), at("linked folder")).expect("a link");
    symlink("..", at("up")).expect("a link");
    symlink("nowhere", at("dangling")).expect("a link");
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    folder.put(".hidden.txt", &TestContent::random(99, 100));
    folder.put(".hidden folder/inside.txt", &TestContent::random(100, 100));
    folder.put("half.bin.part", &TestContent::random(101, 100));
    let mut peer = PeerProcess::start(network.index.address(), folder.path());
    network.wait_for_files(peer.address(), 1);
    let files = peer.run("files");
    assert_eq!(files.files().len(), 1, "{files:#?}");
    let answer = peer.run(&format!("register \"{}\"", at("link.txt").display()));
    assert!(!answer.contains("shared\t"), "{answer:#?}");
    wait_until("the peer to report no errors", DEFAULT_TIMEOUT, || peer.run("register").errors().is_empty());
    assert_eq!(peer.run("files").files().len(), 1);
}

#[test]
fn unregistrable_paths_are_reported() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[]);
    let answer = node.peer.run("register /no/such/place");
    assert!(!answer.contains("shared\t"), "{answer:#?}");
    assert!(answer.errors().len() == 1 || answer.contains("skipped\t"), "{answer:#?}");
    assert_eq!(node.peer.run("unregister never-shared.txt").errors().len(), 1);
}
