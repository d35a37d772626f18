//! Requests at the limits of what the protocol allows.

use protocol::digest::Digest;
use protocol::frame::encode_frame;
use protocol::index::{
    FileRecord, IndexMessage, ListSummary, PeerRef, Refusal, Reply, Request, RequestEnvelope, SearchCursor,
};
use protocol::limits::{MAX_BATCH, MAX_CURSOR_HITS};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{TestClient, TestIndexNode, file, sum};
use super::{TestIndex, with_timeout};

fn frame(id: u64, request: Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_frame(&RequestEnvelope { id, request }, &mut bytes).unwrap();
    bytes
}

async fn browse(client: &mut TestClient, node: &TestIndexNode, after: Option<&str>) -> Reply {
    let (peer, after) = (PeerRef::Node(node.id()), after.map(str::to_owned));
    client.ask(Request::Browse { peer, after, limit: 100 }).await
}

#[tokio::test]
async fn request_ids_are_chosen_by_the_client() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    for id in [0, 7, 7, u64::MAX - 1, u64::MAX, 0, 1] {
        client.write_raw(&frame(id, Request::Renew)).await;
        assert_eq!(client.reply(id).await, Reply::List(ListSummary::default()));
    }
    index.stop().await;
}

#[tokio::test]
async fn many_pipelined_requests_delay_no_other_client() {
    const MANY: usize = 100_000;
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let flooder = TestIndexNode::new(1).await.join(index.address).await;
    let (mut canary, request) =
        (TestIndexNode::new(2).await.join(index.address).await, frame(9, Request::Renew));
    let answer = {
        let mut bytes = Vec::new();
        let reply = Reply::List(ListSummary::default());
        encode_frame(&IndexMessage::Reply { id: 9, reply }, &mut bytes).unwrap();
        bytes.len()
    };
    let (mut reading, mut writing) = flooder.stream.into_split();
    let flood = tokio::spawn(async move { writing.write_all(&request.repeat(MANY)).await });
    let mut received = 0;
    let mut bytes = vec![0; 64 << 10];
    while received < MANY * answer {
        received += with_timeout(reading.read(&mut bytes)).await.unwrap();
        // Each of these waits for at most a part of the flood.
        assert!(matches!(canary.ask(Request::Renew).await, Reply::List(_)));
    }
    with_timeout(flood).await.unwrap().unwrap();
    assert_eq!(received, MANY * answer);
    index.stop().await;
}

#[tokio::test]
async fn list_of_leaving_node_is_complete_or_absent() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let files: Vec<FileRecord> = (0..MAX_BATCH).map(|no| file(&format!("folder/{no}"), 1)).collect();
    let message = frame(5, Request::Register { files: files.clone() });
    let mut node = TestIndexNode::new(1).await;
    for sent in [1, message.len() / 2, message.len() - 1] {
        let mut client = node.connect(index.address).await.0;
        client.write_raw(&message[..sent]).await;
        drop(client);
        assert_eq!(node.connect(index.address).await.1, ListSummary::default(), "{sent} bytes");
    }
    let mut client = node.connect(index.address).await.0;
    client.write_raw(&message).await;
    drop(client);
    let (mut client, found) = node.connect(index.address).await;
    assert!([ListSummary::default(), sum(&files)].contains(&found), "{found:?}");
    assert_eq!(client.register(files.clone()).await, sum(&files));
    index.stop().await;
}

#[tokio::test]
async fn unknown_cursors_do_no_harm() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut node = TestIndexNode::new(1).await;
    let mut client = node.join(index.address).await;
    client.register(vec![file("one iso", 1), file("two iso", 2)]).await;
    let search = |sent| Request::Search { query: "iso".into(), after: Some(SearchCursor { sent }), limit: 9 };
    let made_up = vec![0, u64::MAX, 7, 7, 1 << 63];
    let Reply::Hits { hits, .. } = client.ask(search(made_up)).await else { panic!("no hits") };
    assert_eq!(hits.len(), 2);
    let refused = client.ask(search(vec![3; MAX_CURSOR_HITS + 1])).await;
    assert!(matches!(refused, Reply::Refused(Refusal::TooMany { .. })), "{refused:?}");
    for (after, rest) in [("", 2), ("../..", 2), ("one iso\0", 1), ("\u{10ffff}", 0), ("two iso", 0)] {
        let Reply::Listing { files, more, .. } = browse(&mut client, &node, Some(after)).await else {
            panic!("no list")
        };
        assert_eq!((files.len(), more), (rest, false), "{after:?}");
    }
    index.stop().await;
}

#[tokio::test]
async fn lookalike_names_are_different_files() {
    let names =
        ["A.txt", "a.txt", "caf\u{e9}", "cafe\u{301}", "ß", "SS", "ss", "\u{fb01}", "fi", "I", "ı", "İ", "i"];
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut node = TestIndexNode::new(1).await;
    let mut client = node.join(index.address).await;
    let files: Vec<FileRecord> = (1..).zip(names).map(|(content, name)| file(name, content)).collect();
    assert_eq!(client.register(files.clone()).await, sum(&files));
    let Reply::Listing { files: listed, .. } = browse(&mut client, &node, None).await else {
        panic!("no list")
    };
    let mut expected = files;
    expected.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(listed, expected);
    // Every spelling finds both files.
    for query in ["a.txt", "A.TXT", "caf\u{e9}", "cafe\u{301}"] {
        assert_eq!(client.search(query).await.len(), 2, "{query}");
    }
    index.stop().await;
}

#[tokio::test]
async fn node_without_files_is_accepted() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut node = TestIndexNode::new(1).await;
    let mut client = node.join(index.address).await;
    assert_eq!(client.register(Vec::new()).await, ListSummary::default());
    client.summary(Request::BeginList).await;
    assert_eq!(client.summary(Request::EndList).await, ListSummary::default());
    let listed = browse(&mut client, &node, None).await;
    assert_eq!(listed, Reply::Listing { source: node.id(), files: Vec::new(), more: false });
    assert!(client.locate(Digest::EMPTY).await.is_empty());
    index.stop().await;
}

#[tokio::test]
async fn ipv4_client_on_ipv6_socket_keeps_its_address() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start_at(dir.path(), "[::]:0").await;
    let loopback = ([127, 0, 0, 1], index.address.port()).into();
    // Joining checks at which address the index sees the node, and waits for its probe.
    let mut node = TestIndexNode::new(1).await;
    let mut client = node.join(loopback).await;
    client.register(vec![file("a", 1)]).await;
    let sources = client.locate(file("a", 1).digest).await;
    assert_eq!(sources.iter().map(|source| source.address).collect::<Vec<_>>(), [node.address()]);
    index.stop().await;
}
