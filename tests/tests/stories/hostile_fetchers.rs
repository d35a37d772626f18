//! Peers that ask for what cannot be had, and the honest one beside them.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::limits::MAX_UNSUPPORTED;
use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, PeerMessage};
use protocol::preamble::{Service, Version};
use tests::content::{Content, PIECE};
use tests::eventually::{SOON, eventually, until};
use tests::network::Network;
use tests::wire::Wire;

/// Greets a peer as another one.
fn greet(peer: SocketAddr) -> Wire {
    let mut wire = Wire::connect(peer, Service::Peer).expect("a connection");
    let hello = wire.greet(NodeId::from_bytes([9; 32]), 40_000).expect("a greeting");
    assert!(matches!(hello, PeerMessage::Hello { port, .. } if port == peer.port()), "{hello:?}");
    wire
}

/// Returns the next message that is about a content, not about the connection.
fn next(wire: &mut Wire) -> anyhow::Result<PeerMessage> {
    loop {
        match wire.receive()? {
            PeerMessage::KeepAlive | PeerMessage::Choke { .. } | PeerMessage::Unchoke => {}
            message => return Ok(message),
        }
    }
}

/// Asks whether a content is shared.
fn open(wire: &mut Wire, channel: u32, digest: Digest) -> PeerMessage {
    wire.send(&PeerMessage::Open { channel, digest }).expect("sent");
    next(wire).expect("an answer")
}

/// Waits for its turn.
fn wait_for_unchoke(wire: &mut Wire) {
    while wire.receive::<PeerMessage>().expect("a message") != PeerMessage::Unchoke {}
}

#[test]
fn a_shared_file_is_offered_with_its_true_manifest_and_its_true_bytes() {
    let mut network = Network::new();
    let content = Content::random(150, 3 * PIECE + 100);
    let sharer = network.node(&[("a.bin", &content)]);
    let mut wire = greet(sharer.peer.address());
    let manifest = content.manifest();
    let offer =
        PeerMessage::Offer { channel: 7, size: content.size(), manifest: manifest.id(), pieces: None };
    assert_eq!(open(&mut wire, 7, content.digest), offer);
    wait_for_unchoke(&mut wire);
    wire.send(&PeerMessage::WantManifest { channel: 7, first: 0, count: 3 }).expect("sent");
    let states = manifest.states().iter().map(|state| state.to_bytes()).collect();
    assert_eq!(next(&mut wire).expect("states"), PeerMessage::ManifestPart { channel: 7, first: 0, states });
    let block = BlockRef { channel: 7, piece: 3, begin: 10, length: 90 };
    wire.send(&PeerMessage::Request(block)).expect("sent");
    assert_eq!(next(&mut wire).expect("a block"), PeerMessage::Block(block));
    assert_eq!(wire.receive_raw(90).expect("bytes"), content.bytes[3 * PIECE + 10..]);
}

#[test]
fn what_is_not_shared_is_not_offered() {
    let mut network = Network::new();
    let content = Content::random(151, 100);
    let sharer = network.node(&[("a.bin", &content)]);
    let mut wire = greet(sharer.peer.address());
    let other = Content::random(152, 100).digest;
    assert_eq!(open(&mut wire, 1, other), PeerMessage::NotShared { channel: 1 });
    assert!(matches!(open(&mut wire, 2, content.digest), PeerMessage::Offer { .. }));
}

#[test]
fn a_file_that_was_changed_or_removed_is_not_served_under_its_old_digest() {
    let mut network = Network::new();
    let (changed, removed) = (Content::random(153, 2 * PIECE), Content::random(154, 2 * PIECE));
    let sharer = network.node(&[("changed.bin", &changed), ("removed.bin", &removed)]);
    let mut wire = greet(sharer.peer.address());
    for (channel, content) in [(1, &changed), (2, &removed)] {
        assert!(matches!(open(&mut wire, channel, content.digest), PeerMessage::Offer { .. }));
    }
    sharer.home.put("changed.bin", &Content::random(155, 2 * PIECE));
    std::fs::remove_file(sharer.home.path().join("removed.bin")).expect("a file");
    // At once, before the peer can have looked through its folder: whatever it answers, it is not other bytes.
    let block = BlockRef { channel: 1, piece: 1, begin: 0, length: 5000 };
    wire.send(&PeerMessage::Request(block)).expect("sent");
    match next(&mut wire).expect("an answer") {
        PeerMessage::Block(_) => {
            assert_eq!(wire.receive_raw(5000).expect("bytes"), changed.bytes[PIECE..PIECE + 5000]);
        }
        PeerMessage::Reject(_) | PeerMessage::NotShared { .. } => {}
        other => panic!("{other:?}"),
    }
    until("the old contents to be gone", SOON, || {
        let mut wire = greet(sharer.peer.address());
        let gone = |message| message == PeerMessage::NotShared { channel: 3 };
        gone(open(&mut wire, 3, changed.digest)) && gone(open(&mut wire, 3, removed.digest))
    });
}

