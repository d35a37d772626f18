//! The state of a node that is removed, replaced, damaged or full while it runs.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::process::Command;

use protocol::sha256::sha256;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
use tests::home::Home;
use tests::network::{Network, Node};
use tests::peer::{Peer, peer_node, run};
use tests::programs::programs;
use tests::small_disk::SmallDisk;

fn node_id(node: &mut Node) -> String {
    let status = node.peer.say("status").text();
    status.lines().find(|line| line.starts_with("node\t")).expect("a node id").to_owned()
}

/// Waits until the node keeps its state again, with its lock.
fn until_restored(node: &Node) {
    let state = node.home.path().join(".peerdex");
    until("the state folder is there again", SOON, || {
        ["lock", "identity.key", "hashes.jsonl"].iter().all(|file| state.join(file).is_file())
    });
}

#[test]
fn a_removed_state_folder_is_made_again_with_its_lock() {
    let mut network = Network::new();
    let content = Content::random(810, 5 * PIECE);
    let mut sharer = network.node(&[("a.bin", &content)]);
    let id = node_id(&mut sharer);
    fs::remove_dir_all(sharer.home.path().join(".peerdex")).expect("a state folder");
    until_restored(&sharer);
    let second = run(peer_node(0, network.index.address(), sharer.home.path()), "status\n");
    assert_eq!(second.status.code(), Some(75), "{second:?}");
    network.wait_for_files(sharer.peer.address(), 1);
    network.node(&[]).fetch(&content);
    assert_eq!(sharer.peer.stop(), Some(0));
    sharer.start_again(network.index.address());
    assert_eq!(node_id(&mut sharer), id);
    sharer.peer.shares(1);
}

#[test]
fn a_replaced_share_folder_is_followed() {
    let mut network = Network::new();
    let (old, new) = (Content::random(811, 2 * PIECE), Content::random(812, 3 * PIECE));
    let sharer = network.node(&[("old.bin", &old)]);
    let aside = Home::new();
    fs::rename(sharer.home.path(), aside.path().join("moved")).expect("a folder that is moved");
    fs::create_dir(sharer.home.path()).expect("a folder in its place");
    sharer.home.put("new.bin", &new);
    until_restored(&sharer);
    until("the new file is found, and the old one is not", SOON, || {
        let observer = network.observer();
        observer.sources(new.digest).len() == 1 && observer.sources(old.digest).is_empty()
    });
    network.node(&[]).fetch(&new);
}

#[test]
fn a_damaged_manifest_costs_no_source() {
    let mut network = Network::new();
    let content = Content::random(813, 9 * PIECE);
    let mut sharer = network.node(&[("a.bin", &content)]);
    assert_eq!(sharer.peer.stop(), Some(0));
    let manifest = sharer.home.path().join(".peerdex/manifests").join(content.digest.to_string());
    let mut bytes = fs::read(&manifest).expect("a manifest");
    bytes[70] ^= 1;
    fs::write(&manifest, &bytes).expect("a damaged manifest");
    sharer.start_again(network.index.address());
    network.wait_for_files(sharer.peer.address(), 1);
    network.node(&[]).fetch(&content);
    bytes[70] ^= 1;
    assert_eq!(fs::read(&manifest).expect("a manifest"), bytes);
}

#[test]
fn files_are_shared_although_the_state_folder_is_full() {
    let Some(disk) = SmallDisk::mount(256 << 10) else { return };
    let mut network = Network::new();
    let elsewhere = Home::new();
    let mut sharer = Peer::start(network.index.address(), &disk.path());
    let answer = sharer.say(&format!("register {}", elsewhere.path().display()));
    assert!(answer.errors().is_empty(), "{answer:#?}");
    let filler = disk.fill_up_to(0);
    let content = Content::random(814, 40 * PIECE);
    elsewhere.put("a.bin", &content);
    // The filler is listed too.
    network.wait_for_files(sharer.address(), 2);
    network.node(&[]).fetch(&content);
    let status = sharer.say("status");
    assert!(status.has("cannot store hashes") && status.has("No space left"), "{status:#?}");
    let doctor = sharer.say("doctor").text();
    let finding = doctor.lines().find(|line| line.contains("\tstate folder\t")).expect("a finding");
    assert!(finding.starts_with("problem") && finding.contains("No space left"), "{finding}");
    fs::remove_file(filler).expect("the filler");
    until("the trouble is over", SOON, || !sharer.say("status").has("cannot store hashes"));
}

