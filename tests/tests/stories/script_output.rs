//! The output for scripts: only results on stdout, everything else on stderr, and no silent failures.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use tests::content::TestContent;
use tests::network::TestNetwork;
use tests::peer::{COMMAND_TIMEOUT, peer_node, run_script};
use tests::process::Process;
use tests::programs::programs;
use tests::test_folder::TestFolder;

const WRITE_ERROR: &str = "cannot write to standard output: no storage space";

/// Runs a command with its stdout redirected to a file.
fn run_into(file: &str, mut command: Command, input: &str) -> (Option<i32>, String) {
    let file = OpenOptions::new().write(true).open(file).expect("a file");
    command.stdin(Stdio::piped()).stdout(file).stderr(Stdio::piped());
    let mut process = Process::spawn("a program", command);
    let errors = tests::output_lines::OutputLines::collect(process.child().stderr.take().expect("a pipe"));
    let _ = std::io::Write::write_all(&mut process.take_stdin(), input.as_bytes());
    let status = process.wait(COMMAND_TIMEOUT).code();
    assert!(errors.wait_for_end(COMMAND_TIMEOUT));
    (status, errors.text())
}

fn program_command(program: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

#[test]
fn output_to_a_full_disk_is_an_error() {
    let network = TestNetwork::new();
    let folder = TestFolder::with_file("a.txt", &TestContent::random(700, 1000));
    let script = peer_node(0, network.index.address(), folder.path());
    let file = folder.path().join("a.txt").display().to_string();
    let made = folder.path().join("made.torrent").display().to_string();
    let data = network.index.data_dir().display().to_string();
    for (name, command) in [
        ("a script", script),
        ("help", program_command(&programs().peer_node, &["--help"])),
        ("torrent", program_command(&programs().peer_node, &["torrent", "create", &file, "--output", &made])),
        ("doctor", program_command(&programs().peer_node, &["doctor", "--share-dir", &format!("{file}.d")])),
        ("index help", program_command(&programs().index_server, &["--help"])),
        ("index version", program_command(&programs().index_server, &["--data-dir", &data, "--version"])),
    ] {
        let (status, errors) = run_into("/dev/full", command, "status\n");
        assert!(matches!(status, Some(1 | 74)), "{name}: {status:?} {errors}");
        assert!(errors.to_lowercase().contains("cannot write to standard output"), "{name}: {errors}");
    }
    let script = peer_node(0, network.index.address(), folder.path());
    let (_, errors) = run_into("/dev/full", script, "status\nstatus\n");
    assert_eq!(errors, format!("peer-node: {WRITE_ERROR}"), "the error is reported once");
}

#[test]
fn closed_output_pipe_is_no_error() {
    for program in [&programs().peer_node, &programs().index_server] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = program_command(program, &["--help"]);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output: Output = command.spawn().expect("a program").wait_with_output().expect("its end");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn file_list_is_tab_separated_without_a_total_row() {
    let network = TestNetwork::new();
    let content = TestContent::random(701, 1000);
    let folder = TestFolder::with_file("a folder/some  file.txt", &content);
    let output = run_script(network.index.address(), folder.path(), &["files"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split('\t').collect()).collect();
    let [row] = rows.as_slice() else { panic!("{out}") };
    let [size, digest, since, path] = row.as_slice() else { panic!("{out}") };
    assert_eq!((*size, *digest), ("1000", content.digest.to_string().as_str()));
    assert!(since.ends_with('Z') && *path == "a folder/some  file.txt", "{out}");
    assert!(err.contains("1 file"), "{err}");
}

#[test]
fn no_hits_go_to_stderr_and_leave_the_last_list_usable() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(702, 1000);
    let _sharer = network.start_node(&[("there.txt", &content)]);
    let folder = TestFolder::new();
    let output =
        run_script(network.index.address(), folder.path(), &["search there", "search nowhere", "download 1"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!(folder.visible_files().get("there.txt"), Some(&content));
    assert!(err.lines().any(|line| line == "no hits") && !out.contains("no hits"), "{out}{err}");
}

#[test]
fn unknown_options_and_filters_are_refused() {
    let network = TestNetwork::new();
    let folder = TestFolder::new();
    for (command, expected) in [
        ("search --json debian", "unknown option --json"),
        ("files --json", "unknown option --json"),
        ("search artist:foo", "unknown filter artist:"),
    ] {
        let output = run_script(network.index.address(), folder.path(), &[command]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command}: {err}");
        assert!(err.contains(expected), "{command}: {err}");
    }
    let output = run_script(network.index.address(), folder.path(), &["search \"--json\" \"artist:foo\""]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
