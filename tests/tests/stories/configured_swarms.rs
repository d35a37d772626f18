//! Groups of our own programs that share a file of 20 MB.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tests::configured_group::{ConfiguredGroup, FIRST_PEER_ID};
use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::output_lines::OutputLines;
use tests::process::Process;
use tests::third_party::ClientProcess;

/// Time limit for a group to share 20 MB.
const SPREAD_TIMEOUT: Duration = Duration::from_mins(1);

const PIECE_LENGTH: u32 = 16 << 10;
const SIZE: usize = 20_000_000;
const PIECE_COUNT: usize = SIZE.div_ceil(PIECE_LENGTH as usize);

fn group(seed: u64, has_file: &[bool]) -> ConfiguredGroup {
    ConfiguredGroup::new(TestContent::random(seed, SIZE), PIECE_LENGTH, has_file)
}

/// Waits for a peer to end successfully.
fn assert_success(running: &mut ClientProcess) {
    let status = running.process().wait(SPREAD_TIMEOUT);
    assert!(status.success(), "{status}: {}", running.output().text());
}

/// Checks the log of a peer that started with nothing.
fn assert_log(group: &ConfiguredGroup, id: u32, before: &[u32], after: &[u32]) {
    let log = group.log(id);
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    for other in before {
        assert_eq!(count(&format!("Peer {id} makes a connection to Peer {other}.")), 1);
    }
    for other in after {
        assert_eq!(count(&format!("Peer {id} is connected from Peer {other}.")), 1);
    }
    assert_eq!(count(" has downloaded the piece "), PIECE_COUNT);
    assert_eq!(count(&format!("Now the number of pieces it has is {PIECE_COUNT}.")), 1);
    assert_eq!(count(&format!("Peer {id} has downloaded the complete file.")), 1);
    assert!(count("is unchoked by") > 0 && count("received the 'not interested' message from") > 0);
}

#[test]
fn three_peers_download_the_file_of_one() {
    let group = group(600, &[true, false, false]);
    let mut peers: Vec<ClientProcess> =
        (FIRST_PEER_ID..FIRST_PEER_ID + 3).map(|id| group.start(id, &[])).collect();
    peers.iter_mut().for_each(assert_success);
    for id in FIRST_PEER_ID..FIRST_PEER_ID + 3 {
        group.assert_only_file(id);
    }
    assert_log(&group, 1002, &[1001], &[1003]);
    assert_log(&group, 1003, &[1001, 1002], &[]);
    let haves = group.log(1002).iter().filter(|line| line.contains("'have' message from 1003")).count();
    assert_eq!(haves, PIECE_COUNT);
    let seed = group.log(1001);
    // The first peer to declare interest becomes preferred at once; the other may get the optimistic slot.
    let preferred = seed.iter().find_map(|line| line.strip_prefix("Peer 1001 has the preferred neighbors "));
    assert!(matches!(preferred, Some("1002." | "1003." | "1002,1003.")), "{seed:#?}");
    assert!(!seed.iter().any(|line| line.contains("complete file")));
}

