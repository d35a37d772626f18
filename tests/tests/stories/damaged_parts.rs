//! What happens to the part of a download while its node is down costs the pieces concerned and nothing else.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;

/// How many pieces there are; half of them are here when the node goes down.
const PIECES: usize = 40;

/// The two files of a download that is not complete.
struct Part {
    bytes: PathBuf,
    record: PathBuf,
}

impl Part {
    fn resize(&self, to: usize) {
        let file = OpenOptions::new().write(true).open(&self.bytes).expect("the part");
        file.set_len(to as u64).expect("another length");
    }

    fn overwrite(&self, pieces: &[usize]) {
        let file = OpenOptions::new().write(true).open(&self.bytes).expect("the part");
        for piece in pieces {
            file.write_all_at(b"not what was here", (piece * PIECE + 99) as u64).expect("written");
        }
    }

    fn note(&self, record: &str) {
        fs::write(&self.record, record).expect("a record");
    }
}

fn canary(home: &Home) -> Vec<u8> {
    fs::read(home.path().join("mine.iso.part")).unwrap_or_default()
}

/// Has half of a file fetched, damages the part, and has the rest fetched, which must be so many pieces.
fn costs(seed: u64, pieces: usize, damage: impl FnOnce(&Part)) {
    let network = Network::new();
    let content = Content::random(seed, PIECES * PIECE);
    let half = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::FirstHalf);
    let mut node = network.node_with(&[]);
    fs::write(node.home.path().join("mine.iso.part"), "a file of mine").expect("a file");
    node.peer.say(&format!("download {} &", content.digest));
    until("half of it to be here", SOON, || node.peer.say("transfers").has("20/40 pieces"));
    assert_eq!(node.peer.stop(), Some(0));
    drop(half);
    let part = Part { bytes: node.home.part(&content), record: node.home.part_record(&content) };
    assert!(fs::read_to_string(&part.record).expect("a record").contains("fffff00000"));
    damage(&part);
    let source = HostilePeer::join(network.index.address(), "big.iso", &content, Lie::None);
    node.start_again(network.index.address());
    let is_whole = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes == content.bytes);
    until("the download to be complete", SOON, || is_whole(&node.home.path().join("big.iso")));
    until("the download to be over", SOON, || node.peer.say("transfers").states() == ["done"]);
    assert_eq!(source.asked(), pieces, "pieces fetched");
    let names: Vec<String> = node.home.files().into_keys().collect();
    assert_eq!(names, ["big.iso", "mine.iso.part"]);
    assert_eq!(canary(&node.home), b"a file of mine");
}

#[test]
fn pieces_that_were_overwritten_are_fetched_again() {
    costs(410, 20 + 3, |part| part.overwrite(&[0, 7, 19]));
}

#[test]
fn pieces_that_were_cut_off_are_fetched_again() {
    costs(411, 20 + 5, |part| part.resize(15 * PIECE + 1000));
}

#[test]
fn bytes_that_were_added_cost_nothing() {
    costs(412, 20, |part| part.resize(PIECES * PIECE + 12345));
}

#[test]
fn a_record_that_claims_everything_is_not_believed() {
    costs(413, 20, |part| {
        let record = fs::read_to_string(&part.record).expect("a record");
        part.note(&record.replace("fffff00000", "ffffffffff"));
    });
}

#[test]
fn a_record_that_claims_nothing_costs_the_pieces_that_it_forgets() {
    costs(414, 40, |part| {
        let record = fs::read_to_string(&part.record).expect("a record");
        part.note(&record.replace("fffff00000", "0000000000"));
    });
}

#[test]
fn a_record_of_garbage_costs_nothing() {
    costs(415, 20, |part| part.note("{\"version\":1,\"dig"));
}

#[test]
fn a_record_that_is_gone_costs_nothing() {
    costs(416, 20, |part| fs::remove_file(&part.record).expect("a record"));
}

#[test]
fn a_record_of_garbage_beside_a_damaged_part_costs_the_damaged_pieces() {
    costs(417, 20 + 6, |part| {
        part.note("\0\0\0");
        part.overwrite(&[0, 1]);
        part.resize(16 * PIECE);
    });
}

#[test]
fn a_part_that_is_gone_is_fetched_again() {
    costs(418, 40, |part| fs::remove_file(&part.bytes).expect("a part"));
}
