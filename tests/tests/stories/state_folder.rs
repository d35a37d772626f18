//! State of a node that is removed, replaced, damaged or full while the node runs.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::process::Command;

use protocol::sha256::sha256;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::{PeerProcess, peer_node, run_with_input};
use tests::programs::programs;
use tests::small_disk::SmallDisk;
use tests::test_folder::TestFolder;

fn node_id(node: &mut RunningNode) -> String {
    let status = node.peer.run("status").text();
    status.lines().find(|line| line.starts_with("node\t")).expect("a node id").to_owned()
}

/// Waits until the node has its state folder and lock again.
fn wait_until_restored(node: &RunningNode) {
    let state = node.folder.path().join(".peerdex");
    wait_until("the state folder to be restored", DEFAULT_TIMEOUT, || {
        ["lock", "identity.key", "hashes.jsonl"].iter().all(|file| state.join(file).is_file())
    });
}

#[test]
fn removed_state_folder_is_recreated_with_its_lock() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(810, 5 * PIECE_LENGTH);
    let mut sharer = network.start_node(&[("a.bin", &content)]);
    let id = node_id(&mut sharer);
    fs::remove_dir_all(sharer.folder.path().join(".peerdex")).expect("a state folder");
    wait_until_restored(&sharer);
    let second = run_with_input(peer_node(0, network.index.address(), sharer.folder.path()), "status\n");
    assert_eq!(second.status.code(), Some(75), "{second:?}");
    network.wait_for_files(sharer.peer.address(), 1);
    network.start_node(&[]).download(&content);
    assert_eq!(sharer.peer.stop(), Some(0));
    sharer.restart(network.index.address());
    assert_eq!(node_id(&mut sharer), id);
    sharer.peer.wait_for_shared_files(1);
}

#[test]
fn replaced_share_folder_is_tracked() {
    let mut network = TestNetwork::new();
    let (old, new) = (TestContent::random(811, 2 * PIECE_LENGTH), TestContent::random(812, 3 * PIECE_LENGTH));
    let sharer = network.start_node(&[("old.bin", &old)]);
    let aside = TestFolder::new();
    fs::rename(sharer.folder.path(), aside.path().join("moved")).expect("a moved folder");
    fs::create_dir(sharer.folder.path()).expect("a new folder");
    sharer.folder.put("new.bin", &new);
    wait_until_restored(&sharer);
    wait_until("the new file to replace the old one in the results", DEFAULT_TIMEOUT, || {
        let observer = network.observer();
        observer.sources(new.digest).len() == 1 && observer.sources(old.digest).is_empty()
    });
    network.start_node(&[]).download(&new);
}

#[test]
fn damaged_manifest_loses_no_source() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(813, 9 * PIECE_LENGTH);
    let mut sharer = network.start_node(&[("a.bin", &content)]);
    assert_eq!(sharer.peer.stop(), Some(0));
    let manifest = sharer.folder.path().join(".peerdex/manifests").join(content.digest.to_string());
    let mut bytes = fs::read(&manifest).expect("a manifest");
    bytes[70] ^= 1;
    fs::write(&manifest, &bytes).expect("a damaged manifest");
    sharer.restart(network.index.address());
    network.wait_for_files(sharer.peer.address(), 1);
    network.start_node(&[]).download(&content);
    bytes[70] ^= 1;
    assert_eq!(fs::read(&manifest).expect("a manifest"), bytes);
}

