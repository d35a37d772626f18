//! A peer at a terminal.

use std::time::Duration;

use tests::content::{Content, PIECE};
use tests::eventually::SOON;
use tests::network::Network;
use tests::peer::peer_node;
use tests::terminal::Terminal;

const STOP_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_person_searches_downloads_and_leaves() {
    let mut network = Network::new();
    let content = Content::random(140, 9 * PIECE);
    let _sharer = network.node(&[("disk.iso", &content)]);
    let node = network.node(&[]);
    drop(node.peer);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    // The index is found in the background.
    network.wait_for_hits("disk", 1, SOON);
    terminal.press("status\r");
    assert!(terminal.shows("reachable", SOON), "{}", terminal.text());
    terminal.press("search disk\r");
    assert!(terminal.shows("disk.iso", SOON), "{}", terminal.text());
    terminal.press("download 1\r");
    assert!(terminal.shows(&content.digest.short(), SOON), "{}", terminal.text());
    tests::eventually::until("the file to be there", SOON, || {
        node.home.files().get("disk.iso") == Some(&content)
    });
    terminal.press("quit\r");
    assert_eq!(terminal.process.wait(STOP_WITHIN).code(), Some(0), "{}", terminal.text());
}

#[test]
fn ctrl_d_ends_the_prompt_and_ctrl_c_only_the_line() {
    let mut network = Network::new();
    let node = network.node(&[]);
    drop(node.peer);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    terminal.press("help\r");
    assert!(terminal.shows("transfers", SOON), "{}", terminal.text());
    terminal.press("search half a li\u{3}");
    terminal.press("status\r");
    assert!(terminal.shows("reachable", SOON), "{}", terminal.text());
    terminal.press("\u{4}");
    assert_eq!(terminal.process.wait(STOP_WITHIN).code(), Some(0), "{}", terminal.text());
}
