use std::time::SystemTime;

use protocol::features::IndexFeatures;
use protocol::frame::encode_frame;
use protocol::index::{Notice, Refusal, Reply, Request, RequestEnvelope};
use protocol::preamble::{self, Service, Version};
use tempfile::tempdir;

use super::client::{TestClient, TestIndexNode, file, sum};
use super::{TestIndex, limits};
use crate::limits::IndexLimits;

#[tokio::test]
async fn proof_by_another_key_is_refused() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let (owner, thief) = (TestIndexNode::new(1).await, TestIndexNode::new(2).await);
    let mut client = TestClient::open(index.address).await;
    let Reply::Challenge { nonce } = client.ask(owner.hello()).await else { panic!("no challenge") };
    assert_eq!(client.ask(thief.proof(&nonce)).await, Reply::Refused(Refusal::BadProof));
    client.expect_end().await;
    index.stop().await;
}

#[tokio::test]
async fn port_zero_and_index_port_cannot_be_claimed() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let node = TestIndexNode::new(1).await.id();
    for port in [0, index.address.port()] {
        let mut client = TestClient::open(index.address).await;
        let hello = Request::Hello { node, port, agent: String::new() };
        assert_eq!(client.ask(hello).await, Reply::Refused(Refusal::BadPort { port }));
        client.expect_end().await;
    }
    index.stop().await;
}

#[tokio::test]
async fn unsupported_version_or_service_gets_only_a_preamble() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let peer = preamble::encode(Service::Peer, Version::One);
    for hello in [*b"PDEXI\0\0\0", *b"PDEXI\0\0\x03", *b"PDEXI\0\xff\xff", peer] {
        let mut client = TestClient::dial(index.address).await;
        client.write_raw(&hello).await;
        assert_eq!(client.read_raw(8).await, preamble::encode(Service::Index, Version::LATEST));
        client.expect_end().await;
    }
    index.stop().await;
}

#[tokio::test]
async fn version_2_greeting_gets_features_and_time() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let node = TestIndexNode::new(1).await;
    // Each write contains everything up to the next reply that is needed.
    let mut client = TestClient::dial(index.address).await;
    let mut opening = preamble::encode(Service::Index, Version::Two).to_vec();
    encode_frame(&RequestEnvelope { id: 1, request: node.greet() }, &mut opening).unwrap();
    client.write_raw(&opening).await;
    assert_eq!(client.read_raw(8).await, preamble::encode(Service::Index, Version::Two));
    let Reply::Greeting { nonce, features, time } = client.reply(1).await else { panic!("no greeting") };
    assert!(features.contains(IndexFeatures::SEARCH_WITH_SOURCES));
    assert!(time.abs_diff(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()) < 60);
    let mut requests = Vec::new();
    let search = Request::SearchWithSources { query: "x".into(), after: None, limit: 9 };
    for (id, request) in [(2, node.proof(&nonce)), (3, search), (4, Request::Renew)] {
        encode_frame(&RequestEnvelope { id, request }, &mut requests).unwrap();
    }
    client.write_raw(&requests).await;
    assert!(matches!(client.reply(2).await, Reply::Welcome { .. }));
    let nothing = Reply::HitsWithSources { hits: Vec::new(), more: None, truncated: false };
    assert_eq!(client.reply(3).await, nothing);
    assert!(matches!(client.reply(4).await, Reply::List(_)));
    index.stop().await;
}

#[tokio::test]
async fn each_version_has_its_own_greeting() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let node = TestIndexNode::new(1).await;
    for (version, greeting) in [(Version::One, node.greet()), (Version::Two, node.hello())] {
        let mut client = TestClient::open_version(index.address, version).await;
        assert!(matches!(client.ask(greeting).await, Reply::Refused(Refusal::OutOfOrder { .. })));
        client.expect_end().await;
    }
    index.stop().await;
}

#[tokio::test]
async fn unknown_request_is_unsupported_from_version_2_on() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let unknown = |id: u64| [&[0, 0, 0, 14][..], &id.to_be_bytes(), &[0, 0, 1, 0, 7, 7]].concat();
    let mut old = TestIndexNode::new(1).await.join(index.address).await;
    old.write_raw(&unknown(9)).await;
    assert!(matches!(old.refusal().await, Refusal::Malformed { .. }));
    old.expect_end().await;

    let node = TestIndexNode::new(2).await;
    let mut new = TestClient::open_version(index.address, Version::Two).await;
    let Reply::Greeting { nonce, .. } = new.ask(node.greet()).await else { panic!("no greeting") };
    assert!(matches!(new.ask(node.proof(&nonce)).await, Reply::Welcome { .. }));
    for id in [70, 71] {
        new.write_raw(&unknown(id)).await;
        assert_eq!(new.reply(id).await, Reply::Refused(Refusal::Unsupported { kind: 256 }));
    }
    // A malformed message still closes the connection.
    new.write_raw(&[0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 72, 0, 0, 0, 6, 0]).await;
    assert!(matches!(new.refusal().await, Refusal::Malformed { .. }));
    new.expect_end().await;
    index.stop().await;
}

#[tokio::test]
async fn other_protocols_get_no_answer() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let garbage = vec![0x5a; 64 << 10];
    let openings: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0",
        &garbage,
    ];
    for opening in openings {
        let mut client = TestClient::dial(index.address).await;
        client.write_raw(opening).await;
        assert_eq!(client.read_to_end().await, 0);
    }
    index.stop().await;
}

#[tokio::test]
async fn late_greeting_closes_the_connection() {
    let dir = tempdir().unwrap();
    let limits = IndexLimits { greeting_timeout: std::time::Duration::from_millis(100), ..limits() };
    let index = TestIndex::start_with(dir.path(), limits).await;
    assert_eq!(TestClient::dial(index.address).await.read_to_end().await, 0);
    let mut client = TestClient::open(index.address).await;
    let Reply::Challenge { .. } = client.ask(TestIndexNode::new(1).await.hello()).await else {
        panic!("no challenge")
    };
    client.expect_end().await;
    index.stop().await;
}

#[tokio::test]
async fn full_index_answers_busy() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start_with(dir.path(), IndexLimits { connections: 1, ..limits() }).await;
    let mut node = TestIndexNode::new(1).await;
    let first = node.join(index.address).await;
    let mut second = TestClient::open(index.address).await;
    assert!(matches!(second.refusal().await, Refusal::Busy { .. }));
    second.expect_end().await;
    drop(first);
    // A new connection is admitted once the first one has ended.
    super::with_timeout(async {
        while TestClient::open(index.address).await.expect_rejection(&node).await {}
    })
    .await;
    index.stop().await;
}

#[tokio::test]
async fn newer_session_replaces_the_older() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut node = TestIndexNode::new(1).await;
    let mut old = node.join(index.address).await;
    let files = [file("a", 1)];
    old.register(files.to_vec()).await;
    let (mut new, list) = node.connect(index.address).await;
    assert_eq!(list, sum(&files));
    assert_eq!(old.notice().await, Notice::Replaced);
    old.expect_end().await;
    assert_eq!(new.summary(Request::Renew).await, sum(&files));
    index.stop().await;
}
