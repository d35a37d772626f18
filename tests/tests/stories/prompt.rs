//! Every command of the prompt.

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;

#[test]
fn files_lists_size_digest_and_path() {
    let mut network = Network::new();
    let content = Content::random(130, 2345);
    let mut node = network.node(&[("folder/some file.txt", &content), ("empty", &Content::of(b""))]);
    let answer = node.peer.say("files");
    let files = answer.files();
    assert_eq!(files.len(), 2, "{answer:#?}");
    assert!(files.iter().any(|file| file.path == "folder/some file.txt" && file.digest == content.digest));
    assert!(answer.has("2 files"), "{answer:#?}");
}

#[test]
fn search_and_query_are_the_same() {
    let mut network = Network::new();
    let content = Content::random(131, 100);
    let _sharer = network.node(&[("found.txt", &content)]);
    let mut node = network.node(&[]);
    let hits = node.peer.say("search found").hits();
    assert_eq!(hits, node.peer.say("query found").hits());
    assert_eq!((hits[0].number, hits[0].digest), (1, content.digest));
}

#[test]
fn sources_tells_who_has_a_file() {
    let mut network = Network::new();
    let content = Content::random(132, 100);
    let sharers: Vec<_> = (0..2).map(|_| network.node(&[("found.txt", &content)])).collect();
    let mut node = network.node(&[]);
    node.peer.say("search found");
    for command in ["sources 1", &format!("sources {}", content.digest)] {
        let answer = node.peer.say(command);
        for sharer in &sharers {
            let line = format!("{}\twhole", sharer.peer.address());
            assert!(answer.has(&line), "{answer:#?}");
        }
    }
}

#[test]
fn browse_lists_what_one_peer_shares_and_its_numbers_can_be_fetched() {
    let mut network = Network::new();
    let (one, two) = (Content::random(133, 100), Content::random(134, 200));
    let sharer = network.node(&[("a/one.txt", &one), ("two.txt", &two)]);
    let mut node = network.node(&[]);
    let hits = node.peer.say(&format!("browse {}", sharer.peer.address())).hits();
    let seen: Vec<_> = hits.iter().map(|hit| (hit.number, hit.name.as_str(), hit.digest)).collect();
    assert_eq!(seen, [(1, "a/one.txt", one.digest), (2, "two.txt", two.digest)]);
    assert_eq!(node.peer.say("get 2").done()[0].digest, two.digest);
    assert_eq!(node.peer.say("browse 127.0.0.1:1").errors().len(), 1);
}

#[test]
fn a_download_in_the_background_is_seen_in_transfers_and_can_be_cancelled() {
    let mut network = Network::new();
    let content = Content::random(135, 20 * PIECE);
    let slow = HostilePeer::join(network.index.address(), "slow.iso", &content, Lie::NeverAnswers);
    let mut node = network.node(&[]);
    let begun = node.peer.say(&format!("download {} &", content.digest));
    assert!(begun.errors().is_empty(), "{begun:#?}");
    until("the download to be listed", SOON, || node.peer.say("transfers").has("slow.iso"));
    let answer = node.peer.say("cancel 1");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert!(node.peer.say("files").files().is_empty());
    // What was cancelled can be had after all, where there is somebody who gives it.
    drop(slow);
    let _sharer = network.node(&[("slow.iso", &content)]);
    node.fetch(&content);
}

#[test]
fn register_alone_looks_through_everything_anew() {
    let mut network = Network::new();
    let mut node = network.node(&[("a.txt", &Content::random(136, 10))]);
    node.home.put("b.txt", &Content::random(137, 10));
    let answer = node.peer.say("register");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(node.peer.say("files").files().len(), 2);
}

#[test]
fn help_names_every_command_and_explains_each() {
    let mut network = Network::new();
    let mut node = network.node(&[]);
    let help = node.peer.say("help");
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
        assert!(help.has(command), "{command}: {help:#?}");
        // The last one ends our own commands, and is looked at by them.
        if command != "quit" {
            let answer = node.peer.say(&format!("help {command}"));
            assert!(answer.has(command) && answer.errors().is_empty(), "{answer:#?}");
        }
    }
    assert_eq!(node.peer.say("help nonsense").errors().len(), 1);
}

#[test]
fn status_tells_the_totals() {
    let mut network = Network::new();
    let mut node = network.node(&[("a.txt", &Content::random(138, 10))]);
    let status = node.peer.say("status");
    assert!(status.errors().is_empty() && status.has("1 file"), "{status:#?}");
}

#[test]
fn quit_and_exit_end_the_peer() {
    let mut network = Network::new();
    for command in ["quit", "exit"] {
        let mut node = network.node(&[]);
        node.peer.begin(command);
        assert_eq!(node.peer.process().wait(SOON).code(), Some(0), "{command}");
    }
}

#[test]
fn slips_are_answered_with_what_was_probably_meant() {
    let mut network = Network::new();
    let mut node = network.node(&[]);
    let answer = node.peer.say("serach iso");
    assert!(answer.errors()[0].contains("search"), "{answer:#?}");
}
