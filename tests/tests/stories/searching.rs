//! What a search finds.

use tests::content::{Content, PIECE};
use tests::network::Network;

#[test]
fn searches_fold_accents_and_obey_their_filters() {
    let mut network = Network::new();
    let files = [
        ("Café del Mar.mp3", Content::random(80, 5000)),
        ("books/Über die Brücke.epub", Content::random(81, 3 * PIECE)),
        ("linux-6.18.tar.gz", Content::random(82, 200_000)),
        ("holiday photos/beach.JPG", Content::random(83, 1500)),
    ];
    let listed: Vec<(&str, &Content)> = files.iter().map(|(name, content)| (*name, content)).collect();
    let _sharer = network.node(&listed);
    let mut seeker = network.node(&[]);
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
        let answer = seeker.peer.say(&format!("search {query}"));
        let hits = answer.hits();
        let found = |name: &str| hits.iter().any(|hit| hit.name.ends_with(name));
        assert!(
            hits.len() == expected.len() && expected.iter().all(|name| found(name)),
            "{query}: {answer:#?}"
        );
        assert_eq!(answer.has("no hits"), expected.is_empty(), "{query}: {answer:#?}");
    }
}

#[test]
fn the_same_content_is_one_hit_and_the_most_available_comes_first() {
    let mut network = Network::new();
    let (common, rare) = (Content::random(84, 1000), Content::random(85, 1000));
    let _one = network.node(&[("album one.flac", &common)]);
    let _two = network.node(&[("album uno.flac", &common), ("album rare.flac", &rare)]);
    let mut seeker = network.node(&[]);
    let hits = seeker.peer.say("search album").hits();
    let seen: Vec<_> = hits.iter().map(|hit| (hit.digest, hit.sources.as_str())).collect();
    assert_eq!(seen, [(common.digest, "2"), (rare.digest, "1")]);
    // The second name finds it as well.
    assert_eq!(seeker.peer.say("search uno").hits()[0].digest, common.digest);
}

#[test]
fn a_query_that_cannot_be_read_is_told() {
    let mut network = Network::new();
    let mut seeker = network.node(&[]);
    for query in ["", "size:>lots", "-only -excluded", "\"unclosed"] {
        let answer = seeker.peer.say(&format!("search {query}"));
        assert_eq!(answer.errors().len(), 1, "{query}: {answer:#?}");
    }
}
