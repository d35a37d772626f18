//! Peers that share what they have not all of yet, and slots for some of those who want it.

use std::net::SocketAddr;

use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, PeerMessage};
use protocol::preamble::Service;
use tests::content::{Content, PIECE};
use tests::eventually::SOON;
use tests::hostile_peer::{HostilePeer, Lie};
use tests::network::{Network, Node};
use tests::wire::Wire;

/// More than any peer serves at once.
const CROWD: u8 = 14;

/// So many requests may wait on a channel.
const MAX_WAITING: u32 = 64;

/// Connects as another peer and opens a content on channel 1; returns its offer's pieces.
fn open(peer: SocketAddr, node: u8, content: &Content) -> (Wire, Option<Vec<u8>>) {
    let mut wire = Wire::connect(peer, Service::Peer).expect("a connection");
    wire.greet(NodeId::from_bytes([node; 32]), 40_000).expect("a greeting");
    wire.send(&PeerMessage::Open { channel: 1, digest: content.digest }).expect("sent");
    let pieces = hear(&mut wire, |message| match message {
        PeerMessage::Offer { channel: 1, pieces, .. } => Some(pieces),
        _ => None,
    });
    (wire, pieces)
}

/// Waits for a message that says something; panics when the connection ends.
fn hear<T>(wire: &mut Wire, mut what: impl FnMut(PeerMessage) -> Option<T>) -> T {
    loop {
        if let Some(found) = what(wire.receive().expect("a message")) {
            return found;
        }
    }
}

/// Waits until it is said whether requests are served, and else for the place.
fn hear_turn(wire: &mut Wire) -> Option<u32> {
    hear(wire, |message| match message {
        PeerMessage::Unchoke => Some(None),
        PeerMessage::Choke { place } => Some(Some(place)),
        _ => None,
    })
}

/// Asks for the beginning of a piece; returns its bytes, unless the request is rejected.
fn ask(wire: &mut Wire, piece: u32) -> Option<Vec<u8>> {
    let block = BlockRef { channel: 1, piece, begin: 0, length: 1000 };
    wire.send(&PeerMessage::Request(block)).expect("sent");
    let comes = hear(wire, |message| match message {
        PeerMessage::Block(sent) if sent == block => Some(true),
        PeerMessage::Reject(rejected) if rejected == block => Some(false),
        _ => None,
    });
    comes.then(|| wire.receive_raw(1000).expect("bytes"))
}

/// Has a peer fetch all pieces with even numbers, and returns it with its download under way.
fn half_there(network: &mut Network, content: &Content) -> (Node, usize) {
    let half = HostilePeer::join(network.index.address(), "film.mkv", content, Lie::EvenPieces);
    let mut node = network.node(&[]);
    let asked = node.peer.begin(&format!("download {}", content.digest));
    network.wait_for_sources(content.digest, 2, SOON);
    let (mut wire, _) = open(node.peer.address(), 77, content);
    assert_eq!(hear_turn(&mut wire), None);
    for piece in (0..content.manifest().geometry().piece_count()).step_by(2) {
        // It may not have come yet.
        let bytes = std::iter::repeat_with(|| ask(&mut wire, piece)).flatten().next();
        let from = piece as usize * PIECE;
        assert_eq!(bytes.as_deref(), content.bytes.get(from..from + 1000));
    }
    assert_eq!(ask(&mut wire, 1), None, "what is not there is rejected");
    drop(half);
    (node, asked)
}

#[test]
fn what_has_come_of_a_download_is_shared_and_the_rest_is_told_when_it_comes() {
    let mut network = Network::new();
    let content = Content::random(300, 8 * PIECE);
    let (node, asked) = half_there(&mut network, &content);
    let (mut wire, pieces) = open(node.peer.address(), 78, &content);
    assert_eq!(pieces, Some(vec![0b1010_1010]));
    let _rest = HostilePeer::join(network.index.address(), "film.mkv", &content, Lie::OddPieces);
    let mut odd: Vec<u32> = Vec::new();
    while odd.len() < 4 {
        odd.push(hear(&mut wire, |message| match message {
            PeerMessage::Have { channel: 1, piece } => Some(piece),
            _ => None,
        }));
    }
    odd.sort_unstable();
    assert_eq!(odd, [1, 3, 5, 7]);
    assert_eq!(node.peer.answer(asked).done().len(), 1);
    // The channel outlives the download.
    assert_eq!(ask(&mut wire, 7).as_deref(), content.bytes.get(7 * PIECE..7 * PIECE + 1000));
    node.has(&content);
}

#[test]
fn two_that_have_no_piece_in_common_with_the_other_source_make_the_file_whole() {
    let mut network = Network::new();
    let content = Content::random(301, 20 * PIECE);
    let (first, asked) = half_there(&mut network, &content);
    let _rest = HostilePeer::join(network.index.address(), "film.mkv", &content, Lie::OddPieces);
    let mut second = network.node(&[]);
    let done = second.fetch(&content);
    let from_first = done.givers.iter().find(|(address, _)| *address == first.peer.address());
    assert!(from_first.is_some_and(|(_, bytes)| *bytes >= 10 * PIECE as u64), "{done:?}");
    assert_eq!(first.peer.answer(asked).done().len(), 1);
    first.has(&content);
}

