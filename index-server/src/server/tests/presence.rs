use std::time::Duration;

use protocol::index::{FromIndex, HitWithSources, Notice, Refusal, Reply, Request};
use protocol::preamble::{self, Service, Version};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::{Client, Node, file, sum};
use super::{Index, limits, within};
use crate::limits::{CallLimits, Limits};

/// Searches until there are so many hits.
async fn until_hits(client: &mut Client, query: &str, count: usize) {
    within(async { while client.search(query).await.len() != count {} }).await;
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_so_and_searches_but_is_not_found() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let mut hidden = Node::new(1).await;
    let port = hidden.port;
    hidden.hang_up();
    let (mut client, _) = hidden.connect(index.address).await;
    let Notice::Unreachable { address, reason } = client.notice().await else { panic!("reachable") };
    assert!(address == hidden.address() && reason.contains("connection refused"), "{reason}");
    let files = [file("hidden", 1)];
    assert_eq!(client.register(files.to_vec()).await, sum(&files));
    assert!(client.search("hidden").await.is_empty());
    let peer = protocol::index::PeerRef::Node(hidden.id());
    let browse = Request::Browse { peer, after: None, limit: 1 };
    assert_eq!(client.ask(browse).await, Reply::Refused(Refusal::NoSuchPeer));

    // When the port opens after all, it is called again, with the nonce of the same session.
    hidden.listen_again(port, &client).await;
    assert_eq!(client.notice().await, Notice::Reachable { address: hidden.address() });
    assert_eq!(client.search("hidden").await.len(), 1);
    index.stop().await;
}

/// Accepts one call on a port, says something, and returns what the index said then.
async fn answer_with(listener: TcpListener, answer: &[u8]) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    // The index may have hung up already.
    let _ = stream.write_all(answer).await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    heard
}

#[tokio::test]
async fn a_port_that_belongs_to_something_else_is_not_listed() {
    let dir = tempdir().unwrap();
    let calls = CallLimits { timeout: Duration::from_millis(300), ..limits().calls };
    let index = Index::start_with(dir.path(), Limits { calls, ..limits() }).await;
    let mut lie = preamble::encode(Service::Peer, Version::One).to_vec();
    // A probe's answer with nothing in it, and the raw banners of other programs.
    lie.extend([0, 0, 0, 36, 0, 0, 0, 2]);
    lie.extend([0; 32]);
    let answers: [(&[u8], &str); 4] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "something else"),
        (&lie, "something else"),
        (b"PDEXP\0\0\x09", "version 9"),
        (b"", "timed out"),
    ];
    for (seed, (answer, expected)) in (1..).zip(answers) {
        let mut node = Node::new(seed).await;
        let listener = node.take_listener();
        let (mut client, _) = node.connect(index.address).await;
        let heard = within(answer_with(listener, answer)).await;
        // Nothing but a preamble and a probe ever goes out to a port that somebody claims.
        assert!(heard.is_empty() || heard.starts_with(b"PDEXP") && heard.len() <= 48, "{heard:?}");
        let Notice::Unreachable { reason, .. } = client.notice().await else { panic!("reachable") };
        assert!(reason.contains(expected), "{reason}");
    }
    index.stop().await;
}

#[tokio::test]
async fn who_leaves_is_out_of_the_results_at_once_and_back_in_without_registering() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let (mut sharer, mut seeker) = (Node::new(1).await, Node::new(2).await);
    let mut sharing = sharer.join(index.address).await;
    let files = [file("song", 1)];
    sharing.register(files.to_vec()).await;
    let mut seeking = seeker.join(index.address).await;
    until_hits(&mut seeking, "song", 1).await;
    drop(sharing);
    until_hits(&mut seeking, "song", 0).await;
    assert!(seeking.locate(files[0].digest).await.is_empty());
    let mut sharer = Node::new(1).await;
    let (mut sharing, list) = sharer.connect(index.address).await;
    assert_eq!(list, sum(&files));
    assert!(matches!(sharing.notice().await, Notice::Reachable { .. }));
    assert_eq!(seeking.search("song").await.len(), 1);
    index.stop().await;
}

#[tokio::test]
async fn who_says_nothing_for_a_lease_is_gone() {
    let dir = tempdir().unwrap();
    let limits = Limits { lease: Duration::from_millis(200), ..limits() };
    let index = Index::start_with(dir.path(), limits).await;
    let mut silent = Node::new(1).await.join(index.address).await;
    silent.register(vec![file("song", 1)]).await;
    silent.ends().await;
    let (mut seeking, _) = Node::new(2).await.connect(index.address).await;
    assert!(seeking.search("song").await.is_empty());
    index.stop().await;
}

#[tokio::test]
async fn a_stopping_index_says_so_and_finishes_what_it_is_answering() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let mut node = Node::new(1).await;
    let mut client = node.join(index.address).await;
    // Answered, so that the one behind it is being answered, or not begun, when the index stops.
    client.register(vec![file("a", 1)]).await;
    let sent = client.send(Request::Register { files: vec![file("b", 2)] }).await;
    index.stop().await;
    let mut acknowledged = vec![file("a", 1)];
    match client.message().await {
        Some(FromIndex::Reply { id, reply: Reply::List(list) }) => {
            acknowledged.push(file("b", 2));
            assert_eq!((id, list), (sent, sum(&acknowledged)));
            assert_eq!(client.notice().await, Notice::ShuttingDown);
        }
        Some(FromIndex::Notice(notice)) => assert_eq!(notice, Notice::ShuttingDown),
        other => panic!("{other:?}"),
    }
    client.ends().await;
    let index = Index::start(dir.path()).await;
    let (_client, list) = Node::new(1).await.connect(index.address).await;
    assert_eq!(list, sum(&acknowledged));
    index.stop().await;
}

#[tokio::test]
async fn hits_carry_sources_that_are_there_and_no_others() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let (mut sharer, mut gone, mut seeker) = (Node::new(1).await, Node::new(2).await, Node::new(3).await);
    let (mut sharing, mut leaving) = (sharer.join(index.address).await, gone.join(index.address).await);
    sharing.register(vec![file("song", 1)]).await;
    leaving.register(vec![file("song", 1)]).await;
    let mut seeking = seeker.join(index.address).await;
    until_hits(&mut seeking, "song", 1).await;
    drop(leaving);
    let request = || Request::SearchWithSources { query: "song".into(), after: None, limit: 9 };
    let addresses = loop {
        let Reply::HitsWithSources { hits, .. } = seeking.ask(request()).await else { panic!("no hits") };
        let [HitWithSources { hit, sources }] = hits.as_slice() else { panic!("{hits:?}") };
        assert_eq!(hit.whole as usize, sources.len());
        if sources.len() == 1 {
            break sources.iter().map(|source| source.address).collect::<Vec<_>>();
        }
    };
    assert_eq!(addresses, [sharer.address()]);
    index.stop().await;
}
