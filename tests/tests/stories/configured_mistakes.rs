//! Invalid configurations: each is refused before any connection, and the message says where and why.

use std::fs;
use std::process::{Output, Stdio};

use tests::configured_group::{ConfiguredGroup, FILE_NAME};
use tests::content::TestContent;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::output_lines::OutputLines;
use tests::process::Process;

fn group() -> ConfiguredGroup {
    ConfiguredGroup::new(TestContent::random(610, 100_000), 16 << 10, &[true, false])
}

/// Runs a peer that cannot start. Returns its status and its error output.
fn run_refused(group: &ConfiguredGroup, target: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        group.command(target, &[]).output().expect("a program that was built");
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// Replaces a part of a file.
fn replace_in_file(group: &ConfiguredGroup, file: &str, from: &str, to: &str) {
    let path = group.path().join(file);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).expect("a file");
}

#[test]
fn invalid_configuration_is_refused_with_line_and_reason() {
    for (file, from, to, reason) in [
        (
            "Common.cfg",
            "PieceSize",
            "PeaceSize",
            "Common.cfg:6: unknown key \"PeaceSize\"; did you mean PieceSize?",
        ),
        ("Common.cfg", "PieceSize 16384", "", "Common.cfg: PieceSize is missing"),
        ("Common.cfg", "PieceSize 16384", "PieceSize 0", "Common.cfg:6: PieceSize must be at least 1"),
        (
            "Common.cfg",
            "FileSize 100000",
            "FileSize many",
            "Common.cfg:5: FileSize is not a number: \"many\"",
        ),
        (
            "Common.cfg",
            "UnchokingInterval 1 \n",
            "FileName x\n",
            "Common.cfg:4: duplicate FileName; first defined on line 2",
        ),
        ("Common.cfg", FILE_NAME, "../secret", "Common.cfg:4: FileName is not a plain file name"),
        (
            "PeerInfo.cfg",
            "1002 localhost",
            "1001 localhost",
            "PeerInfo.cfg:2: duplicate peer 1001; first listed on line 1",
        ),
        ("PeerInfo.cfg", "1002 localhost", "1002 0.0.0.0", "PeerInfo.cfg:2: the host is neither a name nor"),
        ("PeerInfo.cfg", "1002 localhost", "1002", "PeerInfo.cfg:2: expected `id host port has_file`"),
    ] {
        let group = group();
        replace_in_file(&group, file, from, to);
        for target in ["1002", "start-all"] {
            let (status, complaint) = run_refused(&group, target);
            assert_eq!(status, Some(2), "{to}");
            assert!(complaint.contains(reason), "{to}: {complaint}");
            let faults = complaint.lines().filter(|line| line.contains(".cfg")).count();
            assert_eq!(faults, if to == "FileName x\n" { 2 } else { 1 }, "{to}: {complaint}");
        }
        assert!(!group.path().join("peer_1002").exists());
    }
}

#[test]
fn errors_in_both_files_are_reported_together() {
    let group = group();
    replace_in_file(&group, "Common.cfg", "PieceSize 16384", "PieceSize 0");
    replace_in_file(&group, "Common.cfg", "FileSize 100000", "FileSize 1e5");
    replace_in_file(&group, "PeerInfo.cfg", "1002 localhost", "1002 0.0.0.0");
    let (_, complaint) = run_refused(&group, "1001");
    for fault in ["Common.cfg:5: ", "Common.cfg:6: ", "PeerInfo.cfg:2: "] {
        assert!(complaint.contains(fault), "{complaint}");
    }
}

#[test]
fn missing_files_and_unlisted_peers_are_named() {
    let group = group();
    let (status, complaint) = run_refused(&group, "1009");
    assert_eq!(status, Some(2));
    assert!(
        complaint.contains("peer 1009 is not listed in ") && complaint.contains("1001, 1002"),
        "{complaint}"
    );
    fs::remove_file(group.path().join("Common.cfg")).expect("a file");
    let (status, complaint) = run_refused(&group, "1002");
    assert_eq!(status, Some(2));
    assert!(complaint.contains("cannot read ") && complaint.contains("Common.cfg"), "{complaint}");
}

#[test]
fn seed_with_missing_or_wrong_size_file_does_not_start() {
    let group = group();
    replace_in_file(&group, "Common.cfg", "FileSize 100000", "FileSize 100001");
    let (status, complaint) = run_refused(&group, "1001");
    assert_eq!(status, Some(1));
    assert!(complaint.contains("has 100000 bytes, but FileSize is 100001"), "{complaint}");
    fs::remove_file(group.complete_file(1001)).expect("a file");
    let (status, complaint) = run_refused(&group, "1001");
    assert_eq!(status, Some(1));
    assert!(
        complaint.contains("peer 1001 is listed as having the file, but it is neither at"),
        "{complaint}"
    );
}

#[test]
fn port_in_use_is_reported() {
    let group = group();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", group.port(1002))).expect("a free port");
    let (status, complaint) = run_refused(&group, "1002");
    assert_eq!(status, Some(1));
    assert!(complaint.contains("cannot listen on localhost:"), "{complaint}");
}

#[test]
fn peer_that_cannot_start_stops_the_others() {
    let group = ConfiguredGroup::new(TestContent::random(611, 100_000), 16 << 10, &[true, false, false]);
    let _taken = std::net::TcpListener::bind(("127.0.0.1", group.port(1002))).expect("a free port");
    let mut command = group.command("start-all", &[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut all = Process::spawn("start-all", command);
    let output = OutputLines::collect(all.child().stdout.take().expect("a pipe"));
    let errors = OutputLines::collect(all.child().stderr.take().expect("a pipe"));
    assert_eq!(all.wait(DEFAULT_TIMEOUT).code(), Some(1), "{} {}", output.text(), errors.text());
    assert!(
        output.wait_for_end(DEFAULT_TIMEOUT) && errors.wait_for_end(DEFAULT_TIMEOUT),
        "the pipes end with the process"
    );
    let (output, errors) = (output.text(), errors.text());
    assert!(output.contains("1001\tstopped") && output.contains("1003\tstopped"), "{output}");
    let last = errors.lines().last().expect("a complaint");
    assert!(last.contains("peer 1002 cannot start: cannot listen on localhost:"), "{errors}");
    assert!(last.contains("the others were stopped"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "one fault is reported once: {errors}");
}
