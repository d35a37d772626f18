use super::*;

fn with(path: &[&str], value: impl Into<Tree>) -> Tree {
    let mut torrent = single();
    set(&mut torrent, path, Some(value.into()));
    torrent
}

fn without(path: &[&str]) -> Tree {
    let mut torrent = single();
    set(&mut torrent, path, None);
    torrent
}

#[test]
fn missing_keys_are_reported() {
    assert_eq!(refusal(&without(&["info"])), "the torrent has no `info`");
    for key in ["name", "piece length", "pieces", "length"] {
        assert_eq!(refusal(&without(&["info", key])), format!("the torrent has no `{key}`"));
    }
    assert_eq!(refusal(&multi([Tree::dictionary([("length", 1u32.into())])])), "the torrent has no `path`");
}

#[test]
fn wrong_types_are_reported_with_their_offset() {
    let list = || Tree::list([]);
    assert_eq!(refusal(&Tree::from("x")), "`the torrent` at byte 0 is a string, expected a dictionary");
    assert_eq!(refusal(&with(&["info"], 1u32)), "`info` at byte 50 is an integer, expected a dictionary");
    for (key, value, expected) in [
        ("name", list(), "a string"),
        ("piece length", "x".into(), "an integer"),
        ("pieces", 5u32.into(), "a string"),
        ("length", "50000".into(), "an integer"),
    ] {
        let refusal = refusal(&with(&["info", key], value));
        assert!(refusal.starts_with(&format!("`{key}` at byte ")) && refusal.contains(expected), "{refusal}");
    }
    assert!(refusal(&multi([Tree::from("x")])).starts_with("`files`"));
}

#[test]
fn absurd_piece_lengths_are_refused() {
    for length in [0, -1, i64::MIN, (64 << 20) + 1, 1 << 30, i64::MAX] {
        let refusal = refusal(&with(&["info", "piece length"], length));
        assert!(refusal.contains(&format!("piece length {length} is not between")), "{refusal}");
    }
    for (length, pieces) in [(1i64, 50_000), (15, 3_334), (16_385, 4), (64 << 20, 1)] {
        let mut torrent = with(&["info", "piece length"], length);
        set(&mut torrent, &["info", "pieces"], Some(vec![1; 20 * pieces].into()));
        assert!(read(&torrent).is_ok(), "{length}");
    }
}

#[test]
fn wrong_hash_counts_are_refused() {
    let message = |bytes: usize| refusal(&with(&["info", "pieces"], vec![1; bytes]));
    assert_eq!(message(79), "invalid pieces: 79 bytes of hashes, which is not a multiple of 20");
    for bytes in [0, 60, 100] {
        let found = bytes / 20;
        let expected =
            format!("invalid pieces: {found} hashes, expected 4 for 50000 bytes in pieces of 16384");
        assert_eq!(message(bytes), expected);
    }
    let mut torrent = with(&["info", "length"], 1i64 << 50);
    set(&mut torrent, &["info", "piece length"], Some(1u32.into()));
    assert!(
        refusal(&torrent).contains("80 bytes of hashes") || refusal(&torrent).contains("hashes, expected")
    );
}

#[test]
fn impossible_sizes_are_refused() {
    assert_eq!(refusal(&with(&["info", "length"], -1i64)), "invalid files: file 1 has a length of -1");
    assert_eq!(refusal(&with(&["info", "length"], 0i64)), "invalid files: all files are empty");
    let too_large = "more than 1125899906842624 bytes in total";
    assert!(refusal(&with(&["info", "length"], i64::MAX)).contains(too_large));
    let overflowing = multi((0..3).map(|number| entry(i64::MAX, &[&number.to_string()])));
    assert!(refusal(&overflowing).contains("exceeded by file 1"));
    let sum = multi([entry(1 << 50, &["a"]), entry(1, &["b"])]);
    assert_eq!(refusal(&sum), format!("invalid files: {too_large}, exceeded by file 2"));
    assert!(refusal(&multi([entry(1, &["a"]), entry(-5, &["b"])])).contains("file 2 has a length of -5"));
    assert!(refusal(&multi([entry(0, &["a"]), entry(0, &["b"])])).contains("all files are empty"));
}

