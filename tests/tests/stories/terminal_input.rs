//! Whatever is typed or pasted at a terminal, the node goes on, and every line runs.

use std::process::Command;
use std::time::Duration;

use tests::content::Content;
use tests::eventually::{SOON, until};
use tests::network::{Network, Node};
use tests::peer::peer_node;
use tests::terminal::Terminal;

const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Ends a marked paste, leaves whatever question the line editor asks, and clears the line.
const WAY_OUT: &[u8] = b"\x1b[201~\x07\x03";

/// A node at a terminal, and an index.
struct Sitting {
    network: Network,
    node: Node,
    terminal: Terminal,
}

fn sit_down_with(files: &[(&str, &Content)], adapt: impl FnOnce(&mut Command)) -> Sitting {
    let network = Network::new();
    let mut node = network.node_with(&[]);
    node.peer.kill();
    for (path, content) in files {
        node.home.put(path, content);
    }
    let mut command = peer_node(0, network.index.address(), node.home.path());
    adapt(&mut command);
    let terminal = Terminal::start(command);
    assert!(terminal.is_ready(), "{}", terminal.text());
    Sitting { network, node, terminal }
}

fn sit_down() -> Sitting {
    sit_down_with(&[], |_| {})
}

#[test]
fn bytes_that_are_not_utf8_do_not_end_the_node() {
    let mut sitting = sit_down();
    let terminal = &mut sitting.terminal;
    terminal.press_bytes(b"\xff");
    assert!(terminal.shows("input that is not UTF-8 was replaced", SOON), "{}", terminal.text());
    terminal.press_bytes(b"\x15search caf\xe9\rhelp quit\r");
    assert!(terminal.shows("af\u{fffd}", SOON), "{}", terminal.text());
    assert!(terminal.shows("ends the node", SOON), "{}", terminal.text());
    terminal.press("quit\r");
    assert_eq!(terminal.process.wait(STOP_WITHIN).code(), Some(0), "{}", terminal.text());
}

#[test]
fn lines_that_arrive_in_one_write_all_run() {
    let mut sitting = sit_down_with(&[("w7.txt", &Content::random(150, 10))], |_| {});
    let terminal = &mut sitting.terminal;
    until("the file to be found", SOON, || terminal.enter("search w7").contains("w7.txt"));
    let lines: Vec<String> = (0..20).map(|number| format!("download nothing{number}\r")).collect();
    terminal.press(&lines.concat());
    for number in 0..20 {
        let text = format!("nothing found: nothing{number}");
        assert!(terminal.shows(&text, SOON), "{text} is missing in {}", terminal.text());
    }
    // The same behind a command that takes its time, with the beginning of another line.
    terminal.press("doctor\rhelp files\rhelp sour");
    assert!(terminal.shows("lists what this node shares", SOON), "{}", terminal.text());
    terminal.press("ces\r");
    assert!(terminal.shows("whole or in part", SOON), "{}", terminal.text());
    drop(sitting.network);
    drop(sitting.node);
}

#[test]
fn a_marked_paste_of_several_lines_runs_all_of_them() {
    let mut sitting = sit_down();
    let terminal = &mut sitting.terminal;
    terminal.press("\u{1b}[200~help files\r\nhelp sources\u{1b}[201~");
    assert!(terminal.shows("help sources", SOON), "{}", terminal.text());
    terminal.press("\r");
    assert!(terminal.shows("lists what this node shares", SOON), "{}", terminal.text());
    assert!(terminal.shows("whole or in part", SOON), "{}", terminal.text());
}

#[test]
fn a_long_paste_is_drawn_a_few_times_and_too_long_a_line_refused() {
    let mut sitting = sit_down();
    let terminal = &mut sitting.terminal;
    let before = terminal.text().len();
    let paste = "x".repeat(100_000);
    terminal.press(&paste);
    terminal.press("\rhelp quit\r");
    assert!(terminal.shows("the line is longer than", SOON), "the line is not refused");
    assert!(terminal.shows("ends the node", SOON), "the prompt is gone");
    let drawn = terminal.text().len() - before;
    assert!(drawn < 20 * paste.len(), "{drawn} bytes were drawn for {}", paste.len());
}

#[test]
fn no_keys_at_all_end_the_node() {
    let mut sitting = sit_down();
    let terminal = &mut sitting.terminal;
    // Anything but Ctrl-D, which does end it, Ctrl-Z, which stops it for a while, and line ends, which run commands.
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
        terminal.press_bytes(&bytes);
        terminal.press_bytes(WAY_OUT);
    }
    assert!(terminal.process.is_running(), "{}", terminal.text());
    until("the prompt to answer", SOON, || {
        terminal.press_bytes(WAY_OUT);
        terminal.press("help quit\r");
        terminal.shows("ends the node", Duration::from_millis(500))
    });
}

#[test]
fn a_terminal_without_cursor_movement_reads_lines_too() {
    let mut sitting = sit_down_with(&[], |command| {
        command.env("TERM", "dumb");
    });
    let terminal = &mut sitting.terminal;
    terminal.press_bytes(b"search \xff\nhelp quit\n");
    assert!(terminal.shows("the line is not UTF-8", SOON), "{}", terminal.text());
    assert!(terminal.shows("ends the node", SOON), "{}", terminal.text());
    terminal.press("quit\n");
    assert_eq!(terminal.process.wait(STOP_WITHIN).code(), Some(0), "{}", terminal.text());
}
