//! Commands from a pipe.

use std::process::{Command, Stdio};

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::network::TestNetwork;
use tests::output_lines::OutputLines;
use tests::peer::{peer_node, run_script};
use tests::process::Process;
use tests::test_folder::TestFolder;

#[test]
fn a_script_searches_downloads_and_ends_with_status_0() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(120, 3 * PIECE_LENGTH);
    let _sharer = network.start_node(&[("disk.iso", &content)]);
    let folder = TestFolder::new();
    let output = run_script(network.index.address(), folder.path(), &["search iso", "download 1"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!(folder.visible_files().get("disk.iso"), Some(&content));
    assert!(out.contains(&format!("sha256 {}", content.digest)), "{out}");
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "a script gets plain text: {out:?} {err:?}");
}

#[test]
fn script_with_a_failure_continues_and_exits_with_status_1() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(121, 100);
    let _sharer = network.start_node(&[("there.txt", &content)]);
    for failing in ["download 7", "no-such-command", "search size:>lots", "browse nobody", "cancel 9"] {
        let folder = TestFolder::new();
        let output =
            run_script(network.index.address(), folder.path(), &[failing, "search there", "download 1"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{failing}: {errors}");
        assert!(errors.lines().any(|line| line.starts_with("error: ")), "{failing}: {errors}");
        assert_eq!(folder.visible_files().get("there.txt"), Some(&content), "{failing}");
    }
}

#[test]
fn blank_lines_comments_and_a_missing_last_newline_are_fine() {
    let network = TestNetwork::new();
    let folder = TestFolder::new();
    let command = peer_node(0, network.index.address(), folder.path());
    let output = tests::peer::run_with_input(command, "\n  \n# a comment\n\r\nhelp");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("download"));
}

#[test]
fn malformed_input_does_not_panic() {
    let network = TestNetwork::new();
    let folder = TestFolder::new();
    let long = "x".repeat(3 << 20);
    for input in ["search \u{0}\n", "\u{1b}[A\n", "search \u{202e}gpj\n", &long] {
        let output = tests::peer::run_with_input(peer_node(0, network.index.address(), folder.path()), input);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}: {errors}", output.status);
        assert!(!errors.contains("panicked"), "{errors}");
    }
}

#[test]
fn closed_output_does_not_panic() {
    let network = TestNetwork::new();
    let folder = TestFolder::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command: Command = peer_node(0, network.index.address(), folder.path());
    command.stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped());
    let mut process = Process::spawn("a script", command);
    let errors = OutputLines::collect(process.child().stderr.take().expect("a pipe"));
    let mut input = process.take_stdin();
    // The reader may have closed the pipe before everything is written.
    let _ = std::io::Write::write_all(&mut input, "help\nhelp\nfiles\nstatus\n".as_bytes());
    drop(input);
    process.wait(DEFAULT_TIMEOUT);
    assert!(errors.wait_for_end(DEFAULT_TIMEOUT) && !errors.text().contains("panicked"), "{}", errors.text());
}
