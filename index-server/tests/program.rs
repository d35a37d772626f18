//! Tests the program as a process: output, exit statuses and startup errors.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

/// Timeout of each step; reached only on failure.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A running index, killed when dropped.
struct ProgramUnderTest {
    child: Child,
    address: String,
}

fn command(dir: &Path) -> Command {
    command_on("127.0.0.1:0", dir)
}

fn command_on(listen: &str, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_index-server"));
    command.args(["--listen", listen, "--data-dir"]).arg(dir).env("RUST_LOG", "info");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `work` on a thread with a timeout.
fn with_timeout<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(TEST_TIMEOUT).expect("timed out")
}

impl ProgramUnderTest {
    fn start(dir: &Path) -> Self {
        let mut child = command(dir).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = with_timeout(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line
        });
        let address = line.strip_prefix("index-server listening on ").expect(&line).trim_end().to_owned();
        Self { child, address }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait(mut self) -> (ExitStatus, String) {
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        with_timeout(move || {
            let mut log = String::new();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            (child.wait().unwrap(), log)
        })
    }
}

impl Drop for ProgramUnderTest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an index that cannot start; returns its exit status and its single line of output.
fn fail(command: &mut Command) -> (i32, String) {
    let child = command.spawn().unwrap();
    let output = with_timeout(move || child.wait_with_output().unwrap());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("index-server: ") && text.trim_end().lines().count() == 1, "{text}");
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), text)
}

#[test]
fn stops_cleanly_on_signal_but_not_on_hangup() {
    for signal in [Signal::INT, Signal::TERM] {
        let dir = tempdir().unwrap();
        let index = ProgramUnderTest::start(dir.path());
        index.signal(Signal::HUP);
        drop(TcpStream::connect(&index.address).unwrap());
        index.signal(signal);
        let (status, log) = index.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("stopped") && !log.contains('\u{1b}'), "{log}");
    }
}

