use protocol::bencode::Tree;

use super::{CorpusFile, CorpusTorrent, TorrentBuilder, torrents_of_each_kind};
use crate::content::Noise;

/// Fragments of names.
const NAME_FRAGMENTS: [&str; 26] = [
    "a",
    "b",
    "c",
    ".txt",
    ".",
    "..",
    "",
    " ",
    "?",
    "*",
    ":",
    "\\",
    "/",
    "\t",
    "\n",
    "\u{202e}",
    "Ü",
    "日本",
    "con",
    "nul",
    "aux.txt",
    ".part",
    "(1)",
    "long-long-long-long-long-long-long-long-long-long-long-long-long-",
    "\u{1}",
    "_",
];

/// Attributes of entries; most entries have none.
const ATTRIBUTES: [&str; 10] = ["", "", "", "", "", "x", "h", "p", "l", "xl"];

/// Returns random torrents; the same seed gives the same torrents.
pub fn random_torrents(seed: u64, count: usize) -> Vec<CorpusTorrent> {
    let mut noise = Noise::from_seed(seed);
    (0..count).map(|number| random_builder(&mut noise).build(format!("random-{number:03}"))).collect()
}

/// Returns torrents in which one to three bytes were changed.
pub fn damaged_torrents(seed: u64, count: usize) -> Vec<CorpusTorrent> {
    let (mut noise, intact) = (Noise::from_seed(seed), torrents_of_each_kind());
    let mut specimens = Vec::new();
    for number in 0..count {
        let mut specimen = pick(&mut noise, &intact).clone();
        for _ in 0..=noise.next_below(3) {
            let at = random_index(&mut noise, specimen.bytes.len());
            specimen.bytes[at] = noise.next_below(256).to_le_bytes()[0];
        }
        // The change makes the recorded paths unknown.
        specimen.paths.fill(None);
        specimen.name = format!("damaged-{number:03}");
        specimens.push(specimen);
    }
    specimens
}

fn random_builder(noise: &mut Noise) -> TorrentBuilder {
    let has_list = noise.next_below(4) > 0;
    let count = if has_list { 1 + noise.next_below(8) } else { 1 };
    let mut builder = TorrentBuilder::from_files((0..count).map(|_| random_file(noise, has_list)));
    // At least one file has bytes.
    builder.files.push(CorpusFile::file(&["last"], 1 + noise.next_below(100_000)));
    if !has_list {
        builder.files.swap_remove(0);
    }
    builder.has_file_list = has_list;
    // The last fragment of a name is one that no program discards.
    builder.name = format!("{}n", random_name(noise)).into_bytes();
    builder.piece_length = *pick(noise, &[16 << 10, 32 << 10, 48 << 10, 64 << 10, 256 << 10]);
    for key in ["comment", "created by", "encoding", "url-list", "nodes", "announce-list", "announce"] {
        if noise.next_below(4) == 0 {
            builder = builder.with_root_entry(key, random_value(noise));
        }
    }
    for key in ["private", "source", "x"] {
        if noise.next_below(4) == 0 {
            builder = builder.with_info_entry(key, random_value(noise));
        }
    }
    builder
}

fn random_file(noise: &mut Noise, has_list: bool) -> CorpusFile {
    let path: Vec<String> = (0..=noise.next_below(3)).map(|_| random_name(noise)).collect();
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut entry = CorpusFile::file(&names, noise.next_below(100_000));
    if has_list {
        entry.attr = ATTRIBUTES[random_index(noise, ATTRIBUTES.len())];
        if noise.next_below(8) == 0 {
            entry.path_utf8 = Some(vec![random_name(noise)]);
        }
        if noise.next_below(8) == 0 {
            entry.path.get_or_insert_default().push(vec![b'a', 0xff, 0xfe]);
        }
    }
    entry
}

fn random_name(noise: &mut Noise) -> String {
    (0..=noise.next_below(4)).map(|_| *pick(noise, &NAME_FRAGMENTS)).collect()
}

fn random_value(noise: &mut Noise) -> Tree {
    match noise.next_below(4) {
        0 => noise.next_below(3).into(),
        1 => Tree::list([random_name(noise).as_str().into()]),
        2 => Tree::dictionary([]),
        _ => random_name(noise).as_str().into(),
    }
}

fn pick<'a, T>(noise: &mut Noise, from: &'a [T]) -> &'a T {
    &from[random_index(noise, from.len())]
}

fn random_index(noise: &mut Noise, count: usize) -> usize {
    usize::try_from(noise.next_below(count as u64)).expect("a number below the count")
}
