//! Unusual state: pipes in place of files, blank keys, folders that other users can read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use tests::content::TestContent;
use tests::index::{IndexProcess, index_server};
use tests::network::TestNetwork;
use tests::peer::{peer_node, run_with_input};
use tests::programs::programs;
use tests::test_folder::TestFolder;

/// Nothing listens at this address.
const UNUSED_ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

/// The user id of unprivileged programs.
const NOBODY_UID: u32 = 65534;

/// Time limit of one run of a program, from start to exit.
const START_TIMEOUT: Duration = Duration::from_secs(20);

fn make_pipe(path: &Path) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
    // A regular file may be in the way.
    let _ = fs::remove_file(path);
    mkfifoat(CWD, path, Mode::RWXU).expect("a pipe");
}

/// Runs a program until it exits, within a time limit, and returns its status and output.
fn run_to_end(command: Command, input: &str) -> (Option<i32>, String, String) {
    let start = Instant::now();
    let Output { status, stdout, stderr } = run_with_input(command, input);
    assert!(start.elapsed() < START_TIMEOUT, "it took {:?}", start.elapsed());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn pipe_as_state_file_does_not_block_a_node() {
    let torrent = format!("torrents/{}.torrent", "ab".repeat(20));
    let manifest = format!("manifests/{}", "cd".repeat(32));
    for (name, starts) in [
        ("lock", false),
        ("identity.key", false),
        ("hashes.jsonl", false),
        ("shares.json", false),
        ("downloads.json", true),
        ("partial-folders.json", true),
        ("history", true),
        ("log/node.log", true),
        (torrent.as_str(), true),
        (manifest.as_str(), true),
        ("manifests/0.new", true),
        ("partial/x.part", true),
    ] {
        let folder = TestFolder::with_file("a.bin", &TestContent::random(7, 300_000));
        make_pipe(&folder.path().join(".peerdex").join(name));
        let (code, _, errors) =
            run_to_end(peer_node(0, UNUSED_ADDRESS.into(), folder.path()), "status\nfiles\n");
        assert_eq!(code == Some(0), starts, "{name}: {errors}");
        if !starts {
            assert!(errors.contains(name) && errors.trim().lines().count() == 1, "{name}: {errors}");
        }
    }
}

#[test]
fn pipe_as_manifest_is_replaced() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(8, 900_000);
    let mut sharer = network.start_node(&[("a.bin", &content)]);
    assert_eq!(sharer.peer.stop(), Some(0));
    let manifest = sharer.folder.path().join(format!(".peerdex/manifests/{}", content.digest));
    assert!(manifest.is_file(), "the folder of manifests");
    make_pipe(&manifest);
    sharer.restart(network.index.address());
    network.wait_for_files(sharer.peer.address(), 1);
    network.start_node(&[]).download(&content);
    assert!(manifest.is_file());
}

#[test]
fn pipe_as_state_file_does_not_block_an_index() {
    for name in ["lock", "mark", "store/db", "store/conf", "store/snap.0000"] {
        let folder = TestFolder::new();
        let data = folder.path().join("index-data");
        let mut index = IndexProcess::start_with_data_dir(&data, "127.0.0.1:0", &[]);
        assert_eq!(index.stop(), Some(0));
        make_pipe(&data.join(name));
        let (code, _, errors) = run_to_end(index_server("127.0.0.1:0", &data), "");
        assert!(matches!(code, Some(73 | 78)), "{name}: {code:?} {errors}");
        assert!(errors.contains("index-data"), "{name}: {errors}");
    }
    let folder = TestFolder::new();
    make_pipe(&folder.path().join("allow"));
    let mut command = index_server("127.0.0.1:0", &folder.path().join("index-data"));
    command.arg("--allow").arg(folder.path().join("allow"));
    let (code, _, errors) = run_to_end(command, "");
    assert!(code == Some(66) && errors.contains("not a regular file"), "{errors}");
}

#[test]
fn blank_key_is_refused() {
    let folder = TestFolder::new();
    let key = folder.path().join(".peerdex/identity.key");
    fs::create_dir(folder.path().join(".peerdex")).expect("a folder");
    fs::write(&key, [0; 32]).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    let (code, _, errors) = run_to_end(peer_node(0, UNUSED_ADDRESS.into(), folder.path()), "status\n");
    assert!(code == Some(1) && errors.contains("blank") && errors.contains("identity.key"), "{errors}");
    assert_eq!(fs::read(&key).expect("the key"), [0; 32], "the key is unchanged");
}

/// Returns the command of a node run by the user nobody in a folder of another user, as on a file system without
/// permissions: modes cannot be changed there. Returns `None` if this user cannot do that.
fn node_run_by_nobody(folder: &TestFolder, option: Option<&str>) -> Option<Command> {
    let node = peer_node(0, UNUSED_ADDRESS.into(), folder.path());
    let program = folder.path().join(".program");
    if !program.exists() {
        chown(folder.path(), Some(NOBODY_UID), Some(NOBODY_UID)).ok()?;
        fs::copy(node.get_program(), &program).expect("a copied program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
        let state = folder.path().join(".peerdex");
        fs::create_dir(&state).expect("a folder");
        fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).expect("a mode");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command.args(node.get_args()).args(option).env("NO_COLOR", "1").env("HOME", folder.path());
    Some(command)
}

#[test]
fn readable_key_is_refused_where_modes_cannot_change() {
    let folder = TestFolder::new();
    let Some(node) = node_run_by_nobody(&folder, None) else {
        eprintln!("SKIPPED: only root can start a node as another user, so exposed state is NOT tested");
        return;
    };
    let (code, output, errors) = run_to_end(node, "status\n");
    assert_eq!(code, Some(0), "{errors}");
    assert!((output + &errors).contains("mode 777"), "it warns");
    // A world-readable key, whose mode only its owner could change.
    let key = folder.path().join(".peerdex/identity.key");
    let bytes = fs::read(&key).expect("the key");
    fs::remove_file(&key).expect("removed");
    fs::write(&key, bytes).expect("written again");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    let node = node_run_by_nobody(&folder, None).expect("the same");
    let (code, _, errors) = run_to_end(node, "status\n");
    assert!(code == Some(1) && errors.contains("--insecure-state"), "{errors}");
    let node = node_run_by_nobody(&folder, Some("--insecure-state")).expect("the same");
    let (code, _, errors) = run_to_end(node, "status\n");
    assert_eq!(code, Some(0), "{errors}");
}

#[test]
fn torrent_json_has_no_terminal_control_characters() {
    let evil = "\u{1b}[2J \u{9b}31m \u{202e}gpj.exe \u{2066}\u{200b}\u{e0041}\u{7f} é";
    let folder = TestFolder::new();
    let path = folder.path().join("a.torrent");
    let entry = |key: &str, text: &str| format!("{}:{key}{}:{text}", key.len(), text.len());
    let info = format!(
        "d6:lengthi10e{}12:piece lengthi16384e6:pieces20:{}e",
        entry("name", "a.bin"),
        "x".repeat(20)
    );
    fs::write(&path, format!("d{}4:info{info}e", entry("comment", evil))).expect("a torrent");
    let mut command = Command::new(&programs().peer_node);
    command.args(["torrent", "show", "--json"]).arg(&path);
    let (code, output, errors) = run_to_end(command, "");
    assert_eq!(code, Some(0), "{errors}");
    let is_plain =
        |character: char| character == '\n' || (' '..='~').contains(&character) || character == 'é';
    assert!(output.chars().all(is_plain), "{output:?}");
    let value: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(value["comment"], evil);
}