#[test]
fn impossible_file_lists_are_refused() {
    assert_eq!(refusal(&multi([])), "invalid files: the list of files is empty");
    assert!(refusal(&with(&["info", "files"], Tree::list([entry(1, &["a"])]))).contains("both `length`"));
    let many = [b"d4:infod5:filesl".as_slice(), &b"de".repeat(1_000_001), b"e4:name1:xee"].concat();
    let refusal = Metainfo::parse(&many).unwrap_err().to_string();
    assert_eq!(refusal, "invalid files: more than 1000000 files");
}

#[test]
fn empty_and_deep_paths_are_refused() {
    let (deepest, too_deep) = (vec!["a"; 100], vec!["a"; 101]);
    let message = refusal(&multi([entry(1, &["good"]), entry(1, &[])]));
    assert_eq!(message, "invalid path of file 2: the path is empty");
    let message = refusal(&multi([entry(1, &["good"]), entry(1, &too_deep)]));
    assert_eq!(message, "invalid path of file 2: the path is more than 100 folders deep");
    assert!(read(&multi([entry(1, &deepest)])).is_ok());
}

#[test]
fn names_that_would_be_mapped_are_not_written() {
    let draft = |name: &str, path: &[&str]| MetainfoDraft {
        name: name.to_owned(),
        piece_length: 16,
        content: DraftContent::Files(vec![DraftFile {
            path: path.iter().map(|name| (*name).to_owned()).collect(),
            length: 1,
        }]),
        private: false,
        tiers: Vec::new(),
        optional: DraftOptionalFields::default(),
    };
    assert!(draft("album", &["a"]).encode(&[[0; 20]]).is_ok());
    let long = "x".repeat(256);
    for bad in ["", ".", "..", "/", "a/b", "\0", "a\u{1b}[2J", "a\nb", &long] {
        let message = draft(bad, &["a"]).encode(&[[0; 20]]).unwrap_err().to_string();
        assert!(message.starts_with("invalid name: "), "{bad:?}: {message}");
        assert!(!message.contains(|c: char| c.is_control()) && message.len() < 300, "{message:?}");
        let message = draft("album", &["good", bad]).encode(&[[0; 20]]).unwrap_err().to_string();
        assert!(message.starts_with("invalid path of file 1: "), "{bad:?}: {message}");
    }
}

#[test]
fn names_valid_on_linux_are_accepted() {
    for name in
        ["K: Missing Kings.mkv", "a\\..\\b", "C:\\x", "nul", "COM7", "aux.c", "   ", "~root", "Season 1. "]
    {
        assert!(read(&with(&["info", "name"], name)).is_ok(), "{name}");
        assert!(read(&multi([entry(1, &["good"]), entry(1, &["a", name])])).is_ok(), "{name}");
    }
}

#[test]
fn duplicate_keys_are_refused() {
    let single = String::from_utf8(single().encode().iter().map(|byte| byte & 0x7f).collect()).unwrap();
    let twice = single.replace("4:name5:a.iso", "4:name5:a.iso4:name5:b.iso");
    let message = Metainfo::parse(twice.as_bytes()).unwrap_err().to_string();
    assert_eq!(message, "duplicate `name` at byte 85");
    let info = single.find("4:info").unwrap();
    let twice = format!("{}{}", &single[..single.len() - 1], &single[info..]);
    assert!(Metainfo::parse(twice.as_bytes()).unwrap_err().to_string().starts_with("duplicate `info`"));
}

#[test]
fn version_2_only_is_refused_with_an_error() {
    let mut torrent = with(&["info", "meta version"], 2u32);
    for key in ["pieces", "length"] {
        set(&mut torrent, &["info", key], None);
    }
    set(&mut torrent, &["info", "file tree"], Some(Tree::dictionary([])));
    assert_eq!(read(&torrent), Err(MetainfoError::VersionTwo));
}

#[test]
fn invalid_bencode_and_oversized_files_are_refused() {
    assert_eq!(
        Metainfo::parse(b"").unwrap_err().to_string(),
        "not a torrent: the document ends unexpectedly at byte 0"
    );
    let html = Metainfo::parse(b"<html>").unwrap_err().to_string();
    assert_eq!(html, "not a torrent: no value begins with `<` at byte 0");
    assert!(matches!(Metainfo::parse(&vec![b'l'; (32 << 20) + 1]), Err(MetainfoError::TooLarge { .. })));
}
