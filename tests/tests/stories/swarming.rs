//! Peers that share content they have only partly, and the slots for peers that want it.

use std::net::SocketAddr;

use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, PeerMessage};
use protocol::preamble::Service;
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{RunningNode, TestNetwork};
use tests::wire::FrameConnection;

/// More peers than a node serves at once.
const CROWD_SIZE: u8 = 14;

/// Number of requests that may be queued on a channel.
const MAX_PENDING_REQUESTS: u32 = 64;

/// Connects as another peer and opens content on channel 1. Returns the pieces in its offer.
fn open_content(peer: SocketAddr, node: u8, content: &TestContent) -> (FrameConnection, Option<Vec<u8>>) {
    let mut wire = FrameConnection::connect(peer, Service::Peer).expect("a connection");
    wire.greet(NodeId::from_bytes([node; 32]), 40_000).expect("a greeting");
    wire.send(&PeerMessage::Open { channel: 1, digest: content.digest }).expect("sent");
    let pieces = receive_matching(&mut wire, |message| match message {
        PeerMessage::Offer { channel: 1, pieces, .. } => Some(pieces),
        _ => None,
    });
    (wire, pieces)
}

/// Receives messages until `what` accepts one; panics when the connection ends.
fn receive_matching<T>(wire: &mut FrameConnection, mut what: impl FnMut(PeerMessage) -> Option<T>) -> T {
    loop {
        if let Some(found) = what(wire.receive().expect("a message")) {
            return found;
        }
    }
}

/// Waits for an unchoke or a queue position; returns the position, or `None` for an unchoke.
fn receive_queue_position(wire: &mut FrameConnection) -> Option<u32> {
    receive_matching(wire, |message| match message {
        PeerMessage::Unchoke => Some(None),
        PeerMessage::Choke { position } => Some(Some(position)),
        _ => None,
    })
}

/// Requests the first block of a piece. Returns its bytes, or `None` if the request is rejected.
fn request_piece(wire: &mut FrameConnection, piece: u32) -> Option<Vec<u8>> {
    let block = BlockRef { channel: 1, piece, begin: 0, length: 1000 };
    wire.send(&PeerMessage::Request(block)).expect("sent");
    let is_sent = receive_matching(wire, |message| match message {
        PeerMessage::Block(sent) if sent == block => Some(true),
        PeerMessage::Reject(rejected) if rejected == block => Some(false),
        _ => None,
    });
    is_sent.then(|| wire.receive_raw(1000).expect("bytes"))
}

/// Starts a download that can get only the pieces with even numbers, and returns the node with the running command.
fn start_half_download(network: &mut TestNetwork, content: &TestContent) -> (RunningNode, usize) {
    let half = HostilePeer::join(network.index.address(), "film.mkv", content, Lie::EvenPieces);
    let mut node = network.start_node(&[]);
    let started = node.peer.start_command(&format!("download {}", content.digest));
    network.wait_for_sources(content.digest, 2, DEFAULT_TIMEOUT);
    let (mut wire, _) = open_content(node.peer.address(), 77, content);
    assert_eq!(receive_queue_position(&mut wire), None);
    for piece in (0..content.manifest().geometry().piece_count()).step_by(2) {
        // The bitfield may not have arrived yet.
        let bytes = std::iter::repeat_with(|| request_piece(&mut wire, piece)).flatten().next();
        let from = piece as usize * PIECE_LENGTH;
        assert_eq!(bytes.as_deref(), content.bytes.get(from..from + 1000));
    }
    assert_eq!(request_piece(&mut wire, 1), None, "requests for missing pieces are rejected");
    drop(half);
    (node, started)
}

#[test]
fn partial_download_is_shared_and_new_pieces_are_announced() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(300, 8 * PIECE_LENGTH);
    let (node, started) = start_half_download(&mut network, &content);
    let (mut wire, pieces) = open_content(node.peer.address(), 78, &content);
    assert_eq!(pieces, Some(vec![0b1010_1010]));
    let _rest = HostilePeer::join(network.index.address(), "film.mkv", &content, Lie::OddPieces);
    let mut odd: Vec<u32> = Vec::new();
    while odd.len() < 4 {
        odd.push(receive_matching(&mut wire, |message| match message {
            PeerMessage::Have { channel: 1, piece } => Some(piece),
            _ => None,
        }));
    }
    odd.sort_unstable();
    assert_eq!(odd, [1, 3, 5, 7]);
    assert_eq!(node.peer.wait_for_output(started).completed_downloads().len(), 1);
    // The channel stays open after the download completes.
    assert_eq!(
        request_piece(&mut wire, 7).as_deref(),
        content.bytes.get(7 * PIECE_LENGTH..7 * PIECE_LENGTH + 1000)
    );
    node.path_of(&content);
}

