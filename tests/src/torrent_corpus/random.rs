use protocol::bencode::Tree;

use super::{Entry, Recipe, Specimen, kinds};
use crate::content::Noise;

/// What names are made of.
const SCRAPS: [&str; 26] = [
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

/// What entries say of themselves: most of them nothing.
const ATTRIBUTES: [&str; 10] = ["", "", "", "", "", "x", "h", "p", "l", "xl"];

/// Makes random torrents, the same for the same seed.
pub fn random(seed: u64, count: usize) -> Vec<Specimen> {
    let mut noise = Noise::from_seed(seed);
    (0..count).map(|number| recipe(&mut noise).cook(format!("random-{number:03}"))).collect()
}

/// Makes torrents of which one to three bytes were changed.
pub fn damaged(seed: u64, count: usize) -> Vec<Specimen> {
    let (mut noise, sound) = (Noise::from_seed(seed), kinds());
    let mut specimens = Vec::new();
    for number in 0..count {
        let mut specimen = pick(&mut noise, &sound).clone();
        for _ in 0..=noise.below(3) {
            let at = index(&mut noise, specimen.bytes.len());
            specimen.bytes[at] = noise.below(256).to_le_bytes()[0];
        }
        // What was written into it is not known any more.
        specimen.paths.fill(None);
        specimen.name = format!("damaged-{number:03}");
        specimens.push(specimen);
    }
    specimens
}

fn recipe(noise: &mut Noise) -> Recipe {
    let has_list = noise.below(4) > 0;
    let count = if has_list { 1 + noise.below(8) } else { 1 };
    let mut recipe = Recipe::of((0..count).map(|_| entry(noise, has_list)));
    // At least one file has bytes.
    recipe.files.push(Entry::file(&["last"], 1 + noise.below(100_000)));
    if !has_list {
        recipe.files.swap_remove(0);
    }
    recipe.has_list = has_list;
    // The last scrap of a name is one that no program takes for nothing.
    recipe.name = format!("{}n", name(noise)).into_bytes();
    recipe.piece_length = *pick(noise, &[16 << 10, 32 << 10, 48 << 10, 64 << 10, 256 << 10]);
    for key in ["comment", "created by", "encoding", "url-list", "nodes", "announce-list", "announce"] {
        if noise.below(4) == 0 {
            recipe = recipe.root(key, value(noise));
        }
    }
    for key in ["private", "source", "x"] {
        if noise.below(4) == 0 {
            recipe = recipe.info(key, value(noise));
        }
    }
    recipe
}

fn entry(noise: &mut Noise, has_list: bool) -> Entry {
    let path: Vec<String> = (0..=noise.below(3)).map(|_| name(noise)).collect();
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut entry = Entry::file(&names, noise.below(100_000));
    if has_list {
        entry.attr = ATTRIBUTES[index(noise, ATTRIBUTES.len())];
        if noise.below(8) == 0 {
            entry.path_utf8 = Some(vec![name(noise)]);
        }
        if noise.below(8) == 0 {
            entry.path.get_or_insert_default().push(vec![b'a', 0xff, 0xfe]);
        }
    }
    entry
}

fn name(noise: &mut Noise) -> String {
    (0..=noise.below(4)).map(|_| *pick(noise, &SCRAPS)).collect()
}

fn value(noise: &mut Noise) -> Tree {
    match noise.below(4) {
        0 => noise.below(3).into(),
        1 => Tree::list([name(noise).as_str().into()]),
        2 => Tree::dictionary([]),
        _ => name(noise).as_str().into(),
    }
}

fn pick<'a, T>(noise: &mut Noise, from: &'a [T]) -> &'a T {
    &from[index(noise, from.len())]
}

fn index(noise: &mut Noise, count: usize) -> usize {
    usize::try_from(noise.below(count as u64)).expect("as small as the count")
}
