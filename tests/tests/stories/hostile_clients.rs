//! Strangers at the ports of an index and of a peer, while an honest client works on.

use std::thread;
use std::time::Duration;

use protocol::index::{Notice, Refusal, Reply, Request, ToIndex};
use protocol::limits::MAX_FRAME;
use protocol::preamble::{self, Service, Version};
use tests::content::{Content, Noise, PIECE};
use tests::eventually::SOON;
use tests::network::Network;
use tests::raw_client::RawClient;

/// How long a stranger's nonsense may keep a connection.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

const STRANGERS: [&[u8]; 6] = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x05\x01\x00aaaaaaaaa",
    b"\0\0\0\0\0\0\0\0\0\0\0\0",
];

#[test]
fn strangers_get_no_answer_from_either_port() {
    let mut network = Network::new();
    let content = Content::random(60, PIECE);
    let sharer = network.node(&[("canary.bin", &content)]);
    // Side by side: too few bytes to tell what they are keep a connection until its deadline.
    thread::scope(|scope| {
        for port in [network.index.address(), sharer.peer.address()] {
            for said in STRANGERS {
                scope.spawn(move || {
                    let mut client = RawClient::connect(port);
                    client.send(said);
                    let heard = client.hear(CLOSED_WITHIN);
                    assert_eq!(
                        (heard.bytes.as_slice(), heard.closed),
                        (&b""[..], true),
                        "{said:?} at {port}"
                    );
                });
            }
        }
    });
    network.node(&[]).fetch(&content);
}

#[test]
fn another_version_is_told_ours_and_nothing_else() {
    let network = Network::new();
    for version in [0_u16, 3, 255] {
        let mut client = RawClient::connect(network.index.address());
        let ours = preamble::encode(Service::Index, Version::LATEST);
        let mut bytes = ours;
        bytes[6..].copy_from_slice(&version.to_be_bytes());
        client.send(&bytes);
        let heard = client.hear(CLOSED_WITHIN);
        assert_eq!((heard.bytes, heard.closed), (ours.to_vec(), true));
    }
}

#[test]
fn garbage_oversized_frames_and_half_messages_disturb_nobody() {
    let mut network = Network::new();
    let content = Content::random(61, 10);
    let sharer = network.node(&[("canary.txt", &content)]);
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
            client.finish();
            let heard = client.hear(CLOSED_WITHIN);
            assert!(heard.closed, "{:?} at {port}", tail.get(..8));
            assert_eq!(network.observer().search("canary").len(), 1);
        }
    }
    network.node(&[]).fetch(&content);
    assert_eq!(network.index.stop(), Some(0));
    assert!(!network.index.log().contains("panicked"), "{}", network.index.log());
}

#[test]
fn many_that_connect_and_say_nothing_disturb_nobody() {
    let mut network = Network::new();
    let content = Content::random(62, 10 * PIECE);
    let sharer = network.node(&[("canary.bin", &content)]);
    let index = network.index.address();
    let mut silent: Vec<RawClient> = (0..150).map(|_| RawClient::connect(index)).collect();
    silent.extend((0..50).map(|_| RawClient::connect(sharer.peer.address())));
    network.node(&[]).fetch(&content);
    let mut one = silent.swap_remove(0);
    assert!(one.hear(CLOSED_WITHIN).closed, "silence is not waited for longer than the greeting may take");
}

#[test]
fn a_greeting_that_drips_in_is_cut_off() {
    let mut network = Network::new();
    let _sharer = network.node(&[("canary.txt", &Content::random(63, 10))]);
    let mut client = RawClient::connect(network.index.address());
    let bytes = preamble::encode(Service::Index, Version::One);
    // Each byte comes well within what a single read may take; all of them together do not.
    let mut closed = false;
    for byte in bytes.iter().chain([0; 32].iter()) {
        if !client.send(&[*byte]) || client.hear(Duration::from_millis(700)).closed {
            closed = true;
            break;
        }
    }
    assert!(closed, "the index waits for a client that drips");
    assert_eq!(network.observer().search("canary").len(), 1);
}

#[test]
fn requests_before_the_greeting_are_refused() {
    let network = Network::new();
    let search = Request::Search { query: "x".into(), after: None, limit: 10 };
    for request in [search, Request::Renew, Request::Statistics, Request::Proof { signature: [7; 64] }] {
        let mut wire =
            tests::wire::Wire::connect(network.index.address(), Service::Index).expect("a connection");
        wire.send(&ToIndex { id: 0, request }).expect("sent");
        let refusal = match wire.receive().expect("a refusal") {
            protocol::index::FromIndex::Reply { reply: Reply::Refused(refusal), .. }
            | protocol::index::FromIndex::Notice(Notice::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        assert!(matches!(refusal, Refusal::OutOfOrder { .. }), "{refusal:?}");
    }
}

#[test]
fn nobody_registers_under_the_name_of_another() {
    let network = Network::new();
    let (own, stolen) = (tests::index_session::key(1), tests::index_session::key(2));
    let (wire, nonce) = tests::index_session::IndexSession::hello(network.index.address(), &stolen, 40_000)
        .expect("a challenge");
    let session = tests::index_session::IndexSession::prove(wire, nonce, &own, 40_000);
    let error = format!("{:?}", session.expect_err("a proof by another key"));
    assert!(error.contains("BadProof"), "{error}");
}

#[test]
fn a_port_that_does_not_answer_is_not_listed() {
    let mut network = Network::new();
    let content = Content::random(64, 1000);
    let mut mute = network.index.session();
    mute.register(&[content.record("mute.txt")]).expect("registered, but not listed");
    match mute.notice() {
        Ok(Notice::Unreachable { reason, .. }) => assert!(!reason.is_empty()),
        other => panic!("{other:?}"),
    }
    assert!(network.observer().search("mute").is_empty());
    network.wait_for_sources(content.digest, 0, SOON);
}

#[test]
fn records_that_cannot_be_are_refused_whole() {
    let network = Network::new();
    let good = Content::random(65, 10).record("good.txt");
    for path in ["../up", "/etc/passwd", "a/../../b", "", "line\nbreak", "\u{1b}[2J"] {
        let mut session = network.index.session();
        let bad = protocol::index::FileRecord { path: path.into(), ..good.clone() };
        let reply = session.call(Request::Register { files: vec![good.clone(), bad] });
        assert!(matches!(reply, Ok(Reply::Refused(Refusal::BadRecord { .. }))), "{path:?}: {reply:?}");
        assert_eq!(session.statistics().files, 0);
    }
}
