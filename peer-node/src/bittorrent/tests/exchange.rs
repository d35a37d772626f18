use super::fetch::Fetch;
use super::node::{Node, content, torrent};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_comes_from_a_peer_whole() {
    let dir = tempfile::tempdir().unwrap();
    let content = content((5 << 20) + 12345);
    let metainfo = torrent(&content, 256 << 10);
    let seed = Node::start(dir.path(), 1, &content, &metainfo, u32::MAX).await;
    let fetcher = Node::start(dir.path(), 2, &content, &metainfo, 0).await;
    fetcher.membership.dial(seed.address).await.unwrap();
    let (fetcher, _) = Fetch::new(fetcher).finish().await;
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
    half.membership.dial(seed.address).await.unwrap();
    none.membership.dial(half.address).await.unwrap();
    let (half, none) = tokio::join!(Fetch::new(half).finish(), Fetch::new(none).finish());
    for number in [2, 3] {
        assert_eq!(std::fs::read(dir.path().join(format!("content-{number}"))).unwrap(), content);
    }
    for node in [seed, half.0, none.0] {
        node.stop().await;
    }
}

/// Not a test: `cargo test --release -- --ignored --nocapture how_fast` says how fast a pair of connections is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn how_fast() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let content = content(1 << 30);
    let metainfo = torrent(&content, 1 << 20);
    for number in (1..8).step_by(2) {
        let seed = Node::start(dir.path(), number, &content, &metainfo, u32::MAX).await;
        let fetcher = Node::start(dir.path(), number + 1, &content, &metainfo, 0).await;
        fetcher.membership.dial(seed.address).await.unwrap();
        let begun = std::time::Instant::now();
        let (fetcher, events) = Fetch::new(fetcher).without_storing().finish().await;
        let taken = begun.elapsed();
        println!("{:.0} MB/s, {events} events", 1024.0 * 1.048_576 / taken.as_secs_f64());
        fetcher.stop().await;
        seed.stop().await;
        std::fs::remove_file(dir.path().join(format!("content-{number}"))).unwrap();
    }
}
