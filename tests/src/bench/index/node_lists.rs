//! The lists of the nodes: paths such as people give their music, films, programs, papers and photos.

use std::collections::HashSet;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};

use super::options::IndexBenchOptions;
use super::vocabulary::{NameRng, Vocabulary};

/// All lists, made anew whenever they are asked for.
#[derive(Debug)]
pub(super) struct NodeLists {
    seed: u64,
    files: u32,
    nodes: u32,
    random_words: bool,
    pub(super) vocabulary: Vocabulary,
}

impl NodeLists {
    pub(super) fn new(options: &IndexBenchOptions) -> Self {
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
                let draw = &mut NameRng::new(self.seed, number << 16);
                let mut path = self.draw_path(draw);
                while !paths.insert(path.clone()) {
                    path = self.draw_path(draw);
                }
                let draw = &mut NameRng::new(self.seed, number << 16 | u64::from(edition) << 1 | 1);
                let mut digest = [0; 32];
                for part in digest.chunks_mut(8) {
                    part.copy_from_slice(&draw.number().to_be_bytes());
                }
                let size = draw.number() >> (24 + draw.below(30));
                FileRecord {
                    path,
                    size: size.max(1),
                    digest: Digest::from_bytes(digest),
                    share: Share::Complete,
                }
            })
            .collect()
    }

    fn draw_path(&self, draw: &mut NameRng) -> String {
        let mut path = match draw.below(100) {
            0..35 => self.draw_track(draw),
            35..50 => self.draw_film(draw),
            50..60 => self.draw_episode(draw),
            60..72 => self.draw_program(draw),
            72..88 => self.draw_paper(draw),
            _ => self.draw_photo(draw),
        };
        if self.random_words {
            path = format!("{:016x} {path}", draw.number());
        }
        path
    }

    /// Draws so many words, at least one.
    fn draw_words(&self, draw: &mut NameRng, most: u64, between: &str) -> String {
        let words: Vec<&str> = (0..=draw.below(most)).map(|_| self.vocabulary.draw_word(draw)).collect();
        words.join(between)
    }

    /// The same with capitals.
    fn draw_title(&self, draw: &mut NameRng, most: u64, between: &str) -> String {
        let words = self.draw_words(draw, most, " ");
        let capital = |word: &str| {
            let mut chars = word.chars();
            chars
                .next()
                .map(|first| first.to_uppercase().chain(chars).collect::<String>())
                .unwrap_or_default()
        };
        words.split(' ').map(capital).collect::<Vec<_>>().join(between)
    }

    fn draw_track(&self, draw: &mut NameRng) -> String {
        let (artist, album, title) =
            (self.draw_title(draw, 2, " "), self.draw_title(draw, 3, " "), self.draw_title(draw, 4, " "));
        let (year, track) = (1960 + draw.below(66), 1 + draw.below(20));
        let end = draw.choose(&["mp3", "mp3", "mp3", "flac", "ogg", "m4a"]);
        format!("Music/{artist}/{album} ({year})/{track:02} - {title}.{end}")
    }

    fn draw_film(&self, draw: &mut NameRng) -> String {
        let (title, year) = (self.draw_title(draw, 4, "."), 1960 + draw.below(66));
        let lines = draw.choose(&["1080p", "1080p", "720p", "2160p", "480p"]);
        let origin = draw.choose(&["BluRay", "WEB-DL", "HDTV", "DVDRip"]);
        let codec = draw.choose(&["x264", "x265", "AV1"]);
        format!("Films/{title}.{year}.{lines}.{origin}.{codec}.mkv")
    }

    fn draw_episode(&self, draw: &mut NameRng) -> String {
        let (series, title) = (self.draw_title(draw, 3, " "), self.draw_title(draw, 3, " "));
        let (season, episode) = (1 + draw.below(12), 1 + draw.below(24));
        let end = draw.choose(&["mkv", "mp4", "srt"]);
        format!("Series/{series}/S{season:02}E{episode:02} {title}.{end}")
    }

    fn draw_program(&self, draw: &mut NameRng) -> String {
        let name = self.draw_words(draw, 2, "-");
        let version = [draw.below(30), draw.below(20), draw.below(40)].map(|part| part.to_string()).join(".");
        let system = draw.choose(&["amd64", "arm64", "x86_64", "win32", "src"]);
        let end = draw.choose(&["iso", "tar.gz", "zip", "deb", "exe", "tar.xz"]);
        format!("software/{name}-{version}-{system}.{end}")
    }

    fn draw_paper(&self, draw: &mut NameRng) -> String {
        let (folder, name) = (self.draw_words(draw, 1, " "), self.draw_words(draw, 5, "_"));
        let (year, month, day) = (1995 + draw.below(31), 1 + draw.below(12), 1 + draw.below(28));
        let end = draw.choose(&["pdf", "pdf", "docx", "epub", "txt", "xlsx"]);
        format!("Documents/{folder}/{year}-{month:02}-{day:02}_{name}.{end}")
    }

    fn draw_photo(&self, draw: &mut NameRng) -> String {
        let (year, month, day) = (2003 + draw.below(23), 1 + draw.below(12), 1 + draw.below(28));
        let (maker, end) = draw.choose(&[("IMG_", "jpg"), ("DSC", "JPG"), ("PXL_", "jpg"), ("IMG_", "HEIC")]);
        let (place, number) = (self.draw_title(draw, 2, " "), draw.below(100_000));
        format!("Photos/{year}-{month:02}-{day:02} {place}/{maker}{number:05}.{end}")
    }
}