#[test]
fn a_file_that_may_not_be_read_is_withdrawn_until_it_may() {
    let mut network = Network::new();
    let content = Content::random(815, 5000);
    let home = Home::new();
    home.put("a.bin", &content);
    let nobody = 65534;
    for path in [home.path().to_owned(), home.path().join("a.bin")] {
        if chown(&path, Some(nobody), Some(nobody)).is_err() {
            eprintln!(
                "SKIPPED: only root can start a node as another user, so unreadable files are NOT tested"
            );
            return;
        }
    }
    let node = peer_node(0, network.index.address(), home.path());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    // Where the program lies may be closed to others: an open descriptor of it is not.
    let program = home.path().join(".program");
    fs::copy(node.get_program(), &program).expect("a copy of the program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    command.arg(&program).args(node.get_args()).env("NO_COLOR", "1");
    let sharer = Peer::launch(command);
    network.wait_for_files(sharer.address(), 1);
    let set_mode = |mode| {
        fs::set_permissions(home.path().join("a.bin"), fs::Permissions::from_mode(mode)).expect("a file");
    };
    set_mode(0o000);
    network.wait_for_files(sharer.address(), 0);
    set_mode(0o600);
    network.wait_for_files(sharer.address(), 1);
    network.node(&[]).fetch(&content);
}

/// Has the stored hashes say of the only file that it is still what was hashed, although it has been changed since.
fn vouch_for(home: &Home, file: &str) {
    let path = home.path().join(".peerdex/hashes.jsonl");
    let text = fs::read_to_string(&path).expect("stored hashes");
    let line = text.lines().last().expect("a line");
    let (mut line, _) =
        line.split_once(",\"check\":").map(|(line, check)| (format!("{line}}}"), check)).expect("a checksum");
    let now = fs::metadata(home.path().join(file)).expect("the file");
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
fn a_file_that_three_addresses_report_is_hashed_again() {
    let mut network = Network::new();
    let content = Content::random(816, 6 * PIECE);
    let mut sharer = network.node(&[("a.bin", &content)]);
    assert_eq!(sharer.peer.stop(), Some(0));
    let file = File::options().write(true).open(sharer.home.path().join("a.bin")).expect("the file");
    file.write_all_at(&[content.bytes[3 * PIECE] ^ 1], 3 * PIECE as u64).expect("a flipped bit");
    vouch_for(&sharer.home, "a.bin");
    sharer.start_again(network.index.address());
    network.wait_for_files(sharer.peer.address(), 1);
    let log = sharer.home.path().join(".peerdex/log/node.log");
    let reports =
        || fs::read_to_string(&log).map_or(0, |log| log.matches("a peer reports a wrong piece").count());
    let mut fetchers = Vec::new();
    for number in 1..=3 {
        let sources = network.observer().sources(content.digest);
        let is_listed = sources.iter().any(|source| source.address == sharer.peer.address());
        assert!(is_listed, "two reports are not enough");
        let home = Home::new();
        let mut command = Command::new(&programs().peer_node);
        command.args(["0", "--index", &network.index.address().to_string(), "--share-dir"]).arg(home.path());
        command.args(["--listen-host", &format!("127.0.0.{}", 20 + number)]).env("NO_COLOR", "1");
        let mut fetcher = Peer::launch(command);
        fetcher.begin(&format!("download {}", content.digest));
        until("the wrong piece is reported", SOON, || reports() >= number);
        fetchers.push((fetcher, home));
    }
    until("the file is shared as what it is", SOON, || {
        let files = sharer.peer.say("files").files();
        files.len() == 1 && files[0].digest != content.digest
    });
    // Those who have fetched the right pieces are sources of them.
    let place = sharer.peer.address();
    until("the index knows", SOON, || {
        network.observer().sources(content.digest).iter().all(|source| source.address != place)
    });
}
