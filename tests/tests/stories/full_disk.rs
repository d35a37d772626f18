//! A disk that is full, and has room again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::{PeerProcess, peer_node};
use tests::small_disk::SmallDisk;
use tests::terminal::Terminal;

/// Waits until a download would go on after a crash.
fn wait_until_listed(node: &RunningNode, content: &TestContent) {
    wait_until("the download to be listed", DEFAULT_TIMEOUT, || {
        let list = node.folder.path().join(".peerdex/downloads.json");
        fs::read_to_string(list).is_ok_and(|list| list.contains(&content.digest.to_string()))
    });
}

fn file_is(path: &Path, content: &TestContent) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == content.bytes)
}

#[test]
fn download_waits_for_space_and_resumes_automatically() {
    let Some(disk) = SmallDisk::mount(64 * PIECE_LENGTH) else { return };
    let mut network = TestNetwork::new();
    let content = TestContent::random(230, 40 * PIECE_LENGTH + 9);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    let mut node = network.start_node(&[]);
    let filler = disk.fill_except(20 * PIECE_LENGTH);
    node.peer.run("search big");
    let order = format!("download 1 as {}/", disk.path().display());
    let asked = node.peer.start_command(&order);
    wait_until("the lack of room to be told", DEFAULT_TIMEOUT, || {
        node.peer.output().contains("waits for room: ")
    });
    let told = node.peer.output();
    assert!(told.contains("needs 10.0 MiB more in") && told.contains("goes on by itself"), "{told}");
    // What it could not use is not kept from others.
    fs::write(disk.path().join("other"), vec![2; 10 * PIECE_LENGTH]).expect("the room is free");
    fs::remove_file(filler).expect("the filler");
    let answer = node.peer.wait_for_output(asked);
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    assert!(file_is(&disk.path().join("big.iso"), &content));
}

#[test]
fn waiting_download_survives_a_restart_and_can_be_resumed() {
    let Some(disk) = SmallDisk::mount(64 * PIECE_LENGTH) else { return };
    let mut network = TestNetwork::new();
    let (large, small) =
        (TestContent::random(231, 40 * PIECE_LENGTH), TestContent::random(232, 2 * PIECE_LENGTH));
    let _sharer = network.start_node(&[("large.iso", &large), ("small.iso", &small)]);
    let mut node = network.start_node(&[]);
    let filler = disk.fill_except(20 * PIECE_LENGTH);
    let hits = node.peer.run("search large").hits();
    assert_eq!(hits.len(), 1);
    node.peer.run(&format!("download 1 as {}/ &", disk.path().display()));
    let waits = |peer: &mut PeerProcess| peer.run("transfers").download_states() == ["waiting for room"];
    wait_until("the download to wait for room", DEFAULT_TIMEOUT, || waits(&mut node.peer));
    // Others have room, and their turn.
    node.download(&small);
    wait_until_listed(&node, &large);
    node.restart(network.index.address());
    wait_until("the download to wait for room again", DEFAULT_TIMEOUT, || waits(&mut node.peer));
    fs::remove_file(filler).expect("the filler");
    node.peer.run("resume 1");
    wait_until("the download to be done", DEFAULT_TIMEOUT, || {
        file_is(&disk.path().join("large.iso"), &large)
    });
}

#[test]
fn full_disk_is_reported_at_the_prompt() {
    let Some(disk) = SmallDisk::mount(64 * PIECE_LENGTH) else { return };
    let mut network = TestNetwork::new();
    let content = TestContent::random(233, 40 * PIECE_LENGTH);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    let node = network.start_node(&[]);
    drop(node.peer);
    let filler = disk.fill_except(20 * PIECE_LENGTH);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    wait_until("the file to be found", DEFAULT_TIMEOUT, || terminal.enter("search big").contains("big.iso"));
    terminal.enter(&format!("download 1 as {}/ &", disk.path().display()));
    assert!(terminal.wait_for_text("download 1 waits for room", DEFAULT_TIMEOUT), "{}", terminal.text());
    assert!(terminal.enter("transfers").contains("room"), "{}", terminal.text());
    fs::remove_file(filler).expect("the filler");
    assert!(terminal.wait_for_text("download 1 is done", DEFAULT_TIMEOUT), "{}", terminal.text());
    terminal.type_keys("quit\r");
    terminal.process.wait(Duration::from_secs(10));
}

#[test]
fn full_disk_costs_no_verified_piece() {
    let Some(disk) = SmallDisk::mount_without_preallocation(128 * PIECE_LENGTH) else { return };
    let mut network = TestNetwork::new();
    let content = TestContent::random(234, 60 * PIECE_LENGTH + 1);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    let mut node = network.start_node(&[]);
    let filler = disk.fill_except(30 * PIECE_LENGTH);
    node.peer.run("search big");
    node.peer.run(&format!("download 1 as {}/ &", disk.path().display()));
    let pieces = |peer: &mut PeerProcess| {
        let transfers = peer.run("transfers");
        let line = transfers.0.iter().find(|line| line.contains("waiting for room"))?.clone();
        line.split('\t').find_map(|field| field.strip_suffix("/61 pieces")?.parse::<u32>().ok())
    };
    let kept = eventually("the download to wait for room", DEFAULT_TIMEOUT, || pieces(&mut node.peer));
    assert!((1..=30).contains(&kept), "{kept} pieces");
    // Killed meanwhile, it still knows them.
    wait_until_listed(&node, &content);
    node.restart(network.index.address());
    let again = eventually("the download to wait for room again", DEFAULT_TIMEOUT, || pieces(&mut node.peer));
    assert!(again >= kept, "{again} of {kept} pieces");
    fs::remove_file(filler).expect("the filler");
    wait_until("the download to be done", DEFAULT_TIMEOUT, || {
        file_is(&disk.path().join("big.iso"), &content)
    });
}

#[test]
fn download_waits_for_free_inodes() {
    let Some(disk) = SmallDisk::mount_with_file_limit(40) else { return };
    let mut network = TestNetwork::new();
    let content = TestContent::random(235, 4 * PIECE_LENGTH);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    let mut node = network.start_node(&[]);
    let fillers = (0..).map(|number: u32| disk.path().join(number.to_string()));
    let fillers: Vec<_> = fillers.take_while(|path| fs::write(path, "").is_ok()).collect();
    node.peer.run("search big");
    node.peer.run(&format!("download 1 as {}/ &", disk.path().display()));
    wait_until("the download to wait for room", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["waiting for room"]
    });
    for filler in fillers {
        fs::remove_file(filler).expect("a filler");
    }
    node.peer.run("resume 1");
    wait_until("the download to be done", DEFAULT_TIMEOUT, || {
        file_is(&disk.path().join("big.iso"), &content)
    });
}

#[test]
fn read_only_disk_is_named() {
    let Some(disk) = SmallDisk::mount(64 * PIECE_LENGTH) else { return };
    let mut network = TestNetwork::new();
    let content = TestContent::random(236, 4 * PIECE_LENGTH);
    let _sharer = network.start_node(&[("big.iso", &content)]);
    let mut node = network.start_node(&[]);
    disk.set_read_only(true);
    node.peer.run("search big");
    let order = format!("download 1 as {}/", disk.path().display());
    let answer = node.peer.run(&order);
    assert!(answer.completed_downloads().is_empty() && answer.errors().len() == 1, "{answer:#?}");
    assert!(
        answer.contains(&disk.path().display().to_string()) && answer.contains("Read-only"),
        "{answer:#?}"
    );
    disk.set_read_only(false);
    let answer = node.peer.run(&order);
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    assert!(file_is(&disk.path().join("big.iso"), &content));
}
