//! Files of every kind, downloaded from one or several nodes and compared by their SHA-256.

use tests::content::{PIECE_LENGTH, TestContent};
use tests::eventually::DEFAULT_TIMEOUT;
use tests::network::TestNetwork;

#[test]
fn files_of_every_size_are_complete() {
    let mut network = TestNetwork::new();
    let sizes = [
        0,
        1,
        63,
        PIECE_LENGTH - 1,
        PIECE_LENGTH,
        PIECE_LENGTH + 1,
        2 * PIECE_LENGTH,
        41 * PIECE_LENGTH + 77,
    ];
    let contents: Vec<(String, TestContent)> = sizes
        .iter()
        .map(|size| (format!("of {size} bytes"), TestContent::random(*size as u64, *size)))
        .collect();
    let files: Vec<(&str, &TestContent)> =
        contents.iter().map(|(name, content)| (&**name, content)).collect();
    let _sharers: Vec<_> = (0..3).map(|_| network.start_node(&files)).collect();
    let mut fetcher = network.start_node(&[]);
    for (name, content) in &contents {
        let done = fetcher.download(content);
        assert_eq!((&done.name, done.digest), (name, content.digest));
        assert_eq!(fetcher.path_of(content), *name);
    }
}

#[test]
fn one_file_is_fetched_from_several_peers_at_once() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(2, 200 * PIECE_LENGTH + 5);
    let sharers: Vec<_> = (0..3).map(|_| network.start_node(&[("film.mkv", &content)])).collect();
    let mut fetcher = network.start_node(&[]);
    let hits = fetcher.peer.run("search film").hits();
    assert_eq!(
        (hits[0].name.as_str(), hits[0].sources.as_str(), hits[0].digest),
        ("film.mkv", "3", content.digest)
    );
    let done = fetcher.peer.run("download 1").completed_downloads().swap_remove(0);
    fetcher.path_of(&content);
    for sharer in &sharers {
        let sent = done.sources.iter().find(|(address, _)| *address == sharer.peer.address());
        assert!(
            sent.is_some_and(|(_, bytes)| *bytes > 0),
            "{:?} sent nothing: {done:?}",
            sharer.peer.address()
        );
    }
    let total: u64 = done.sources.iter().map(|(_, count)| count).sum();
    assert!(total >= content.size(), "{done:?}");
}

#[test]
fn names_with_spaces_accents_and_emoji_are_kept() {
    let mut network = TestNetwork::new();
    let names = [
        "two words.txt",
        "Café à la crème.pdf",
        "日本語 📀 disc.iso",
        "it's (quoted) & 100 %.txt",
        "-dash.txt",
    ];
    let contents: Vec<TestContent> =
        (0..names.len()).map(|seed| TestContent::random(seed as u64, 1000 + seed)).collect();
    let files: Vec<(&str, &TestContent)> = names.into_iter().zip(&contents).collect();
    let _sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[]);
    for (name, content) in files {
        assert_eq!(fetcher.download(content).digest, content.digest);
        assert_eq!(fetcher.path_of(content), name);
    }
}

#[test]
fn thousand_small_files_in_subfolders_are_fetched() {
    let mut network = TestNetwork::new();
    let contents: Vec<(String, TestContent)> = (0..1000)
        .map(|at| {
            (format!("music/disc {}/{at:04}.mp3", at % 7), TestContent::random(5000 + at as u64, 300 + at))
        })
        .collect();
    let files: Vec<(&str, &TestContent)> =
        contents.iter().map(|(name, content)| (&**name, content)).collect();
    let sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[]);
    let listed = fetcher.peer.run(&format!("browse {}", sharer.peer.address()));
    assert!(listed.hits().len() >= 200, "{} files", listed.hits().len());
    let answer = fetcher.peer.run("download music/");
    assert!(answer.errors().is_empty(), "{:#?}", answer.errors());
    let (actual, expected) = (fetcher.folder.visible_files(), sharer.folder.visible_files());
    assert_eq!(actual.len(), expected.len());
    assert!(actual == expected, "the trees differ");
    network.wait_for_files(fetcher.peer.address(), 1000);
}

#[test]
fn duplicate_content_in_a_tree_is_fetched_once() {
    let mut network = TestNetwork::new();
    let (twice, once, empty) = (
        TestContent::random(50, 3 * PIECE_LENGTH + 7),
        TestContent::random(51, 9),
        TestContent::random(52, 0),
    );
    let files = [
        ("src/a.bin", &twice),
        ("src/b/empty.txt", &empty),
        ("src/b/a copy.bin", &twice),
        ("src/once.bin", &once),
        ("src/c/d/empty.txt", &empty),
    ];
    let sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[]);
    fetcher.peer.run(&format!("browse {}", sharer.peer.address()));
    let answer = fetcher.peer.run("download src/");
    assert!(answer.errors().is_empty(), "{:#?}", answer.errors());
    let bytes: u64 =
        answer.completed_downloads().iter().flat_map(|done| &done.sources).map(|(_, count)| count).sum();
    assert_eq!(bytes, twice.size() + once.size());
    assert!(fetcher.folder.visible_files() == sharer.folder.visible_files(), "the trees differ");
    network.wait_for_files(fetcher.peer.address(), files.len());
}

#[test]
fn downloader_becomes_a_source() {
    let mut network = TestNetwork::new();
    let content = TestContent::random(3, 9 * PIECE_LENGTH);
    let mut first = network.start_node(&[("song.ogg", &content)]);
    let mut second = network.start_node(&[]);
    second.download(&content);
    network.wait_for_sources(content.digest, 2, DEFAULT_TIMEOUT);
    first.peer.kill();
    network.wait_for_sources(content.digest, 1, DEFAULT_TIMEOUT);
    let mut third = network.start_node(&[]);
    let done = third.download(&content);
    assert_eq!(done.sources, [(second.peer.address(), content.size())]);
}

#[test]
fn several_files_are_fetched_with_one_command() {
    let mut network = TestNetwork::new();
    let contents: Vec<TestContent> =
        (0..5).map(|at| TestContent::random(40 + at as u64, PIECE_LENGTH + at)).collect();
    let names = ["a.bin", "b.bin", "c.bin", "d.bin", "e.bin"];
    let files: Vec<(&str, &TestContent)> = names.into_iter().zip(&contents).collect();
    let _sharer = network.start_node(&files);
    let mut fetcher = network.start_node(&[]);
    let hits = fetcher.peer.run("search ext:bin").hits();
    assert_eq!(hits.len(), 5);
    let answer = fetcher.peer.run("get 1 3-5");
    assert_eq!(answer.completed_downloads().len(), 4, "{answer:#?}");
    let wanted: Vec<&TestContent> =
        contents.iter().filter(|content| content.digest != hits[1].digest).collect();
    assert_eq!(fetcher.folder.visible_files().len(), 4);
    for content in wanted {
        fetcher.path_of(content);
    }
}
