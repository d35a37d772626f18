//! Torrents created, shown and verified with our program alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tests::content::TestContent;
use tests::programs::programs;
use tests::test_folder::TestFolder;

const TRACKER: &str = "http://127.0.0.1:6969/announce";

/// Runs `peer-node torrent` with arguments in a folder.
fn run_torrent(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(&programs().peer_node);
    command.arg("torrent").args(arguments).current_dir(folder).output().expect("the program")
}

/// Runs the command, which must succeed, and returns its output.
fn torrent_output(folder: &Path, arguments: &[&str]) -> String {
    let output = run_torrent(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs the command, which must fail with `status`, and returns its error output.
fn torrent_error(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = run_torrent(folder, arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn show_json(folder: &Path, torrent: &str) -> Value {
    serde_json::from_str(&torrent_output(folder, &["show", torrent, "--json"])).expect("JSON")
}

/// A folder with an album in subfolders. Some files share pieces, one is empty, and some names are not ASCII.
fn album_folder() -> TestFolder {
    let root = TestFolder::new();
    for (number, (path, size)) in [
        ("album/b.flac", 700_000),
        ("album/a.flac", 1),
        ("album/Über/ß 1.flac", 300_001),
        ("album/a-b/x", 40),
        ("album/a/x", 524_288),
        ("album/.hidden", 9),
        ("album/empty", 0),
    ]
    .into_iter()
    .enumerate()
    {
        root.put(path, &TestContent::random(900 + number as u64, size));
    }
    root
}

#[test]
fn created_torrent_is_shown_and_verified() {
    let root = album_folder();
    let folder = root.path();
    let made = torrent_output(
        folder,
        &["create", "album", "--announce", TRACKER, "--comment", "für dich", "--private"],
    );
    let shown = show_json(folder, "album.torrent");
    assert_eq!((&shown["name"], &shown["private"]), (&"album".into(), &true.into()));
    assert_eq!((&shown["comment"], &shown["size"]), (&"für dich".into(), &1_524_339.into()));
    assert_eq!((&shown["trackers"][0][0], &shown["piece_length"]), (&TRACKER.into(), &(256 << 10).into()));
    let infohash = shown["infohash"].as_str().expect("an infohash");
    assert!(made.contains(infohash), "{made}");
    let text = torrent_output(folder, &["show", "album.torrent"]);
    for part in ["album/Über/ß 1.flac", "512.0 KiB", infohash, "für dich", TRACKER, "private       yes"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let verified = torrent_output(folder, &["verify", "album.torrent"]);
    assert!(verified.ends_with("7 of 7 files whole, 6 of 6 pieces right\n"), "{verified}");
}

#[test]
fn damaged_and_missing_files_are_reported_and_kept() {
    let root = album_folder();
    let folder = root.path();
    torrent_output(folder, &["create", "album", "--piece-length", "16K"]);
    let elsewhere = TestFolder::new();
    let moved = elsewhere.path().join("album");
    fs::rename(folder.join("album"), &moved).expect("a folder moved");
    let dir = elsewhere.path().to_str().expect("UTF-8");
    assert!(torrent_error(folder, &["verify", "album.torrent"], 1).contains("there is nothing at"));

    let mut bytes = fs::read(moved.join("b.flac")).expect("a file");
    bytes[350_000] ^= 1;
    fs::write(moved.join("b.flac"), &bytes).expect("a file");
    fs::remove_file(moved.join("empty")).expect("a file");
    fs::write(moved.join("a-b/x"), "short").expect("a file");
    let output = run_torrent(folder, &["verify", "album.torrent", "--dir", dir]);
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{report}");
    let line =
        |path: &str| report.lines().find(|line| line.contains(path)).expect("a line per file").to_owned();
    assert!(
        line("album/b.flac").starts_with("damaged     album/b.flac: 1 of 43 pieces is wrong"),
        "{report}"
    );
    assert!(line("album/empty").starts_with("missing"), "{report}");
    assert!(line("album/a-b/x").ends_with("5 bytes instead of 40"), "{report}");
    assert!(line("album/a/x").starts_with("unproven    album/a/x: 1 of 33 pieces is shared"), "{report}");
    assert!(line("album/Über").starts_with("whole"), "{report}");
    assert_eq!(fs::read(moved.join("b.flac")).expect("a file"), bytes);
    assert!(!moved.join("empty").exists());
}

#[test]
fn links_and_special_files_are_skipped() {
    let root = album_folder();
    let folder = root.path();
    std::os::unix::fs::symlink("b.flac", folder.join("album/link")).expect("a link");
    let output = run_torrent(folder, &["create", "album"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.contains("album/link (a symbolic link)"), "{errors}");
    assert_eq!(show_json(folder, "album.torrent")["files"].as_array().map(Vec::len), Some(7));

    let before = fs::read(folder.join("album.torrent")).expect("a torrent");
    let error = torrent_error(folder, &["create", "album", "--private"], 1);
    assert!(error.contains("album.torrent already exists") && error.contains("--force"), "{error}");
    assert_eq!(fs::read(folder.join("album.torrent")).expect("a torrent"), before);
    torrent_output(folder, &["create", "album", "--private", "--force"]);
    assert_ne!(fs::read(folder.join("album.torrent")).expect("a torrent"), before);
}

#[test]
fn invalid_torrent_is_refused_with_a_reason() {
    let root = TestFolder::new();
    let folder = root.path();
    root.put("empty/empty", &TestContent::random(1, 0));
    fs::write(folder.join("page.torrent"), "<html>").expect("a file");
    fs::write(
        folder.join("pathless.torrent"),
        "d4:infod5:filesld6:lengthi1e4:pathleee4:name1:x12:piece lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
    )
    .expect("a file");
    for (arguments, status, reason) in [
        (&["create", "empty"][..], 1, "has no bytes in it"),
        (&["create", "nowhere"], 1, "No such file"),
        (&["create", "empty", "--piece-length", "100K"], 2, "power of two"),
        (&["create", "empty", "--announce", "ftp://x/"], 2, "http://127.0.0.1:6969/announce"),
        (&["show", "nowhere"], 1, "No such file"),
        (&["show", "page.torrent"], 1, "page.torrent: not a torrent: no value begins with `<` at byte 0"),
        (&["verify", "pathless.torrent"], 1, "invalid path of file 1: the path is empty"),
        (&["show"], 2, "FILE.torrent"),
        (&["destroy"], 2, "unrecognized"),
    ] {
        let error = torrent_error(folder, arguments, status);
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
}
