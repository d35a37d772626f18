//! Damage to a partial file while its node is down costs only the pieces concerned.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;
use tests::test_folder::TestFolder;

/// Number of pieces; half of them are present when the node goes down.
const PIECES: usize = 40;

/// The two files of an incomplete download.
struct PartFiles {
    bytes: PathBuf,
    record: PathBuf,
}

impl PartFiles {
    fn resize(&self, to: usize) {
        let file = OpenOptions::new().write(true).open(&self.bytes).expect("the part");
        file.set_len(to as u64).expect("another length");
    }

    fn overwrite(&self, pieces: &[usize]) {
        let file = OpenOptions::new().write(true).open(&self.bytes).expect("the part");
        for piece in pieces {
            file.write_all_at(b"not what was here", (piece * PIECE_LENGTH + 99) as u64).expect("written");
        }
    }

    fn write_record(&self, record: &str) {
        fs::write(&self.record, record).expect("a record");
    }
}

fn write_canary(folder: &TestFolder) -> Vec<u8> {
    fs::read(folder.path().join("mine.iso.part")).unwrap_or_default()
}

/// Downloads half of a file, damages the partial file, and resumes; `pieces` pieces must be downloaded.
fn assert_refetched(seed: u64, pieces: usize, damage: impl FnOnce(&PartFiles)) {
    let network = TestNetwork::new();
    let content = TestContent::random(seed, PIECES * PIECE_LENGTH);
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    fs::write(node.folder.path().join("mine.iso.part"), "a file of mine").expect("a file");
    node.peer.run(&format!("download {} &", content.digest));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("20/40 pieces")
    });
    assert_eq!(node.peer.stop(), Some(0));
    drop(half);
    let part =
        PartFiles { bytes: node.folder.part_path(&content), record: node.folder.part_record_path(&content) };
    assert!(fs::read_to_string(&part.record).expect("a record").contains("fffff00000"));
    damage(&part);
    let source = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::None);
    node.restart(network.index.address());
    let is_whole = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes == content.bytes);
    wait_until("the download to complete", DEFAULT_TIMEOUT, || is_whole(&node.folder.path().join("big.iso")));
    wait_until("the download to leave the list", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["done"]
    });
    assert_eq!(source.requests_received(), pieces, "pieces fetched");
    let names: Vec<String> = node.folder.visible_files().into_keys().collect();
    assert_eq!(names, ["big.iso", "mine.iso.part"]);
    assert_eq!(write_canary(&node.folder), b"a file of mine");
}

#[test]
fn overwritten_pieces_are_fetched_again() {
    assert_refetched(410, 20 + 3, |part| part.overwrite(&[0, 7, 19]));
}

#[test]
fn truncated_pieces_are_fetched_again() {
    assert_refetched(411, 20 + 5, |part| part.resize(15 * PIECE_LENGTH + 1000));
}

#[test]
fn appended_bytes_cost_nothing() {
    assert_refetched(412, 20, |part| part.resize(PIECES * PIECE_LENGTH + 12345));
}

#[test]
fn record_that_claims_all_pieces_is_verified() {
    assert_refetched(413, 20, |part| {
        let record = fs::read_to_string(&part.record).expect("a record");
        part.write_record(&record.replace("fffff00000", "ffffffffff"));
    });
}

#[test]
fn empty_record_costs_the_pieces_it_omits() {
    assert_refetched(414, 40, |part| {
        let record = fs::read_to_string(&part.record).expect("a record");
        part.write_record(&record.replace("fffff00000", "0000000000"));
    });
}

#[test]
fn garbage_record_costs_nothing() {
    assert_refetched(415, 20, |part| part.write_record("{\"version\":1,\"dig"));
}

#[test]
fn missing_record_costs_nothing() {
    assert_refetched(416, 20, |part| fs::remove_file(&part.record).expect("a record"));
}

#[test]
fn garbage_record_and_damaged_part_cost_the_damaged_pieces() {
    assert_refetched(417, 20 + 6, |part| {
        part.write_record("\0\0\0");
        part.overwrite(&[0, 1]);
        part.resize(16 * PIECE_LENGTH);
    });
}

#[test]
fn missing_part_is_fetched_again() {
    assert_refetched(418, 40, |part| fs::remove_file(&part.bytes).expect("a part"));
}
