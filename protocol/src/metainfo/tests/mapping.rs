//! The mapping of unstorable names and conflicting paths.

use super::*;

/// Returns for each file its path, its storage path, and true if the path was mapped.
fn mapped(files: impl IntoIterator<Item = Tree>) -> Vec<(String, String, bool)> {
    let metainfo = read(&multi(files)).unwrap();
    let stored = |file: &FileSpan| file.path.stored_components().collect::<Vec<_>>().join("/");
    let describe = |file: &FileSpan| (file.path.as_str().to_owned(), stored(file), file.path.is_mapped());
    metainfo.files().iter().map(describe).collect()
}

/// Returns the storage paths, below the torrent's folder, of files with these paths.
fn storage_paths(paths: &[&[&str]]) -> Vec<String> {
    let files = mapped(paths.iter().map(|path| entry(1, path))).into_iter();
    files.map(|(_, stored, _)| stored.strip_prefix("album/").unwrap().to_owned()).collect()
}

#[test]
fn unstorable_components_are_mapped() {
    let long = format!("{}.iso", "x".repeat(300));
    let cut = format!("{}.iso", "x".repeat(194));
    for (path, shown) in [
        (&["a/b"][..], "a_b"),
        (&["/etc", "x"], "_etc/x"),
        (&["../x"], "_._x"),
        (&["a", "..", "..", "b"], "a/unnamed/unnamed/b"),
        (&["."], "unnamed"),
        (&["a", ""], "a/unnamed"),
        (&["", "a"], "unnamed/a"),
        (&["a\tb"], "a_b"),
        (&["a\nb\u{1b}[2J"], "a_b_[2J"),
        (&["a\0"], "a_"),
        (&[&long], &cut),
    ] {
        let shown = format!("album/{shown}");
        assert_eq!(mapped([entry(1, path)]), [(shown.clone(), shown, true)], "{path:?}");
    }
}

#[test]
fn names_valid_on_linux_are_kept() {
    for (name, stored) in [
        ("K: Missing Kings.mkv", "K_ Missing Kings.mkv"),
        ("a\\b", "a_b"),
        ("nul", "_nul"),
        ("what?", "what_"),
        (".hidden", "_hidden"),
        ("end. ", "end"),
        ("plain", "plain"),
    ] {
        let expected = (format!("album/{name}"), format!("album/{stored}"), false);
        assert_eq!(mapped([entry(1, &[name])]), [expected]);
    }
    assert_eq!(storage_paths(&[&["CON", "aux", "x"]]), ["_CON/_aux/x"]);
}

#[test]
fn torrent_name_is_mapped_too() {
    let long = "x".repeat(1 << 16);
    for (name, shown) in
        [("", "unnamed"), ("..", "unnamed"), ("/etc/passwd", "_etc_passwd"), ("a\u{1b}b", "a_b")]
    {
        let mut torrent = single();
        set(&mut torrent, &["info", "name"], Some(name.into()));
        let metainfo = read(&torrent).unwrap();
        assert_eq!((metainfo.name(), metainfo.files()[0].path.as_str()), (shown, shown));
        assert!(metainfo.files()[0].path.is_mapped());
        let mut torrent = multi([entry(1, &["a"])]);
        set(&mut torrent, &["info", "name"], Some(name.into()));
        assert_eq!(read(&torrent).unwrap().files()[0].path.as_str(), format!("{shown}/a"));
    }
    let mut torrent = single();
    set(&mut torrent, &["info", "name"], Some(long.as_str().into()));
    assert_eq!(read(&torrent).unwrap().name(), "x".repeat(198));
}

#[test]
fn conflicting_files_are_numbered() {
    assert_eq!(storage_paths(&[&["a"], &["b"], &["a"], &["a"]]), ["a", "b", "a (1)", "a (2)"]);
    assert_eq!(storage_paths(&[&["a.x"], &["a.x"], &["a (1).x"]]), ["a.x", "a (2).x", "a (1).x"]);
    assert_eq!(
        storage_paths(&[&["a?"], &["a*"], &["d", "a"], &["d", "a"]]),
        ["a_", "a_ (1)", "d/a", "d/a (1)"]
    );
    assert_eq!(storage_paths(&[&["a?"], &["a_"], &["a/"]]), ["a_ (1)", "a_", "a_ (2)"]);
    assert_eq!(storage_paths(&[&["README"], &["readme"]]), ["README", "readme"]);
}

