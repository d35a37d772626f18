//! Every requested file ends up at its destination, whatever content this node already has.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::TestNetwork;
use tests::peer::CommandOutput;
use tests::test_folder::TestFolder;

/// Returns the number of content bytes received from other nodes.
fn bytes_fetched(answer: &CommandOutput) -> u64 {
    answer.completed_downloads().iter().map(tests::peer::CompletedDownload::bytes_received).sum()
}

fn file_is(path: &Path, content: &TestContent) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == content.bytes)
}

#[test]
fn partly_present_folder_is_completed() {
    let mut network = TestNetwork::new();
    let (license, empty) = (TestContent::random(600, 2 * PIECE_LENGTH + 9), TestContent::random(601, 0));
    let (small, unique) = (TestContent::random(602, 17), TestContent::random(603, PIECE_LENGTH));
    let files = [
        ("project/LICENSE", &license),
        ("project/docs/LICENSE.txt", &license),
        ("project/pkg/__init__.py", &empty),
        ("project/pkg/sub/__init__.py", &empty),
        ("project/small", &small),
        ("project/once.bin", &unique),
    ];
    let sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[("old/copying", &license), ("none", &empty), ("s", &small)]);
    let address = sharer.peer.address();
    let download = format!("download project/ from {address}");
    let answer = fetcher.peer.run(&download);
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(bytes_fetched(&answer), unique.size(), "{answer:#?}");
    let is_whole = |share_dir: &TestFolder| {
        files.iter().all(|(path, content)| share_dir.visible_files().get(*path) == Some(*content))
    };
    assert!(is_whole(&fetcher.folder), "{:?}", fetcher.folder.visible_files().keys());
    network.wait_for_files(fetcher.peer.address(), files.len() + 3);
    // A second download creates nothing twice and restores what is missing.
    fs::remove_file(fetcher.folder.path().join("project/pkg/__init__.py")).expect("the file");
    let again = fetcher.peer.run(&download);
    assert!(again.errors().is_empty() && is_whole(&fetcher.folder), "{again:#?}");
    assert_eq!(
        (bytes_fetched(&again), fetcher.folder.visible_files().len()),
        (0, files.len() + 3),
        "{again:#?}"
    );
}

#[test]
fn local_content_is_copied_to_the_requested_path() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(610, 3 * PIECE_LENGTH + 1);
    let mut node = network.start_node(&[("mine.bin", &content)]);
    let modified =
        fs::metadata(node.folder.path().join("mine.bin")).and_then(|found| found.modified()).expect("a time");
    let elsewhere = TestFolder::new();
    let other =
        tempfile::Builder::new().prefix("peerdex-").tempdir_in("/dev/shm").expect("a folder in memory");
    for folder in [elsewhere.path(), other.path(), &node.folder.path().join("below")] {
        let path = folder.join("copy.bin");
        let command = format!("get {} as \"{}\"", content.digest, path.display());
        let answer = node.peer.run(&command);
        assert!(answer.errors().is_empty() && answer.completed_downloads().len() == 1, "{answer:#?}");
        assert!(file_is(&path, &content), "{answer:#?}");
        let found = fs::metadata(&path).expect("the file");
        assert_eq!((found.modified().expect("a time"), found.nlink()), (modified, 1));
        let again = node.peer.run(&command);
        assert!(again.contains("already here: ") && again.errors().is_empty(), "{again:#?}");
        assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1);
    }
    let linked = node.folder.path().join("linked.bin");
    let answer = node.peer.run(&format!("get {} as linked.bin --link", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert!(file_is(&linked, &content));
    assert_eq!(fs::metadata(&linked).expect("a file").nlink(), 2);
    // Without a requested destination, any existing copy is sufficient.
    let plain = node.peer.run(&format!("get {}", content.digest));
    assert!(plain.contains("already here: ") && plain.errors().is_empty(), "{plain:#?}");
}

#[test]
fn unwritable_path_fails_although_the_content_is_local() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(611, 100);
    let mut node = network.start_node(&[("mine.bin", &content)]);
    fs::write(node.folder.path().join("file"), "not a folder").expect("a file");
    let answer = node.peer.run(&format!("get {} as file/copy.bin", content.digest));
    assert_eq!((answer.completed_downloads().len(), answer.errors().len()), (0, 1), "{answer:#?}");
}