#[test]
fn six_peers_started_together_download_from_two() {
    let group = group(601, &[true, false, false, true, false, false]);
    let mut command = group.command("start-all", &[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut all = Process::spawn("start-all", command);
    let output = OutputLines::collect(all.child().stdout.take().expect("a pipe"));
    let errors = OutputLines::collect(all.child().stderr.take().expect("a pipe"));
    let status = all.wait(SPREAD_TIMEOUT);
    assert!(status.success(), "{status}: {} {}", output.text(), errors.text());
    let lines = output.lines_from(0);
    for id in FIRST_PEER_ID..FIRST_PEER_ID + 6 {
        group.assert_only_file(id);
        for word in ["done", "ended"] {
            let line_count = lines.iter().filter(|line| line.starts_with(&format!("{id}\t{word}"))).count();
            assert_eq!(line_count, 1, "{id} {word}: {lines:?}");
        }
    }
    assert_log(&group, 1003, &[1001, 1002], &[1004, 1005, 1006]);
    assert!(group.log(1001).iter().any(|line| line.contains("has the optimistically unchoked neighbor")));
}

#[test]
fn group_waits_for_a_late_peer() {
    let group = group(602, &[true, false, false]);
    let (mut second, mut seed) = (group.start(1002, &[]), group.start(1001, &[]));
    second.wait_until_complete();
    assert!(seed.process().is_running() && second.process().is_running());
    let mut third = group.start(1003, &[]);
    for peer in [&mut seed, &mut second, &mut third] {
        assert_success(peer);
    }
    group.assert_only_file(1003);
    assert_log(&group, 1003, &[1001, 1002], &[]);
}

#[test]
fn peer_without_answers_names_the_peers_it_waits_for() {
    let group = ConfiguredGroup::new(TestContent::random(605, 100_000), PIECE_LENGTH, &[true, false]);
    for (own, missing) in [(1001, 1002), (1002, 1001)] {
        let mut waiting = group.start(own, &[]);
        let word = format!("waiting\tnot connected: {missing}");
        let found = waiting.output().find(0, DEFAULT_TIMEOUT, |line| line == word);
        assert!(found.is_some(), "{}", waiting.output().text());
        waiting.process().signal(Signal::INT);
        assert_eq!(waiting.process().wait(DEFAULT_TIMEOUT).code(), Some(130));
    }
}

#[test]
fn killed_peer_resumes_from_its_pieces() {
    let group =
        ConfiguredGroup::new(TestContent::random(603, 100_000_000), PIECE_LENGTH, &[true, false, false]);
    let mut seed = group.start(1001, &[]);
    let mut second = group.start(1002, &[]);
    let record = group.path().join("peer_1002/TheFile.dat.part.json");
    wait_until("the second peer to record its pieces", DEFAULT_TIMEOUT, || record.exists());
    second.process().kill();
    let before = count_downloaded(&group);
    let mut third = group.start(1003, &[]);
    let mut again = group.start(1002, &[]);
    for peer in [&mut seed, &mut again, &mut third] {
        assert_success(peer);
    }
    group.assert_only_file(1002);
    let output = again.output().text();
    let present =
        output.lines().find_map(|line| line.strip_prefix("here\t")).expect("pieces from the first run");
    let present: usize = present.split('\t').next().and_then(|count| count.parse().ok()).expect("a number");
    let fetched_again = count_downloaded(&group) - before;
    let pieces = 100_000_000_usize.div_ceil(PIECE_LENGTH as usize);
    assert!(
        present > 0 && fetched_again == pieces - present,
        "{present} present, {before} and {fetched_again} fetched"
    );
}

fn count_downloaded(group: &ConfiguredGroup) -> usize {
    group.log(1002).iter().filter(|line| line.contains(" has downloaded the piece ")).count()
}

#[test]
fn ctrl_c_stops_peers_and_keeps_received_pieces() {
    let group = group(604, &[true, false]);
    let mut own = group.start(1002, &[]);
    wait_until("the peer to connect", DEFAULT_TIMEOUT, || own.output().text().contains("swarm\t1002"));
    own.process().signal(Signal::INT);
    assert_eq!(own.process().wait(DEFAULT_TIMEOUT).code(), Some(130));
    let mut command = group.command("start-all", &["--framing", "exclusive"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    // The second peer is stopped before it has the file.
    std::fs::write(
        group.path().join("PeerInfo.cfg"),
        format!(
            "1001 localhost {} 1\n1002 localhost {} 0\n1003 192.0.2.1 6000 0",
            group.port(1001),
            group.port(1002)
        ),
    )
    .expect("a list");
    let mut all = Process::spawn("start-all", command);
    let output = OutputLines::collect(all.child().stdout.take().expect("a pipe"));
    assert!(
        output.find(0, DEFAULT_TIMEOUT, |line| line.starts_with("1002\tdone")).is_some(),
        "{}",
        output.text()
    );
    assert!(all.is_running(), "the third peer does not have the file");
    all.signal(Signal::INT);
    assert_eq!(all.wait(DEFAULT_TIMEOUT).code(), Some(130));
    group.assert_only_file(1002);
}
