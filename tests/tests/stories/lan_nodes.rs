//! Nodes that find each other on the local network, with no index and with one.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use tests::content::{Content, PIECE};
use tests::eventually::{SOON, eventually, until};
use tests::free_port::free_port;
use tests::home::Home;
use tests::index::Index;
use tests::lan::EVERYBODY;
use tests::namespaces::Namespaces;
use tests::network::Node;
use tests::peer::{Peer, peer_node};
use tests::programs::programs;

/// Starts a node on loopback that hears others on a port, and looks for an index at an address.
fn node(lan_port: u16, index: SocketAddr, files: &[(&str, &Content)]) -> Node {
    let home = Home::new();
    for (path, content) in files {
        home.put(path, content);
    }
    let mut command = peer_node(0, index, home.path());
    command.args(["--lan", "--lan-port", &lan_port.to_string(), "--lan-period", "0.5"]);
    let mut node = Node { peer: Peer::launch(command), home };
    node.peer.shares(files.len());
    node
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Waits until a search has a hit, and downloads it.
fn find_and_fetch(node: &mut Peer, words: &str) {
    until(&format!("a hit for {words}"), SOON, || node.say(&format!("search {words}")).hits().len() == 1);
    let answer = node.say("download 1");
    assert_eq!(answer.done().len(), 1, "{answer:#?}");
}

#[test]
fn five_nodes_without_an_index_all_find_and_fetch_a_file_and_then_use_one_that_starts() {
    let (port, place) = (free_port(), nowhere());
    let content = Content::random(420, 3 * PIECE + 17);
    let mut sharer = node(port, place, &[("holiday film.mkv", &content)]);
    let mut others: Vec<Node> = (0..4).map(|_| node(port, place, &[])).collect();
    for other in &mut others {
        find_and_fetch(&mut other.peer, "holiday");
        other.has(&content);
    }
    until("all to be sources", SOON, || {
        sharer.peer.say("sources 64").0.len() == 4
            || sharer.peer.say(&format!("sources {}", content.digest)).0.len() == 4
    });
    let late = Content::random(421, PIECE);
    sharer.home.put("late.txt", &late);
    let index = Index::start_at(&place.to_string());
    let observer = eventually("the index to know all", SOON, || {
        let mut session = tests::index_session::IndexSession::open(index.address()).ok()?;
        (session.sources(content.digest).len() == 5).then_some(session)
    });
    drop(observer);
    let hits = eventually("one hit with all its sources", SOON, || {
        let hits = others[0].peer.say("search film").hits();
        (hits.len() == 1 && hits[0].sources == "5").then_some(hits)
    });
    assert_eq!(hits[0].digest, content.digest);
    find_and_fetch(&mut others[1].peer, "late");
}

#[test]
fn announcements_are_hints_and_hostile_ones_change_nothing() {
    let (port, place) = (free_port(), nowhere());
    let content = Content::random(422, PIECE);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_broadcast(true).expect("a socket that broadcasts");
    let say = |bytes: &[u8]| drop(socket.send_to(bytes, (EVERYBODY, port)));
    let _sharer = node(port, place, &[("calm.iso", &content)]);
    let mut fetcher = node(port, place, &[]);
    let card = |node: &str, port: u32| {
        format!(
            r#"{{"chunks": [], "peerdex": {{"version": 1, "cookie": "0102030405060708", "node": "{node}", "port": {port}, "contents": ["{}"]}}}}"#,
            content.digest
        )
    };
    for number in 0..2000_u32 {
        say(card(&format!("{number:064x}"), 2000 + number).as_bytes());
        say(card("x", 70_000).as_bytes());
        say(&[b'['; 1000]);
        say(&vec![b' '; 9000]);
    }
    find_and_fetch(&mut fetcher.peer, "calm");
    fetcher.has(&content);
}

#[test]
fn a_node_without_the_option_neither_answers_nor_hears() {
    let (port, place) = (free_port(), nowhere());
    let content = Content::random(423, PIECE);
    let _sharer = node(port, place, &[("calm.iso", &content)]);
    let home = Home::new();
    let mut deaf = Peer::launch(peer_node(0, place, home.path()));
    let answer = deaf.say("search calm");
    assert!(answer.hits().is_empty() && !answer.errors().is_empty(), "{answer:#?}");
}

#[test]
fn a_name_that_is_too_long_costs_nobody_a_connection() {
    let (port, place) = (free_port(), nowhere());
    let content = Content::random(425, PIECE);
    let sharer = node(port, place, &[("calm.iso", &content)]);
    let mut fetcher = node(port, place, &[]);
    find_and_fetch(&mut fetcher.peer, "calm");
    let answer = fetcher.peer.say(&format!("download {}", "x".repeat(1100)));
    assert!(answer.has("that is too long"), "{answer:#?}");
    let log = fs::read_to_string(sharer.home.path().join(".peerdex/log/node.log")).expect("a log");
    assert!(log.contains("peer") && !log.contains("over the limits"), "{log}");
}

#[test]
fn that_nobody_can_be_heard_is_told_for_as_long_as_it_is_so() {
    let (port, place) = (free_port(), nowhere());
    let taken = UdpSocket::bind(("0.0.0.0", port)).expect("a free port");
    taken.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut deaf = node(port, place, &[]);
    for _ in 0..3 {
        taken.recv(&mut [0; 1024]).expect("an announcement");
    }
    let status = deaf.peer.say("status");
    assert!(status.has(&format!("other nodes cannot be heard: port {port}")), "{status:#?}");
}

#[test]
fn hosts_on_a_network_of_their_own_find_and_fetch_without_an_index() {
    let Some(network) = Namespaces::new(3) else { return };
    let content = Content::random(424, 5 * PIECE);
    let start = |host: usize, files: &[(&str, &Content)]| {
        let home = Home::new();
        for (path, content) in files {
            home.put(path, content);
        }
        let mut command = Command::new("ip");
        command.args(["netns", "exec", network.host(host)]).arg(&programs().peer_node);
        command.args(["12349", "--listen-host", "0.0.0.0", "--index", "10.99.0.200:1313", "--lan"]);
        command.arg("--share-dir").arg(home.path()).env("NO_COLOR", "1");
        Node { peer: Peer::launch(command), home }
    };
    // Announced once a minute: whoever comes later is answered.
    let mut first = start(0, &[("film.mkv", &content)]);
    first.peer.shares(1);
    let mut second = start(1, &[]);
    find_and_fetch(&mut second.peer, "film");
    second.has(&content);
    let mut third = start(2, &[]);
    find_and_fetch(&mut third.peer, "film");
    third.has(&content);
}
