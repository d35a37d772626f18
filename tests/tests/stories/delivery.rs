//! Every requested file is at its place afterwards, whatever this node has of it already.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::Network;
use tests::peer::Answer;

/// Returns how many bytes of content came from other nodes.
fn fetched(answer: &Answer) -> u64 {
    answer.done().iter().map(tests::peer::Done::given).sum()
}

fn file_is(path: &Path, content: &Content) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == content.bytes)
}

#[test]
fn folder_arrives_whole_though_some_of_it_is_here() {
    let mut network = Network::new();
    let (license, empty) = (Content::random(600, 2 * PIECE + 9), Content::random(601, 0));
    let (small, once) = (Content::random(602, 17), Content::random(603, PIECE));
    let files = [
        ("project/LICENSE", &license),
        ("project/docs/LICENSE.txt", &license),
        ("project/pkg/__init__.py", &empty),
        ("project/pkg/sub/__init__.py", &empty),
        ("project/small", &small),
        ("project/once.bin", &once),
    ];
    let sharer = network.node(&files);
    let mut fetcher = network.node(&[("old/copying", &license), ("none", &empty), ("s", &small)]);
    let address = sharer.peer.address();
    let download = format!("download project/ from {address}");
    let answer = fetcher.peer.say(&download);
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(fetched(&answer), once.size(), "{answer:#?}");
    let is_whole =
        |home: &Home| files.iter().all(|(path, content)| home.files().get(*path) == Some(*content));
    assert!(is_whole(&fetcher.home), "{:?}", fetcher.home.files().keys());
    network.wait_for_files(fetcher.peer.address(), files.len() + 3);
    // Asked for again, nothing is made twice, and what is missing comes back.
    fs::remove_file(fetcher.home.path().join("project/pkg/__init__.py")).expect("the file");
    let again = fetcher.peer.say(&download);
    assert!(again.errors().is_empty() && is_whole(&fetcher.home), "{again:#?}");
    assert_eq!((fetched(&again), fetcher.home.files().len()), (0, files.len() + 3), "{again:#?}");
}

