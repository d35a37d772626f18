//! What is searched for: some kinds of queries, many of each.

use protocol::index::FileRecord;

use super::lists::Lists;
use super::options::Options;
use super::vocabulary::Draw;

/// Words that stand in many names of one sort of files each, so two of them hardly ever occur together: see [`Lists`].
const SORTED_WORDS: [&[&str]; 5] = [
    &["flac", "mp3", "ogg", "music", "m4a"],
    &["mkv", "1080p", "bluray", "x265", "hdtv", "films"],
    &["software", "iso", "amd64", "deb", "src"],
    &["documents", "pdf", "epub", "docx", "txt"],
    &["photos", "img", "jpg", "pxl", "heic"],
];

/// A kind of query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CommonWord,
    RareWord,
    TwoWords,
    /// Two words that are common and rarely or never occur in one name.
    CommonPair,
    PartOfWord,
    TwoLetters,
    NothingFound,
    StartOfDigest,
}

/// All kinds.
pub(super) const KINDS: [Kind; 8] = [
    Kind::CommonWord,
    Kind::RareWord,
    Kind::TwoWords,
    Kind::CommonPair,
    Kind::PartOfWord,
    Kind::TwoLetters,
    Kind::NothingFound,
    Kind::StartOfDigest,
];

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CommonWord => "common word",
            Self::RareWord => "rare word",
            Self::TwoWords => "two words",
            Self::CommonPair => "common pair",
            Self::PartOfWord => "part of a word",
            Self::TwoLetters => "two letters",
            Self::NothingFound => "nothing found",
            Self::StartOfDigest => "start of a digest",
        }
    }

    /// Makes a query of this kind, after a file that is there.
    fn text(self, lists: &Lists, file: &FileRecord, draw: &mut Draw) -> String {
        let mut words: Vec<&str> = file.path.split(|char: char| !char.is_alphabetic()).collect();
        words.retain(|word| word.chars().count() > 3);
        let word = |draw: &mut Draw| if words.is_empty() { "nothing" } else { draw.one_of(&words) };
        match self {
            Self::CommonWord => lists.vocabulary.at(draw.below(20)).to_owned(),
            Self::RareWord => lists.vocabulary.at(20_000 + draw.below(80_000)).to_owned(),
            Self::TwoWords => format!("{} {}", word(draw), word(draw)),
            Self::CommonPair => {
                let sorts = SORTED_WORDS.len() as u64;
                let first = draw.below(sorts);
                let second = (first + 1 + draw.below(sorts - 1)) % sorts;
                let [first, second] = [first, second].map(|sort| {
                    let sort = usize::try_from(sort).expect("an index");
                    draw.one_of(SORTED_WORDS[sort])
                });
                format!("{first} {second}")
            }
            Self::PartOfWord => word(draw).chars().skip(1).take(4).collect(),
            Self::TwoLetters => word(draw).chars().skip(1).take(2).collect(),
            Self::NothingFound => (0..6).map(|_| draw.one_of(&["q", "x", "z", "vv", "jj"])).collect(),
            Self::StartOfDigest => {
                let digest = file.digest.to_string();
                format!("sha256:{}", &digest[..10])
            }
        }
    }
}

/// As many queries of each kind.
#[derive(Debug)]
pub(super) struct Queries {
    kinds: Vec<(Kind, Vec<String>)>,
    pub(super) hits: u16,
}

impl Queries {
    pub(super) fn new(lists: &Lists, options: &Options, count: usize) -> Self {
        let mut draw = Draw::new(options.seed, 0x2000_0000_0000);
        let node = u32::try_from(draw.below(options.nodes.into())).expect("a node");
        let mut files = lists.of_node(node, 0);
        files.extend(lists.of_node(options.nodes - 1 - node, 0));
        let make = |kind: Kind| {
            let texts = (0..count).map(|_| {
                let file = usize::try_from(draw.below(files.len() as u64)).expect("an index");
                kind.text(lists, &files[file], &mut draw)
            });
            (kind, texts.collect())
        };
        Self { kinds: KINDS.into_iter().map(make).collect(), hits: options.hits }
    }

    /// Gives them all, kind by kind.
    pub(super) fn kinds(&self) -> &[(Kind, Vec<String>)] {
        &self.kinds
    }

    /// Gives them all, the kinds in turn.
    pub(super) fn mixed(&self) -> impl Iterator<Item = &str> + Clone {
        let count = self.kinds.first().map_or(0, |(_, texts)| texts.len());
        (0..count).flat_map(|number| self.kinds.iter().map(move |(_, texts)| texts[number].as_str()))
    }
}