#[test]
fn impossible_requests_cost_only_their_connection() {
    let mut network = Network::new();
    let content = Content::random(156, 2 * PIECE + 10);
    let sharer = network.node(&[("a.bin", &content)]);
    for (piece, begin, length) in [
        (3, 0, 1),
        (u32::MAX, 0, 1),
        (0, 0, 0),
        (0, 0, u32::MAX),
        (0, u32::MAX, u32::MAX),
        (2, 0, 11),
        (2, 10, 1),
        (1, 1, 256 << 10),
    ] {
        let mut wire = greet(sharer.peer.address());
        assert!(matches!(open(&mut wire, 1, content.digest), PeerMessage::Offer { .. }));
        let block = BlockRef { channel: 1, piece, begin, length };
        wire.send(&PeerMessage::Request(block)).expect("sent");
        let answer = next(&mut wire);
        assert!(matches!(answer, Err(_) | Ok(PeerMessage::Reject(_))), "{block:?}: {answer:?}");
    }
    network.node(&[]).fetch(&content);
}

#[test]
fn messages_about_channels_that_are_not_open_cost_at_most_their_connection() {
    let mut network = Network::new();
    let content = Content::random(157, 100);
    let sharer = network.node(&[("a.bin", &content)]);
    let block = BlockRef { channel: 5, piece: 0, begin: 0, length: 10 };
    for message in [
        PeerMessage::Request(block),
        PeerMessage::Cancel(block),
        PeerMessage::Block(block),
        PeerMessage::Reject(block),
        PeerMessage::WantManifest { channel: 5, first: 0, count: u32::MAX },
        PeerMessage::ManifestPart { channel: 5, first: 0, states: vec![[0; 32]] },
        PeerMessage::Have { channel: 5, piece: 0 },
        PeerMessage::Close { channel: 5 },
        PeerMessage::NotShared { channel: 5 },
        PeerMessage::Probe { challenge: [0; 32] },
        PeerMessage::Hello { node: NodeId::from_bytes([9; 32]), port: 1 },
    ] {
        let mut wire = greet(sharer.peer.address());
        wire.send(&message).expect("sent");
        // It may be answered, ignored or the end; the next one is served all the same.
        let _ = wire.send(&PeerMessage::Open { channel: 6, digest: content.digest });
        let mut wire = greet(sharer.peer.address());
        assert!(matches!(open(&mut wire, 1, content.digest), PeerMessage::Offer { .. }), "after {message:?}");
    }
    network.node(&[]).fetch(&content);
}

#[test]
fn unknown_messages_end_a_connection_in_version_1_alone() {
    let mut network = Network::new();
    let content = Content::random(163, 100);
    let sharer = network.node(&[("a.bin", &content)]);
    let unknown = [&6_u32.to_be_bytes()[..], &300_u32.to_be_bytes(), &[7, 7]].concat();
    let mut wire = greet(sharer.peer.address());
    wire.send_raw(&unknown).expect("sent");
    assert!(next(&mut wire).is_err(), "version 1 knows no later messages");

    let node = NodeId::from_bytes([9; 32]);
    let mut wire = Wire::connect_version(sharer.peer.address(), Service::Peer, Version::Two).expect("a port");
    let greeting = wire.greet(node, 40_000).expect("a greeting");
    assert!(matches!(greeting, PeerMessage::Greet { port, .. } if port == sharer.peer.address().port()));
    // Many more than are answered; the connection goes on all the same.
    for _ in 0..3 * MAX_UNSUPPORTED {
        wire.send_raw(&unknown).expect("sent");
    }
    for _ in 0..MAX_UNSUPPORTED {
        assert_eq!(next(&mut wire).expect("an answer"), PeerMessage::Unsupported { kind: 300 });
    }
    assert!(matches!(open(&mut wire, 1, content.digest), PeerMessage::Offer { .. }));
}

