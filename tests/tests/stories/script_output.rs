//! What scripts read: results alone on stdout, everything else on stderr, and failures that are not silent.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use tests::content::Content;
use tests::home::Home;
use tests::network::Network;
use tests::peer::{COMMAND_WITHIN, peer_node, script};
use tests::process::Process;
use tests::programs::programs;

const UNWRITABLE: &str = "cannot write to standard output: no storage space";

/// Runs a command with a file in the place of its stdout.
fn run_into(file: &str, mut command: Command, input: &str) -> (Option<i32>, String) {
    let file = OpenOptions::new().write(true).open(file).expect("a file");
    command.stdin(Stdio::piped()).stdout(file).stderr(Stdio::piped());
    let mut process = Process::spawn("a program", command);
    let errors = tests::lines::Lines::of(process.child().stderr.take().expect("a pipe"));
    let _ = std::io::Write::write_all(&mut process.take_stdin(), input.as_bytes());
    let status = process.wait(COMMAND_WITHIN).code();
    assert!(errors.ended(COMMAND_WITHIN));
    (status, errors.text())
}

fn of(program: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

#[test]
fn a_full_disk_under_the_output_is_an_error() {
    let network = Network::new();
    let home = Home::with("a.txt", &Content::random(700, 1000));
    let script = peer_node(0, network.index.address(), home.path());
    let file = home.path().join("a.txt").display().to_string();
    let made = home.path().join("made.torrent").display().to_string();
    let data = network.index.data_dir().display().to_string();
    for (name, command) in [
        ("a script", script),
        ("help", of(&programs().peer_node, &["--help"])),
        ("torrent", of(&programs().peer_node, &["torrent", "create", &file, "--output", &made])),
        ("doctor", of(&programs().peer_node, &["doctor", "--share-dir", &format!("{file}.d")])),
        ("index help", of(&programs().index_server, &["--help"])),
        ("index version", of(&programs().index_server, &["--data-dir", &data, "--version"])),
    ] {
        let (status, errors) = run_into("/dev/full", command, "status\n");
        assert!(matches!(status, Some(1 | 74)), "{name}: {status:?} {errors}");
        assert!(errors.to_lowercase().contains("cannot write to standard output"), "{name}: {errors}");
    }
    let script = peer_node(0, network.index.address(), home.path());
    let (_, errors) = run_into("/dev/full", script, "status\nstatus\n");
    assert_eq!(errors, format!("peer-node: {UNWRITABLE}"), "it is said once");
}

#[test]
fn a_closed_pipe_is_nothing_to_report() {
    for program in [&programs().peer_node, &programs().index_server] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = of(program, &["--help"]);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output: Output = command.spawn().expect("a program").wait_with_output().expect("its end");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn files_are_separated_by_tabs_and_their_total_is_no_row() {
    let network = Network::new();
    let content = Content::random(701, 1000);
    let home = Home::with("a folder/some  file.txt", &content);
    let output = script(network.index.address(), home.path(), &["files"]);
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
    let mut network = Network::new();
    let content = Content::random(702, 1000);
    let _sharer = network.node(&[("there.txt", &content)]);
    let home = Home::new();
    let output =
        script(network.index.address(), home.path(), &["search there", "search nowhere", "download 1"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!(home.files().get("there.txt"), Some(&content));
    assert!(err.lines().any(|line| line == "no hits") && !out.contains("no hits"), "{out}{err}");
}

#[test]
fn options_and_filters_that_do_not_exist_are_refused() {
    let network = Network::new();
    let home = Home::new();
    for (command, says) in [
        ("search --json debian", "unknown option --json"),
        ("files --json", "unknown option --json"),
        ("search artist:foo", "unknown filter artist:"),
    ] {
        let output = script(network.index.address(), home.path(), &[command]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command}: {err}");
        assert!(err.contains(says), "{command}: {err}");
    }
    let output = script(network.index.address(), home.path(), &["search \"--json\" \"artist:foo\""]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
