//! Every command of the prompt.

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;

#[test]
fn files_lists_size_digest_and_path() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(130, 2345);
    let mut node =
        network.start_node(&[("folder/some file.txt", &content), ("empty", &TestContent::from_bytes(b""))]);
    let answer = node.peer.run("files");
    let files = answer.files();
    assert_eq!(files.len(), 2, "{answer:#?}");
    assert!(files.iter().any(|file| file.path == "folder/some file.txt" && file.digest == content.digest));
    assert!(answer.contains("2 files"), "{answer:#?}");
}

#[test]
fn search_and_query_are_the_same() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(131, 100);
    let _sharer = network.start_node(&[("found.txt", &content)]);
    let mut node = network.start_node(&[]);
    let hits = node.peer.run("search found").hits();
    assert_eq!(hits, node.peer.run("query found").hits());
    assert_eq!((hits[0].number, hits[0].digest), (1, content.digest));
}

#[test]
fn sources_lists_the_peers_that_have_a_file() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(132, 100);
    let sharers: Vec<_> = (0..2).map(|_| network.start_node(&[("found.txt", &content)])).collect();
    let mut node = network.start_node(&[]);
    node.peer.run("search found");
    for command in ["sources 1", &format!("sources {}", content.digest)] {
        let answer = node.peer.run(command);
        for sharer in &sharers {
            let line = format!("{}\twhole", sharer.peer.address());
            assert!(answer.contains(&line), "{answer:#?}");
        }
    }
}

#[test]
fn browse_lists_the_files_of_a_peer_for_download() {
    let mut network = TestNetwork::new();
    let (one, two) = (TestContent::random(133, 100), TestContent::random(134, 200));
    let sharer = network.start_node(&[("a/one.txt", &one), ("two.txt", &two)]);
    let mut node = network.start_node(&[]);
    let hits = node.peer.run(&format!("browse {}", sharer.peer.address())).hits();
    let seen: Vec<_> = hits.iter().map(|hit| (hit.number, hit.name.as_str(), hit.digest)).collect();
    assert_eq!(seen, [(1, "a/one.txt", one.digest), (2, "two.txt", two.digest)]);
    assert_eq!(node.peer.run("get 2").completed_downloads()[0].digest, two.digest);
    assert_eq!(node.peer.run("browse 127.0.0.1:1").errors().len(), 1);
}

#[test]
fn background_download_is_listed_and_can_be_cancelled() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(135, 20 * PIECE_LENGTH);
    let slow = HostilePeer::join(network.index.address(), "slow.iso", &content, Lie::NeverAnswers);
    let mut node = network.start_node(&[]);
    let begun = node.peer.run(&format!("download {} &", content.digest));
    assert!(begun.errors().is_empty(), "{begun:#?}");
    wait_until("the download to be listed", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("slow.iso")
    });
    let answer = node.peer.run("cancel 1");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert!(node.peer.run("files").files().is_empty());
    // A cancelled download can be started again once a source is available.
    drop(slow);
    let _sharer = network.start_node(&[("slow.iso", &content)]);
    node.download(&content);
}

#[test]
fn register_without_arguments_rescans_all_folders() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[("a.txt", &TestContent::random(136, 10))]);
    node.folder.put("b.txt", &TestContent::random(137, 10));
    let answer = node.peer.run("register");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(node.peer.run("files").files().len(), 2);
}

#[test]
fn help_names_every_command_and_explains_each() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[]);
    let help = node.peer.run("help");
    let commands = [
        "register",
        "unregister",
        "files",
        "search",
        "sources",
        "browse",
        "download",
        "transfers",
        "cancel",
        "status",
        "help",
        "quit",
    ];
    for command in commands {
        assert!(help.contains(command), "{command}: {help:#?}");
        // The last command is the marker of the harness.
        if command != "quit" {
            let answer = node.peer.run(&format!("help {command}"));
            assert!(answer.contains(command) && answer.errors().is_empty(), "{answer:#?}");
        }
    }
    assert_eq!(node.peer.run("help nonsense").errors().len(), 1);
}

#[test]
fn status_shows_the_totals() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[("a.txt", &TestContent::random(138, 10))]);
    let status = node.peer.run("status");
    assert!(status.errors().is_empty() && status.contains("1 file"), "{status:#?}");
}

#[test]
fn quit_and_exit_end_the_peer() {
    let mut network = TestNetwork::new();
    for command in ["quit", "exit"] {
        let mut node = network.start_node(&[]);
        node.peer.start_command(command);
        assert_eq!(node.peer.process().wait(DEFAULT_TIMEOUT).code(), Some(0), "{command}");
    }
}

#[test]
fn typing_errors_get_a_suggestion() {
    let mut network = TestNetwork::new();
    let mut node = network.start_node(&[]);
    let answer = node.peer.run("serach iso");
    assert!(answer.errors()[0].contains("search"), "{answer:#?}");
}
