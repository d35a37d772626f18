//! The results of searches.

use tests::content::{PIECE_LENGTH, TestContent};
use tests::network::TestNetwork;

#[test]
fn searches_fold_accents_and_obey_their_filters() {
    let mut network = TestNetwork::new();
    let files = [
        ("Café del Mar.mp3", TestContent::random(80, 5000)),
        ("books/Über die Brücke.epub", TestContent::random(81, 3 * PIECE_LENGTH)),
        ("linux-6.18.tar.gz", TestContent::random(82, 200_000)),
        ("holiday photos/beach.JPG", TestContent::random(83, 1500)),
    ];
    let listed: Vec<(&str, &TestContent)> = files.iter().map(|(name, content)| (*name, content)).collect();
    let _sharer = network.start_node(&listed);
    let mut searcher = network.start_node(&[]);
    let digest = files[2].1.digest.to_string();
    for (query, expected) in [
        ("cafe", vec!["Café del Mar.mp3"]),
        ("CAFÉ mar", vec!["Café del Mar.mp3"]),
        ("uber brucke", vec!["Über die Brücke.epub"]),
        ("ext:gz", vec!["linux-6.18.tar.gz"]),
        ("ext:jpg", vec!["beach.JPG"]),
        ("size:>500K", vec!["Über die Brücke.epub"]),
        ("size:<2K", vec!["beach.JPG"]),
        ("-linux size:100K..300K", vec![]),
        ("a -cafe -brucke -linux", vec!["beach.JPG"]),
        ("holiday", vec!["beach.JPG"]),
        (&digest, vec!["linux-6.18.tar.gz"]),
        (&digest[..10], vec!["linux-6.18.tar.gz"]),
        (&format!("sha256:{}", &digest[..6]), vec!["linux-6.18.tar.gz"]),
        ("no such thing", vec![]),
    ] {
        let answer = searcher.peer.run(&format!("search {query}"));
        let hits = answer.hits();
        let found = |name: &str| hits.iter().any(|hit| hit.name.ends_with(name));
        assert!(
            hits.len() == expected.len() && expected.iter().all(|name| found(name)),
            "{query}: {answer:#?}"
        );
        assert_eq!(answer.contains("no hits"), expected.is_empty(), "{query}: {answer:#?}");
    }
}

#[test]
fn same_content_is_one_hit_and_most_available_is_first() {
    let mut network = TestNetwork::new();
    let (common, rare) = (TestContent::random(84, 1000), TestContent::random(85, 1000));
    let _one = network.start_node(&[("album one.flac", &common)]);
    let _two = network.start_node(&[("album uno.flac", &common), ("album rare.flac", &rare)]);
    let mut searcher = network.start_node(&[]);
    let hits = searcher.peer.run("search album").hits();
    let seen: Vec<_> = hits.iter().map(|hit| (hit.digest, hit.sources.as_str())).collect();
    assert_eq!(seen, [(common.digest, "2"), (rare.digest, "1")]);
    // The second name finds the file as well.
    assert_eq!(searcher.peer.run("search uno").hits()[0].digest, common.digest);
}

#[test]
fn invalid_query_is_reported() {
    let mut network = TestNetwork::new();
    let mut searcher = network.start_node(&[]);
    for query in ["", "size:>lots", "-only -excluded", "\"unclosed"] {
        let answer = searcher.peer.run(&format!("search {query}"));
        assert_eq!(answer.errors().len(), 1, "{query}: {answer:#?}");
    }
}
