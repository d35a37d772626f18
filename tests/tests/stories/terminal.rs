//! A peer at a terminal.

use std::time::Duration;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, until};
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
    assert!(terminal.is_ready(), "{}", terminal.text());
    // The index is found in the background.
    until("the index to have called back", SOON, || terminal.enter("status").contains(", reachable"));
    let hits = terminal.enter("search disk");
    assert!(hits.contains("disk.iso"), "{hits}");
    let download = terminal.enter("download 1");
    assert!(download.contains(&content.digest.short()), "{download}");
    assert_eq!(node.home.files().get("disk.iso"), Some(&content));
    terminal.press("quit\r");
    assert_eq!(terminal.process.wait(STOP_WITHIN).code(), Some(0), "{}", terminal.text());
}

#[test]
fn ctrl_d_ends_the_prompt_and_ctrl_c_only_the_line() {
    let mut network = Network::new();
    let node = network.node(&[]);
    drop(node.peer);
    let mut terminal = Terminal::start(peer_node(0, network.index.address(), node.home.path()));
    assert!(terminal.is_ready(), "{}", terminal.text());
    let help = terminal.enter("help");
    assert!(help.contains("transfers"), "{help}");
    terminal.press_for_prompt("search half a li\u{3}");
    let status = terminal.enter("status");
    assert!(status.contains("folder"), "{status}");
    terminal.press("\u{4}");
    assert_eq!(terminal.process.wait(STOP_WITHIN).code(), Some(0), "{}", terminal.text());
}