#[test]
fn damaged_original_is_fetched_instead_of_copied() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(612, 2 * PIECE_LENGTH);
    let mut node = network.start_node(&[("mine.bin", &content)]);
    let sharer = network.start_node(&[("theirs.bin", &content)]);
    fs::write(node.folder.path().join("mine.bin"), vec![0; 2 * PIECE_LENGTH]).expect("a file");
    let answer = node.peer.run(&format!("get {} as copy.bin", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(answer.completed_downloads()[0].bytes_received_from(sharer.peer.address()), content.size());
    assert!(file_is(&node.folder.path().join("copy.bin"), &content));
}

#[test]
fn second_destination_of_a_running_download_is_written() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(613, 4 * PIECE_LENGTH);
    let half = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::FirstHalf);
    let mut node = network.start_empty_node(&[]);
    node.peer.run(&format!("download {} &", content.digest));
    wait_until("half of the file to be verified", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("2/4 pieces")
    });
    let answer = node.peer.run(&format!("download {} as second/b.bin &", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let list = || fs::read_to_string(node.folder.path().join(".peerdex/downloads.json")).unwrap_or_default();
    wait_until("both destinations to be listed", DEFAULT_TIMEOUT, || list().contains("second/b.bin"));
    drop(half);
    let _sharer = network.start_node(&[("a.bin", &content)]);
    node.restart(network.index.address());
    let at = |path: &str| file_is(&node.folder.path().join(path), &content);
    wait_until("both files to be complete", DEFAULT_TIMEOUT, || at("a.bin") && at("second/b.bin"));
}

#[test]
fn hits_with_the_same_name_get_different_files() {
    let mut network = TestNetwork::new();
    let (one, two) = (TestContent::random(620, 3 * PIECE_LENGTH), TestContent::random(621, 5));
    let _sharers = [network.start_node(&[("x/same.iso", &one)]), network.start_node(&[("y/same.iso", &two)])];
    let mut node = network.start_node(&[]);
    let hits = node.peer.run("search same.iso").hits();
    let answer = node.peer.run("get 1 2");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    for (number, name) in [(1, "same.iso"), (2, "same (1).iso")] {
        assert!(answer.0.contains(&format!("{number} → {name}")), "{answer:#?}");
        let file = node.folder.visible_files().remove(name).expect("the file");
        assert_eq!(file.digest, hits[number - 1].digest);
    }
}

#[test]
fn replaced_name_is_reported_with_its_full_path() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(622, 100);
    let sharer = network.start_node(&[("Season\u{202e}1/one.mkv", &content)]);
    let mut node = network.start_node(&[]);
    let answer = node.peer.run(&format!("download \"Season\u{202e}1/\" from {}", sharer.peer.address()));
    let path = node.folder.path().canonicalize().expect("a folder").join("Season_1/one.mkv");
    assert!(file_is(&path, &content), "{answer:#?}");
    assert!(answer.contains(&format!("saved as {}: ", path.display())), "{answer:#?}");
}

#[test]
fn modification_time_and_executable_bit_are_kept() {
    let mut network = TestNetwork::new();
    let (large, small) = (TestContent::random(624, 3 * PIECE_LENGTH), TestContent::random(625, 9));
    let contents = [("large", &large), ("small", &small)];
    let share_dir = TestFolder::new();
    for (name, content) in contents {
        for (folder, seconds, mode) in [("a", 1_000_000_000, 0o644), ("b", 1_234_567_890, 0o755)] {
            let path = share_dir.put(&format!("{folder}/{name} {folder}.bin"), content);
            let modified = UNIX_EPOCH + Duration::new(seconds, 123_456_789);
            let set = File::options().write(true).open(&path).and_then(|file| file.set_modified(modified));
            set.expect("our own file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own file");
        }
    }
    let sharer = tests::peer::PeerProcess::start(network.index.address(), share_dir.path());
    network.wait_for_files(sharer.address(), 4);
    let mut node = network.start_node(&[]);
    for (name, content) in contents {
        let answer = node.peer.run(&format!("download \"{name} b.bin\" --executable"));
        assert!(answer.errors().is_empty(), "{answer:#?}");
        let found = fs::metadata(node.folder.path().join(format!("{name} b.bin"))).expect("the file");
        let kept = UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
        assert_eq!(found.modified().expect("a time"), kept);
        assert_ne!(found.permissions().mode() & 0o100, 0);
        node.path_of(content);
    }
    // In a tree, every file keeps its own time, also files with the same content; without the option, no file is
    // executable.
    let mut tree = network.start_node(&[]);
    let answer = tree.peer.run(&format!("download a/ from {}", sharer.address()));
    let again = tree.peer.run(&format!("download b/ from {}", sharer.address()));
    assert!(answer.errors().is_empty() && again.errors().is_empty(), "{answer:#?} {again:#?}");
    let found = fs::metadata(tree.folder.path().join("a/large a.bin")).expect("the file");
    let kept = UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    assert_eq!((found.modified().expect("a time"), found.permissions().mode() & 0o100), (kept, 0));
}

#[test]
fn local_copy_keeps_the_modification_time() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(623, 1000);
    let share_dir = TestFolder::with_file("old.bin", &content);
    let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let set = File::options().write(true).open(share_dir.path().join("old.bin"));
    set.and_then(|file| file.set_modified(old)).expect("our own file");
    let mut peer = tests::peer::PeerProcess::start(network.index.address(), share_dir.path());
    network.wait_for_files(peer.address(), 1);
    let answer = peer.run(&format!("get {} as new.bin", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let modified = |name: &str| -> SystemTime {
        fs::metadata(share_dir.path().join(name)).and_then(|found| found.modified()).expect("a time")
    };
    assert_eq!(modified("new.bin"), old);
}
