//! The files of incomplete downloads: where they are, and when they are removed.

use std::fs;
use std::path::Path;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;
use tests::peer::PeerProcess;
use tests::test_folder::TestFolder;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn partial_file_is_hidden_and_not_shared() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(630, 4 * PIECE_LENGTH);
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} as below/big.iso &", content.digest));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("2/4 pieces")
    });
    assert!(node.folder.part_path(&content).is_file() && node.folder.visible_files().is_empty());
    assert!(node.peer.run("files").files().is_empty());
    drop(half);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    node.download(&content);
    assert_eq!(node.path_of(&content), "below/big.iso");
    assert_eq!(names(&node.folder.path().join(".peerdex/partial")), [""; 0]);
}

#[test]
fn partial_file_is_on_the_file_system_of_its_destination() {
    let network = TestNetwork::new();
    let content = TestContent::random(631, 4 * PIECE_LENGTH);
    let other =
        tempfile::Builder::new().prefix("peerdex-").tempdir_in("/dev/shm").expect("a folder in memory");
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} as {}/ &", content.digest, other.path().display()));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("2/4 pieces")
    });
    assert_eq!(names(other.path()), [".peerdex-partial"]);
    let parts = names(&other.path().join(".peerdex-partial"));
    assert!(parts.iter().all(|name| name.starts_with(&content.digest.to_string())), "{parts:?}");
    assert!(!node.folder.part_path(&content).exists());
    let record = other.path().join(".peerdex-partial").join(&parts[1]);
    wait_until("both pieces to be recorded", DEFAULT_TIMEOUT, || {
        fs::read_to_string(&record).is_ok_and(|record| record.contains("\"pieces\":\"c0\""))
    });
    let list = node.folder.path().join(".peerdex/downloads.json");
    wait_until("the download to be listed", DEFAULT_TIMEOUT, || {
        fs::read_to_string(&list).is_ok_and(|list| list.contains(&content.digest.to_string()))
    });
    drop(half);
    let source = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::None);
    node.restart(network.index.address());
    let is_complete =
        |name: &str| fs::read(other.path().join(name)).is_ok_and(|bytes| bytes == content.bytes);
    wait_until("the download to complete", DEFAULT_TIMEOUT, || is_complete("big.iso"));
    wait_until("no other file to remain", DEFAULT_TIMEOUT, || names(other.path()) == ["big.iso"]);
    assert_eq!(source.requests_received(), 2, "pieces fetched");
}

#[test]
fn partial_file_of_the_first_release_is_resumed() {
    let network = TestNetwork::new();
    let content = TestContent::random(632, 8 * PIECE_LENGTH);
    let record = |pieces: &str| {
        let (digest, size) = (content.digest, content.size());
        format!(r#"{{"version":1,"digest":"{digest}","size":{size},"pieces":"{pieces}"}}"#)
    };
    // One partial file with its record; one whose record was emptied by a power cut, followed by another of the same
    // kind.
    for records in [vec![record("f0")], vec![String::new(), String::new()]] {
        let source = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::None);
        let share_dir = TestFolder::new();
        fs::write(share_dir.path().join("big.iso"), "another file").expect("a file");
        for (number, record) in (1..).zip(&records) {
            let part = share_dir.path().join(format!("big ({number}).iso.part"));
            let mut bytes = content.bytes[..4 * PIECE_LENGTH].to_vec();
            bytes.resize(8 * PIECE_LENGTH, 0);
            fs::write(&part, bytes).expect("a part");
            fs::write(part.with_extension("part.json"), record).expect("a record");
        }
        let mut peer = PeerProcess::start(network.index.address(), share_dir.path());
        let answer = peer.run(&format!("download {}", content.digest));
        assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
        assert_eq!(source.requests_received(), 4, "pieces fetched");
        assert_eq!(share_dir.visible_files().into_keys().collect::<Vec<_>>(), ["big (1).iso", "big.iso"]);
    }
}

#[test]
fn orphaned_partial_file_is_removed_at_start() {
    let network = TestNetwork::new();
    let (lost, cancelled) =
        (TestContent::random(633, 4 * PIECE_LENGTH), TestContent::random(634, 4 * PIECE_LENGTH));
    let _half = HostilePeer::join(network.index.address(), "big.iso", &cancelled, Lie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} &", cancelled.digest));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("2/4 pieces")
    });
    node.peer.run("cancel 1");
    wait_until("the pieces to be recorded", DEFAULT_TIMEOUT, || {
        fs::read_to_string(node.folder.part_record_path(&cancelled))
            .is_ok_and(|record| record.contains("\"pieces\":\"c0\""))
    });
    assert_eq!(node.peer.stop(), Some(0));
    fs::write(node.folder.part_path(&lost), "left by a crash").expect("a file");
    fs::write(node.folder.part_record_path(&lost), "").expect("a file");
    node.restart(network.index.address());
    wait_until("the orphaned partial file to be removed", DEFAULT_TIMEOUT, || {
        !node.folder.part_path(&lost).exists() && !node.folder.part_record_path(&lost).exists()
    });
    assert!(node.folder.part_path(&cancelled).is_file(), "a cancel keeps the verified pieces");
}
