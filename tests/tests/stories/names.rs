//! The name and path of a download.

use std::fs;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::network::TestNetwork;
use tests::test_folder::TestFolder;

#[test]
fn existing_file_is_kept_and_the_new_name_is_reported() {
    let mut network = TestNetwork::new();
    let (theirs, ours) = (TestContent::random(70, PIECE_LENGTH + 3), TestContent::random(71, 100));
    let _sharer = network.start_node(&[("report.pdf", &theirs)]);
    let mut fetcher = network.start_node(&[("report.pdf", &ours)]);
    let answer = fetcher.peer.run(&format!("download {}", theirs.digest));
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    let path = fetcher.path_of(&theirs);
    assert_ne!(path, "report.pdf");
    assert!(answer.contains(&path), "{path} is not in {answer:#?}");
    assert_eq!(fetcher.path_of(&ours), "report.pdf");
}

#[test]
fn local_content_is_not_fetched_again() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(72, PIECE_LENGTH);
    let _sharer = network.start_node(&[("theirs.bin", &content)]);
    let mut fetcher = network.start_node(&[("ours.bin", &content)]);
    let answer = fetcher.peer.run(&format!("download {}", content.digest));
    assert!(answer.contains("already here") && answer.contains("ours.bin"), "{answer:#?}");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(fetcher.folder.visible_files().len(), 1);
}

#[test]
fn download_can_be_renamed_and_moved() {
    let mut network = TestNetwork::new();
    let (one, two) = (TestContent::random(73, 5000), TestContent::random(74, 6000));
    let _sharer = network.start_node(&[("one.bin", &one), ("two.bin", &two)]);
    let mut fetcher = network.start_node(&[]);
    let answer = fetcher.peer.run(&format!("download {} as \"my own name.bin\"", one.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let elsewhere = TestFolder::new();
    let path = elsewhere.path().join("elsewhere.bin");
    let answer = fetcher.peer.run(&format!("download two.bin as \"{}\"", path.display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(fs::read(&path).expect("the file"), two.bytes);
    assert!(fetcher.path_of(&one).ends_with("my own name.bin"), "{}", fetcher.path_of(&one));
}

#[test]
fn file_from_a_subfolder_keeps_its_own_name() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(75, 5000);
    let _sharer = network.start_node(&[("deep/down/below/deep.txt", &content)]);
    let mut fetcher = network.start_node(&[]);
    fetcher.download(&content);
    assert!(fetcher.path_of(&content).ends_with("deep.txt"));
}

#[test]
fn file_can_be_downloaded_by_name() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(76, 5000);
    let _sharer = network.start_node(&[("the one.txt", &content)]);
    let mut fetcher = network.start_node(&[]);
    let answer = fetcher.peer.run("download \"the one.txt\"");
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    fetcher.path_of(&content);
}

#[test]
fn names_valid_on_linux_are_shared_and_kept() {
    let mut network = TestNetwork::new();
    let names = [
        "K: Missing Kings.mkv",
        "what? \"really\" <yes>|*.txt",
        "back\\slash/C:\\x",
        "Season 1. /nul",
        "~root",
        "   ",
    ];
    let contents: Vec<TestContent> =
        (0..).zip(names).map(|(seed, _)| TestContent::random(700 + seed, 3000)).collect();
    let files: Vec<(&str, &TestContent)> = names.into_iter().zip(&contents).collect();
    let mut sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[]);
    for (name, content) in files {
        fetcher.download(content);
        // A file that is downloaded alone gets its own name, without its folder.
        assert_eq!(fetcher.path_of(content), name.rsplit('/').next().expect("a name"));
        let torrent = fetcher.folder.path().join(".made.torrent");
        let answer = sharer.peer.run(&format!("torrent create {} as {}", content.digest, torrent.display()));
        assert!(answer.errors().is_empty(), "{answer:#?}");
        fs::remove_file(torrent).expect("a torrent");
    }
    network.wait_for_files(fetcher.peer.address(), names.len());
}

#[test]
fn long_name_is_kept_or_shortened_before_its_extension() {
    let mut network = TestNetwork::new();
    let name = format!("{}.mkv", "é".repeat(125));
    let (theirs, ours) = (TestContent::random(77, PIECE_LENGTH + 3), TestContent::random(78, 100));
    let _sharer = network.start_node(&[(&name, &theirs)]);
    let mut fetcher = network.start_node(&[]);
    fetcher.download(&theirs);
    assert_eq!(fetcher.path_of(&theirs), name);
    let mut other = network.start_node(&[(&name, &ours)]);
    other.download(&theirs);
    let path = other.path_of(&theirs);
    assert!(path.ends_with("é (1).mkv") && path.len() <= 255, "{path}");
}
