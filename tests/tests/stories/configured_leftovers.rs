//! Files that lie in the peers' folders from earlier: only what the program itself has received counts.

use std::fs;
use std::process::Stdio;

use tests::content::Content;
use tests::eventually::SOON;
use tests::foreign::Running;
use tests::group::{FILE, FIRST, Group};
use tests::lines::Lines;
use tests::process::Process;

const SIZE: usize = 300_000;

fn ends_well(peer: &mut Running) {
    let status = peer.process().wait(SOON);
    assert!(status.success(), "{status}: {}", peer.output().text());
}

fn downloaded(group: &Group, id: u32) -> usize {
    group.log(id).iter().filter(|line| line.contains(" has downloaded the piece ")).count()
}

/// Puts another file of the same size where the file of a peer belongs.
fn put_stale(group: &Group, id: u32, seed: u64) -> Vec<u8> {
    let stale = Content::random(seed, SIZE).bytes;
    fs::create_dir_all(group.path().join(format!("peer_{id}"))).expect("a folder");
    fs::write(group.file(id), &stale).expect("a file");
    stale
}

#[test]
fn stale_files_are_moved_aside_and_everybody_ends_with_the_file_of_the_seed() {
    let group = Group::new(Content::random(650, SIZE), 16 << 10, &[true, false, false]);
    let stale = [(1002, put_stale(&group, 1002, 651)), (1003, put_stale(&group, 1003, 652))];
    let mut peers: Vec<Running> = (FIRST..FIRST + 3).map(|id| group.start(id, &[])).collect();
    peers.iter_mut().for_each(ends_well);
    for (peer, (id, stale)) in peers.iter().skip(1).zip(&stale) {
        group.assert_has_file(*id);
        let moved = format!("{FILE}.unverified-1");
        assert_eq!(group.visible(*id), [FILE, moved.as_str()]);
        let aside = group.file(*id).with_file_name(&moved);
        assert!(fs::read(&aside).expect("the stale file") == *stale, "it has changed");
        let row = format!("unverified\t{}", aside.display());
        assert!(peer.output().text().contains(&row), "{}", peer.output().text());
        let line = format!("Peer {id} moved the unverified file {FILE} to {moved}.");
        assert_eq!(group.log(*id).iter().filter(|other| **other == line).count(), 1);
    }
}

#[test]
fn a_second_run_finds_what_the_first_has_received() {
    let group = Group::new(Content::random(653, SIZE), 16 << 10, &[true, false, false]);
    for _ in 0..2 {
        let mut peers: Vec<Running> = (FIRST..FIRST + 3).map(|id| group.start(id, &[])).collect();
        peers.iter_mut().for_each(ends_well);
        for id in FIRST..FIRST + 3 {
            group.assert_whole(id);
        }
        assert_eq!(downloaded(&group, 1002), SIZE.div_ceil(16 << 10));
    }
    // Another file in the place of one that was received is not that file.
    put_stale(&group, 1002, 654);
    let mut peers: Vec<Running> = (FIRST..FIRST + 3).map(|id| group.start(id, &[])).collect();
    peers.iter_mut().for_each(ends_well);
    group.assert_has_file(1002);
    assert_eq!(downloaded(&group, 1002), 2 * SIZE.div_ceil(16 << 10));
}

#[test]
fn start_all_reports_what_was_moved_and_warns_once_about_its_files() {
    let group = Group::new(Content::random(655, SIZE), 16 << 10, &[true, false]);
    put_stale(&group, 1002, 656);
    for file in ["Common.cfg", "PeerInfo.cfg"] {
        let path = group.path().join(file);
        let text = fs::read_to_string(&path).expect("a file");
        let unknown = if file == "Common.cfg" { "\nDebugMode on" } else { " # the last one" };
        fs::write(&path, format!("\u{feff}# a demo\n{text}{unknown}\n")).expect("a file");
    }
    let mut command = group.command("start-all", &[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut all = Process::spawn("start-all", command);
    let said = Lines::of(all.child().stdout.take().expect("a pipe"));
    let complained = Lines::of(all.child().stderr.take().expect("a pipe"));
    assert!(all.wait(SOON).success(), "{} {}", said.text(), complained.text());
    assert!(said.ended(SOON) && complained.ended(SOON), "the pipes end with the process");
    group.assert_has_file(1002);
    let row = format!("1002\tunverified\t{}.unverified-1", group.file(1002).display());
    assert!(said.text().lines().any(|line| line == row), "{}", said.text());
    let warnings = complained.text();
    assert_eq!(warnings.matches("Common.cfg:8: unknown key \"DebugMode\" ignored").count(), 1, "{warnings}");
    assert_eq!(warnings.lines().count(), 1, "{warnings}");
}