#[test]
fn a_stranger_cannot_join_the_link_of_others() {
    let mut network = Network::new();
    let content = Content::random(165, 100);
    let sharer = network.node(&[("a.bin", &content)]);
    for key in [[0; 16], [7; 16]] {
        let address = sharer.peer.address();
        let mut wire = Wire::connect_version(address, Service::Peer, Version::Two).expect("a port");
        wire.send(&PeerMessage::Join { key }).expect("sent");
        assert!(wire.receive::<PeerMessage>().is_err(), "a key that nobody was given");
    }
    // Inside a link, it is a second greeting.
    let mut wire = Wire::connect_version(sharer.peer.address(), Service::Peer, Version::Two).expect("a port");
    wire.greet(NodeId::from_bytes([9; 32]), 40_000).expect("a greeting");
    wire.send(&PeerMessage::Join { key: [7; 16] }).expect("sent");
    assert!(next(&mut wire).is_err());
    network.node(&[]).fetch(&content);
}

#[test]
fn an_offer_brings_the_manifest_that_was_asked_for_with_it() {
    let mut network = Network::new();
    let content = Content::random(164, 4 * PIECE);
    let sharer = network.node(&[("a.bin", &content)]);
    let mut wire = Wire::connect_version(sharer.peer.address(), Service::Peer, Version::Two).expect("a port");
    wire.greet(NodeId::from_bytes([9; 32]), 40_000).expect("a greeting");
    let digest = content.digest;
    let truth: Vec<[u8; 32]> = content.manifest().states().iter().map(|state| state.to_bytes()).collect();
    for (channel, states) in [(1, 2), (2, u32::MAX)] {
        wire.send(&PeerMessage::OpenWithManifest { channel, digest, states }).expect("sent");
        assert!(matches!(next(&mut wire), Ok(PeerMessage::Offer { .. })));
        let states = truth.iter().take(states as usize).copied().collect();
        assert_eq!(next(&mut wire).expect("states"), PeerMessage::ManifestPart { channel, first: 0, states });
    }
    wire.send(&PeerMessage::OpenWithManifest { channel: 3, digest, states: 0 }).expect("sent");
    assert!(matches!(next(&mut wire), Ok(PeerMessage::Offer { .. })));
    wire.send(&PeerMessage::WantManifest { channel: 3, first: 0, count: 1 }).expect("sent");
    assert!(matches!(next(&mut wire), Ok(PeerMessage::ManifestPart { channel: 3, .. })));
}

#[test]
fn one_that_asks_for_everything_and_reads_nothing_does_not_keep_others_from_it() {
    let mut network = Network::new();
    let content = Content::random(158, 64 * PIECE);
    let sharer = network.node(&[("a.bin", &content)]);
    let mut greedy: Vec<Wire> = (0..4).map(|_| greet(sharer.peer.address())).collect();
    for wire in &mut greedy {
        assert!(matches!(open(wire, 1, content.digest), PeerMessage::Offer { .. }));
        for piece in 0..64 {
            let block = BlockRef { channel: 1, piece, begin: 0, length: 256 << 10 };
            wire.send(&PeerMessage::Request(block)).expect("sent");
        }
    }
    network.node(&[]).fetch(&content);
}

#[test]
fn more_contents_than_may_be_open_are_turned_down() {
    let mut network = Network::new();
    let content = Content::random(159, 100);
    let sharer = network.node(&[("a.bin", &content)]);
    let mut wire = greet(sharer.peer.address());
    let refused = eventually("a limit to the channels", Duration::from_secs(10), {
        let mut channel = 0;
        move || {
            channel += 1;
            let sent = wire.send(&PeerMessage::Open { channel, digest: content.digest }).is_ok();
            let answer = if sent { next(&mut wire).ok() } else { None };
            match answer {
                Some(PeerMessage::Offer { .. }) => None,
                other => Some(channel).filter(|_| !matches!(other, Some(PeerMessage::Block(_)))),
            }
        }
    });
    assert!(refused > 1);
    assert!(matches!(open(&mut greet(sharer.peer.address()), 1, content.digest), PeerMessage::Offer { .. }));
}
