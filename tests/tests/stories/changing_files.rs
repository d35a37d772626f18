//! Shared files that are constantly rewritten, renamed, truncated and removed while other nodes download them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use protocol::digest::Digest;
use tests::content::{TestContent, digest_of_file};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;
use tests::test_folder::TestFolder;

const FILES: u64 = 8;
const ROUNDS: u64 = 2;

/// Changes a file as programs do. Returns the digests that it had meanwhile.
fn change_file(folder: &TestFolder, path: &PathBuf, step: u64) -> Vec<Digest> {
    let new = TestContent::random(10_000 + step, 40_000 + usize::try_from(step).expect("few steps") * 97);
    match step % 5 {
        // As an editor does: write a new file and rename it over the old one.
        0 => {
            let beside = folder.put("beside.part", &new);
            fs::rename(beside, path).expect("renamed");
        }
        1 => fs::write(path, &new.bytes).expect("rewritten"),
        2 => {
            let mut file = File::options().append(true).open(path).expect("a file");
            file.write_all(b"more").expect("written");
        }
        3 => File::options().write(true).open(path).expect("a file").set_len(1000 + step).expect("cut"),
        // Other bytes of the same length, with the modification time reset.
        _ => {
            let modified = fs::metadata(path).and_then(|found| found.modified()).expect("a time");
            let bytes: Vec<u8> = fs::read(path).expect("bytes").iter().map(|byte| !byte).collect();
            fs::write(path, bytes).expect("rewritten");
            File::options()
                .append(true)
                .open(path)
                .and_then(|file| file.set_modified(modified))
                .expect("set");
        }
    }
    vec![digest_of_file(path).expect("a file")]
}

#[test]
fn constantly_changing_files_are_never_served_wrong() {
    let mut network = TestNetwork::new();
    let name = |number: u64| format!("{number}.bin");
    let contents: Vec<TestContent> = (0..FILES).map(|number| TestContent::random(number, 300_000)).collect();
    let names: Vec<String> = (0..FILES).map(name).collect();
    let files: Vec<(&str, &TestContent)> = names.iter().map(String::as_str).zip(&contents).collect();
    let mut sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[]);
    let mut known: BTreeSet<Digest> = contents.iter().map(|content| content.digest).collect();
    // Some downloads cannot complete: they wait for content that no longer exists.
    for content in &contents {
        fetcher.peer.run(&format!("download {} &", content.digest));
    }
    for step in 0..FILES * ROUNDS {
        let path = sharer.folder.path().join(name(step % FILES));
        known.extend(change_file(&sharer.folder, &path, step));
    }
    let last: Vec<Digest> = (0..FILES)
        .map(|number| digest_of_file(&sharer.folder.path().join(name(number))).expect("a file"))
        .collect();
    wait_until("the last contents to be listed", DEFAULT_TIMEOUT, || {
        let listed: BTreeSet<Digest> =
            network.observer().files_of(sharer.peer.address()).iter().map(|file| file.digest).collect();
        listed == last.iter().copied().collect()
    });
    for digest in last.iter().take(4) {
        let answer = fetcher.peer.run(&format!("download {digest}"));
        assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    }
    let received = fetcher.folder.visible_files();
    assert!(received.len() >= 4 && received.values().all(|content| known.contains(&content.digest)));
    assert!(sharer.peer.run("status").errors().is_empty());
}
