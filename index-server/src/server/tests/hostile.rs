use std::time::Duration;

use protocol::digest::Digest;
use protocol::frame::encode_frame;
use protocol::index::{IndexMessage, Notice, Refusal, Reply, Request, RequestEnvelope};
use tempfile::tempdir;
use tokio::io::AsyncWriteExt;

use super::client::{TestClient, TestIndexNode, file, sum};
use super::{TestIndex, limits};
use crate::limits::IndexLimits;

#[tokio::test]
async fn oversized_or_empty_frame_is_refused_by_header() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    for length in [0, 1025, u32::MAX] {
        let mut client = TestClient::open(index.address).await;
        client.write_raw(&length.to_be_bytes()).await;
        assert!(matches!(client.refusal().await, Refusal::Malformed { .. }), "{length}");
        client.expect_end().await;
    }
    for (seed, length) in [(1, 0), (2, (1 << 20) + 1), (3, u32::MAX)] {
        let mut client = TestIndexNode::new(seed).await.join(index.address).await;
        client.write_raw(&length.to_be_bytes()).await;
        assert!(matches!(client.refusal().await, Refusal::Malformed { .. }), "{length}");
        client.expect_end().await;
    }
    index.stop().await;
}

#[tokio::test]
async fn garbage_frame_ends_only_its_connection() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut canary = TestIndexNode::new(9).await.join(index.address).await;
    let mut trailing = Vec::new();
    encode_frame(&RequestEnvelope { id: 1, request: Request::Renew }, &mut trailing).unwrap();
    trailing.push(0);
    trailing[3] += 1;
    let mut count_without_data = vec![0, 0, 0, 20];
    // A registration of 2^63 files.
    count_without_data.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    let mut reply = Vec::new();
    encode_frame(&IndexMessage::Notice(Notice::Replaced), &mut reply).unwrap();
    let unknown = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff].to_vec();
    for (seed, bytes) in [(1, trailing), (2, count_without_data), (3, reply), (4, unknown)] {
        let mut client = TestIndexNode::new(seed).await.join(index.address).await;
        client.write_raw(&bytes).await;
        assert!(matches!(client.refusal().await, Refusal::Malformed { .. }), "{seed}");
        client.expect_end().await;
        assert!(matches!(canary.ask(Request::Renew).await, Reply::List(_)));
    }
    index.stop().await;
}

#[tokio::test]
async fn out_of_order_messages_close_the_connection() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let search = || Request::Search { query: "x".into(), after: None, limit: 1 };
    let mut client = TestClient::open(index.address).await;
    assert!(matches!(client.ask(search()).await, Reply::Refused(Refusal::OutOfOrder { .. })));
    client.expect_end().await;
    for request in
        [TestIndexNode::new(1).await.hello(), Request::Proof { signature: [0; 64] }, Request::EndList]
    {
        let mut client = TestIndexNode::new(1).await.join(index.address).await;
        assert!(matches!(client.ask(request).await, Reply::Refused(Refusal::OutOfOrder { .. })));
        client.expect_end().await;
    }
    index.stop().await;
}

#[tokio::test]
async fn refusals_keep_the_connection_and_the_list() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    let kept = client.register(vec![file("a", 1)]).await;
    let mixed = Request::Register { files: vec![file("b", 2), file("../c", 3)] };
    let Reply::Refused(Refusal::BadRecord { path, .. }) = client.ask(mixed).await else {
        panic!("not refused")
    };
    assert_eq!(path, "../c");
    let impossible = Request::Register {
        files: vec![file("d", 2), protocol::index::FileRecord { size: 0, ..file("e", 5) }],
    };
    assert!(matches!(client.ask(impossible).await, Reply::Refused(Refusal::BadRecord { .. })));
    let known = file("a", 1);
    let other_size = protocol::index::FileRecord { size: known.size + 1, ..file("f", 1) };
    let Reply::Refused(Refusal::BadRecord { path, .. }) =
        client.ask(Request::Register { files: vec![file("g", 3), other_size] }).await
    else {
        panic!("not refused")
    };
    assert_eq!(path, "f");
    let search = Request::Search { query: String::new(), after: None, limit: 1 };
    assert!(matches!(client.ask(search).await, Reply::Refused(Refusal::BadQuery { .. })));
    let nobody = protocol::index::PeerRef::Address(([127, 0, 0, 1], 9).into());
    let browse = Request::Browse { peer: nobody, after: None, limit: 1 };
    assert_eq!(client.ask(browse).await, Reply::Refused(Refusal::NoSuchPeer));
    assert_eq!(client.summary(Request::Renew).await, kept);
    index.stop().await;
}

#[tokio::test]
async fn slow_message_is_cut_off() {
    let dir = tempdir().unwrap();
    let limits = IndexLimits { frame_timeout: Duration::from_millis(150), ..limits() };
    let index = TestIndex::start_with(dir.path(), limits).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    let mut bytes = Vec::new();
    encode_frame(
        &RequestEnvelope { id: 1, request: Request::Register { files: vec![file("a", 1)] } },
        &mut bytes,
    )
    .unwrap();
    // Each byte arrives well within any timeout for a single read.
    let mut drip = tokio::time::interval(Duration::from_millis(20));
    let cut_off = async {
        for byte in bytes.iter().cycle() {
            drip.tick().await;
            if client.stream.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    super::with_timeout(cut_off).await;
    let (mut again, list) = TestIndexNode::new(1).await.connect(index.address).await;
    assert_eq!((list, again.search("a").await.len()), (sum(&[]), 0));
    index.stop().await;
}

#[tokio::test]
async fn client_that_never_reads_is_closed() {
    let dir = tempdir().unwrap();
    let limits = IndexLimits { write_timeout: Duration::from_millis(300), ..limits() };
    let index = TestIndex::start_with(dir.path(), limits).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    let files = (0..200).map(|no| file(&format!("{no}{}", "/x".repeat(60)), no)).collect();
    client.register(files).await;
    let mut request = Vec::new();
    let search = Request::Search { query: "x".into(), after: None, limit: 200 };
    encode_frame(&RequestEnvelope { id: 1, request: search }, &mut request).unwrap();
    let flood = async { while client.stream.write_all(&request).await.is_ok() {} };
    super::with_timeout(flood).await;
    let mut canary = TestIndexNode::new(2).await.join(index.address).await;
    assert!(canary.locate(Digest::from_bytes([1; 32])).await.is_empty());
    index.stop().await;
}

#[tokio::test]
async fn requests_in_any_fragments_are_answered_in_order() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    let mut bytes = Vec::new();
    for id in 100..1100 {
        let request = if id % 2 == 0 { Request::Renew } else { Request::Statistics };
        encode_frame(&RequestEnvelope { id, request }, &mut bytes).unwrap();
    }
    let (head, tail) = bytes.split_at(900);
    for byte in head {
        client.write_raw(&[*byte]).await;
    }
    client.write_raw(tail).await;
    for id in 100..1100 {
        assert!(matches!((id % 2, client.reply(id).await), (0, Reply::List(_)) | (1, Reply::Statistics(_))));
    }
    index.stop().await;
}

#[tokio::test]
async fn half_closed_client_still_gets_its_answers() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    let files = [file("a", 1)];
    let sent = client.send(Request::Register { files: files.to_vec() }).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.reply(sent).await, Reply::List(sum(&files)));
    client.expect_end().await;
    index.stop().await;
}
