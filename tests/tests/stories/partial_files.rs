//! Where the bytes of downloads lie that are not complete, and what becomes of them.

use std::fs;
use std::path::Path;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;
use tests::peer::Peer;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn partial_file_is_hidden_and_not_shared() {
    let mut network = Network::new();
    let content = Content::random(630, 4 * PIECE);
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} as below/big.iso &", content.digest));
    until("half of it to be here", SOON, || node.peer.say("transfers").has("2/4 pieces"));
    assert!(node.home.part(&content).is_file() && node.home.files().is_empty());
    assert!(node.peer.say("files").files().is_empty());
    drop(half);
    let _sharer = network.node(&[("big.iso", &content)]);
    node.fetch(&content);
    assert_eq!(node.has(&content), "below/big.iso");
    assert_eq!(names(&node.home.path().join(".peerdex/partial")), [""; 0]);
}

#[test]
fn partial_file_lies_beside_a_destination_on_another_file_system() {
    let network = Network::new();
    let content = Content::random(631, 4 * PIECE);
    let other =
        tempfile::Builder::new().prefix("peerdex-").tempdir_in("/dev/shm").expect("a folder in memory");
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} as {}/ &", content.digest, other.path().display()));
    until("half of it to be here", SOON, || node.peer.say("transfers").has("2/4 pieces"));
    assert_eq!(names(other.path()), [".peerdex-partial"]);
    let parts = names(&other.path().join(".peerdex-partial"));
    assert!(parts.iter().all(|name| name.starts_with(&content.digest.to_string())), "{parts:?}");
    assert!(!node.home.part(&content).exists());
    let record = other.path().join(".peerdex-partial").join(&parts[1]);
    until("both pieces to be noted", SOON, || {
        fs::read_to_string(&record).is_ok_and(|record| record.contains("\"pieces\":\"c0\""))
    });
    let list = node.home.path().join(".peerdex/downloads.json");
    until("the download to be listed", SOON, || {
        fs::read_to_string(&list).is_ok_and(|list| list.contains(&content.digest.to_string()))
    });
    drop(half);
    let source = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::None);
    node.start_again(network.index.address());
    let whole = |name: &str| fs::read(other.path().join(name)).is_ok_and(|bytes| bytes == content.bytes);
    until("the download to be complete", SOON, || whole("big.iso"));
    until("nothing else to be there", SOON, || names(other.path()) == ["big.iso"]);
    assert_eq!(source.asked(), 2, "pieces fetched");
}

#[test]
fn partial_file_of_the_first_release_is_gone_on_with() {
    let network = Network::new();
    let content = Content::random(632, 8 * PIECE);
    let record = |pieces: &str| {
        let (digest, size) = (content.digest, content.size());
        format!(r#"{{"version":1,"digest":"{digest}","size":{size},"pieces":"{pieces}"}}"#)
    };
    // One with its record, one whose record a power cut has emptied, with another one of the same kind behind it.
    for records in [vec![record("f0")], vec![String::new(), String::new()]] {
        let source = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::None);
        let home = Home::new();
        fs::write(home.path().join("big.iso"), "another file").expect("a file");
        for (number, record) in (1..).zip(&records) {
            let part = home.path().join(format!("big ({number}).iso.part"));
            let mut bytes = content.bytes[..4 * PIECE].to_vec();
            bytes.resize(8 * PIECE, 0);
            fs::write(&part, bytes).expect("a part");
            fs::write(part.with_extension("part.json"), record).expect("a record");
        }
        let mut peer = Peer::start(network.index.address(), home.path());
        let answer = peer.say(&format!("download {}", content.digest));
        assert_eq!(answer.done().len(), 1, "{answer:#?}");
        assert_eq!(source.asked(), 4, "pieces fetched");
        assert_eq!(home.files().into_keys().collect::<Vec<_>>(), ["big (1).iso", "big.iso"]);
    }
}

#[test]
fn partial_file_without_a_download_is_removed_at_the_next_start() {
    let network = Network::new();
    let (lost, cancelled) = (Content::random(633, 4 * PIECE), Content::random(634, 4 * PIECE));
    let _half = HostilePeer::join(network.index.address(), "big.iso", &cancelled, Lie::FirstHalf);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} &", cancelled.digest));
    until("half of it to be here", SOON, || node.peer.say("transfers").has("2/4 pieces"));
    node.peer.say("cancel 1");
    until("it to be noted", SOON, || {
        fs::read_to_string(node.home.part_record(&cancelled))
            .is_ok_and(|record| record.contains("\"pieces\":\"c0\""))
    });
    assert_eq!(node.peer.stop(), Some(0));
    fs::write(node.home.part(&lost), "left by a crash").expect("a file");
    fs::write(node.home.part_record(&lost), "").expect("a file");
    node.start_again(network.index.address());
    until("the lost part to be removed", SOON, || {
        !node.home.part(&lost).exists() && !node.home.part_record(&lost).exists()
    });
    assert!(node.home.part(&cancelled).is_file(), "what has come is kept after a cancel");
}
