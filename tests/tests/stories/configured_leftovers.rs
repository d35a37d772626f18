//! Files from earlier runs in the peers' folders: only files that the program itself has received are used.

use std::fs;
use std::process::Stdio;

use tests::configured_group::{ConfiguredGroup, FILE_NAME, FIRST_PEER_ID};
use tests::content::TestContent;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::output_lines::OutputLines;
use tests::process::Process;
use tests::third_party::ClientProcess;

const SIZE: usize = 300_000;

fn assert_success(peer: &mut ClientProcess) {
    let status = peer.process().wait(DEFAULT_TIMEOUT);
    assert!(status.success(), "{status}: {}", peer.output().text());
}

fn downloaded_pieces(group: &ConfiguredGroup, id: u32) -> usize {
    group.log(id).iter().filter(|line| line.contains(" has downloaded the piece ")).count()
}

/// Puts another file of the same size in the place of a peer's file.
fn write_stale_file(group: &ConfiguredGroup, id: u32, seed: u64) -> Vec<u8> {
    let stale = TestContent::random(seed, SIZE).bytes;
    fs::create_dir_all(group.path().join(format!("peer_{id}"))).expect("a folder");
    fs::write(group.complete_file(id), &stale).expect("a file");
    stale
}

#[test]
fn stale_files_are_moved_aside_and_replaced() {
    let group = ConfiguredGroup::new(TestContent::random(650, SIZE), 16 << 10, &[true, false, false]);
    let stale = [(1002, write_stale_file(&group, 1002, 651)), (1003, write_stale_file(&group, 1003, 652))];
    let mut peers: Vec<ClientProcess> =
        (FIRST_PEER_ID..FIRST_PEER_ID + 3).map(|id| group.start(id, &[])).collect();
    peers.iter_mut().for_each(assert_success);
    for (peer, (id, stale)) in peers.iter().skip(1).zip(&stale) {
        group.assert_has_file(*id);
        let moved = format!("{FILE_NAME}.unverified-1");
        assert_eq!(group.visible_names(*id), [FILE_NAME, moved.as_str()]);
        let aside = group.complete_file(*id).with_file_name(&moved);
        assert!(fs::read(&aside).expect("the stale file") == *stale, "the stale file has changed");
        let row = format!("unverified\t{}", aside.display());
        assert!(peer.output().text().contains(&row), "{}", peer.output().text());
        let line = format!("Peer {id} moved the unverified file {FILE_NAME} to {moved}.");
        assert_eq!(group.log(*id).iter().filter(|other| **other == line).count(), 1);
    }
}

#[test]
fn second_run_finds_the_pieces_of_the_first() {
    let group = ConfiguredGroup::new(TestContent::random(653, SIZE), 16 << 10, &[true, false, false]);
    for _ in 0..2 {
        let mut peers: Vec<ClientProcess> =
            (FIRST_PEER_ID..FIRST_PEER_ID + 3).map(|id| group.start(id, &[])).collect();
        peers.iter_mut().for_each(assert_success);
        for id in FIRST_PEER_ID..FIRST_PEER_ID + 3 {
            group.assert_only_file(id);
        }
        assert_eq!(downloaded_pieces(&group, 1002), SIZE.div_ceil(16 << 10));
    }
    // A different file in the place of a received one is not trusted.
    write_stale_file(&group, 1002, 654);
    let mut peers: Vec<ClientProcess> =
        (FIRST_PEER_ID..FIRST_PEER_ID + 3).map(|id| group.start(id, &[])).collect();
    peers.iter_mut().for_each(assert_success);
    group.assert_has_file(1002);
    assert_eq!(downloaded_pieces(&group, 1002), 2 * SIZE.div_ceil(16 << 10));
}

#[test]
fn start_all_reports_moved_files_and_warns_once() {
    let group = ConfiguredGroup::new(TestContent::random(655, SIZE), 16 << 10, &[true, false]);
    write_stale_file(&group, 1002, 656);
    for file in ["Common.cfg", "PeerInfo.cfg"] {
        let path = group.path().join(file);
        let text = fs::read_to_string(&path).expect("a file");
        let unknown = if file == "Common.cfg" { "\nDebugMode on" } else { " # the last one" };
        fs::write(&path, format!("\u{feff}# a demo\n{text}{unknown}\n")).expect("a file");
    }
    let mut command = group.command("start-all", &[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut all = Process::spawn("start-all", command);
    let output = OutputLines::collect(all.child().stdout.take().expect("a pipe"));
    let errors = OutputLines::collect(all.child().stderr.take().expect("a pipe"));
    assert!(all.wait(DEFAULT_TIMEOUT).success(), "{} {}", output.text(), errors.text());
    assert!(
        output.wait_for_end(DEFAULT_TIMEOUT) && errors.wait_for_end(DEFAULT_TIMEOUT),
        "the pipes end with the process"
    );
    group.assert_has_file(1002);
    let row = format!("1002\tunverified\t{}.unverified-1", group.complete_file(1002).display());
    assert!(output.text().lines().any(|line| line == row), "{}", output.text());
    let warnings = errors.text();
    assert_eq!(warnings.matches("Common.cfg:8: unknown key \"DebugMode\" ignored").count(), 1, "{warnings}");
    assert_eq!(warnings.lines().count(), 1, "{warnings}");
}