#[test]
fn content_that_is_here_comes_to_the_path_that_was_asked_for() {
    let mut network = Network::new();
    let content = Content::random(610, 3 * PIECE + 1);
    let mut node = network.node(&[("mine.bin", &content)]);
    let modified =
        fs::metadata(node.home.path().join("mine.bin")).and_then(|found| found.modified()).expect("a time");
    let elsewhere = Home::new();
    let other =
        tempfile::Builder::new().prefix("peerdex-").tempdir_in("/dev/shm").expect("a folder in memory");
    for folder in [elsewhere.path(), other.path(), &node.home.path().join("below")] {
        let path = folder.join("copy.bin");
        let order = format!("get {} as \"{}\"", content.digest, path.display());
        let answer = node.peer.say(&order);
        assert!(answer.errors().is_empty() && answer.done().len() == 1, "{answer:#?}");
        assert!(file_is(&path, &content), "{answer:#?}");
        let found = fs::metadata(&path).expect("the file");
        assert_eq!((found.modified().expect("a time"), found.nlink()), (modified, 1));
        let again = node.peer.say(&order);
        assert!(again.has("already here: ") && again.errors().is_empty(), "{again:#?}");
        assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1);
    }
    let linked = node.home.path().join("linked.bin");
    let answer = node.peer.say(&format!("get {} as linked.bin --link", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert!(file_is(&linked, &content));
    assert_eq!(fs::metadata(&linked).expect("a file").nlink(), 2);
    // Without a place of its own, one anywhere is enough.
    let plain = node.peer.say(&format!("get {}", content.digest));
    assert!(plain.has("already here: ") && plain.errors().is_empty(), "{plain:#?}");
}

#[test]
fn path_that_cannot_be_written_fails_although_the_content_is_here() {
    let mut network = Network::new();
    let content = Content::random(611, 100);
    let mut node = network.node(&[("mine.bin", &content)]);
    fs::write(node.home.path().join("file"), "not a folder").expect("a file");
    let answer = node.peer.say(&format!("get {} as file/copy.bin", content.digest));
    assert_eq!((answer.done().len(), answer.errors().len()), (0, 1), "{answer:#?}");
}

#[test]
fn damaged_original_is_not_copied_but_fetched() {
    let mut network = Network::new();
    let content = Content::random(612, 2 * PIECE);
    let mut node = network.node(&[("mine.bin", &content)]);
    let sharer = network.node(&[("theirs.bin", &content)]);
    fs::write(node.home.path().join("mine.bin"), vec![0; 2 * PIECE]).expect("a file");
    let answer = node.peer.say(&format!("get {} as copy.bin", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(answer.done()[0].given_by(sharer.peer.address()), content.size());
    assert!(file_is(&node.home.path().join("copy.bin"), &content));
}

#[test]
fn second_place_for_a_running_download_is_served_too() {
    let mut network = Network::new();
    let content = Content::random(613, 4 * PIECE);
    let half = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::FirstHalf);
    let mut node = network.node_with(&[]);
    node.peer.say(&format!("download {} &", content.digest));
    until("half of it to be here", SOON, || node.peer.say("transfers").has("2/4 pieces"));
    let answer = node.peer.say(&format!("download {} as second/b.bin &", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let list = || fs::read_to_string(node.home.path().join(".peerdex/downloads.json")).unwrap_or_default();
    until("both places to be listed", SOON, || list().contains("second/b.bin"));
    drop(half);
    let _sharer = network.node(&[("a.bin", &content)]);
    node.start_again(network.index.address());
    let at = |path: &str| file_is(&node.home.path().join(path), &content);
    until("both files to be here", SOON, || at("a.bin") && at("second/b.bin"));
}

#[test]
fn hits_with_one_name_are_told_apart() {
    let mut network = Network::new();
    let (one, two) = (Content::random(620, 3 * PIECE), Content::random(621, 5));
    let _sharers = [network.node(&[("x/same.iso", &one)]), network.node(&[("y/same.iso", &two)])];
    let mut node = network.node(&[]);
    let hits = node.peer.say("search same.iso").hits();
    let answer = node.peer.say("get 1 2");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    for (number, name) in [(1, "same.iso"), (2, "same (1).iso")] {
        assert!(answer.0.contains(&format!("{number} → {name}")), "{answer:#?}");
        let file = node.home.files().remove(name).expect("the file");
        assert_eq!(file.digest, hits[number - 1].digest);
    }
}

#[test]
fn name_that_was_replaced_is_told_with_the_whole_path() {
    let mut network = Network::new();
    let content = Content::random(622, 100);
    let sharer = network.node(&[("Season\u{202e}1/one.mkv", &content)]);
    let mut node = network.node(&[]);
    let answer = node.peer.say(&format!("download \"Season\u{202e}1/\" from {}", sharer.peer.address()));
    let place = node.home.path().canonicalize().expect("a folder").join("Season_1/one.mkv");
    assert!(file_is(&place, &content), "{answer:#?}");
    assert!(answer.has(&format!("saved as {}: ", place.display())), "{answer:#?}");
}

#[test]
fn modification_time_and_executable_bit_of_the_chosen_name_are_kept() {
    let mut network = Network::new();
    let (large, small) = (Content::random(624, 3 * PIECE), Content::random(625, 9));
    let contents = [("large", &large), ("small", &small)];
    let home = Home::new();
    for (name, content) in contents {
        for (folder, seconds, mode) in [("a", 1_000_000_000, 0o644), ("b", 1_234_567_890, 0o755)] {
            let path = home.put(&format!("{folder}/{name} {folder}.bin"), content);
            let modified = UNIX_EPOCH + Duration::new(seconds, 123_456_789);
            let set = File::options().write(true).open(&path).and_then(|file| file.set_modified(modified));
            set.expect("a file of ours");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a file of ours");
        }
    }
    let sharer = tests::peer::Peer::start(network.index.address(), home.path());
    network.wait_for_files(sharer.address(), 4);
    let mut node = network.node(&[]);
    for (name, content) in contents {
        let answer = node.peer.say(&format!("download \"{name} b.bin\" --executable"));
        assert!(answer.errors().is_empty(), "{answer:#?}");
        let found = fs::metadata(node.home.path().join(format!("{name} b.bin"))).expect("the file");
        let kept = UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
        assert_eq!(found.modified().expect("a time"), kept);
        assert_ne!(found.permissions().mode() & 0o100, 0);
        node.has(content);
    }
    // A tree has the times of all its files, those with one content included, and without the option no executable ones.
    let mut tree = network.node(&[]);
    let answer = tree.peer.say(&format!("download a/ from {}", sharer.address()));
    let again = tree.peer.say(&format!("download b/ from {}", sharer.address()));
    assert!(answer.errors().is_empty() && again.errors().is_empty(), "{answer:#?} {again:#?}");
    let found = fs::metadata(tree.home.path().join("a/large a.bin")).expect("the file");
    let kept = UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    assert_eq!((found.modified().expect("a time"), found.permissions().mode() & 0o100), (kept, 0));
}

#[test]
fn local_copy_of_an_old_file_is_as_old() {
    let mut network = Network::new();
    let content = Content::random(623, 1000);
    let home = Home::with("old.bin", &content);
    let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let set = File::options().write(true).open(home.path().join("old.bin"));
    set.and_then(|file| file.set_modified(old)).expect("a file of ours");
    let mut peer = tests::peer::Peer::start(network.index.address(), home.path());
    network.wait_for_files(peer.address(), 1);
    let answer = peer.say(&format!("get {} as new.bin", content.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let modified = |name: &str| -> SystemTime {
        fs::metadata(home.path().join(name)).and_then(|found| found.modified()).expect("a time")
    };
    assert_eq!(modified("new.bin"), old);
}
