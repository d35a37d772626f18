//! A node at a terminal.

use std::time::Duration;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::network::TestNetwork;
use tests::peer::peer_node;
use tests::terminal::Terminal;

const STOP_TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn search_download_and_quit_at_the_prompt() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(140, 9 * PIECE_LENGTH);
    let _sharer = network.start_node(&[("disk.iso", &content)]);
    let node = network.start_node(&[]);
    drop(node.peer);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    // The node connects to the index in the background.
    wait_until("the index to probe the node", DEFAULT_TIMEOUT, || {
        terminal.enter("status").contains(", reachable")
    });
    let hits = terminal.enter("search disk");
    assert!(hits.contains("disk.iso"), "{hits}");
    let download = terminal.enter("download 1");
    assert!(download.contains(&content.digest.short()), "{download}");
    assert_eq!(node.folder.visible_files().get("disk.iso"), Some(&content));
    terminal.type_keys("quit\r");
    assert_eq!(terminal.process.wait(STOP_TIMEOUT).code(), Some(0), "{}", terminal.text());
}

#[test]
fn ctrl_d_ends_the_prompt_and_ctrl_c_clears_the_line() {
    let mut network = TestNetwork::new();
    let node = network.start_node(&[]);
    drop(node.peer);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.folder.path()));
    assert!(terminal.wait_for_prompt(), "{}", terminal.text());
    let help = terminal.enter("help");
    assert!(help.contains("transfers"), "{help}");
    terminal.type_line_keys("search half a li\u{3}");
    let status = terminal.enter("status");
    assert!(status.contains("folder"), "{status}");
    terminal.type_keys("\u{4}");
    assert_eq!(terminal.process.wait(STOP_TIMEOUT).code(), Some(0), "{}", terminal.text());
}
