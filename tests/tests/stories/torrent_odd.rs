//! Torrents with names that cannot be stored, and torrents without any possible source.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use sha1::{Digest as _, Sha1};
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;
use tests::test_folder::TestFolder;
use tests::third_party::{ClientProcess, TorrentClient};
use tests::torrent_corpus::{CorpusFile, PIECE_LENGTH, TorrentBuilder, torrents_of_each_kind};
use tests::torrent_peer::{TorrentPeer, listen_address, torrent_command};

/// File paths and the paths at which they are stored.
const ODD_PATHS: [(&[&str], &str); 9] = [
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

/// Returns the concatenated content of all odd files, with the length of each.
fn odd_content() -> (Vec<u8>, Vec<usize>) {
    let lengths: Vec<usize> = (1..=ODD_PATHS.len()).map(|number| number * 7001).collect();
    (Vec::clone(&TestContent::random(995, lengths.iter().sum()).bytes), lengths)
}

/// Writes the torrent of the odd files, and the files at their stored paths.
fn write_odd_torrent(folder: &Path) -> std::path::PathBuf {
    let (bytes, lengths) = odd_content();
    let hashes = bytes.chunks(usize::try_from(PIECE_LENGTH).expect("a small number"));
    let hashes: Vec<u8> = hashes.flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let files =
        ODD_PATHS.iter().zip(&lengths).map(|((path, _), length)| CorpusFile::file(path, *length as u64));
    let recipe =
        TorrentBuilder { hashes: Some(hashes), ..TorrentBuilder::from_files(files).without_root_entries() };
    recipe.build("odd").write(folder)
}

/// Asserts that a folder contains only the odd files.
fn assert_only_odd_files(folder: &TestFolder) {
    let (bytes, lengths) = odd_content();
    let (mut rest, mut files) = (bytes.as_slice(), folder.visible_files());
    for ((_, path), length) in ODD_PATHS.iter().zip(lengths) {
        let (file, after) = rest.split_at(length);
        assert_eq!(files.remove(&format!("album/{path}")), Some(TestContent::from_bytes(file)), "{path}");
        rest = after;
    }
    assert!(files.is_empty(), "{:?}", files.keys());
}

#[test]
fn odd_names_are_downloaded_and_seeded() {
    let (torrents, seed, fetched) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let torrent = write_odd_torrent(torrents.path());
    let (bytes, lengths) = odd_content();
    let mut rest = bytes.as_slice();
    for ((_, path), length) in ODD_PATHS.iter().zip(lengths) {
        let (file, after) = rest.split_at(length);
        seed.put(&format!("album/{path}"), &TestContent::from_bytes(file));
        rest = after;
    }
    let verified =
        torrent_command("verify").arg(&torrent).arg("--dir").arg(seed.path()).output().expect("the program");
    let report = String::from_utf8(verified.stdout).expect("UTF-8");
    assert!(report.contains("9 of 9 files whole"), "{report}");

    let seeding = TorrentPeer::default().seed(&torrent, seed.path());
    let peer = listen_address(&seeding).to_string();
    let mut fetching = TorrentPeer::with_options(&["--peer", &peer]).join(&torrent, fetched.path());
    fetching.wait_until_complete();
    assert_only_odd_files(&fetched);
    assert_eq!(
        fs::read_dir(fetched.path()).expect("a folder").count(),
        1,
        "no other entry beside the folder"
    );
    // A second run continues with the existing files.
    let mut again = TorrentPeer::default().join(&torrent, fetched.path());
    again.wait_until_complete();
    assert_only_odd_files(&fetched);
}

/// Starts a download into its own folder.
fn start_download(name: &str, options: &[&str]) -> (ClientProcess, TestFolder, TestFolder) {
    let (torrents, folder) = (TestFolder::new(), TestFolder::new());
    let specimen =
        torrents_of_each_kind().into_iter().find(|specimen| specimen.name == name).expect("an existing kind");
    let torrent = specimen.write(torrents.path());
    (TorrentPeer::with_options(options).join(&torrent, folder.path()), torrents, folder)
}

#[test]
fn torrent_without_a_usable_source_reports_it_at_once() {
    for (name, reason) in [
        ("only-url-list", "names no tracker; its web seeds (url-list) are not supported"),
        ("only-nodes", "names no tracker; its DHT nodes (nodes) are not supported"),
        ("no-tracker", "names no tracker"),
        ("only-wss", "names one tracker, which cannot be used (wss trackers"),
    ] {
        let (running, torrents, _folder) = start_download(name, &[]);
        let beginning = format!("no usable source: the torrent {reason}");
        for start in ["no-source\t", "warning: "] {
            let line = format!("{start}{beginning}");
            let found = running.output().find(0, DEFAULT_TIMEOUT, |text| text.starts_with(&line));
            assert!(found.is_some(), "{line}: {}", running.output().text());
        }
        let torrent = torrents.path().join(format!("{name}.torrent"));
        let show = |options: &[&str]| {
            let output = torrent_command("show").args(options).arg(&torrent).output().expect("the program");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        assert!(show(&[]).contains(&beginning) && show(&["--json"]).contains(&beginning), "{name}");
    }
}

#[test]
fn torrent_with_tracker_or_named_peer_prints_no_warning() {
    for (name, options) in [("plain", &[][..]), ("no-tracker", &["--peer", "127.0.0.1:9"])] {
        let (mut running, _torrents, _folder) = start_download(name, options);
        listen_address(&running);
        running.process().signal(Signal::INT);
        assert!(running.output().wait_for_end(DEFAULT_TIMEOUT), "{name} is still running");
        assert!(!running.output().text().contains("no usable source"), "{name}");
    }
}

#[test]
fn node_reports_a_torrent_without_a_usable_source() {
    let (network, torrents) = (TestNetwork::new(), TestFolder::new());
    let mut node = network.start_empty_node(&[]);
    let specimen = torrents_of_each_kind()
        .into_iter()
        .find(|specimen| specimen.name == "only-nodes")
        .expect("an existing kind");
    let torrent = specimen.write(torrents.path());
    let answer = node.peer.run(&format!("torrent add \"{}\" &", torrent.display()));
    let warning = "warning: album: no usable source: the torrent names no tracker; its DHT nodes (nodes)";
    assert!(answer.errors().is_empty() && answer.contains(warning), "{answer:#?}");
    wait_until("the reason to be listed", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").contains("no usable source")
    });
}

#[test]
fn names_with_control_characters_are_skipped_and_reported() {
    let share_dir = TestFolder::with_file("album/good", &TestContent::random(996, 1000));
    share_dir.put("album/bad\nname", &TestContent::random(997, 10));
    let torrent = share_dir.path().join("album.torrent");
    let output =
        torrent_command("create").arg(share_dir.path().join("album")).arg("--output").arg(&torrent).output();
    let output = output.expect("the program");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{errors}");
    assert!(
        errors.contains("left out: ") && errors.contains("bad\\nname (its name holds a control character)"),
        "{errors}"
    );
    let shown = torrent_command("show").arg("--json").arg(&torrent).output().expect("the program");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["files"].as_array().map(Vec::len), Some(1));
}
