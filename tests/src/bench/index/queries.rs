//! The queries of the index benchmark: several kinds, many of each.

use protocol::index::FileRecord;

use super::node_lists::NodeLists;
use super::options::IndexBenchOptions;
use super::vocabulary::NameRng;

/// Words that are common in the names of one category each, so that two of them rarely occur together: see
/// [`NodeLists`].
const CATEGORY_WORDS: [&[&str]; 5] = [
    &["flac", "mp3", "ogg", "music", "m4a"],
    &["mkv", "1080p", "bluray", "x265", "hdtv", "films"],
    &["software", "iso", "amd64", "deb", "src"],
    &["documents", "pdf", "epub", "docx", "txt"],
    &["photos", "img", "jpg", "pxl", "heic"],
];

/// A kind of query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryKind {
    CommonWord,
    RareWord,
    TwoWords,
    /// Two words that are common but rarely or never occur in the same name.
    DisjointPair,
    PartOfWord,
    TwoLetters,
    NothingFound,
    DigestPrefix,
}

/// All kinds of queries.
pub(super) const QUERY_KINDS: [QueryKind; 8] = [
    QueryKind::CommonWord,
    QueryKind::RareWord,
    QueryKind::TwoWords,
    QueryKind::DisjointPair,
    QueryKind::PartOfWord,
    QueryKind::TwoLetters,
    QueryKind::NothingFound,
    QueryKind::DigestPrefix,
];

impl QueryKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CommonWord => "common word",
            Self::RareWord => "rare word",
            Self::TwoWords => "two words",
            Self::DisjointPair => "common pair",
            Self::PartOfWord => "part of a word",
            Self::TwoLetters => "two letters",
            Self::NothingFound => "nothing found",
            Self::DigestPrefix => "start of a digest",
        }
    }

    /// Draws a query of this kind that is derived from an existing file.
    fn draw_text(self, lists: &NodeLists, file: &FileRecord, rng: &mut NameRng) -> String {
        let mut words: Vec<&str> = file.path.split(|char: char| !char.is_alphabetic()).collect();
        words.retain(|word| word.chars().count() > 3);
        let word = |rng: &mut NameRng| if words.is_empty() { "nothing" } else { rng.choose(&words) };
        match self {
            Self::CommonWord => lists.vocabulary.word_at_rank(rng.below(20)).to_owned(),
            Self::RareWord => lists.vocabulary.word_at_rank(20_000 + rng.below(80_000)).to_owned(),
            Self::TwoWords => format!("{} {}", word(rng), word(rng)),
            Self::DisjointPair => {
                let sorts = CATEGORY_WORDS.len() as u64;
                let first = rng.below(sorts);
                let second = (first + 1 + rng.below(sorts - 1)) % sorts;
                let [first, second] = [first, second].map(|sort| {
                    let sort = usize::try_from(sort).expect("an index");
                    rng.choose(CATEGORY_WORDS[sort])
                });
                format!("{first} {second}")
            }
            Self::PartOfWord => word(rng).chars().skip(1).take(4).collect(),
            Self::TwoLetters => word(rng).chars().skip(1).take(2).collect(),
            Self::NothingFound => (0..6).map(|_| rng.choose(&["q", "x", "z", "vv", "jj"])).collect(),
            Self::DigestPrefix => {
                let digest = file.digest.to_string();
                format!("sha256:{}", &digest[..10])
            }
        }
    }
}

/// The same number of queries of each kind.
#[derive(Debug)]
pub(super) struct Queries {
    by_kind: Vec<(QueryKind, Vec<String>)>,
    pub(super) hits: u16,
}

impl Queries {
    pub(super) fn new(lists: &NodeLists, options: &IndexBenchOptions, count: usize) -> Self {
        let mut rng = NameRng::new(options.seed, 0x2000_0000_0000);
        let node = u32::try_from(rng.below(options.nodes.into())).expect("a node");
        let mut files = lists.of_node(node, 0);
        files.extend(lists.of_node(options.nodes - 1 - node, 0));
        let make = |kind: QueryKind| {
            let texts = (0..count).map(|_| {
                let file = usize::try_from(rng.below(files.len() as u64)).expect("an index");
                kind.draw_text(lists, &files[file], &mut rng)
            });
            (kind, texts.collect())
        };
        Self { by_kind: QUERY_KINDS.into_iter().map(make).collect(), hits: options.hits }
    }

    /// Returns all queries, grouped by kind.
    pub(super) fn by_kind(&self) -> &[(QueryKind, Vec<String>)] {
        &self.by_kind
    }

    /// Returns all queries, with the kinds in turn.
    pub(super) fn interleaved(&self) -> impl Iterator<Item = &str> + Clone {
        let count = self.by_kind.first().map_or(0, |(_, texts)| texts.len());
        (0..count).flat_map(|number| self.by_kind.iter().map(move |(_, texts)| texts[number].as_str()))
    }
}
