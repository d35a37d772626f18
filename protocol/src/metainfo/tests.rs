mod golden;
mod invalid;
mod mapping;
mod properties;
mod reading;

use super::*;
use crate::bencode::Tree;

/// Sets one entry of a dictionary inside a tree, or removes it.
fn set(tree: &mut Tree, path: &[&str], value: Option<Tree>) {
    let Tree::Dictionary(entries) = tree else { panic!("{path:?} is in no dictionary") };
    match (path, value) {
        ([key], Some(value)) => drop(entries.insert(key.as_bytes().to_vec(), value)),
        ([key], None) => drop(entries.remove(key.as_bytes())),
        ([key, below @ ..], value) => set(entries.get_mut(key.as_bytes()).unwrap(), below, value),
        ([], _) => panic!("no key"),
    }
}

/// Returns a torrent of one file of 50,000 bytes in pieces of 16 KiB.
fn single() -> Tree {
    Tree::dictionary([
        ("announce", "http://127.0.0.1:6969/announce".into()),
        (
            "info",
            Tree::dictionary([
                ("length", 50_000u64.into()),
                ("name", "a.iso".into()),
                ("piece length", 16_384u32.into()),
                ("pieces", vec![7; 80].into()),
            ]),
        ),
    ])
}

fn entry(length: i64, path: &[&str]) -> Tree {
    let path = Tree::list(path.iter().map(|name| (*name).into()));
    Tree::dictionary([("length", length.into()), ("path", path)])
}

/// Returns a torrent of these files in one piece.
fn multi(files: impl IntoIterator<Item = Tree>) -> Tree {
    let mut torrent = single();
    set(&mut torrent, &["info", "length"], None);
    set(&mut torrent, &["info", "name"], Some("album".into()));
    set(&mut torrent, &["info", "files"], Some(Tree::list(files)));
    set(&mut torrent, &["info", "pieces"], Some(vec![7; 20].into()));
    torrent
}

fn read(torrent: &Tree) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(&torrent.encode())
}

/// Returns the error message for an invalid torrent.
fn refusal(torrent: &Tree) -> String {
    read(torrent).map(|metainfo| metainfo.name().to_owned()).unwrap_err().to_string()
}
