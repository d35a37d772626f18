//! Clients with invalid messages at the ports of an index and of a node, while an honest client works.

use std::thread;
use std::time::Duration;

use protocol::index::{Notice, Refusal, Reply, Request, RequestEnvelope};
use protocol::limits::MAX_FRAME;
use protocol::preamble::{self, Service, Version};
use tests::content::{Noise, PIECE_LENGTH, TestContent};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::network::TestNetwork;
use tests::raw_client::RawClient;

/// Time limit for closing a connection with invalid data.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

const STRANGERS: [&[u8]; 6] = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x05\x01\x00aaaaaaaaa",
    b"\0\0\0\0\0\0\0\0\0\0\0\0",
];

#[test]
fn unknown_protocols_get_no_answer() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(60, PIECE_LENGTH);
    let sharer = network.start_node(&[("canary.bin", &content)]);
    // In parallel: a connection with too few bytes to identify the protocol stays open until its timeout.
    thread::scope(|scope| {
        for port in [network.index.address(), sharer.peer.address()] {
            for bytes in STRANGERS {
                scope.spawn(move || {
                    let mut client = RawClient::connect(port);
                    client.send(bytes);
                    let response = client.receive(CLOSE_TIMEOUT);
                    assert_eq!(
                        (response.bytes.as_slice(), response.closed),
                        (&b""[..], true),
                        "{bytes:?} at {port}"
                    );
                });
            }
        }
    });
    network.start_node(&[]).download(&content);
}

#[test]
fn unknown_version_is_answered_with_ours_only() {
    let network = TestNetwork::new();
    for version in [0_u16, 3, 255] {
        let mut client = RawClient::connect(network.index.address());
        let ours = preamble::encode(Service::Index, Version::LATEST);
        let mut bytes = ours;
        bytes[6..].copy_from_slice(&version.to_be_bytes());
        client.send(&bytes);
        let response = client.receive(CLOSE_TIMEOUT);
        assert_eq!((response.bytes, response.closed), (ours.to_vec(), true));
    }
}

#[test]
fn malformed_messages_do_not_disturb_others() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(61, 10);
    let sharer = network.start_node(&[("canary.txt", &content)]);
    let mut noise = vec![0; 64 << 10];
    Noise::from_seed(61).fill(&mut noise);
    let too_long = u32::try_from(MAX_FRAME).expect("a limit") + 1;
    let tails: [Vec<u8>; 6] = [
        vec![0xff; 4],
        too_long.to_be_bytes().to_vec(),
        vec![0; 4],
        [&8_u32.to_be_bytes()[..], &[0xff; 8]].concat(),
        [&100_u32.to_be_bytes()[..], b"half"].concat(),
        noise,
    ];
    for (port, service) in [(network.index.address(), Service::Index), (sharer.peer.address(), Service::Peer)]
    {
        for tail in &tails {
            let mut client = RawClient::connect(port);
            client.send(&preamble::encode(service, Version::One));
            client.send(tail);
            client.shut_down_writing();
            let response = client.receive(CLOSE_TIMEOUT);
            assert!(response.closed, "{:?} at {port}", tail.get(..8));
            assert_eq!(network.observer().search("canary").len(), 1);
        }
    }
    network.start_node(&[]).download(&content);
    assert_eq!(network.index.stop(), Some(0));
    assert!(!network.index.log().contains("panicked"), "{}", network.index.log());
}

#[test]
fn silent_connections_do_not_disturb_others() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(62, 10 * PIECE_LENGTH);
    let sharer = network.start_node(&[("canary.bin", &content)]);
    let index = network.index.address();
    let mut silent: Vec<RawClient> = (0..150).map(|_| RawClient::connect(index)).collect();
    silent.extend((0..50).map(|_| RawClient::connect(sharer.peer.address())));
    network.start_node(&[]).download(&content);
    let mut one = silent.swap_remove(0);
    assert!(one.receive(CLOSE_TIMEOUT).closed, "a silent connection is closed when the greeting times out");
}

#[test]
fn slow_greeting_is_disconnected() {
    let mut network = TestNetwork::new();
    let _sharer = network.start_node(&[("canary.txt", &TestContent::random(63, 10))]);
    let mut client = RawClient::connect(network.index.address());
    let bytes = preamble::encode(Service::Index, Version::One);
    // Each byte arrives within the timeout of a single read, but all of them together do not.
    let mut closed = false;
    for byte in bytes.iter().chain([0; 32].iter()) {
        if !client.send(&[*byte]) || client.receive(Duration::from_millis(700)).closed {
            closed = true;
            break;
        }
    }
    assert!(closed, "the index keeps a connection that sends too slowly");
    assert_eq!(network.observer().search("canary").len(), 1);
}

#[test]
fn requests_before_the_greeting_are_refused() {
    let network = TestNetwork::new();
    let search = Request::Search { query: "x".into(), after: None, limit: 10 };
    for request in [search, Request::Renew, Request::Statistics, Request::Proof { signature: [7; 64] }] {
        let mut wire = tests::wire::FrameConnection::connect(network.index.address(), Service::Index)
            .expect("a connection");
        wire.send(&RequestEnvelope { id: 0, request }).expect("sent");
        let refusal = match wire.receive().expect("a refusal") {
            protocol::index::IndexMessage::Reply { reply: Reply::Refused(refusal), .. }
            | protocol::index::IndexMessage::Notice(Notice::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        assert!(matches!(refusal, Refusal::OutOfOrder { .. }), "{refusal:?}");
    }
}

#[test]
fn node_cannot_register_under_another_id() {
    let network = TestNetwork::new();
    let (own, stolen) = (tests::index_session::signing_key(1), tests::index_session::signing_key(2));
    let (wire, nonce) = tests::index_session::IndexSession::hello(network.index.address(), &stolen, 40_000)
        .expect("a challenge");
    let session = tests::index_session::IndexSession::prove(wire, nonce, &own, 40_000);
    let error = format!("{:?}", session.expect_err("a proof with another key"));
    assert!(error.contains("BadProof"), "{error}");
}

#[test]
fn unreachable_port_is_not_listed() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(64, 1000);
    let mut unreachable = network.index.session();
    unreachable.register(&[content.file_record("mute.txt")]).expect("registered, but not listed");
    match unreachable.next_notice() {
        Ok(Notice::Unreachable { reason, .. }) => assert!(!reason.is_empty()),
        other => panic!("{other:?}"),
    }
    assert!(network.observer().search("mute").is_empty());
    network.wait_for_sources(content.digest, 0, DEFAULT_TIMEOUT);
}

#[test]
fn invalid_records_are_refused_as_a_whole() {
    let network = TestNetwork::new();
    let good = TestContent::random(65, 10).file_record("good.txt");
    for path in ["../up", "/etc/passwd", "a/../../b", "", "line\nbreak", "\u{1b}[2J"] {
        let mut session = network.index.session();
        let bad = protocol::index::FileRecord { path: path.into(), ..good.clone() };
        let reply = session.call(Request::Register { files: vec![good.clone(), bad] });
        assert!(matches!(reply, Ok(Reply::Refused(Refusal::BadRecord { .. }))), "{path:?}: {reply:?}");
        assert_eq!(session.statistics().files, 0);
    }
}
