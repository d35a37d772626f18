//! A folder in the share is constantly swapped with a link: nothing outside the share is written or read.

use std::fs;
use std::path::Path;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;
use tests::swapper::{FileWatch, Swapper};
use tests::test_folder::TestFolder;

/// Minimum number of swaps during a test.
const MIN_SWAPS: u64 = 2000;

/// Returns files of one piece and of several pieces, by name.
fn contents(seed: u64) -> Vec<(String, TestContent)> {
    let size = |number: u64| if number.is_multiple_of(2) { 3000 } else { PIECE_LENGTH * 2 + 5000 };
    (0..16)
        .map(|number| (format!("{number}.bin"), TestContent::random(seed + number, size(number))))
        .collect()
}

#[test]
fn no_download_is_written_outside_the_share() {
    let (mut network, contents, outside) = (TestNetwork::new(), contents(2000), TestFolder::new());
    let files: Vec<_> = contents.iter().map(|(name, content)| (name.as_str(), content)).collect();
    let _sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[]);
    let folder = fetcher.folder.path().join("films");
    fs::create_dir(&folder).expect("a folder");
    let watch = FileWatch::watch(outside.path());
    let swapper = Swapper::start(&folder, outside.path());
    for (name, content) in &contents {
        // Some downloads fail, when the folder's name is a link at that moment; others succeed.
        let answer = fetcher.peer.run(&format!("download {} as films/{name}", content.digest));
        let is_expected = |error: &&str| error.contains("link") || error.contains("Not a directory");
        assert!(answer.errors().iter().all(is_expected), "{answer:#?}");
    }
    wait_until("many swaps", DEFAULT_TIMEOUT, || swapper.swaps() > MIN_SWAPS);
    assert_eq!(watch.take_events(), Vec::<String>::new());
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 0);
    swapper.stop();
    for (name, content) in &contents {
        let answer = fetcher.peer.run(&format!("download {} as films/{name}", content.digest));
        assert!(answer.errors().is_empty(), "{answer:#?}");
        assert_eq!(fs::read(folder.join(name)).expect("the file"), content.bytes, "{name}");
    }
    assert_eq!(watch.take_events(), Vec::<String>::new());
}

#[test]
fn nothing_outside_the_share_is_read_or_served() {
    let (mut network, outside) = (TestNetwork::new(), TestFolder::new());
    let (ours, theirs, more) = (contents(2100), contents(2200), contents(2300));
    let files: Vec<_> = ours.iter().map(|(name, content)| (format!("films/{name}"), content)).collect();
    let files: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let mut sharer = network.start_node(&files);
    // Foreign files under the names of shared and new files.
    for ((name, theirs), (_, more)) in theirs.iter().zip(&more) {
        outside.put(name, theirs);
        outside.put(&format!("new {name}"), more);
    }
    let mut fetcher = network.start_node(&[]);
    let watch = FileWatch::watch(outside.path());
    let path = sharer.folder.path().join("films");
    let folder = fs::File::open(&path).expect("the folder");
    let swapper = Swapper::start(&path, outside.path());
    for (name, content) in &ours {
        fetcher.peer.run(&format!("download {} &", content.digest));
        // New files are hashed while the folder is swapped.
        write_in_open_folder(&folder, &format!("new {name}"), &content.bytes[1..]);
    }
    let begun = swapper.swaps();
    wait_until("many swaps", DEFAULT_TIMEOUT, || swapper.swaps() > begun + MIN_SWAPS);
    swapper.stop();
    for (_, content) in &ours {
        let answer = fetcher.peer.run(&format!("download {}", content.digest));
        assert!(answer.errors().is_empty(), "{answer:#?}");
        fetcher.path_of(content);
    }
    wait_until("the new files to be shared", DEFAULT_TIMEOUT, || {
        sharer.peer.run("files").files().len() == ours.len() * 2
    });
    assert_eq!(watch.take_events(), Vec::<String>::new());
    let listed = sharer.peer.run("files").files();
    let is_theirs = |digest| theirs.iter().chain(&more).any(|(_, content)| content.digest == digest);
    assert!(!listed.iter().any(|file| is_theirs(file.digest)), "{listed:#?}");
}

/// Writes a file in an open folder, wherever the folder is now.
fn write_in_open_folder(folder: &fs::File, name: &str, bytes: &[u8]) {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
    fs::write(Path::new(&path), bytes).expect("a file");
}
