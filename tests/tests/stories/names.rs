//! Under which name a download comes to lie where.

use std::fs;

use tests::content::{Content, PIECE};
use tests::home::Home;
use tests::network::Network;

#[test]
fn a_name_taken_by_other_content_is_left_alone_and_the_free_one_is_said() {
    let mut network = Network::new();
    let (theirs, ours) = (Content::random(70, PIECE + 3), Content::random(71, 100));
    let _sharer = network.node(&[("report.pdf", &theirs)]);
    let mut fetcher = network.node(&[("report.pdf", &ours)]);
    let answer = fetcher.peer.say(&format!("download {}", theirs.digest));
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    let place = fetcher.has(&theirs);
    assert_ne!(place, "report.pdf");
    assert!(answer.has(&place), "{place} is not said in {answer:#?}");
    assert_eq!(fetcher.has(&ours), "report.pdf");
}

#[test]
fn content_that_is_here_already_is_not_fetched_again() {
    let mut network = Network::new();
    let content = Content::random(72, PIECE);
    let _sharer = network.node(&[("theirs.bin", &content)]);
    let mut fetcher = network.node(&[("ours.bin", &content)]);
    let answer = fetcher.peer.say(&format!("download {}", content.digest));
    assert!(answer.has("already here") && answer.has("ours.bin"), "{answer:#?}");
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(fetcher.home.files().len(), 1);
}

#[test]
fn a_download_can_be_given_another_name_and_another_place() {
    let mut network = Network::new();
    let (one, two) = (Content::random(73, 5000), Content::random(74, 6000));
    let _sharer = network.node(&[("one.bin", &one), ("two.bin", &two)]);
    let mut fetcher = network.node(&[]);
    let answer = fetcher.peer.say(&format!("download {} as \"my own name.bin\"", one.digest));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let elsewhere = Home::new();
    let place = elsewhere.path().join("elsewhere.bin");
    let answer = fetcher.peer.say(&format!("download two.bin as \"{}\"", place.display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    assert_eq!(fs::read(&place).expect("the file"), two.bytes);
    assert!(fetcher.has(&one).ends_with("my own name.bin"), "{}", fetcher.has(&one));
}

#[test]
fn a_file_in_a_sub_folder_comes_under_its_own_name() {
    let mut network = Network::new();
    let content = Content::random(75, 5000);
    let _sharer = network.node(&[("deep/down/below/deep.txt", &content)]);
    let mut fetcher = network.node(&[]);
    fetcher.fetch(&content);
    assert!(fetcher.has(&content).ends_with("deep.txt"));
}

#[test]
fn a_download_is_fetched_by_its_name() {
    let mut network = Network::new();
    let content = Content::random(76, 5000);
    let _sharer = network.node(&[("the one.txt", &content)]);
    let mut fetcher = network.node(&[]);
    let answer = fetcher.peer.say("download \"the one.txt\"");
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    fetcher.has(&content);
}

#[test]
fn names_that_linux_can_store_are_shared_and_kept() {
    let mut network = Network::new();
    let names = [
        "K: Missing Kings.mkv",
        "what? \"really\" <yes>|*.txt",
        "back\\slash/C:\\x",
        "Season 1. /nul",
        "~root",
        "   ",
    ];
    let contents: Vec<Content> =
        (0..).zip(names).map(|(seed, _)| Content::random(700 + seed, 3000)).collect();
    let files: Vec<(&str, &Content)> = names.into_iter().zip(&contents).collect();
    let mut sharer = network.node(&files);
    let mut fetcher = network.node(&[]);
    for (name, content) in files {
        fetcher.fetch(content);
        // A file that is fetched alone comes under its own name, without its folder.
        assert_eq!(fetcher.has(content), name.rsplit('/').next().expect("a name"));
        let torrent = fetcher.home.path().join(".made.torrent");
        let answer = sharer.peer.say(&format!("torrent create {} as {}", content.digest, torrent.display()));
        assert!(answer.errors().is_empty(), "{answer:#?}");
        fs::remove_file(torrent).expect("a torrent");
    }
    network.wait_for_files(fetcher.peer.address(), names.len());
}

#[test]
fn a_long_name_is_kept_or_shortened_before_its_extension() {
    let mut network = Network::new();
    let name = format!("{}.mkv", "é".repeat(125));
    let (theirs, ours) = (Content::random(77, PIECE + 3), Content::random(78, 100));
    let _sharer = network.node(&[(&name, &theirs)]);
    let mut fetcher = network.node(&[]);
    fetcher.fetch(&theirs);
    assert_eq!(fetcher.has(&theirs), name);
    let mut other = network.node(&[(&name, &ours)]);
    other.fetch(&theirs);
    let place = other.has(&theirs);
    assert!(place.ends_with("é (1).mkv") && place.len() <= 255, "{place}");
}
