//! Files of every kind, from several peers, compared by their SHA-256.

use tests::content::{Content, PIECE};
use tests::eventually::SOON;
use tests::network::Network;

#[test]
fn files_of_every_size_come_whole() {
    let mut network = Network::new();
    let sizes = [0, 1, 63, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 41 * PIECE + 77];
    let contents: Vec<(String, Content)> =
        sizes.iter().map(|size| (format!("of {size} bytes"), Content::random(*size as u64, *size))).collect();
    let files: Vec<(&str, &Content)> = contents.iter().map(|(name, content)| (&**name, content)).collect();
    let _sharers: Vec<_> = (0..3).map(|_| network.node(&files)).collect();
    let mut fetcher = network.node(&[]);
    for (name, content) in &contents {
        let done = fetcher.fetch(content);
        assert_eq!((&done.name, done.digest), (name, content.digest));
        assert_eq!(fetcher.has(content), *name);
    }
}

#[test]
fn one_file_comes_from_several_peers_at_once() {
    let mut network = Network::new();
    let content = Content::random(2, 200 * PIECE + 5);
    let sharers: Vec<_> = (0..3).map(|_| network.node(&[("film.mkv", &content)])).collect();
    let mut fetcher = network.node(&[]);
    let hits = fetcher.peer.say("search film").hits();
    assert_eq!(
        (hits[0].name.as_str(), hits[0].sources.as_str(), hits[0].digest),
        ("film.mkv", "3", content.digest)
    );
    let done = fetcher.peer.say("download 1").done().swap_remove(0);
    fetcher.has(&content);
    for sharer in &sharers {
        let gave = done.givers.iter().find(|(address, _)| *address == sharer.peer.address());
        assert!(
            gave.is_some_and(|(_, bytes)| *bytes > 0),
            "{:?} did not give: {done:?}",
            sharer.peer.address()
        );
    }
    let total: u64 = done.givers.iter().map(|(_, count)| count).sum();
    assert!(total >= content.size(), "{done:?}");
}

#[test]
fn names_with_spaces_accents_and_emoji_are_kept() {
    let mut network = Network::new();
    let names = [
        "two words.txt",
        "Café à la crème.pdf",
        "日本語 📀 disc.iso",
        "it's (quoted) & 100 %.txt",
        "-dash.txt",
    ];
    let contents: Vec<Content> =
        (0..names.len()).map(|seed| Content::random(seed as u64, 1000 + seed)).collect();
    let files: Vec<(&str, &Content)> = names.into_iter().zip(&contents).collect();
    let _sharer = network.node(&files);
    let mut fetcher = network.node(&[]);
    for (name, content) in files {
        assert_eq!(fetcher.fetch(content).digest, content.digest);
        assert_eq!(fetcher.has(content), name);
    }
}

#[test]
fn a_thousand_small_files_in_sub_folders_come_as_a_tree() {
    let mut network = Network::new();
    let contents: Vec<(String, Content)> = (0..1000)
        .map(|at| (format!("music/disc {}/{at:04}.mp3", at % 7), Content::random(5000 + at as u64, 300 + at)))
        .collect();
    let files: Vec<(&str, &Content)> = contents.iter().map(|(name, content)| (&**name, content)).collect();
    let sharer = network.node(&files);
    let mut fetcher = network.node(&[]);
    let listed = fetcher.peer.say(&format!("browse {}", sharer.peer.address()));
    assert!(listed.hits().len() >= 200, "{} files", listed.hits().len());
    let answer = fetcher.peer.say("download music/");
    assert!(answer.errors().is_empty(), "{:#?}", answer.errors());
    let (got, expected) = (fetcher.home.files(), sharer.home.files());
    assert_eq!(got.len(), expected.len());
    assert!(got == expected, "the trees differ");
    network.wait_for_files(fetcher.peer.address(), 1000);
}

#[test]
fn what_occurs_several_times_in_a_tree_is_fetched_once_and_comes_to_all_its_places() {
    let mut network = Network::new();
    let (twice, once, empty) =
        (Content::random(50, 3 * PIECE + 7), Content::random(51, 9), Content::random(52, 0));
    let files = [
        ("src/a.bin", &twice),
        ("src/b/empty.txt", &empty),
        ("src/b/a copy.bin", &twice),
        ("src/once.bin", &once),
        ("src/c/d/empty.txt", &empty),
    ];
    let sharer = network.node(&files);
    let mut fetcher = network.node(&[]);
    fetcher.peer.say(&format!("browse {}", sharer.peer.address()));
    let answer = fetcher.peer.say("download src/");
    assert!(answer.errors().is_empty(), "{:#?}", answer.errors());
    let bytes: u64 = answer.done().iter().flat_map(|done| &done.givers).map(|(_, count)| count).sum();
    assert_eq!(bytes, twice.size() + once.size());
    assert!(fetcher.home.files() == sharer.home.files(), "the trees differ");
    network.wait_for_files(fetcher.peer.address(), files.len());
}

#[test]
fn who_has_downloaded_a_file_is_a_source_of_it() {
    let mut network = Network::new();
    let content = Content::random(3, 9 * PIECE);
    let mut first = network.node(&[("song.ogg", &content)]);
    let mut second = network.node(&[]);
    second.fetch(&content);
    network.wait_for_sources(content.digest, 2, SOON);
    first.peer.kill();
    network.wait_for_sources(content.digest, 1, SOON);
    let mut third = network.node(&[]);
    let done = third.fetch(&content);
    assert_eq!(done.givers, [(second.peer.address(), content.size())]);
}

#[test]
fn several_files_are_fetched_with_one_command() {
    let mut network = Network::new();
    let contents: Vec<Content> = (0..5).map(|at| Content::random(40 + at as u64, PIECE + at)).collect();
    let names = ["a.bin", "b.bin", "c.bin", "d.bin", "e.bin"];
    let files: Vec<(&str, &Content)> = names.into_iter().zip(&contents).collect();
    let _sharer = network.node(&files);
    let mut fetcher = network.node(&[]);
    let hits = fetcher.peer.say("search ext:bin").hits();
    assert_eq!(hits.len(), 5);
    let answer = fetcher.peer.say("get 1 3-5");
    assert_eq!(answer.done().len(), 4, "{answer:#?}");
    let wanted: Vec<&Content> = contents.iter().filter(|content| content.digest != hits[1].digest).collect();
    assert_eq!(fetcher.home.files().len(), 4);
    for content in wanted {
        fetcher.has(content);
    }
}
