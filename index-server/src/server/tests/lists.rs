use protocol::digest::Digest;
use protocol::index::{FileRecord, ListSummary, PeerRef, Refusal, Reply, Request, Share, Source};
use tempfile::tempdir;

use super::Index;
use super::client::{Node, file, sum};

#[tokio::test]
async fn what_one_node_registers_another_finds() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let (mut sharer, mut seeker) = (Node::new(1).await, Node::new(2).await);
    let mut sharing = sharer.join(index.address).await;
    let files = vec![file("music/Señor Coconut.flac", 1), file("iso/debian.iso", 2)];
    assert_eq!(sharing.register(files.clone()).await, sum(&files));

    let mut seeking = seeker.join(index.address).await;
    let hits = seeking.search("senor").await;
    assert_eq!(hits.len(), 1);
    assert_eq!(
        (hits[0].names.as_slice(), hits[0].whole, hits[0].partial),
        (&[files[0].path.clone()][..], 1, 0)
    );
    let source = Source { node: sharer.id(), address: sharer.address(), share: Share::Whole };
    assert_eq!(seeking.locate(hits[0].digest).await, [source]);
    for peer in [PeerRef::Node(sharer.id()), PeerRef::Address(sharer.address())] {
        let Reply::Listing { source, files: listed, more } =
            seeking.ask(Request::Browse { peer, after: None, limit: 1 }).await
        else {
            panic!("no listing")
        };
        assert_eq!((source, listed.as_slice(), more), (sharer.id(), &files[1..], true));
    }
    let Reply::Statistics(statistics) = seeking.ask(Request::Statistics).await else {
        panic!("no statistics")
    };
    assert_eq!((statistics.online, statistics.nodes, statistics.files), (2, 1, 2));
    assert_eq!((statistics.contents, statistics.bytes, statistics.searches), (2, 2003, 1));
    index.stop().await;
}
