use std::time::Duration;

use protocol::index::{HitWithSources, IndexMessage, Notice, Refusal, Reply, Request};
use protocol::preamble::{self, Service, Version};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::{TestClient, TestIndexNode, file, sum};
use super::{TestIndex, limits, with_timeout};
use crate::limits::{IndexLimits, ProbeLimits};

/// Searches until there are exactly `count` hits.
async fn until_hits(client: &mut TestClient, query: &str, count: usize) {
    with_timeout(async { while client.search(query).await.len() != count {} }).await;
}

#[tokio::test]
async fn unreachable_node_is_notified_and_not_listed() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut hidden = TestIndexNode::new(1).await;
    let port = hidden.port;
    hidden.stop_listening();
    let (mut client, _) = hidden.connect(index.address).await;
    let Notice::Unreachable { address, reason } = client.notice().await else { panic!("reachable") };
    assert!(address == hidden.address() && reason.contains("connection refused"), "{reason}");
    let files = [file("hidden", 1)];
    assert_eq!(client.register(files.to_vec()).await, sum(&files));
    assert!(client.search("hidden").await.is_empty());
    let peer = protocol::index::PeerRef::Node(hidden.id());
    let browse = Request::Browse { peer, after: None, limit: 1 };
    assert_eq!(client.ask(browse).await, Reply::Refused(Refusal::NoSuchPeer));

    // Once the port opens, the node is probed again with the nonce of the same session.
    hidden.listen_again(port, &client).await;
    assert_eq!(client.notice().await, Notice::Reachable { address: hidden.address() });
    assert_eq!(client.search("hidden").await.len(), 1);
    index.stop().await;
}

/// Accepts one connection, sends `answer`, and returns what the index sent.
async fn answer_with(listener: TcpListener, answer: &[u8]) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    // The index may have disconnected already.
    let _ = stream.write_all(answer).await;
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    received
}

#[tokio::test]
async fn port_of_another_program_is_not_listed() {
    let dir = tempdir().unwrap();
    let probes = ProbeLimits { timeout: Duration::from_millis(300), ..limits().probes };
    let index = TestIndex::start_with(dir.path(), IndexLimits { probes, ..limits() }).await;
    let mut lie = preamble::encode(Service::Peer, Version::One).to_vec();
    // A probe answer with an empty digest, and a banner of another program.
    lie.extend([0, 0, 0, 36, 0, 0, 0, 2]);
    lie.extend([0; 32]);
    let answers: [(&[u8], &str); 4] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "another program"),
        (&lie, "another program"),
        (b"PDEXP\0\0\x09", "version 9"),
        (b"", "timed out"),
    ];
    for (seed, (answer, expected)) in (1..).zip(answers) {
        let mut node = TestIndexNode::new(seed).await;
        let listener = node.take_listener();
        let (mut client, _) = node.connect(index.address).await;
        let received = with_timeout(answer_with(listener, answer)).await;
        // The index never sends more than a preamble and a probe to a claimed port.
        assert!(
            received.is_empty() || received.starts_with(b"PDEXP") && received.len() <= 48,
            "{received:?}"
        );
        let Notice::Unreachable { reason, .. } = client.notice().await else { panic!("reachable") };
        assert!(reason.contains(expected), "{reason}");
    }
    index.stop().await;
}

#[tokio::test]
async fn returning_node_is_listed_without_registering() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let (mut sharer, mut seeker) = (TestIndexNode::new(1).await, TestIndexNode::new(2).await);
    let mut sharing = sharer.join(index.address).await;
    let files = [file("song", 1)];
    sharing.register(files.to_vec()).await;
    let mut seeking = seeker.join(index.address).await;
    until_hits(&mut seeking, "song", 1).await;
    drop(sharing);
    until_hits(&mut seeking, "song", 0).await;
    assert!(seeking.locate(files[0].digest).await.is_empty());
    let mut sharer = TestIndexNode::new(1).await;
    let (mut sharing, list) = sharer.connect(index.address).await;
    assert_eq!(list, sum(&files));
    assert!(matches!(sharing.notice().await, Notice::Reachable { .. }));
    assert_eq!(seeking.search("song").await.len(), 1);
    index.stop().await;
}

#[tokio::test]
async fn silent_node_is_disconnected_after_its_lease() {
    let dir = tempdir().unwrap();
    let limits = IndexLimits { lease: Duration::from_millis(200), ..limits() };
    let index = TestIndex::start_with(dir.path(), limits).await;
    let mut silent = TestIndexNode::new(1).await.join(index.address).await;
    silent.register(vec![file("song", 1)]).await;
    silent.expect_end().await;
    let (mut seeking, _) = TestIndexNode::new(2).await.connect(index.address).await;
    assert!(seeking.search("song").await.is_empty());
    index.stop().await;
}

#[tokio::test]
async fn stopping_index_notifies_and_finishes_answers() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut node = TestIndexNode::new(1).await;
    let mut client = node.join(index.address).await;
    // Wait for the first reply, so that the second request is in progress or not started when the index stops.
    client.register(vec![file("a", 1)]).await;
    let sent = client.send(Request::Register { files: vec![file("b", 2)] }).await;
    index.stop().await;
    let mut acknowledged = vec![file("a", 1)];
    match client.message().await {
        Some(IndexMessage::Reply { id, reply: Reply::List(list) }) => {
            acknowledged.push(file("b", 2));
            assert_eq!((id, list), (sent, sum(&acknowledged)));
            assert_eq!(client.notice().await, Notice::ShuttingDown);
        }
        Some(IndexMessage::Notice(notice)) => assert_eq!(notice, Notice::ShuttingDown),
        other => panic!("{other:?}"),
    }
    client.expect_end().await;
    let index = TestIndex::start(dir.path()).await;
    let (_client, list) = TestIndexNode::new(1).await.connect(index.address).await;
    assert_eq!(list, sum(&acknowledged));
    index.stop().await;
}

#[tokio::test]
async fn hits_carry_only_online_sources() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let (mut sharer, mut leaver, mut seeker) =
        (TestIndexNode::new(1).await, TestIndexNode::new(2).await, TestIndexNode::new(3).await);
    let (mut sharing, mut leaving) = (sharer.join(index.address).await, leaver.join(index.address).await);
    sharing.register(vec![file("song", 1)]).await;
    leaving.register(vec![file("song", 1)]).await;
    let mut seeking = seeker.join(index.address).await;
    until_hits(&mut seeking, "song", 1).await;
    drop(leaving);
    let request = || Request::SearchWithSources { query: "song".into(), after: None, limit: 9 };
    let addresses = loop {
        let Reply::HitsWithSources { hits, .. } = seeking.ask(request()).await else { panic!("no hits") };
        let [HitWithSources { hit, sources }] = hits.as_slice() else { panic!("{hits:?}") };
        assert_eq!(hit.complete as usize, sources.len());
        if sources.len() == 1 {
            break sources.iter().map(|source| source.address).collect::<Vec<_>>();
        }
    };
    assert_eq!(addresses, [sharer.address()]);
    index.stop().await;
}