#[test]
fn two_disjoint_sources_complete_the_file() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(301, 20 * PIECE_LENGTH);
    let (first, started) = start_half_download(&mut network, &content);
    let _rest = HostilePeer::join(network.index.address(), "film.mkv", &content, Lie::OddPieces);
    let mut second = network.start_node(&[]);
    let done = second.download(&content);
    let from_first = done.sources.iter().find(|(address, _)| *address == first.peer.address());
    assert!(from_first.is_some_and(|(_, bytes)| *bytes >= 10 * PIECE_LENGTH as u64), "{done:?}");
    assert_eq!(first.peer.wait_for_output(started).completed_downloads().len(), 1);
    first.path_of(&content);
}

#[test]
fn crowd_is_served_by_slots_and_queued_in_order() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(302, 2 * PIECE_LENGTH);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let (mut served, mut waiting) = (Vec::new(), Vec::new());
    for node in 0..CROWD_SIZE {
        let (mut wire, _) = open_content(sharer.peer.address(), node, &content);
        match receive_queue_position(&mut wire) {
            None => served.push(wire),
            Some(position) => waiting.push((position, wire)),
        }
    }
    let positions: Vec<u32> = waiting.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, (1..=u32::from(CROWD_SIZE)).take(waiting.len()).collect::<Vec<_>>());
    assert!(served.len() >= 4 && waiting.len() >= 2, "{} and {}", served.len(), waiting.len());
    assert!(served.iter_mut().all(|wire| request_piece(wire, 1).is_some()));
    assert!(waiting.iter_mut().all(|(_, wire)| request_piece(wire, 1).is_none()));
    // A peer that disconnects and one that loses interest free the slots of the next two.
    served.pop();
    let (_, mut next) = waiting.remove(0);
    while receive_queue_position(&mut next).is_some() {}
    let idle = served.last_mut().expect("an unchoked peer");
    idle.send(&PeerMessage::NotInterested { channel: 1 }).expect("sent");
    while receive_queue_position(idle) != Some(0) {}
    let (_, mut next) = waiting.remove(0);
    while receive_queue_position(&mut next).is_some() {}
    assert!(request_piece(&mut next, 0).is_some());
}

#[test]
fn choked_peer_that_keeps_requesting_is_disconnected() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(303, 2 * PIECE_LENGTH);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let mut crowd: Vec<(FrameConnection, Option<u32>)> = (0..CROWD_SIZE)
        .map(|node| {
            let (mut wire, _) = open_content(sharer.peer.address(), node, &content);
            let turn = receive_queue_position(&mut wire);
            (wire, turn)
        })
        .collect();
    let (mut choked, turn) = crowd.pop().expect("the last");
    assert!(turn.is_some());
    let block = BlockRef { channel: 1, piece: 0, begin: 0, length: 1 };
    for _ in 0..=MAX_PENDING_REQUESTS {
        choked.send(&PeerMessage::Request(block)).expect("sent");
    }
    let mut rejected = 0;
    while let Ok(message) = choked.receive::<PeerMessage>() {
        rejected += u32::from(message == PeerMessage::Reject(block));
    }
    assert!(rejected <= MAX_PENDING_REQUESTS + 1, "{rejected}");
    for (wire, turn) in &mut crowd {
        assert_eq!(request_piece(wire, 1).is_some(), turn.is_none());
    }
}

#[test]
fn toggling_interest_does_no_harm() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(304, 40 * PIECE_LENGTH);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let (mut wire, _) = open_content(sharer.peer.address(), 1, &content);
    let impossible = [
        PeerMessage::Have { channel: 1, piece: u32::MAX },
        PeerMessage::Have { channel: 99, piece: 0 },
        PeerMessage::Interested { channel: 99 },
        PeerMessage::NotInterested { channel: 99 },
        PeerMessage::Choke { position: u32::MAX },
        PeerMessage::Unchoke,
    ];
    for round in 0..5000 {
        wire.send(&PeerMessage::NotInterested { channel: 1 }).expect("sent");
        wire.send(impossible.get(round % 6).expect("one of six")).expect("sent");
        wire.send(&PeerMessage::Interested { channel: 1 }).expect("sent");
    }
    network.start_node(&[]).download(&content);
    while request_piece(&mut wire, 3).is_none() {
        while receive_queue_position(&mut wire).is_some() {}
    }
}

#[test]
fn choking_source_gets_no_requests() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(305, 20 * PIECE_LENGTH);
    let choking = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::Chokes);
    let honest = network.start_node(&[("a.bin", &content)]);
    network.wait_for_sources(content.digest, 2, DEFAULT_TIMEOUT);
    let done = network.start_node(&[]).download(&content);
    assert_eq!(done.sources, [(honest.peer.address(), content.size())]);
    assert_eq!(choking.requests_received(), 0);
}

#[test]
fn source_announcing_impossible_pieces_does_no_harm() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(306, 20 * PIECE_LENGTH);
    let _liar = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::ImpossiblePiece);
    let _honest = network.start_node(&[("a.bin", &content)]);
    network.wait_for_sources(content.digest, 2, DEFAULT_TIMEOUT);
    network.start_node(&[]).download(&content);
}