#[test]
fn files_are_shared_with_a_full_state_folder() {
    let Some(disk) = SmallDisk::mount(256 << 10) else { return };
    let mut network = TestNetwork::new();
    let elsewhere = TestFolder::new();
    let mut sharer = PeerProcess::start(network.index.address(), &disk.path());
    let answer = sharer.run(&format!("register {}", elsewhere.path().display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let filler = disk.fill_except(0);
    let content = TestContent::random(814, 40 * PIECE_LENGTH);
    elsewhere.put("a.bin", &content);
    // The filler is listed too.
    network.wait_for_files(sharer.address(), 2);
    network.start_node(&[]).download(&content);
    let status = sharer.run("status");
    assert!(status.contains("cannot store hashes") && status.contains("No space left"), "{status:#?}");
    let doctor = sharer.run("doctor").text();
    let finding = doctor.lines().find(|line| line.contains("\tstate folder\t")).expect("a finding");
    assert!(finding.starts_with("problem") && finding.contains("No space left"), "{finding}");
    fs::remove_file(filler).expect("the filler");
    wait_until("the warning to disappear", DEFAULT_TIMEOUT, || {
        !sharer.run("status").contains("cannot store hashes")
    });
}

#[test]
fn unreadable_file_is_withdrawn_until_readable() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(815, 5000);
    let folder = TestFolder::new();
    folder.put("a.bin", &content);
    let user = 65534;
    for path in [folder.path().to_owned(), folder.path().join("a.bin")] {
        if chown(&path, Some(user), Some(user)).is_err() {
            eprintln!(
                "SKIPPED: only root can start a node as another user, so unreadable files are NOT tested"
            );
            return;
        }
    }
    let node = peer_node(0, network.index.address(), folder.path());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    // Other users may lack access to the program's folder; a copy is accessible to them.
    let program = folder.path().join(".program");
    fs::copy(node.get_program(), &program).expect("a copied program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    command.arg(&program).args(node.get_args()).env("NO_COLOR", "1");
    let sharer = PeerProcess::launch(command);
    network.wait_for_files(sharer.address(), 1);
    let set_mode = |mode| {
        fs::set_permissions(folder.path().join("a.bin"), fs::Permissions::from_mode(mode)).expect("a file");
    };
    set_mode(0o000);
    network.wait_for_files(sharer.address(), 0);
    set_mode(0o600);
    network.wait_for_files(sharer.address(), 1);
    network.start_node(&[]).download(&content);
}

/// Changes the stored hashes so that the only file appears unchanged although its content has changed.
fn mark_hash_as_current(folder: &TestFolder, file: &str) {
    let path = folder.path().join(".peerdex/hashes.jsonl");
    let text = fs::read_to_string(&path).expect("stored hashes");
    let line = text.lines().last().expect("a line");
    let (mut line, _) =
        line.split_once(",\"check\":").map(|(line, check)| (format!("{line}}}"), check)).expect("a checksum");
    let now = fs::metadata(folder.path().join(file)).expect("the file");
    for (key, seconds, rest) in
        [("mtime_ns", now.mtime(), now.mtime_nsec()), ("ctime_ns", now.ctime(), now.ctime_nsec())]
    {
        let (before, after) = line.split_once(&format!("\"{key}\":")).expect("a time");
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        line = format!("{before}\"{key}\":{}{after}", seconds * 1_000_000_000 + rest);
    }
    let check = sha256(line.as_bytes()).to_string();
    let line = format!("{},\"check\":\"{}\"}}\n", line.trim_end_matches('}'), &check[..16]);
    fs::write(path, line).expect("stored hashes");
}

#[test]
fn file_reported_by_three_addresses_is_rehashed() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(816, 6 * PIECE_LENGTH);
    let mut sharer = network.start_node(&[("a.bin", &content)]);
    assert_eq!(sharer.peer.stop(), Some(0));
    let file = File::options().write(true).open(sharer.folder.path().join("a.bin")).expect("the file");
    file.write_all_at(&[content.bytes[3 * PIECE_LENGTH] ^ 1], 3 * PIECE_LENGTH as u64)
        .expect("a flipped bit");
    mark_hash_as_current(&sharer.folder, "a.bin");
    sharer.restart(network.index.address());
    network.wait_for_files(sharer.peer.address(), 1);
    let log = sharer.folder.path().join(".peerdex/log/node.log");
    let reports =
        || fs::read_to_string(&log).map_or(0, |log| log.matches("peer reported a wrong piece").count());
    let mut fetchers = Vec::new();
    for number in 1..=3 {
        let sources = network.observer().sources(content.digest);
        let is_listed = sources.iter().any(|source| source.address == sharer.peer.address());
        assert!(is_listed, "two reports are not enough");
        let folder = TestFolder::new();
        let mut command = Command::new(&programs().peer_node);
        command
            .args(["0", "--index", &network.index.address().to_string(), "--share-dir"])
            .arg(folder.path());
        command.args(["--listen-host", &format!("127.0.0.{}", 20 + number)]).env("NO_COLOR", "1");
        let mut fetcher = PeerProcess::launch(command);
        fetcher.start_command(&format!("download {}", content.digest));
        wait_until("the wrong piece to be reported", DEFAULT_TIMEOUT, || reports() >= number);
        fetchers.push((fetcher, folder));
    }
    wait_until("the file to be shared with its real content", DEFAULT_TIMEOUT, || {
        let files = sharer.peer.run("files").files();
        files.len() == 1 && files[0].digest != content.digest
    });
    // Nodes that have downloaded the correct pieces are sources of them.
    let address = sharer.peer.address();
    wait_until("the index to list the change", DEFAULT_TIMEOUT, || {
        network.observer().sources(content.digest).iter().all(|source| source.address != address)
    });
}
