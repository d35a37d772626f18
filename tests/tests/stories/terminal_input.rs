//! Whatever is typed or pasted at a terminal, the node keeps running and executes every line.

use std::process::Command;
use std::time::Duration;

use tests::content::TestContent;
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::{RunningNode, TestNetwork};
use tests::peer::peer_node;
use tests::terminal::Terminal;

const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Ends a bracketed paste, leaves any prompt of the line editor, and clears the line.
const ESCAPE_KEYS: &[u8] = b"\x1b[201~\x07\x03";

/// A node at a terminal, and an index.
struct TerminalSession {
    network: TestNetwork,
    node: RunningNode,
    terminal: Terminal,
}

fn start_session_with(files: &[(&str, &TestContent)], adapt: impl FnOnce(&mut Command)) -> TerminalSession {
    let network = TestNetwork::new();
    let mut node = network.start_empty_node(&[]);
    node.peer.kill();
    for (path, content) in files {
        node.folder.put(path, content);
    }
    let mut command = peer_node(0, network.index.address(), node.folder.path());
    adapt(&mut command);
    let terminal = Terminal::start(command);
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    TerminalSession { network, node, terminal }
}

fn start_session() -> TerminalSession {
    start_session_with(&[], |_| {})
}

#[test]
fn bytes_that_are_not_utf8_do_not_end_the_node() {
    let mut session = start_session();
    let terminal = &mut session.terminal;
    terminal.type_bytes(b"\xff");
    assert!(
        terminal.wait_for_text("input that is not UTF-8 was replaced", DEFAULT_TIMEOUT),
        "{}",
        terminal.text()
    );
    terminal.type_bytes(b"\x15search caf\xe9\rhelp quit\r");
    assert!(terminal.wait_for_text("af\u{fffd}", DEFAULT_TIMEOUT), "{}", terminal.text());
    assert!(terminal.wait_for_text("stop the node", DEFAULT_TIMEOUT), "{}", terminal.text());
    terminal.type_keys("quit\r");
    assert_eq!(terminal.process.wait(STOP_TIMEOUT).code(), Some(0), "{}", terminal.text());
}

#[test]
fn lines_that_arrive_in_one_write_all_run() {
    let mut session = start_session_with(&[("w7.txt", &TestContent::random(150, 10))], |_| {});
    let terminal = &mut session.terminal;
    wait_until("the search to find the file", DEFAULT_TIMEOUT, || {
        terminal.enter("search w7").contains("w7.txt")
    });
    let lines: Vec<String> = (0..20).map(|number| format!("download nothing{number}\r")).collect();
    terminal.type_keys(&lines.concat());
    for number in 0..20 {
        let text = format!("nothing found: nothing{number}");
        assert!(terminal.wait_for_text(&text, DEFAULT_TIMEOUT), "{text} is missing in {}", terminal.text());
    }
    // The same after a slow command, with the start of another line.
    terminal.type_keys("doctor\rhelp files\rhelp sour");
    assert!(terminal.wait_for_text("list what this node shares", DEFAULT_TIMEOUT), "{}", terminal.text());
    terminal.type_keys("ces\r");
    assert!(terminal.wait_for_text("whole or in part", DEFAULT_TIMEOUT), "{}", terminal.text());
    drop(session.network);
    drop(session.node);
}

#[test]
fn bracketed_paste_runs_all_its_lines() {
    let mut session = start_session();
    let terminal = &mut session.terminal;
    terminal.type_keys("\u{1b}[200~help files\r\nhelp sources\u{1b}[201~");
    assert!(terminal.wait_for_text("help sources", DEFAULT_TIMEOUT), "{}", terminal.text());
    terminal.type_keys("\r");
    assert!(terminal.wait_for_text("list what this node shares", DEFAULT_TIMEOUT), "{}", terminal.text());
    assert!(terminal.wait_for_text("whole or in part", DEFAULT_TIMEOUT), "{}", terminal.text());
}

#[test]
fn long_paste_is_drawn_rarely_and_long_line_is_refused() {
    let mut session = start_session();
    let terminal = &mut session.terminal;
    let before = terminal.text().len();
    let paste = "x".repeat(100_000);
    terminal.type_keys(&paste);
    terminal.type_keys("\rhelp quit\r");
    assert!(terminal.wait_for_text("the line is longer than", DEFAULT_TIMEOUT), "the line is not refused");
    assert!(terminal.wait_for_text("stop the node", DEFAULT_TIMEOUT), "the prompt does not return");
    let drawn = terminal.text().len() - before;
    assert!(drawn < 20 * paste.len(), "{drawn} bytes were drawn for {}", paste.len());
}

#[test]
fn no_key_sequence_ends_the_node() {
    let mut session = start_session();
    let terminal = &mut session.terminal;
    // Any key except Ctrl-D, which ends the node, Ctrl-Z, which suspends it, and line ends, which run commands.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..40 {
        let length = random() % 200;
        let bytes = (0..length).map(|_| random().to_le_bytes()[3]);
        let bytes: Vec<u8> = bytes.filter(|byte| !matches!(byte, 4 | 0x1a | b'\r' | b'\n')).collect();
        terminal.type_bytes(&bytes);
        terminal.type_bytes(ESCAPE_KEYS);
    }
    assert!(terminal.process.is_running(), "{}", terminal.text());
    wait_until("the prompt to answer", DEFAULT_TIMEOUT, || {
        terminal.type_bytes(ESCAPE_KEYS);
        terminal.type_keys("help quit\r");
        terminal.wait_for_text("stop the node", Duration::from_millis(500))
    });
}

#[test]
fn terminal_without_cursor_movement_works() {
    let mut session = start_session_with(&[], |command| {
        command.env("TERM", "dumb");
    });
    let terminal = &mut session.terminal;
    terminal.type_bytes(b"search \xff\nhelp quit\n");
    assert!(terminal.wait_for_text("the line is not UTF-8", DEFAULT_TIMEOUT), "{}", terminal.text());
    assert!(terminal.wait_for_text("stop the node", DEFAULT_TIMEOUT), "{}", terminal.text());
    terminal.type_keys("quit\n");
    assert_eq!(terminal.process.wait(STOP_TIMEOUT).code(), Some(0), "{}", terminal.text());
}
