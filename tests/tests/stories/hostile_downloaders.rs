//! Peers that send invalid requests, and an honest peer beside them.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::limits::MAX_UNSUPPORTED;
use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, PeerMessage};
use protocol::preamble::{Service, Version};
use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use tests::network::TestNetwork;
use tests::wire::FrameConnection;

/// Connects to a peer and exchanges greetings.
fn greet(peer: SocketAddr) -> FrameConnection {
    let mut wire = FrameConnection::connect(peer, Service::Peer).expect("a connection");
    let hello = wire.greet(NodeId::from_bytes([9; 32]), 40_000).expect("a greeting");
    assert!(matches!(hello, PeerMessage::Hello { port, .. } if port == peer.port()), "{hello:?}");
    wire
}

/// Returns the next message about content rather than about the connection.
fn next_content_message(wire: &mut FrameConnection) -> anyhow::Result<PeerMessage> {
    loop {
        match wire.receive()? {
            PeerMessage::KeepAlive | PeerMessage::Choke { .. } | PeerMessage::Unchoke => {}
            message => return Ok(message),
        }
    }
}

/// Opens a channel for content and returns the reply.
fn open_content(wire: &mut FrameConnection, channel: u32, digest: Digest) -> PeerMessage {
    wire.send(&PeerMessage::Open { channel, digest }).expect("sent");
    next_content_message(wire).expect("an answer")
}

/// Waits for an unchoke.
fn wait_for_unchoke(wire: &mut FrameConnection) {
    while wire.receive::<PeerMessage>().expect("a message") != PeerMessage::Unchoke {}
}

#[test]
fn shared_file_is_offered_with_its_manifest_and_bytes() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(150, 3 * PIECE_LENGTH + 100);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let mut wire = greet(sharer.peer.address());
    let manifest = content.manifest();
    let offer =
        PeerMessage::Offer { channel: 7, size: content.size(), manifest: manifest.id(), pieces: None };
    assert_eq!(open_content(&mut wire, 7, content.digest), offer);
    wait_for_unchoke(&mut wire);
    wire.send(&PeerMessage::WantManifest { channel: 7, first: 0, count: 3 }).expect("sent");
    let states = manifest.states().iter().map(|state| state.to_bytes()).collect();
    assert_eq!(
        next_content_message(&mut wire).expect("states"),
        PeerMessage::ManifestPart { channel: 7, first: 0, states }
    );
    let block = BlockRef { channel: 7, piece: 3, begin: 10, length: 90 };
    wire.send(&PeerMessage::Request(block)).expect("sent");
    assert_eq!(next_content_message(&mut wire).expect("a block"), PeerMessage::Block(block));
    assert_eq!(wire.receive_raw(90).expect("bytes"), content.bytes[3 * PIECE_LENGTH + 10..]);
}

#[test]
fn unshared_content_is_not_offered() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(151, 100);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let mut wire = greet(sharer.peer.address());
    let other = TestContent::random(152, 100).digest;
    assert_eq!(open_content(&mut wire, 1, other), PeerMessage::NotShared { channel: 1 });
    assert!(matches!(open_content(&mut wire, 2, content.digest), PeerMessage::Offer { .. }));
}

#[test]
fn changed_file_is_not_served_under_its_old_digest() {
    let mut network = TestNetwork::new();
    let (changed, removed) =
        (TestContent::random(153, 2 * PIECE_LENGTH), TestContent::random(154, 2 * PIECE_LENGTH));
    let sharer = network.start_node(&[("changed.bin", &changed), ("removed.bin", &removed)]);
    let mut wire = greet(sharer.peer.address());
    for (channel, content) in [(1, &changed), (2, &removed)] {
        assert!(matches!(open_content(&mut wire, channel, content.digest), PeerMessage::Offer { .. }));
    }
    sharer.folder.put("changed.bin", &TestContent::random(155, 2 * PIECE_LENGTH));
    std::fs::remove_file(sharer.folder.path().join("removed.bin")).expect("a file");
    // At once, before the node can have scanned its folder: whatever it replies, it must not be other bytes.
    let block = BlockRef { channel: 1, piece: 1, begin: 0, length: 5000 };
    wire.send(&PeerMessage::Request(block)).expect("sent");
    match next_content_message(&mut wire).expect("an answer") {
        PeerMessage::Block(_) => {
            assert_eq!(
                wire.receive_raw(5000).expect("bytes"),
                changed.bytes[PIECE_LENGTH..PIECE_LENGTH + 5000]
            );
        }
        PeerMessage::Reject(_) | PeerMessage::NotShared { .. } => {}
        other => panic!("{other:?}"),
    }
    wait_until("the old content to be unlisted", DEFAULT_TIMEOUT, || {
        let mut wire = greet(sharer.peer.address());
        let is_unshared = |message| message == PeerMessage::NotShared { channel: 3 };
        is_unshared(open_content(&mut wire, 3, changed.digest))
            && is_unshared(open_content(&mut wire, 3, removed.digest))
    });
}

#[test]
fn invalid_requests_affect_only_their_connection() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(156, 2 * PIECE_LENGTH + 10);
    let sharer = network.start_node(&[("a.bin", &content)]);
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
        assert!(matches!(open_content(&mut wire, 1, content.digest), PeerMessage::Offer { .. }));
        let block = BlockRef { channel: 1, piece, begin, length };
        wire.send(&PeerMessage::Request(block)).expect("sent");
        let answer = next_content_message(&mut wire);
        assert!(matches!(answer, Err(_) | Ok(PeerMessage::Reject(_))), "{block:?}: {answer:?}");
    }
    network.start_node(&[]).download(&content);
}

