//! Generated file lists with realistic paths for music, films, programs, papers and photos.

use std::collections::HashSet;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};

use super::options::IndexBenchOptions;
use super::vocabulary::{NameRng, Vocabulary};

/// Generates every list on demand.
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

    /// Returns the list of a node. Each edition has the same names with other contents.
    pub(super) fn of_node(&self, node: u32, edition: u32) -> Vec<FileRecord> {
        let [first, last] =
            [node, node + 1].map(|node| u64::from(self.files) * u64::from(node) / u64::from(self.nodes));
        let mut paths = HashSet::new();
        (first..last)
            .map(|number| {
                let rng = &mut NameRng::new(self.seed, number << 16);
                let mut path = self.draw_path(rng);
                while !paths.insert(path.clone()) {
                    path = self.draw_path(rng);
                }
                let rng = &mut NameRng::new(self.seed, number << 16 | u64::from(edition) << 1 | 1);
                let mut digest = [0; 32];
                for part in digest.chunks_mut(8) {
                    part.copy_from_slice(&rng.number().to_be_bytes());
                }
                let size = rng.number() >> (24 + rng.below(30));
                FileRecord {
                    path,
                    size: size.max(1),
                    digest: Digest::from_bytes(digest),
                    share: Share::Complete,
                }
            })
            .collect()
    }

    fn draw_path(&self, rng: &mut NameRng) -> String {
        let mut path = match rng.below(100) {
            0..35 => self.draw_track(rng),
            35..50 => self.draw_film(rng),
            50..60 => self.draw_episode(rng),
            60..72 => self.draw_program(rng),
            72..88 => self.draw_paper(rng),
            _ => self.draw_photo(rng),
        };
        if self.random_words {
            path = format!("{:016x} {path}", rng.number());
        }
        path
    }

    /// Draws between one and `most` words.
    fn draw_words(&self, rng: &mut NameRng, most: u64, between: &str) -> String {
        let words: Vec<&str> = (0..=rng.below(most)).map(|_| self.vocabulary.draw_word(rng)).collect();
        words.join(between)
    }

    /// Draws between one and `most` capitalised words.
    fn draw_title(&self, rng: &mut NameRng, most: u64, between: &str) -> String {
        let words = self.draw_words(rng, most, " ");
        let capital = |word: &str| {
            let mut chars = word.chars();
            chars
                .next()
                .map(|first| first.to_uppercase().chain(chars).collect::<String>())
                .unwrap_or_default()
        };
        words.split(' ').map(capital).collect::<Vec<_>>().join(between)
    }

    fn draw_track(&self, rng: &mut NameRng) -> String {
        let (artist, album, title) =
            (self.draw_title(rng, 2, " "), self.draw_title(rng, 3, " "), self.draw_title(rng, 4, " "));
        let (year, track) = (1960 + rng.below(66), 1 + rng.below(20));
        let end = rng.choose(&["mp3", "mp3", "mp3", "flac", "ogg", "m4a"]);
        format!("Music/{artist}/{album} ({year})/{track:02} - {title}.{end}")
    }

    fn draw_film(&self, rng: &mut NameRng) -> String {
        let (title, year) = (self.draw_title(rng, 4, "."), 1960 + rng.below(66));
        let lines = rng.choose(&["1080p", "1080p", "720p", "2160p", "480p"]);
        let origin = rng.choose(&["BluRay", "WEB-DL", "HDTV", "DVDRip"]);
        let codec = rng.choose(&["x264", "x265", "AV1"]);
        format!("Films/{title}.{year}.{lines}.{origin}.{codec}.mkv")
    }

    fn draw_episode(&self, rng: &mut NameRng) -> String {
        let (series, title) = (self.draw_title(rng, 3, " "), self.draw_title(rng, 3, " "));
        let (season, episode) = (1 + rng.below(12), 1 + rng.below(24));
        let end = rng.choose(&["mkv", "mp4", "srt"]);
        format!("Series/{series}/S{season:02}E{episode:02} {title}.{end}")
    }

    fn draw_program(&self, rng: &mut NameRng) -> String {
        let name = self.draw_words(rng, 2, "-");
        let version = [rng.below(30), rng.below(20), rng.below(40)].map(|part| part.to_string()).join(".");
        let system = rng.choose(&["amd64", "arm64", "x86_64", "win32", "src"]);
        let end = rng.choose(&["iso", "tar.gz", "zip", "deb", "exe", "tar.xz"]);
        format!("software/{name}-{version}-{system}.{end}")
    }

    fn draw_paper(&self, rng: &mut NameRng) -> String {
        let (folder, name) = (self.draw_words(rng, 1, " "), self.draw_words(rng, 5, "_"));
        let (year, month, day) = (1995 + rng.below(31), 1 + rng.below(12), 1 + rng.below(28));
        let end = rng.choose(&["pdf", "pdf", "docx", "epub", "txt", "xlsx"]);
        format!("Documents/{folder}/{year}-{month:02}-{day:02}_{name}.{end}")
    }

    fn draw_photo(&self, rng: &mut NameRng) -> String {
        let (year, month, day) = (2003 + rng.below(23), 1 + rng.below(12), 1 + rng.below(28));
        let (maker, end) = rng.choose(&[("IMG_", "jpg"), ("DSC", "JPG"), ("PXL_", "jpg"), ("IMG_", "HEIC")]);
        let (location, number) = (self.draw_title(rng, 2, " "), rng.below(100_000));
        format!("Photos/{year}-{month:02}-{day:02} {location}/{maker}{number:05}.{end}")
    }
}
