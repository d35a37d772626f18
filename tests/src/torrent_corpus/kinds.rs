use protocol::bencode::Tree;

use super::{CorpusFile, CorpusTorrent, TorrentBuilder};

/// Returns one torrent of each kind that other clients open.
pub fn torrents_of_each_kind() -> Vec<CorpusTorrent> {
    let mut found = name_torrents();
    found.extend(entry_torrents());
    found.extend(tracker_torrents());
    found.extend(encoding_torrents());
    found
}

fn builder_with_paths(paths: &[&[&str]]) -> TorrentBuilder {
    TorrentBuilder::from_files((1..).zip(paths).map(|(length, path)| CorpusFile::file(path, 1000 * length)))
}

fn name_torrents() -> Vec<CorpusTorrent> {
    let long = format!("{}.iso", "x".repeat(300));
    let deep = vec!["d"; 100];
    [
        ("long", builder_with_paths(&[&[&long], &["y.iso"]])),
        ("slash", builder_with_paths(&[&["a/b"], &["/etc", "passwd"], &["../x"]])),
        ("backslash", builder_with_paths(&[&["a\\b"], &["c\\", "d"]])),
        ("tab", builder_with_paths(&[&["a\tb"], &["d\t", "x"]])),
        ("newline", builder_with_paths(&[&["a\nb"], &["c\r\n"]])),
        ("empty", builder_with_paths(&[&["a", "", "b"], &[""], &["", ""]])),
        ("climbing", builder_with_paths(&[&["..", "x"], &["a", ".", "b"], &["..", "..", "..", "y"]])),
        ("duplicate", builder_with_paths(&[&["a.x"], &["b"], &["a.x"], &["a.x"], &["a (1).x"]])),
        ("alike", builder_with_paths(&[&["a?"], &["a*"], &["a_"], &["A_"]])),
        ("file-and-folder", builder_with_paths(&[&["a"], &["a", "b"], &["a", "b", "c"]])),
        (
            "reserved",
            builder_with_paths(&[&["con", "x"], &["aux", "nul", "y"], &["x.part", "z"], &["lpt1.txt"]]),
        ),
        ("deep", builder_with_paths(&[&deep, &["x"]])),
        ("unicode", builder_with_paths(&[&["Ü", "日本.txt"], &["e\u{301}"], &["\u{202e}gpj.exe"]])),
        ("plain", builder_with_paths(&[&["a", "b.txt"], &["a", "c d.txt"], &["e"]])),
        ("name-slash", builder_with_paths(&[&["x"]]).with_name("a/b")),
        ("name-empty", builder_with_paths(&[&["x"]]).with_name("")),
        ("name-climbs", builder_with_paths(&[&["x"]]).with_name("..")),
        ("name-long", builder_with_paths(&[&["x"]]).with_name("n".repeat(300))),
        ("name-control", builder_with_paths(&[&["x"]]).with_name("a\x1b[2J\0b")),
    ]
    .map(|(name, builder)| builder.build(name))
    .into()
}

fn entry_torrents() -> Vec<CorpusTorrent> {
    let link = |path: Option<&[&str]>, length| CorpusFile {
        path: path.map(|path| path.iter().map(|name| name.as_bytes().to_vec()).collect()),
        length,
        attr: "l",
        path_utf8: None,
    };
    let padding = |path: Option<&[&str]>, length| CorpusFile { attr: "p", ..link(path, length) };
    let (a, b) = (CorpusFile::file(&["a"], 1000), CorpusFile::file(&["b"], 20_000));
    let around = |entry: CorpusFile| TorrentBuilder::from_files([a.clone(), entry, b.clone()]);
    [
        ("link", around(link(Some(&["l"]), Some(0)))),
        ("link-without-length", around(link(Some(&["l"]), None))),
        ("link-with-a-length", around(link(Some(&["l"]), Some(5_000_000)))),
        ("link-without-path", around(link(None, Some(0)))),
        ("link-without-anything", around(link(None, None))),
        ("padding", around(padding(Some(&[".pad", "15384"]), Some(15_384)))),
        ("padding-without-path", around(padding(None, Some(15_384)))),
        ("padding-without-length", around(padding(Some(&[".pad", "0"]), None))),
        ("old-padding", around(CorpusFile::file(&["_____padding_file_0_if you see this file"], 15_384))),
        ("executable", around(CorpusFile { attr: "xh", ..CorpusFile::file(&["c"], 9) })),
        ("private-text", around(CorpusFile::file(&["c"], 9)).with_info_entry("private", "1")),
        ("private", around(CorpusFile::file(&["c"], 9)).with_info_entry("private", 1u32)),
    ]
    .map(|(name, builder)| builder.build(name))
    .into()
}

fn tracker_torrents() -> Vec<CorpusTorrent> {
    let node = || Tree::list([Tree::list(["127.0.0.1".into(), 6881u32.into()])]);
    let (web, files) = ("http://127.0.0.1:9/files/", || builder_with_paths(&[&["a"], &["b"]]));
    [
        ("list-is-a-text", files().with_root_entry("announce-list", "http://127.0.0.1:9/announce")),
        ("list-is-a-dictionary", files().with_root_entry("announce-list", Tree::dictionary([]))),
        ("list-is-a-number", files().with_root_entry("announce-list", 1u32)),
        (
            "list-is-flat",
            files().with_root_entry("announce-list", Tree::list(["http://127.0.0.1:9/announce".into()])),
        ),
        ("announce-is-a-number", files().with_root_entry("announce", 1u32)),
        ("announce-has-blanks", files().with_root_entry("announce", " \thttp://127.0.0.1:9/announce \r\n")),
        ("announce-of-udp", files().with_root_entry("announce", "udp://127.0.0.1:9/announce?key=1")),
        ("only-url-list", files().without_root_entries().with_root_entry("url-list", web)),
        (
            "only-url-lists",
            files().without_root_entries().with_root_entry("url-list", Tree::list([web.into()])),
        ),
        ("only-nodes", files().without_root_entries().with_root_entry("nodes", node())),
        ("no-tracker", files().without_root_entries()),
        ("only-wss", files().with_root_entry("announce", "wss://tracker.invalid/")),
    ]
    .map(|(name, builder)| builder.build(name))
    .into()
}

fn encoding_torrents() -> Vec<CorpusTorrent> {
    [
        ("gbk", "GBK", &b"\xd6\xd0\xce\xc4.txt"[..]),
        ("cp1251", "cp1251", b"\xcc\xe8\xf0.txt"),
        ("shift-jis", "Shift-JIS", b"\x95\x5c\x8e\xa6.txt"),
        ("unknown", "klingon", b"caf\xe9.txt"),
    ]
    .map(|(name, label, file)| {
        let entry = CorpusFile { path: Some(vec![file.to_vec()]), ..CorpusFile::file(&[], 1000) };
        let utf8 = CorpusFile { path_utf8: Some(vec!["ü".to_owned()]), ..entry.clone() };
        TorrentBuilder::from_files([entry, utf8])
            .with_root_entry("encoding", label)
            .build(format!("encoding-{name}"))
    })
    .into()
}
