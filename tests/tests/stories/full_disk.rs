//! A disk that is full, and then has space again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::{PeerProcess, peer_node};
use tests::small_disk::SmallDisk;
use tests::terminal::Terminal;

/// Waits until the download would survive a crash.
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
    let command = format!("download 1 as {}/", disk.path().display());
    let started = node.peer.start_command(&command);
    wait_until("the lack of space to be reported", DEFAULT_TIMEOUT, || {
        node.peer.output().contains("paused: not enough space in ")
    });
    let output = node.peer.output();
    assert!(output.contains("needs 10.0 MiB more") && output.contains("resumes automatically"), "{output}");
    // The download does not reserve the space that it cannot use.
    fs::write(disk.path().join("other"), vec![2; 10 * PIECE_LENGTH]).expect("free space on the disk");
    fs::remove_file(filler).expect("the filler");
    let answer = node.peer.wait_for_output(started);
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
    wait_until("the download to wait for space", DEFAULT_TIMEOUT, || waits(&mut node.peer));
    // A download with enough space gets its turn.
    node.download(&small);
    wait_until_listed(&node, &large);
    node.restart(network.index.address());
    wait_until("the download to wait for space again", DEFAULT_TIMEOUT, || waits(&mut node.peer));
    fs::remove_file(filler).expect("the filler");
    node.peer.run("resume 1");
    wait_until("the download to complete", DEFAULT_TIMEOUT, || {
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
    wait_until("the search to find the file", DEFAULT_TIMEOUT, || {
        terminal.enter("search big").contains("big.iso")
    });
    terminal.enter(&format!("download 1 as {}/ &", disk.path().display()));
    assert!(
        terminal.wait_for_text("download 1 paused: not enough space", DEFAULT_TIMEOUT),
        "{}",
        terminal.text()
    );
    assert!(terminal.enter("transfers").contains("room"), "{}", terminal.text());
    fs::remove_file(filler).expect("the filler");
    assert!(terminal.wait_for_text("download 1 finished", DEFAULT_TIMEOUT), "{}", terminal.text());
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
    let kept = eventually("the download to wait for space", DEFAULT_TIMEOUT, || pieces(&mut node.peer));
    assert!((1..=30).contains(&kept), "{kept} pieces");
    // After a kill, the node still has the verified pieces.
    wait_until_listed(&node, &content);
    node.restart(network.index.address());
    let again =
        eventually("the download to wait for space again", DEFAULT_TIMEOUT, || pieces(&mut node.peer));
    assert!(again >= kept, "{again} of {kept} pieces");
    fs::remove_file(filler).expect("the filler");
    wait_until("the download to complete", DEFAULT_TIMEOUT, || {
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
    wait_until("the download to wait for space", DEFAULT_TIMEOUT, || {
        node.peer.run("transfers").download_states() == ["waiting for room"]
    });
    for filler in fillers {
        fs::remove_file(filler).expect("a filler");
    }
    node.peer.run("resume 1");
    wait_until("the download to complete", DEFAULT_TIMEOUT, || {
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
    let command = format!("download 1 as {}/", disk.path().display());
    let answer = node.peer.run(&command);
    assert!(answer.completed_downloads().is_empty() && answer.errors().len() == 1, "{answer:#?}");
    assert!(
        answer.contains(&disk.path().display().to_string()) && answer.contains("Read-only"),
        "{answer:#?}"
    );
    disk.set_read_only(false);
    let answer = node.peer.run(&command);
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
    assert!(file_is(&disk.path().join("big.iso"), &content));
}