#[test]
fn survives_closed_output() {
    let dir = tempdir().unwrap();
    let mut child = command(dir.path()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let line = with_timeout(move || {
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        line
    });
    assert!(line.contains("listening"), "{line}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(with_timeout(move || child.wait().unwrap()).code(), Some(0));
}

#[test]
fn taken_port_and_bad_address_give_one_line_errors() {
    let (dir, other) = (tempdir().unwrap(), tempdir().unwrap());
    let index = ProgramUnderTest::start(dir.path());
    let (status, text) = fail(&mut command_on(&index.address, other.path()));
    assert!(status == 69 && text.contains(&index.address) && text.contains("taken"), "{text}");
    assert_eq!(fail(&mut command_on("nowhere", other.path())).0, 64);
    let (status, text) = fail(command(other.path()).args(["--tracker", &index.address]));
    assert!(status == 69 && text.contains("--tracker"), "{text}");
    let (status, text) = fail(command(other.path()).args(["--tracker", "nowhere"]));
    assert!(status == 64 && text.contains("127.0.0.1:6969"), "{text}");
}

#[test]
fn tracker_address_is_printed_after_the_index() {
    let dir = tempdir().unwrap();
    let mut child = command(dir.path()).args(["--tracker", "127.0.0.1:0"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let lines = with_timeout(move || {
        let (mut first, mut second) = (String::new(), String::new());
        stdout.read_line(&mut first).unwrap();
        stdout.read_line(&mut second).unwrap();
        (first, second)
    });
    let address = lines.1.strip_prefix("index-server tracker listening on ").expect(&lines.1).trim_end();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /announce HTTP/1.0\r\n\r\n").unwrap();
    let reply = with_timeout(move || {
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    });
    assert!(reply.ends_with("d14:failure reason25:no info_hash in the querye"), "{reply}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(with_timeout(move || child.wait().unwrap()).code(), Some(0));
}

#[test]
fn unusable_data_folders_give_one_line_errors() {
    let dir = tempdir().unwrap();
    let index = ProgramUnderTest::start(dir.path());
    let (status, text) = fail(&mut command(dir.path()));
    assert!(status == 75 && text.contains("in use"), "{text}");
    drop(index);
    for damage in [vec![], vec![0xa5; 200_000]] {
        fs::write(dir.path().join("store/db"), damage).unwrap();
        let (status, text) = fail(&mut command(dir.path()));
        assert!(status == 78 && text.contains("damaged"), "{text}");
    }
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(fail(&mut command(&file)).0, 73);
}

#[test]
fn options_come_from_environment_and_help_works() {
    let dir = tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_index-server"))
        .env("INDEX_SERVER_LISTEN", "127.0.0.1:0")
        .env("INDEX_SERVER_DATA_DIR", dir.path().join("made"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let line = with_timeout(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.starts_with("index-server listening on 127.0.0.1:") && !line.trim_end().ends_with(":0"),
        "{line}"
    );
    assert!(dir.path().join("made/store/db").exists());
    for (option, expected) in [("--help", "INDEX_SERVER_LISTEN"), ("--version", "index-server 0")] {
        let output = Command::new(env!("CARGO_BIN_EXE_index-server")).arg(option).output().unwrap();
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(expected));
    }
}

/// Runs a maintenance command with the given input; returns its exit status and output.
fn run_task(dir: &Path, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_index-server"))
        .args(arguments)
        .arg("--data-dir")
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may exit without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = with_timeout(move || child.wait_with_output().unwrap());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn second_signal_exits_at_once_with_own_status() {
    let dir = tempdir().unwrap();
    let index = ProgramUnderTest::start(dir.path());
    // An open connection delays the clean shutdown.
    let _client = TcpStream::connect(&index.address).unwrap();
    index.signal(Signal::INT);
    index.signal(Signal::TERM);
    let (status, log) = index.wait();
    // If the shutdown completed before the second signal, it was clean.
    assert!(matches!(status.code(), Some(0 | 130 | 143)), "{status} {log}");
    assert_eq!(status.code() == Some(0), !log.contains("at once"), "{status} {log}");
}

#[test]
fn stops_cleanly_from_the_start() {
    let dir = tempdir().unwrap();
    let mut child = command(dir.path()).args(["--metrics", "127.0.0.1:0"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let line = with_timeout(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    });
    // The metrics address is printed before the store is loaded.
    assert!(line.starts_with("index-server metrics listening on 127.0.0.1:"), "{line}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(with_timeout(move || child.wait().unwrap()).code(), Some(0));
    assert_eq!(run_task(dir.path(), &["check"], b"").0, 0);
}

#[test]
fn unused_store_is_checked_exported_and_imported() {
    let (dir, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (status, _, error) = run_task(dir.path(), &["check"], b"");
    assert!(status == 66 && error.contains("no store"), "{error}");
    let (node, digest) = ("0a".repeat(32), "0b".repeat(32));
    let lines = format!(
        "{{\"index_export\":1,\"nodes\":1,\"files\":1}}\n{{\"node\":\"{node}\",\"last_seen\":7,\"files\":1}}\n\
         {{\"path\":\"a/b\",\"size\":3,\"digest\":\"{digest}\",\"whole\":true}}\n"
    );
    let bad = lines.replace("a/b", "../b");
    let (status, _, error) = run_task(dir.path(), &["import", "-"], bad.as_bytes());
    assert!(status == 65 && error.contains("line 3: ") && error.contains("nothing was imported"), "{error}");
    let (status, output, error) = run_task(dir.path(), &["import", "-"], lines.as_bytes());
    assert!(status == 0 && output.contains("imported 1 nodes, 1 files and 0 torrents"), "{output}{error}");
    assert_eq!(run_task(dir.path(), &["import", "-"], lines.as_bytes()).0, 73);
    let (status, output, error) = run_task(dir.path(), &["check"], b"");
    assert!(status == 0 && output.contains("is sound: 1 nodes, 1 files, 1 contents"), "{output}{error}");
    let file = other.path().join("lines");
    let path = file.to_str().unwrap();
    assert_eq!(run_task(dir.path(), &["export", path], b"").0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), lines);
    assert_eq!(run_task(dir.path(), &["export", path], b"").0, 74, "an existing file is not replaced");
    assert_eq!(run_task(other.path(), &["import", path], b"").0, 0);
    assert_eq!(run_task(other.path(), &["export", "-"], b"").1, lines);
    let index = ProgramUnderTest::start(dir.path());
    for task in [&["check"][..], &["export", "-"], &["import", path]] {
        let (status, _, error) = run_task(dir.path(), task, b"");
        assert!(status == 75 && error.contains("in use"), "{error}");
    }
    drop(index);
}

#[test]
fn bad_access_list_is_reported_with_its_line() {
    let dir = tempdir().unwrap();
    let list = dir.path().join("list");
    let (status, text) = fail(command(dir.path()).arg("--allow").arg(&list));
    assert!(status == 66 && text.contains("list"), "{text}");
    fs::write(&list, "10.0.0.0/8\n10.0.0.0/99\n").unwrap();
    let (status, text) = fail(command(dir.path()).arg("--deny").arg(&list));
    assert!(status == 65 && text.contains("line 2"), "{text}");
}
