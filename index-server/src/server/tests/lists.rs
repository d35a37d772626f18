use protocol::index::{ContentSource, FileRecord, ListSummary, PeerRef, Reply, Request, Share};
use tempfile::tempdir;

use super::TestIndex;
use super::client::{TestIndexNode, file, sum};

#[tokio::test]
async fn registered_files_are_found_by_others() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let (mut sharer, mut seeker) = (TestIndexNode::new(1).await, TestIndexNode::new(2).await);
    let mut sharing = sharer.join(index.address).await;
    let files = vec![file("music/Señor Coconut.flac", 1), file("iso/debian.iso", 2)];
    assert_eq!(sharing.register(files.clone()).await, sum(&files));

    let mut seeking = seeker.join(index.address).await;
    let hits = seeking.search("senor").await;
    assert_eq!(hits.len(), 1);
    assert_eq!(
        (hits[0].names.as_slice(), hits[0].complete, hits[0].partial),
        (&[files[0].path.clone()][..], 1, 0)
    );
    let source = ContentSource { node: sharer.id(), address: sharer.address(), share: Share::Complete };
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

#[tokio::test]
async fn acknowledged_files_survive_a_restart() {
    let dir = tempdir().unwrap();
    let mut expected = ListSummary::default();
    for round in 0..3 {
        let index = TestIndex::start(dir.path()).await;
        let mut node = TestIndexNode::new(1).await;
        let (mut client, list) = node.connect(index.address).await;
        assert_eq!(list, expected);
        let files: Vec<FileRecord> = (0..1000).map(|no| file(&format!("{round}/{no}"), round)).collect();
        client.register(files).await;
        let removed =
            (0..500).map(|no| format!("{round}/{no}")).chain(["never there".into(), "../x".into()]).collect();
        expected = client.summary(Request::Unregister { paths: removed }).await;
        assert_eq!(expected.files, (u32::from(round) + 1) * 500);
        index.stop().await;
    }
}

#[tokio::test]
async fn replaced_list_drops_unmentioned_files_at_its_end() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let all = [file("a", 1), file("b", 2), file("c", 3)];
    let mut client = TestIndexNode::new(1).await.join(index.address).await;
    client.register(all.to_vec()).await;
    client.summary(Request::BeginList).await;
    assert_eq!(client.register(vec![file("b", 2)]).await, sum(&all));
    drop(client);

    // The connection was lost before the end of the list: no file is removed.
    let mut node = TestIndexNode::new(1).await;
    let (mut client, list) = node.connect(index.address).await;
    assert_eq!(list, sum(&all));
    client.summary(Request::BeginList).await;
    client.register(vec![file("b", 2), file("d", 4)]).await;
    let remaining = [file("b", 2), file("d", 4)];
    assert_eq!(client.summary(Request::EndList).await, sum(&remaining));
    index.stop().await;
}

#[tokio::test]
async fn identical_content_is_one_hit_with_all_names() {
    let dir = tempdir().unwrap();
    let index = TestIndex::start(dir.path()).await;
    let mut clients = Vec::new();
    for (seed, share) in [(1, Share::Complete), (2, Share::Complete), (3, Share::Partial)] {
        let mut node = TestIndexNode::new(seed).await;
        let mut client = node.join(index.address).await;
        client.register(vec![FileRecord { share, ..file(&format!("copy {seed}"), 7) }]).await;
        client.register(vec![file(&format!("copy of another, {seed}"), seed)]).await;
        clients.push((node, client));
    }
    let (_, client) = clients.first_mut().unwrap();
    let hits = client.search("copy").await;
    let ranks: Vec<(u8, u32, u32)> =
        hits.iter().map(|hit| (hit.digest.as_bytes()[0], hit.complete, hit.partial)).collect();
    assert_eq!(ranks, [(7, 2, 1), (1, 1, 0), (2, 1, 0), (3, 1, 0)]);
    assert_eq!(hits[0].names, ["copy 1", "copy 2", "copy 3"]);

    let page = |after| Request::Search { query: "copy".into(), after, limit: 3 };
    let Reply::Hits { hits: first, more: Some(more), truncated: false } = client.ask(page(None)).await else {
        panic!("no page")
    };
    let Reply::Hits { hits: rest, more: None, truncated: false } = client.ask(page(Some(more))).await else {
        panic!("no page")
    };
    assert_eq!([first, rest].concat(), hits);
    index.stop().await;
}