#[test]
fn file_that_is_also_a_folder_is_numbered() {
    assert_eq!(storage_paths(&[&["a"], &["a", "b"]]), ["a (1)", "a/b"]);
    assert_eq!(storage_paths(&[&["a", "b"], &["a-b"], &["a"], &["a b"]]), ["a/b", "a-b", "a (1)", "a b"]);
    assert_eq!(
        storage_paths(&[&["a"], &["a", "b"], &["a", "b", "c"], &["a (1)", "x"]]),
        ["a (2)", "a/b (1)", "a/b/c", "a (1)/x"]
    );
    assert_eq!(storage_paths(&[&["a?"], &["a*", "b"]]), ["a_ (1)", "a_/b"]);
}

#[test]
fn exact_names_are_unique() {
    let paths: [&[&str]; 6] = [&["a"], &["a"], &["b?"], &["b*"], &["c\t"], &["d", "e"]];
    let metainfo = read(&multi(paths.iter().map(|path| entry(1, path)))).unwrap();
    let exact =
        |file: &FileSpan| file.path.exact_components().map(|names| names.collect::<Vec<_>>().join("/"));
    let exact: Vec<_> = metainfo.files().iter().map(exact).collect();
    let some = |path: &str| Some(path.to_owned());
    assert_eq!(exact, [some("album/a"), None, some("album/b?"), some("album/b*"), None, some("album/d/e")]);
}

#[test]
fn many_files_of_one_name_are_numbered_quickly() {
    let files = (0..100_000).map(|_| entry(1, &["a"]));
    let mut torrent = multi(files);
    set(&mut torrent, &["info", "pieces"], Some(vec![7; 20 * 7].into()));
    let metainfo = read(&torrent).unwrap();
    let last = metainfo.files().last().unwrap();
    assert_eq!(last.path.stored_components().last().unwrap(), "a (99999)");
}

#[test]
fn names_are_decoded_in_the_declared_encoding() {
    let name = |label: &str, bytes: &[u8]| {
        let mut torrent = single();
        set(&mut torrent, &["encoding"], Some(label.into()));
        set(&mut torrent, &["info", "name"], Some(bytes.to_vec().into()));
        read(&torrent).unwrap().name().to_owned()
    };
    for label in ["GBK", "gb2312", "CP936", " gbk "] {
        assert_eq!(name(label, b"\xd6\xd0\xce\xc4.txt"), "中文.txt", "{label}");
    }
    for label in ["cp1251", "windows-1251"] {
        assert_eq!(name(label, b"\xcc\xe8\xf0"), "Мир");
    }
    // The second byte of the first character is a backslash.
    for label in ["Shift-JIS", "shift_jis", "cp932"] {
        assert_eq!(name(label, b"\x95\x5c\x8e\xa6"), "表示");
    }
    assert_eq!(name("GBK", "日本".as_bytes()), "日本", "what is UTF-8 is UTF-8");
    assert_eq!(name("GBK", b"\xff\xffx"), "ÿÿx", "what is not GBK either");
    for label in ["", "UTF-8", "klingon", "utf8", "iso-8859-1"] {
        assert_eq!(name(label, b"caf\xe9"), "café", "{label}");
    }
}

#[test]
fn legacy_names_are_available() {
    let mut torrent = multi([entry(1, &["a"])]);
    set(&mut torrent, &["encoding"], Some("cp1251".into()));
    assert_eq!(read(&torrent).unwrap().with_legacy_names(), None, "nothing is in that encoding");
    set(&mut torrent, &["info", "name"], Some(b"\xcc\xe8\xf0".to_vec().into()));
    let metainfo = read(&torrent).unwrap();
    let legacy = metainfo.with_legacy_names().unwrap();
    assert_eq!((metainfo.name(), legacy.name()), ("Мир", "Ìèð"));
    assert_eq!((legacy.infohash(), legacy.geometry()), (metainfo.infohash(), metainfo.geometry()));
    set(&mut torrent, &["encoding"], Some("UTF-8".into()));
    assert_eq!(read(&torrent).unwrap().with_legacy_names(), None);
}

#[test]
fn decoded_names_cannot_escape_the_folder() {
    let mut torrent = multi([entry(1, &["a"])]);
    for label in ["utf-16le", "utf-16be", "iso-2022-jp", "utf-7", "x-user-defined", "gb18030", "replacement"]
    {
        set(&mut torrent, &["encoding"], Some(label.into()));
        for bytes in [&b".\0.\0/\0.\0.\0\xff\xd8"[..], b"\0.\0.\0/", b"\x1b$B\xff../", b"\xff/../x"] {
            set(&mut torrent, &["info", "name"], Some(bytes.to_vec().into()));
            let metainfo = read(&torrent).unwrap();
            assert!(crate::share_path::is_file_name(metainfo.name()), "{label}: {}", metainfo.name());
        }
    }
}
