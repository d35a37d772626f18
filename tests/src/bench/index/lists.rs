//! The lists of the nodes: paths such as people give their music, films, programs, papers and photos.

use std::collections::HashSet;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};

use super::options::Options;
use super::vocabulary::{Draw, Vocabulary};

/// All lists, made anew whenever they are asked for.
#[derive(Debug)]
pub(super) struct Lists {
    seed: u64,
    files: u32,
    nodes: u32,
    random_words: bool,
    pub(super) vocabulary: Vocabulary,
}

impl Lists {
    pub(super) fn new(options: &Options) -> Self {
        let vocabulary = Vocabulary::new(options.seed, options.words);
        let (seed, files, nodes) = (options.seed, options.files, options.nodes);
        Self { seed, files, nodes, random_words: options.random_words, vocabulary }
    }

    /// Returns the list of a node; every edition has other contents under the same names.
    pub(super) fn of_node(&self, node: u32, edition: u32) -> Vec<FileRecord> {
        let [first, last] =
            [node, node + 1].map(|node| u64::from(self.files) * u64::from(node) / u64::from(self.nodes));
        let mut paths = HashSet::new();
        (first..last)
            .map(|number| {
                let draw = &mut Draw::new(self.seed, number << 16);
                let mut path = self.path(draw);
                while !paths.insert(path.clone()) {
                    path = self.path(draw);
                }
                let draw = &mut Draw::new(self.seed, number << 16 | u64::from(edition) << 1 | 1);
                let mut digest = [0; 32];
                for part in digest.chunks_mut(8) {
                    part.copy_from_slice(&draw.number().to_be_bytes());
                }
                let size = draw.number() >> (24 + draw.below(30));
                FileRecord {
                    path,
                    size: size.max(1),
                    digest: Digest::from_bytes(digest),
                    share: Share::Whole,
                }
            })
            .collect()
    }

    fn path(&self, draw: &mut Draw) -> String {
        let mut path = match draw.below(100) {
            0..35 => self.track(draw),
            35..50 => self.film(draw),
            50..60 => self.episode(draw),
            60..72 => self.program(draw),
            72..88 => self.paper(draw),
            _ => self.photo(draw),
        };
        if self.random_words {
            path = format!("{:016x} {path}", draw.number());
        }
        path
    }

    /// Draws so many words, at least one.
    fn words(&self, draw: &mut Draw, most: u64, between: &str) -> String {
        let words: Vec<&str> = (0..=draw.below(most)).map(|_| self.vocabulary.draw(draw)).collect();
        words.join(between)
    }

    /// The same with capitals.
    fn title(&self, draw: &mut Draw, most: u64, between: &str) -> String {
        let words = self.words(draw, most, " ");
        let capital = |word: &str| {
            let mut chars = word.chars();
            chars
                .next()
                .map(|first| first.to_uppercase().chain(chars).collect::<String>())
                .unwrap_or_default()
        };
        words.split(' ').map(capital).collect::<Vec<_>>().join(between)
    }

    fn track(&self, draw: &mut Draw) -> String {
        let (artist, album, title) =
            (self.title(draw, 2, " "), self.title(draw, 3, " "), self.title(draw, 4, " "));
        let (year, track) = (1960 + draw.below(66), 1 + draw.below(20));
        let end = draw.one_of(&["mp3", "mp3", "mp3", "flac", "ogg", "m4a"]);
        format!("Music/{artist}/{album} ({year})/{track:02} - {title}.{end}")
    }

    fn film(&self, draw: &mut Draw) -> String {
        let (title, year) = (self.title(draw, 4, "."), 1960 + draw.below(66));
        let lines = draw.one_of(&["1080p", "1080p", "720p", "2160p", "480p"]);
        let origin = draw.one_of(&["BluRay", "WEB-DL", "HDTV", "DVDRip"]);
        let codec = draw.one_of(&["x264", "x265", "AV1"]);
        format!("Films/{title}.{year}.{lines}.{origin}.{codec}.mkv")
    }

    fn episode(&self, draw: &mut Draw) -> String {
        let (series, title) = (self.title(draw, 3, " "), self.title(draw, 3, " "));
        let (season, episode) = (1 + draw.below(12), 1 + draw.below(24));
        let end = draw.one_of(&["mkv", "mp4", "srt"]);
        format!("Series/{series}/S{season:02}E{episode:02} {title}.{end}")
    }

    fn program(&self, draw: &mut Draw) -> String {
        let name = self.words(draw, 2, "-");
        let version = [draw.below(30), draw.below(20), draw.below(40)].map(|part| part.to_string()).join(".");
        let system = draw.one_of(&["amd64", "arm64", "x86_64", "win32", "src"]);
        let end = draw.one_of(&["iso", "tar.gz", "zip", "deb", "exe", "tar.xz"]);
        format!("software/{name}-{version}-{system}.{end}")
    }

    fn paper(&self, draw: &mut Draw) -> String {
        let (folder, name) = (self.words(draw, 1, " "), self.words(draw, 5, "_"));
        let (year, month, day) = (1995 + draw.below(31), 1 + draw.below(12), 1 + draw.below(28));
        let end = draw.one_of(&["pdf", "pdf", "docx", "epub", "txt", "xlsx"]);
        format!("Documents/{folder}/{year}-{month:02}-{day:02}_{name}.{end}")
    }

    fn photo(&self, draw: &mut Draw) -> String {
        let (year, month, day) = (2003 + draw.below(23), 1 + draw.below(12), 1 + draw.below(28));
        let (maker, end) = draw.one_of(&[("IMG_", "jpg"), ("DSC", "JPG"), ("PXL_", "jpg"), ("IMG_", "HEIC")]);
        let (place, number) = (self.title(draw, 2, " "), draw.below(100_000));
        format!("Photos/{year}-{month:02}-{day:02} {place}/{maker}{number:05}.{end}")
    }
}
