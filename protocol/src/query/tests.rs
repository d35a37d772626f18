use super::*;
use crate::fold::fold;
use crate::limits::MAX_QUERY_TERMS;
use crate::units::SizeError;
use proptest::prelude::*;

/// Returns a digest that begins with deadbeef00.
fn some_digest() -> Digest {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
    Digest::from_bytes(bytes)
}

fn found(query: &str, path: &str) -> bool {
    Query::parse(query).unwrap().matches(&fold(path), 5 << 20, &some_digest())
}

#[test]
fn all_words_must_occur_in_any_order() {
    assert!(found("LIVE señ", "Música/Señor (live).mp3"));
    assert!(found("musica senor", "Música/Señor (live).mp3"));
    assert!(!found("senor studio", "Música/Señor (live).mp3"));
}

#[test]
fn quoted_words_must_be_adjacent() {
    assert!(found("\"big buck\"", "Big Buck Bunny.mkv"));
    assert!(!found("\"buck big\"", "Big Buck Bunny.mkv"));
    assert!(found("\"ext:iso\"", "about ext:iso filters.txt"));
    assert!(!found("\"deadbeef\"", "a.txt"));
}

#[test]
fn excluded_terms_remove_files() {
    assert!(!found("bunny -buck", "Big Buck Bunny.mkv"));
    assert!(found("bunny -\"buck big\"", "Big Buck Bunny.mkv"));
    assert!(!found("bunny -ext:mkv", "Big Buck Bunny.mkv"));
    assert!(!found("bunny -size:>1M", "Big Buck Bunny.mkv"));
    assert!(!found("bunny -deadbeef", "Big Buck Bunny.mkv"));
}

#[test]
fn extensions_match_the_end_of_the_name() {
    for query in ["ext:gz", "ext:.gz", "EXT:TAR.GZ", "ext:zip,gz"] {
        assert!(found(query, "backup.Tar.gz"), "{query}");
    }
    for query in ["ext:z", "ext:tar", "ext:zip,7z"] {
        assert!(!found(query, "backup.tar.gz"), "{query}");
    }
}

#[test]
fn sizes_are_compared() {
    for query in ["size:>1M", "size:<=5M", "size:1M..1G", "Size:5242880", "size:>1M size:<6M"] {
        assert!(found(query, "a"), "{query}");
    }
    assert!(!found("size:>5M", "a"));
}

#[test]
fn digests_are_found_by_prefix() {
    assert!(found("sha256:dead", "a"));
    assert!(found("digest:DEADBEEF0", "a"));
    assert!(!found("sha256:deae", "deae"));
    let whole = format!("deadbeef{}", "0".repeat(56));
    assert!(found(&whole, "a"));
    assert!(!found(&"1".repeat(64), &"1".repeat(64)));
}

#[test]
fn hexadecimal_word_is_a_digest_or_a_name() {
    assert!(found("deadbeef", "a"));
    assert!(found("20240131", "photos 20240131.zip"));
    assert!(!found("20240131", "a"));
    assert!(!found("deadbee", "a"));
}

#[test]
fn star_finds_everything() {
    assert!(found("*", ""));
    assert!(found("* -b", "a"));
    assert!(!found("* b", "a"));
    assert!(!found("\"*\"", "a"));
}

#[test]
fn separators_and_capitals_separate_words() {
    for query in ["big_buck", "bunny-buck", "Big.Bunny.mkv", "bigBuck", "BIG_bunny", "big - bunny", ".mkv"] {
        assert!(found(query, "Big Buck Bunny.mkv"), "{query}");
        assert!(!found(&format!("* -{}", query.replace(' ', "")), "Big Buck Bunny.mkv"), "{query}");
    }
    assert!(!found("big_cat", "Big Buck Bunny.mkv"));
    assert!(found("big -big_cat", "Big Buck Bunny.mkv"));
    assert!(!found("\"big_buck\"", "Big Buck Bunny.mkv"));
}

