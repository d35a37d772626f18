//! A disk that is full, and has room again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, eventually, until};
use tests::network::{Network, Node};
use tests::peer::{Peer, peer_node};
use tests::small_disk::SmallDisk;
use tests::terminal::Terminal;

/// Waits until a download would go on after a crash.
fn wait_until_listed(node: &Node, content: &Content) {
    until("the download to be listed", SOON, || {
        let list = node.home.path().join(".peerdex/downloads.json");
        fs::read_to_string(list).is_ok_and(|list| list.contains(&content.digest.to_string()))
    });
}

fn file_is(path: &Path, content: &Content) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == content.bytes)
}

#[test]
fn a_download_waits_for_room_and_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount(64 * PIECE) else { return };
    let mut network = Network::new();
    let content = Content::random(230, 40 * PIECE + 9);
    let _sharer = network.node(&[("big.iso", &content)]);
    let mut node = network.node(&[]);
    let filler = disk.fill_up_to(20 * PIECE);
    node.peer.say("search big");
    let order = format!("download 1 as {}/", disk.path().display());
    let asked = node.peer.begin(&order);
    until("the lack of room to be told", SOON, || node.peer.output().contains("waits for room: "));
    let told = node.peer.output();
    assert!(told.contains("needs 10.0 MiB more in") && told.contains("goes on by itself"), "{told}");
    // What it could not use is not kept from others.
    fs::write(disk.path().join("other"), vec![2; 10 * PIECE]).expect("the room is free");
    fs::remove_file(filler).expect("the filler");
    let answer = node.peer.answer(asked);
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    assert!(file_is(&disk.path().join("big.iso"), &content));
}

#[test]
fn a_download_that_waits_for_room_survives_its_node_and_a_person_can_hurry_it() {
    let Some(disk) = SmallDisk::mount(64 * PIECE) else { return };
    let mut network = Network::new();
    let (large, small) = (Content::random(231, 40 * PIECE), Content::random(232, 2 * PIECE));
    let _sharer = network.node(&[("large.iso", &large), ("small.iso", &small)]);
    let mut node = network.node(&[]);
    let filler = disk.fill_up_to(20 * PIECE);
    let hits = node.peer.say("search large").hits();
    assert_eq!(hits.len(), 1);
    node.peer.say(&format!("download 1 as {}/ &", disk.path().display()));
    let waits = |peer: &mut Peer| peer.say("transfers").states() == ["waiting for room"];
    until("the download to wait for room", SOON, || waits(&mut node.peer));
    // Others have room, and their turn.
    node.fetch(&small);
    wait_until_listed(&node, &large);
    node.start_again(network.index.address());
    until("the download to wait for room again", SOON, || waits(&mut node.peer));
    fs::remove_file(filler).expect("the filler");
    node.peer.say("resume 1");
    until("the download to be done", SOON, || file_is(&disk.path().join("large.iso"), &large));
}

#[test]
fn a_person_at_the_prompt_is_told_that_the_disk_is_full() {
    let Some(disk) = SmallDisk::mount(64 * PIECE) else { return };
    let mut network = Network::new();
    let content = Content::random(233, 40 * PIECE);
    let _sharer = network.node(&[("big.iso", &content)]);
    let node = network.node(&[]);
    drop(node.peer);
    let filler = disk.fill_up_to(20 * PIECE);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    assert!(terminal.is_ready(), "{}", terminal.text());
    until("the file to be found", SOON, || terminal.enter("search big").contains("big.iso"));
    terminal.enter(&format!("download 1 as {}/ &", disk.path().display()));
    assert!(terminal.shows("download 1 waits for room", SOON), "{}", terminal.text());
    assert!(terminal.enter("transfers").contains("room"), "{}", terminal.text());
    fs::remove_file(filler).expect("the filler");
    assert!(terminal.shows("download 1 is done", SOON), "{}", terminal.text());
    terminal.press("quit\r");
    terminal.process.wait(Duration::from_secs(10));
}

#[test]
fn a_disk_that_fills_while_pieces_come_costs_none_that_is_verified() {
    let Some(disk) = SmallDisk::mount_without_advance(128 * PIECE) else { return };
    let mut network = Network::new();
    let content = Content::random(234, 60 * PIECE + 1);
    let _sharer = network.node(&[("big.iso", &content)]);
    let mut node = network.node(&[]);
    let filler = disk.fill_up_to(30 * PIECE);
    node.peer.say("search big");
    node.peer.say(&format!("download 1 as {}/ &", disk.path().display()));
    let pieces = |peer: &mut Peer| {
        let transfers = peer.say("transfers");
        let line = transfers.0.iter().find(|line| line.contains("waiting for room"))?.clone();
        line.split('\t').find_map(|field| field.strip_suffix("/61 pieces")?.parse::<u32>().ok())
    };
    let kept = eventually("the download to wait for room", SOON, || pieces(&mut node.peer));
    assert!((1..=30).contains(&kept), "{kept} pieces");
    // Killed meanwhile, it still knows them.
    wait_until_listed(&node, &content);
    node.start_again(network.index.address());
    let again = eventually("the download to wait for room again", SOON, || pieces(&mut node.peer));
    assert!(again >= kept, "{again} of {kept} pieces");
    fs::remove_file(filler).expect("the filler");
    until("the download to be done", SOON, || file_is(&disk.path().join("big.iso"), &content));
}

#[test]
fn a_disk_that_takes_no_more_files_is_waited_for() {
    let Some(disk) = SmallDisk::mount_for_files(40) else { return };
    let mut network = Network::new();
    let content = Content::random(235, 4 * PIECE);
    let _sharer = network.node(&[("big.iso", &content)]);
    let mut node = network.node(&[]);
    let fillers = (0..).map(|number: u32| disk.path().join(number.to_string()));
    let fillers: Vec<_> = fillers.take_while(|path| fs::write(path, "").is_ok()).collect();
    node.peer.say("search big");
    node.peer.say(&format!("download 1 as {}/ &", disk.path().display()));
    until("the download to wait for room", SOON, || {
        node.peer.say("transfers").states() == ["waiting for room"]
    });
    for filler in fillers {
        fs::remove_file(filler).expect("a filler");
    }
    node.peer.say("resume 1");
    until("the download to be done", SOON, || file_is(&disk.path().join("big.iso"), &content));
}

#[test]
fn a_disk_that_cannot_be_written_to_is_named() {
    let Some(disk) = SmallDisk::mount(64 * PIECE) else { return };
    let mut network = Network::new();
    let content = Content::random(236, 4 * PIECE);
    let _sharer = network.node(&[("big.iso", &content)]);
    let mut node = network.node(&[]);
    disk.set_read_only(true);
    node.peer.say("search big");
    let order = format!("download 1 as {}/", disk.path().display());
    let answer = node.peer.say(&order);
    assert!(answer.done().is_empty() && answer.errors().len() == 1, "{answer:#?}");
    assert!(answer.has(&disk.path().display().to_string()) && answer.has("Read-only"), "{answer:#?}");
    disk.set_read_only(false);
    let answer = node.peer.say(&order);
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
    assert!(file_is(&disk.path().join("big.iso"), &content));
}