#[test]
fn of_a_crowd_some_are_served_and_the_others_wait_in_order_for_their_turn() {
    let mut network = Network::new();
    let content = Content::random(302, 2 * PIECE);
    let sharer = network.node(&[("a.bin", &content)]);
    let (mut served, mut waiting) = (Vec::new(), Vec::new());
    for node in 0..CROWD {
        let (mut wire, _) = open(sharer.peer.address(), node, &content);
        match hear_turn(&mut wire) {
            None => served.push(wire),
            Some(place) => waiting.push((place, wire)),
        }
    }
    let places: Vec<u32> = waiting.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, (1..=u32::from(CROWD)).take(waiting.len()).collect::<Vec<_>>());
    assert!(served.len() >= 4 && waiting.len() >= 2, "{} and {}", served.len(), waiting.len());
    assert!(served.iter_mut().all(|wire| ask(wire, 1).is_some()));
    assert!(waiting.iter_mut().all(|(_, wire)| ask(wire, 1).is_none()));
    // One who leaves, and one who wants nothing any more, make room for the next two.
    served.pop();
    let (_, mut next) = waiting.remove(0);
    while hear_turn(&mut next).is_some() {}
    let idle = served.last_mut().expect("a served one");
    idle.send(&PeerMessage::NotInterested { channel: 1 }).expect("sent");
    while hear_turn(idle) != Some(0) {}
    let (_, mut next) = waiting.remove(0);
    while hear_turn(&mut next).is_some() {}
    assert!(ask(&mut next, 0).is_some());
}

#[test]
fn who_goes_on_asking_although_it_is_choked_is_left_and_nobody_else() {
    let mut network = Network::new();
    let content = Content::random(303, 2 * PIECE);
    let sharer = network.node(&[("a.bin", &content)]);
    let mut crowd: Vec<(Wire, Option<u32>)> = (0..CROWD)
        .map(|node| {
            let (mut wire, _) = open(sharer.peer.address(), node, &content);
            let turn = hear_turn(&mut wire);
            (wire, turn)
        })
        .collect();
    let (mut choked, turn) = crowd.pop().expect("the last");
    assert!(turn.is_some());
    let block = BlockRef { channel: 1, piece: 0, begin: 0, length: 1 };
    for _ in 0..=MAX_WAITING {
        choked.send(&PeerMessage::Request(block)).expect("sent");
    }
    let mut rejected = 0;
    while let Ok(message) = choked.receive::<PeerMessage>() {
        rejected += u32::from(message == PeerMessage::Reject(block));
    }
    assert!(rejected <= MAX_WAITING + 1, "{rejected}");
    for (wire, turn) in &mut crowd {
        assert_eq!(ask(wire, 1).is_some(), turn.is_none());
    }
}

#[test]
fn one_that_changes_its_mind_all_the_time_is_served_no_worse_and_does_no_harm() {
    let mut network = Network::new();
    let content = Content::random(304, 40 * PIECE);
    let sharer = network.node(&[("a.bin", &content)]);
    let (mut wire, _) = open(sharer.peer.address(), 1, &content);
    let impossible = [
        PeerMessage::Have { channel: 1, piece: u32::MAX },
        PeerMessage::Have { channel: 99, piece: 0 },
        PeerMessage::Interested { channel: 99 },
        PeerMessage::NotInterested { channel: 99 },
        PeerMessage::Choke { place: u32::MAX },
        PeerMessage::Unchoke,
    ];
    for round in 0..5000 {
        wire.send(&PeerMessage::NotInterested { channel: 1 }).expect("sent");
        wire.send(impossible.get(round % 6).expect("one of six")).expect("sent");
        wire.send(&PeerMessage::Interested { channel: 1 }).expect("sent");
    }
    network.node(&[]).fetch(&content);
    while ask(&mut wire, 3).is_none() {
        while hear_turn(&mut wire).is_some() {}
    }
}

#[test]
fn a_source_that_chokes_is_asked_for_nothing() {
    let mut network = Network::new();
    let content = Content::random(305, 20 * PIECE);
    let stingy = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::Chokes);
    let honest = network.node(&[("a.bin", &content)]);
    network.wait_for_sources(content.digest, 2, SOON);
    let done = network.node(&[]).fetch(&content);
    assert_eq!(done.givers, [(honest.peer.address(), content.size())]);
    assert_eq!(stingy.asked(), 0);
}

#[test]
fn a_source_that_tells_of_impossible_pieces_is_done_without() {
    let mut network = Network::new();
    let content = Content::random(306, 20 * PIECE);
    let _liar = HostilePeer::join(network.index.address(), "a.bin", &content, Lie::ImpossiblePiece);
    let _honest = network.node(&[("a.bin", &content)]);
    network.wait_for_sources(content.digest, 2, SOON);
    network.node(&[]).fetch(&content);
}