#[test]
fn asterisks_are_wildcards() {
    for query in ["*.mkv", "big*.mkv", "*BUCK*", "bun*", "*.*", "**", "*bunny.MKV"] {
        assert!(found(query, "Big Buck Bunny.mkv"), "{query}");
    }
    for query in ["*.kv", "*.buck", "cat*.mkv", "* -*.mkv", "* -big*.mkv"] {
        assert!(!found(query, "Big Buck Bunny.mkv"), "{query}");
    }
    assert!(found("big -cat*.mkv", "Big Buck Bunny.mkv"));
}

#[test]
fn unknown_keys_are_words() {
    assert!(found("foo:bar", "a foo:bar b"));
    assert!(!found("foo:bar", "bar"));
}

#[test]
fn lookup_terms_are_exposed() {
    let query = Query::parse("Señor \"b c\" -no ext:iso cafebabe sha256:abcd digest:abcdef").unwrap();
    assert_eq!(query.words(), ["senor", "b c"]);
    assert_eq!(query.digest_prefix(), Some(&DigestPrefix::parse("abcdef").unwrap()));
    assert_eq!(query.hash_words().map(HashWord::word).collect::<Vec<_>>(), ["cafebabe"]);
    assert_eq!(Query::parse("x -sha256:abcd").unwrap().digest_prefix(), None);
}

#[test]
fn query_must_say_what_to_find() {
    for text in ["", "  ", "-foo", "-ext:iso -\"a b\"", "\"\"", "\u{301}", "-", "... _"] {
        assert_eq!(Query::parse(text), Err(QueryError::Empty), "{text:?}");
    }
    for text in ["ext:iso", "size:>1", "sha256:abcd", "*"] {
        assert!(Query::parse(text).is_ok(), "{text:?}");
    }
}

#[test]
fn long_and_complex_queries_are_refused() {
    let name = "a".repeat(255);
    let stars = "a*".repeat(MAX_QUERY_TERMS - 1) + "b";
    for text in
        [".*(a+)+$", "^(a|a)*$", "%", "a' OR '1'='1", "a\0b", "${a}", "`a`", &stars, &"(".repeat(MAX_QUERY)]
    {
        // The query is refused, or its punctuation has no special meaning: names must contain its words.
        if let Ok(query) = Query::parse(text) {
            assert!(!query.matches(&fold("x"), 1, &some_digest()), "{text:?}");
            let found = query.matches(&fold(&name), 1, &some_digest());
            assert_eq!(found, query.words().iter().all(|word| name.contains(&**word)), "{text:?}");
        }
    }
}

#[test]
fn mistakes_are_reported_with_a_correction() {
    let term = |text: &str| text.to_owned();
    let long = "x".repeat(MAX_QUERY + 1);
    assert_eq!(Query::parse(&long), Err(QueryError::TooLong { limit: MAX_QUERY }));
    let many = "x ".repeat(MAX_QUERY_TERMS + 1);
    assert_eq!(Query::parse(&many), Err(QueryError::TooManyTerms { limit: MAX_QUERY_TERMS }));
    assert!(Query::parse(&"x ".repeat(MAX_QUERY_TERMS)).is_ok());
    assert!(Query::parse(&"x_".repeat(MAX_QUERY_TERMS)).is_ok());
    assert_eq!(
        Query::parse(&"x_".repeat(MAX_QUERY_TERMS + 1)),
        Err(QueryError::TooManyTerms { limit: MAX_QUERY_TERMS })
    );
    let excluding = |parts| format!("x -{}", "x*".repeat(parts));
    assert!(Query::parse(&excluding(MAX_QUERY_TERMS - 1)).is_ok());
    for many in [excluding(MAX_QUERY_TERMS), format!("x -{}", "x_".repeat(MAX_QUERY_TERMS))] {
        assert_eq!(Query::parse(&many), Err(QueryError::TooManyTerms { limit: MAX_QUERY_TERMS }));
    }
    let no_size = Err(QueryError::BadSize { term: term("size:>"), source: SizeError::Empty });
    assert_eq!(Query::parse("size:>"), no_size);
    for bad in ["ext:", "ext:.", "ext:mp3,", "ext:a/b"] {
        assert_eq!(Query::parse(bad), Err(QueryError::BadExtension { term: term(bad) }));
    }
    for bad in ["sha256:", "sha256:abc", "digest:xyzw"] {
        assert!(matches!(Query::parse(bad), Err(QueryError::BadDigest { .. })), "{bad}");
    }
    assert_eq!(Query::parse("a -\"b c"), Err(QueryError::UnclosedQuote { term: term("\"b c") }));
    let message = Query::parse("size:\u{1b}[2J").unwrap_err().to_string();
    assert!(message.contains("size:\\u{1b}[2J") && message.contains("write size:>100M"), "{message}");
}

