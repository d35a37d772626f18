use super::fetch::WireFetch;
use super::node::{WireTestNode, content, torrent};
use crate::bittorrent::ConnectMode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_fetched_completely_from_one_peer() {
    let dir = tempfile::tempdir().unwrap();
    let content = content((5 << 20) + 12345);
    let metainfo = torrent(&content, 256 << 10);
    let seed = WireTestNode::start(dir.path(), 1, &content, &metainfo, u32::MAX).await;
    let fetcher = WireTestNode::start(dir.path(), 2, &content, &metainfo, 0).await;
    fetcher.membership.dial(seed.address, ConnectMode::Plain).await.unwrap();
    let fetcher = WireFetch::new(fetcher).finish().await;
    assert!(fetcher.offering().is_complete());
    assert_eq!(std::fs::read(dir.path().join("content-2")).unwrap(), content);
    fetcher.stop().await;
    seed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_exchange_missing_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(3 << 20);
    let metainfo = torrent(&content, 64 << 10);
    let seed = WireTestNode::start(dir.path(), 1, &content, &metainfo, u32::MAX).await;
    let half = WireTestNode::start(dir.path(), 2, &content, &metainfo, 24).await;
    let none = WireTestNode::start(dir.path(), 3, &content, &metainfo, 0).await;
    // The third node is connected to the second only, which has to fetch half of the pieces itself.
    half.membership.dial(seed.address, ConnectMode::Plain).await.unwrap();
    none.membership.dial(half.address, ConnectMode::Plain).await.unwrap();
    let (half, none) = tokio::join!(WireFetch::new(half).finish(), WireFetch::new(none).finish());
    for number in [2, 3] {
        assert_eq!(std::fs::read(dir.path().join(format!("content-{number}"))).unwrap(), content);
    }
    for node in [seed, half, none] {
        node.stop().await;
    }
}
