//! Torrents with names that cannot be stored, and without anybody who could have them.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use sha1::{Digest as _, Sha1};
use tests::content::Content;
use tests::eventually::{SOON, until};
use tests::foreign::{Client, Running};
use tests::home::Home;
use tests::network::Network;
use tests::torrent_corpus::{Entry, PIECE, Recipe, kinds};
use tests::torrent_peer::{TorrentPeer, address, peer_torrent};

/// Paths of files, and where each of them is stored.
const ODD: [(&[&str], &str); 9] = [
    (&["a/b"], "a_b"),
    (&["a", "..", "..", "up"], "a/unnamed/unnamed/up"),
    (&["tab\there"], "tab_here"),
    (&["line\nhere", ""], "line_here/unnamed"),
    (&["twin.x"], "twin.x"),
    (&["twin.x"], "twin (1).x"),
    (&["folder"], "folder (1)"),
    (&["folder", "x"], "folder/x"),
    (&["con", "nul"], "_con/_nul"),
];

/// Returns the content of all odd files, one behind the other, with the length of each.
fn content() -> (Vec<u8>, Vec<usize>) {
    let lengths: Vec<usize> = (1..=ODD.len()).map(|number| number * 7001).collect();
    (Vec::clone(&Content::random(995, lengths.iter().sum()).bytes), lengths)
}

/// Writes the torrent of the odd files, and the files where they are stored.
fn odd_torrent(folder: &Path) -> std::path::PathBuf {
    let (bytes, lengths) = content();
    let hashes = bytes.chunks(usize::try_from(PIECE).expect("a small number"));
    let hashes: Vec<u8> = hashes.flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let files = ODD.iter().zip(&lengths).map(|((path, _), length)| Entry::file(path, *length as u64));
    let recipe = Recipe { hashes: Some(hashes), ..Recipe::of(files).without_root() };
    recipe.cook("odd").write(folder)
}

/// Asserts that the odd files lie in a folder, and nothing else.
fn assert_whole(folder: &Home) {
    let (bytes, lengths) = content();
    let (mut rest, mut files) = (bytes.as_slice(), folder.files());
    for ((_, place), length) in ODD.iter().zip(lengths) {
        let (file, after) = rest.split_at(length);
        assert_eq!(files.remove(&format!("album/{place}")), Some(Content::of(file)), "{place}");
        rest = after;
    }
    assert!(files.is_empty(), "{:?}", files.keys());
}

#[test]
fn odd_names_are_fetched_into_their_folder_and_given_on() {
    let (torrents, seed, fetched) = (Home::new(), Home::new(), Home::new());
    let torrent = odd_torrent(torrents.path());
    let (bytes, lengths) = content();
    let mut rest = bytes.as_slice();
    for ((_, place), length) in ODD.iter().zip(lengths) {
        let (file, after) = rest.split_at(length);
        seed.put(&format!("album/{place}"), &Content::of(file));
        rest = after;
    }
    let verified =
        peer_torrent("verify").arg(&torrent).arg("--dir").arg(seed.path()).output().expect("the program");
    let told = String::from_utf8(verified.stdout).expect("UTF-8");
    assert!(told.contains("9 of 9 files whole"), "{told}");

    let seeding = TorrentPeer::default().seed(&torrent, seed.path());
    let peer = address(&seeding).to_string();
    let mut fetching = TorrentPeer::with(&["--peer", &peer]).join(&torrent, fetched.path());
    fetching.wait_complete();
    assert_whole(&fetched);
    assert_eq!(fs::read_dir(fetched.path()).expect("a folder").count(), 1, "nothing lies beside the folder");
    // It goes on from what is there.
    let mut again = TorrentPeer::default().join(&torrent, fetched.path());
    again.wait_complete();
    assert_whole(&fetched);
}

/// Starts a download into a folder of its own.
fn download(name: &str, options: &[&str]) -> (Running, Home, Home) {
    let (torrents, folder) = (Home::new(), Home::new());
    let specimen = kinds().into_iter().find(|specimen| specimen.name == name).expect("such a kind");
    let torrent = specimen.write(torrents.path());
    (TorrentPeer::with(options).join(&torrent, folder.path()), torrents, folder)
}

#[test]
fn a_torrent_without_a_usable_source_says_so_at_once() {
    for (name, reason) in [
        ("only-url-list", "names no tracker; its web seeds (url-list) are not supported"),
        ("only-nodes", "names no tracker; its DHT nodes (nodes) are not supported"),
        ("no-tracker", "names no tracker"),
        ("only-wss", "names one tracker, which cannot be asked (trackers of wss"),
    ] {
        let (running, torrents, _folder) = download(name, &[]);
        let beginning = format!("no usable source: the torrent {reason}");
        for start in ["no-source\t", "warning: "] {
            let line = format!("{start}{beginning}");
            let found = running.output().find(0, SOON, |said| said.starts_with(&line));
            assert!(found.is_some(), "{line}: {}", running.output().text());
        }
        let torrent = torrents.path().join(format!("{name}.torrent"));
        let show = |options: &[&str]| {
            let output = peer_torrent("show").args(options).arg(&torrent).output().expect("the program");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        assert!(show(&[]).contains(&beginning) && show(&["--json"]).contains(&beginning), "{name}");
    }
}

#[test]
fn a_torrent_with_a_tracker_or_a_named_peer_complains_of_nothing() {
    for (name, options) in [("plain", &[][..]), ("no-tracker", &["--peer", "127.0.0.1:9"])] {
        let (mut running, _torrents, _folder) = download(name, options);
        address(&running);
        running.process().signal(Signal::INT);
        assert!(running.output().ended(SOON), "{name} goes on");
        assert!(!running.output().text().contains("no usable source"), "{name}");
    }
}

#[test]
fn a_node_says_that_a_torrent_has_no_usable_source() {
    let (network, torrents) = (Network::new(), Home::new());
    let mut node = network.node_with(&[]);
    let specimen = kinds().into_iter().find(|specimen| specimen.name == "only-nodes").expect("such a kind");
    let torrent = specimen.write(torrents.path());
    let answer = node.peer.say(&format!("torrent add \"{}\" &", torrent.display()));
    let warning = "warning: album: no usable source: the torrent names no tracker; its DHT nodes (nodes)";
    assert!(answer.errors().is_empty() && answer.has(warning), "{answer:#?}");
    until("the reason in the list", SOON, || node.peer.say("transfers").has("no usable source"));
}

#[test]
fn what_no_torrent_can_hold_is_left_out_and_named() {
    let home = Home::with("album/good", &Content::random(996, 1000));
    home.put("album/bad\nname", &Content::random(997, 10));
    let torrent = home.path().join("album.torrent");
    let output = peer_torrent("create").arg(home.path().join("album")).arg("--output").arg(&torrent).output();
    let output = output.expect("the program");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{errors}");
    assert!(
        errors.contains("left out: ") && errors.contains("bad\\nname (its name holds a control character)"),
        "{errors}"
    );
    let shown = peer_torrent("show").arg("--json").arg(&torrent).output().expect("the program");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["files"].as_array().map(Vec::len), Some(1));
}