#[test]
fn messages_on_closed_channels_affect_only_their_connection() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(157, 100);
    let sharer = network.start_node(&[("a.bin", &content)]);
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
        // The node may reply, ignore the message or disconnect; the next connection is served in any case.
        let _ = wire.send(&PeerMessage::Open { channel: 6, digest: content.digest });
        let mut wire = greet(sharer.peer.address());
        assert!(
            matches!(open_content(&mut wire, 1, content.digest), PeerMessage::Offer { .. }),
            "after {message:?}"
        );
    }
    network.start_node(&[]).download(&content);
}

#[test]
fn unknown_messages_end_connections_of_version_1_only() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(163, 100);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let unknown = [&6_u32.to_be_bytes()[..], &300_u32.to_be_bytes(), &[7, 7]].concat();
    let mut wire = greet(sharer.peer.address());
    wire.send_raw(&unknown).expect("sent");
    assert!(next_content_message(&mut wire).is_err(), "version 1 knows no later messages");

    let node = NodeId::from_bytes([9; 32]);
    let mut wire =
        FrameConnection::connect_version(sharer.peer.address(), Service::Peer, Version::Two).expect("a port");
    let greeting = wire.greet(node, 40_000).expect("a greeting");
    assert!(matches!(greeting, PeerMessage::Greet { port, .. } if port == sharer.peer.address().port()));
    // Many more than the node replies to; the connection stays open.
    for _ in 0..3 * MAX_UNSUPPORTED {
        wire.send_raw(&unknown).expect("sent");
    }
    for _ in 0..MAX_UNSUPPORTED {
        assert_eq!(
            next_content_message(&mut wire).expect("an answer"),
            PeerMessage::Unsupported { kind: 300 }
        );
    }
    assert!(matches!(open_content(&mut wire, 1, content.digest), PeerMessage::Offer { .. }));
}

#[test]
fn stranger_cannot_join_another_peers_link() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(165, 100);
    let sharer = network.start_node(&[("a.bin", &content)]);
    for key in [[0; 16], [7; 16]] {
        let address = sharer.peer.address();
        let mut wire =
            FrameConnection::connect_version(address, Service::Peer, Version::Two).expect("a port");
        wire.send(&PeerMessage::Join { key }).expect("sent");
        assert!(wire.receive::<PeerMessage>().is_err(), "an unknown link key is refused");
    }
    // Within a link, the key is a second greeting.
    let mut wire =
        FrameConnection::connect_version(sharer.peer.address(), Service::Peer, Version::Two).expect("a port");
    wire.greet(NodeId::from_bytes([9; 32]), 40_000).expect("a greeting");
    wire.send(&PeerMessage::Join { key: [7; 16] }).expect("sent");
    assert!(next_content_message(&mut wire).is_err());
    network.start_node(&[]).download(&content);
}

#[test]
fn offer_includes_the_requested_manifest() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(164, 4 * PIECE_LENGTH);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let mut wire =
        FrameConnection::connect_version(sharer.peer.address(), Service::Peer, Version::Two).expect("a port");
    wire.greet(NodeId::from_bytes([9; 32]), 40_000).expect("a greeting");
    let digest = content.digest;
    let true_states: Vec<[u8; 32]> =
        content.manifest().states().iter().map(|state| state.to_bytes()).collect();
    for (channel, states) in [(1, 2), (2, u32::MAX)] {
        wire.send(&PeerMessage::OpenWithManifest { channel, digest, states }).expect("sent");
        assert!(matches!(next_content_message(&mut wire), Ok(PeerMessage::Offer { .. })));
        let states = true_states.iter().take(states as usize).copied().collect();
        assert_eq!(
            next_content_message(&mut wire).expect("states"),
            PeerMessage::ManifestPart { channel, first: 0, states }
        );
    }
    wire.send(&PeerMessage::OpenWithManifest { channel: 3, digest, states: 0 }).expect("sent");
    assert!(matches!(next_content_message(&mut wire), Ok(PeerMessage::Offer { .. })));
    wire.send(&PeerMessage::WantManifest { channel: 3, first: 0, count: 1 }).expect("sent");
    assert!(matches!(next_content_message(&mut wire), Ok(PeerMessage::ManifestPart { channel: 3, .. })));
}

#[test]
fn peer_that_never_reads_does_not_block_others() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(158, 64 * PIECE_LENGTH);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let mut greedy: Vec<FrameConnection> = (0..4).map(|_| greet(sharer.peer.address())).collect();
    for wire in &mut greedy {
        assert!(matches!(open_content(wire, 1, content.digest), PeerMessage::Offer { .. }));
        for piece in 0..64 {
            let block = BlockRef { channel: 1, piece, begin: 0, length: 256 << 10 };
            wire.send(&PeerMessage::Request(block)).expect("sent");
        }
    }
    network.start_node(&[]).download(&content);
}

#[test]
fn opens_beyond_the_limit_are_refused() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(159, 100);
    let sharer = network.start_node(&[("a.bin", &content)]);
    let mut wire = greet(sharer.peer.address());
    let refused = eventually("the limit of channels to be reached", Duration::from_secs(10), {
        let mut channel = 0;
        move || {
            channel += 1;
            let sent = wire.send(&PeerMessage::Open { channel, digest: content.digest }).is_ok();
            let answer = if sent { next_content_message(&mut wire).ok() } else { None };
            match answer {
                Some(PeerMessage::Offer { .. }) => None,
                other => Some(channel).filter(|_| !matches!(other, Some(PeerMessage::Block(_)))),
            }
        }
    });
    assert!(refused > 1);
    assert!(matches!(
        open_content(&mut greet(sharer.peer.address()), 1, content.digest),
        PeerMessage::Offer { .. }
    ));
}
