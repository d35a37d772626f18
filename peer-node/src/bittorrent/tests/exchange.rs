use super::fetch::Fetch;
use super::node::{Node, content, torrent};
use crate::bittorrent::Approach;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_comes_from_a_peer_whole() {
    let dir = tempfile::tempdir().unwrap();
    let content = content((5 << 20) + 12345);
    let metainfo = torrent(&content, 256 << 10);
    let seed = Node::start(dir.path(), 1, &content, &metainfo, u32::MAX).await;
    let fetcher = Node::start(dir.path(), 2, &content, &metainfo, 0).await;
    fetcher.membership.dial(seed.address, Approach::Plain).await.unwrap();
    let fetcher = Fetch::new(fetcher).finish().await;
    assert!(fetcher.offering().is_complete());
    assert_eq!(std::fs::read(dir.path().join("content-2")).unwrap(), content);
    fetcher.stop().await;
    seed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_give_each_other_what_the_other_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(3 << 20);
    let metainfo = torrent(&content, 64 << 10);
    let seed = Node::start(dir.path(), 1, &content, &metainfo, u32::MAX).await;
    let half = Node::start(dir.path(), 2, &content, &metainfo, 24).await;
    let none = Node::start(dir.path(), 3, &content, &metainfo, 0).await;
    // What the third has can come from the second alone, also the pieces that that one has yet to fetch.
    half.membership.dial(seed.address, Approach::Plain).await.unwrap();
    none.membership.dial(half.address, Approach::Plain).await.unwrap();
    let (half, none) = tokio::join!(Fetch::new(half).finish(), Fetch::new(none).finish());
    for number in [2, 3] {
        assert_eq!(std::fs::read(dir.path().join(format!("content-{number}"))).unwrap(), content);
    }
    for node in [seed, half, none] {
        node.stop().await;
    }
}