/// A model of a term: its query text, and a slow but simple implementation of matching.
#[derive(Debug, Clone)]
enum ModelTerm {
    Word(String),
    Compound(String),
    Phrase(String),
    Extension(String),
    Above(u64),
    Between(u64, u64),
    Digest(String),
}

impl ModelTerm {
    fn query_text(&self) -> String {
        match self {
            Self::Word(word) | Self::Compound(word) => word.clone(),
            Self::Phrase(phrase) => format!("\"{phrase}\""),
            Self::Extension(extension) => format!("ext:{extension}"),
            Self::Above(size) => format!("size:>{size}"),
            Self::Between(low, high) => format!("size:{low}..{high}"),
            Self::Digest(start) => format!("sha256:{start}"),
        }
    }

    fn matches(&self, path: &str, size: u64, digest: u8) -> bool {
        let path = path.to_lowercase();
        match self {
            Self::Word(part) | Self::Phrase(part) => {
                (0..=path.len()).any(|at| path[at..].starts_with(&part.to_lowercase()))
            }
            Self::Compound(parts) => {
                parts.to_lowercase().split(['_', '-', '.']).all(|part| path.contains(part))
            }
            Self::Extension(extension) => path.rsplit_once('.').is_some_and(|(_, end)| end == extension),
            Self::Above(low) => size > *low,
            Self::Between(low, high) => *low <= size && size <= *high,
            Self::Digest(start) => format!("{digest:02x}").repeat(32).starts_with(start),
        }
    }
}

fn model_term() -> impl Strategy<Value = ModelTerm> {
    prop_oneof![
        "[ab]{1,2}|[AB]{1,2}".prop_map(ModelTerm::Word),
        "[ab][_.-][ab]{1,2}".prop_map(ModelTerm::Compound),
        "[ab ]{1,3}".prop_map(ModelTerm::Phrase),
        "[ab]".prop_map(ModelTerm::Extension),
        (0_u64..4).prop_map(ModelTerm::Above),
        (0_u64..3, 0_u64..3).prop_map(|(low, more)| ModelTerm::Between(low, low + more)),
        "1111|11112|2222".prop_map(ModelTerm::Digest),
    ]
}

proptest! {
    #[test]
    fn no_text_panics_the_parser(text in any::<String>(), near in "([-\"*:.,<> a0é]|ext:|size:|sha256:){0,30}") {
        for text in [text, near] {
            if let Ok(query) = Query::parse(&text) {
                prop_assert!(query.words().iter().all(|word| !word.is_empty()));
                let _ = query.matches(&fold(&text), 0, &some_digest());
            }
        }
    }

    #[test]
    fn query_matches_like_its_terms(
        terms in prop::collection::vec((any::<bool>(), model_term()), 1..5),
        path in "[abAB /]{0,6}(\\.[ab])?",
        size in 0_u64..5,
        digest in 0x11_u8..=0x22,
    ) {
        let written = |(excluded, term): &(bool, ModelTerm)| {
            format!("{}{}", if *excluded { "-" } else { "" }, term.query_text())
        };
        let text = terms.iter().map(written).collect::<Vec<_>>().join(" ");
        let expected = terms.iter().all(|(excluded, term)| *excluded != term.matches(&path, size, digest));
        match Query::parse(&text) {
            Ok(query) => {
                prop_assert_eq!(query.matches(&fold(&path), size, &Digest::from_bytes([digest; 32])), expected);
            }
            Err(error) => {
                prop_assert_eq!(error, QueryError::Empty);
                prop_assert!(terms.iter().all(|(excluded, _)| *excluded));
            }
        }
    }
}
