//! Nodes that find each other on the local network, without an index and with one.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use tests::free_port::free_port;
use tests::index::IndexProcess;
use tests::lan::BROADCAST_ADDRESS;
use tests::namespaces::NamespaceNetwork;
use tests::network::RunningNode;
use tests::peer::{PeerProcess, peer_node};
use tests::programs::programs;
use tests::test_folder::TestFolder;

/// Starts a node on the loopback with a LAN port and an index address.
pub(crate) fn node(lan_port: u16, index: SocketAddr, files: &[(&str, &TestContent)]) -> RunningNode {
    let mut node = RunningNode::launch(files, |folder| {
        let mut command = peer_node(0, index, folder);
        command.args(["--lan", "--lan-port", &lan_port.to_string(), "--lan-period", "0.5"]);
        command
    });
    node.peer.wait_for_shared_files(files.len());
    node
}

/// Returns an address at which no index runs.
pub(crate) fn unused_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Waits until a search has a hit, and downloads it.
fn search_and_download(node: &mut PeerProcess, words: &str) {
    wait_until(&format!("a hit for {words}"), DEFAULT_TIMEOUT, || {
        node.run(&format!("search {words}")).hits().len() == 1
    });
    let answer = node.run("download 1");
    assert_eq!(answer.completed_downloads().len(), 1, "{answer:#?}");
}

#[test]
fn five_nodes_share_a_file_before_and_after_an_index_starts() {
    let (port, address) = (free_port(), unused_address());
    let content = TestContent::random(420, 3 * PIECE_LENGTH + 17);
    let mut sharer = node(port, address, &[("holiday film.mkv", &content)]);
    let mut others: Vec<RunningNode> = (0..4).map(|_| node(port, address, &[])).collect();
    for other in &mut others {
        search_and_download(&mut other.peer, "holiday");
        other.path_of(&content);
    }
    wait_until("all nodes to be sources", DEFAULT_TIMEOUT, || {
        sharer.peer.run("sources 64").0.len() == 4
            || sharer.peer.run(&format!("sources {}", content.digest)).0.len() == 4
    });
    let late = TestContent::random(421, PIECE_LENGTH);
    sharer.folder.put("late.txt", &late);
    let index = IndexProcess::start_at(&address.to_string());
    let observer = eventually("the index to list all nodes", DEFAULT_TIMEOUT, || {
        let mut session = tests::index_session::IndexSession::open(index.address()).ok()?;
        (session.sources(content.digest).len() == 5).then_some(session)
    });
    drop(observer);
    let hits = eventually("one hit with all its sources", DEFAULT_TIMEOUT, || {
        let hits = others[0].peer.run("search film").hits();
        (hits.len() == 1 && hits[0].sources == "5").then_some(hits)
    });
    assert_eq!(hits[0].digest, content.digest);
    search_and_download(&mut others[1].peer, "late");
}

#[test]
fn hostile_announcements_change_nothing() {
    let (port, address) = (free_port(), unused_address());
    let content = TestContent::random(422, PIECE_LENGTH);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_broadcast(true).expect("a socket that broadcasts");
    let send = |bytes: &[u8]| drop(socket.send_to(bytes, (BROADCAST_ADDRESS, port)));
    let _sharer = node(port, address, &[("calm.iso", &content)]);
    let mut fetcher = node(port, address, &[]);
    let announcement = |node: &str, port: u32| {
        format!(
            r#"{{"chunks": [], "peerdex": {{"version": 1, "cookie": "0102030405060708", "node": "{node}", "port": {port}, "contents": ["{}"]}}}}"#,
            content.digest
        )
    };
    for number in 0..2000_u32 {
        send(announcement(&format!("{number:064x}"), 2000 + number).as_bytes());
        send(announcement("x", 70_000).as_bytes());
        send(&[b'['; 1000]);
        send(&vec![b' '; 9000]);
    }
    search_and_download(&mut fetcher.peer, "calm");
    fetcher.path_of(&content);
}

#[test]
fn node_without_the_lan_option_is_silent() {
    let (port, address) = (free_port(), unused_address());
    let content = TestContent::random(423, PIECE_LENGTH);
    let _sharer = node(port, address, &[("calm.iso", &content)]);
    let folder = TestFolder::new();
    let mut isolated = PeerProcess::launch(peer_node(0, address, folder.path()));
    let answer = isolated.run("search calm");
    assert!(answer.hits().is_empty() && !answer.errors().is_empty(), "{answer:#?}");
}

#[test]
fn too_long_name_ends_no_connection() {
    let (port, address) = (free_port(), unused_address());
    let content = TestContent::random(425, PIECE_LENGTH);
    let sharer = node(port, address, &[("calm.iso", &content)]);
    let mut fetcher = node(port, address, &[]);
    search_and_download(&mut fetcher.peer, "calm");
    let answer = fetcher.peer.run(&format!("download {}", "x".repeat(1100)));
    assert!(answer.contains("request too long for the index"), "{answer:#?}");
    let log = fs::read_to_string(sharer.folder.path().join(".peerdex/log/node.log")).expect("a log");
    assert!(log.contains("peer") && !log.contains("exceeds the limits"), "{log}");
}

#[test]
fn failed_lan_listener_is_reported_while_it_lasts() {
    let (port, address) = (free_port(), unused_address());
    let blocker = UdpSocket::bind(("0.0.0.0", port)).expect("a free port");
    blocker.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a timeout");
    let mut isolated = node(port, address, &[]);
    for _ in 0..3 {
        blocker.recv(&mut [0; 1024]).expect("an announcement");
    }
    let status = isolated.peer.run("status");
    assert!(status.contains(&format!("cannot listen for other nodes on port {port}")), "{status:#?}");
}

#[test]
fn hosts_on_a_private_network_share_without_an_index() {
    let Some(network) = NamespaceNetwork::new(3) else { return };
    let content = TestContent::random(424, 5 * PIECE_LENGTH);
    let start = |host: usize, files: &[(&str, &TestContent)]| {
        RunningNode::launch(files, |folder| {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", network.namespace(host)]).arg(&programs().peer_node);
            command.args(["12349", "--listen-host", "0.0.0.0", "--index", "10.99.0.200:1313", "--lan"]);
            command.arg("--share-dir").arg(folder).env("NO_COLOR", "1");
            command
        })
    };
    // Announcements are sent once a minute, but a new node gets a reply at once.
    let mut first = start(0, &[("film.mkv", &content)]);
    first.peer.wait_for_shared_files(1);
    let mut second = start(1, &[]);
    search_and_download(&mut second.peer, "film");
    second.path_of(&content);
    let mut third = start(2, &[]);
    search_and_download(&mut third.peer, "film");
    third.path_of(&content);
}
