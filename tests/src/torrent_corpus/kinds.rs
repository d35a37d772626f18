use protocol::bencode::Tree;

use super::{Entry, Recipe, Specimen};

/// Makes one torrent of each kind that other clients open.
pub fn kinds() -> Vec<Specimen> {
    let mut found = names();
    found.extend(entries());
    found.extend(trackers());
    found.extend(encodings());
    found
}

fn of(paths: &[&[&str]]) -> Recipe {
    Recipe::of((1..).zip(paths).map(|(length, path)| Entry::file(path, 1000 * length)))
}

fn names() -> Vec<Specimen> {
    let long = format!("{}.iso", "x".repeat(300));
    let deep = vec!["d"; 100];
    [
        ("long", of(&[&[&long], &["y.iso"]])),
        ("slash", of(&[&["a/b"], &["/etc", "passwd"], &["../x"]])),
        ("backslash", of(&[&["a\\b"], &["c\\", "d"]])),
        ("tab", of(&[&["a\tb"], &["d\t", "x"]])),
        ("newline", of(&[&["a\nb"], &["c\r\n"]])),
        ("empty", of(&[&["a", "", "b"], &[""], &["", ""]])),
        ("climbing", of(&[&["..", "x"], &["a", ".", "b"], &["..", "..", "..", "y"]])),
        ("duplicate", of(&[&["a.x"], &["b"], &["a.x"], &["a.x"], &["a (1).x"]])),
        ("alike", of(&[&["a?"], &["a*"], &["a_"], &["A_"]])),
        ("file-and-folder", of(&[&["a"], &["a", "b"], &["a", "b", "c"]])),
        ("reserved", of(&[&["con", "x"], &["aux", "nul", "y"], &["x.part", "z"], &["lpt1.txt"]])),
        ("deep", of(&[&deep, &["x"]])),
        ("unicode", of(&[&["Ü", "日本.txt"], &["e\u{301}"], &["\u{202e}gpj.exe"]])),
        ("plain", of(&[&["a", "b.txt"], &["a", "c d.txt"], &["e"]])),
        ("name-slash", of(&[&["x"]]).named("a/b")),
        ("name-empty", of(&[&["x"]]).named("")),
        ("name-climbs", of(&[&["x"]]).named("..")),
        ("name-long", of(&[&["x"]]).named("n".repeat(300))),
        ("name-control", of(&[&["x"]]).named("a\x1b[2J\0b")),
    ]
    .map(|(name, recipe)| recipe.cook(name))
    .into()
}

fn entries() -> Vec<Specimen> {
    let link = |path: Option<&[&str]>, length| Entry {
        path: path.map(|path| path.iter().map(|name| name.as_bytes().to_vec()).collect()),
        length,
        attr: "l",
        path_utf8: None,
    };
    let padding = |path: Option<&[&str]>, length| Entry { attr: "p", ..link(path, length) };
    let (a, b) = (Entry::file(&["a"], 1000), Entry::file(&["b"], 20_000));
    let around = |entry: Entry| Recipe::of([a.clone(), entry, b.clone()]);
    [
        ("link", around(link(Some(&["l"]), Some(0)))),
        ("link-without-length", around(link(Some(&["l"]), None))),
        ("link-with-a-length", around(link(Some(&["l"]), Some(5_000_000)))),
        ("link-without-path", around(link(None, Some(0)))),
        ("link-without-anything", around(link(None, None))),
        ("padding", around(padding(Some(&[".pad", "15384"]), Some(15_384)))),
        ("padding-without-path", around(padding(None, Some(15_384)))),
        ("padding-without-length", around(padding(Some(&[".pad", "0"]), None))),
        ("old-padding", around(Entry::file(&["_____padding_file_0_if you see this file"], 15_384))),
        ("executable", around(Entry { attr: "xh", ..Entry::file(&["c"], 9) })),
        ("private-text", around(Entry::file(&["c"], 9)).info("private", "1")),
        ("private", around(Entry::file(&["c"], 9)).info("private", 1u32)),
    ]
    .map(|(name, recipe)| recipe.cook(name))
    .into()
}

fn trackers() -> Vec<Specimen> {
    let node = || Tree::list([Tree::list(["127.0.0.1".into(), 6881u32.into()])]);
    let (web, files) = ("http://127.0.0.1:9/files/", || of(&[&["a"], &["b"]]));
    [
        ("list-is-a-text", files().root("announce-list", "http://127.0.0.1:9/announce")),
        ("list-is-a-dictionary", files().root("announce-list", Tree::dictionary([]))),
        ("list-is-a-number", files().root("announce-list", 1u32)),
        ("list-is-flat", files().root("announce-list", Tree::list(["http://127.0.0.1:9/announce".into()]))),
        ("announce-is-a-number", files().root("announce", 1u32)),
        ("announce-has-blanks", files().root("announce", " \thttp://127.0.0.1:9/announce \r\n")),
        ("announce-of-udp", files().root("announce", "udp://127.0.0.1:9/announce?key=1")),
        ("only-url-list", files().without_root().root("url-list", web)),
        ("only-url-lists", files().without_root().root("url-list", Tree::list([web.into()]))),
        ("only-nodes", files().without_root().root("nodes", node())),
        ("no-tracker", files().without_root()),
        ("only-wss", files().root("announce", "wss://tracker.invalid/")),
    ]
    .map(|(name, recipe)| recipe.cook(name))
    .into()
}

fn encodings() -> Vec<Specimen> {
    [
        ("gbk", "GBK", &b"\xd6\xd0\xce\xc4.txt"[..]),
        ("cp1251", "cp1251", b"\xcc\xe8\xf0.txt"),
        ("shift-jis", "Shift-JIS", b"\x95\x5c\x8e\xa6.txt"),
        ("unknown", "klingon", b"caf\xe9.txt"),
    ]
    .map(|(name, label, file)| {
        let entry = Entry { path: Some(vec![file.to_vec()]), ..Entry::file(&[], 1000) };
        let utf8 = Entry { path_utf8: Some(vec!["ü".to_owned()]), ..entry.clone() };
        Recipe::of([entry, utf8]).root("encoding", label).cook(format!("encoding-{name}"))
    })
    .into()
}
