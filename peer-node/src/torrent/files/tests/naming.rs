use protocol::bencode::Tree;

use super::*;

const PIECE: usize = 100;

/// Makes a torrent of files with these names, whatever they are, each of 150 bytes.
fn original(encoding: Option<&str>, name: &[u8], paths: &[&[&[u8]]]) -> TorrentContent {
    let bytes = pseudorandom_bytes(150 * paths.len(), 17);
    let hashes: Vec<u8> = bytes.chunks(PIECE).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let file = |path: &&[&[u8]]| {
        let path = Tree::list(path.iter().map(|name| (*name).into()));
        Tree::dictionary([("length", 150u32.into()), ("path", path)])
    };
    let info = Tree::dictionary([
        ("name", name.into()),
        ("piece length", 100u32.into()),
        ("pieces", hashes.into()),
        ("files", Tree::list(paths.iter().map(file))),
    ]);
    let encoding = encoding.map(|label| ("encoding", label.into()));
    let torrent = Tree::dictionary([("info", info)].into_iter().chain(encoding)).encode();
    TorrentContent { metainfo: Arc::new(Metainfo::parse(&torrent).unwrap()), bytes }
}

#[test]
fn odd_names_stay_in_the_folder_and_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let paths: [&[&[u8]]; 8] = [
        &[b"a/b"],
        &[b"..", b"..", b"up"],
        &[b"tab\t", b""],
        &[b"x"],
        &[b"x"],
        &[b"x", b"below"],
        &[b"CON", b"x.part"],
        &[&[b'l'; 300]],
    ];
    let original = original(None, b"../t", &paths);
    let (files, mut here) = original.open(folder.path());
    original.store(&files, &mut here, 0..5);
    files.record_pieces(&here).unwrap();
    drop(files);
    let (files, mut here) = original.open(folder.path());
    assert_eq!(here.count(), 5, "an earlier attempt is found");
    original.store(&files, &mut here, original.all());
    files.finalize(&here).unwrap();
    files.record_pieces(&here).unwrap();
    original.assert_complete(folder.path());
    let mut expected = [
        "a_b",
        "unnamed/unnamed/up",
        "tab_/unnamed",
        "x (1)",
        "x (2)",
        "x/below",
        "_CON/x.part_",
        &"l".repeat(198),
    ]
    .map(|path| format!("_._t/{path}"));
    expected.sort();
    let mut found = file_names(folder.path());
    found.sort();
    assert_eq!(found, expected);
    assert!(original.open(folder.path()).1.is_full());
    let complete = TorrentFiles::open_complete(folder.path(), &original.metainfo).unwrap();
    let all = Bitfield::full(original.metainfo.geometry());
    assert!(complete.check(&all, &CancellationToken::new(), &|_| ()).is_full());
}

#[test]
fn a_file_a_hundred_long_folders_deep_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let name = [b'd'; 250];
    let path: Vec<&[u8]> = vec![&name; 100];
    let original = original(None, b"t", &[&path]);
    let (files, mut here) = original.open(folder.path());
    original.store(&files, &mut here, original.all());
    assert_eq!(files.finalize(&here).unwrap().len(), 1);
    assert!(original.open(folder.path()).1.is_full());
}

#[test]
fn content_under_names_of_an_earlier_release_is_found() {
    let russian: [&[&[u8]]; 2] = [&[b"\xcc\xe8\xf0"], &[b"plain"]];
    for name in [&b"t"[..], b"\xcc"] {
        let folder = tempfile::tempdir().unwrap();
        let now = original(Some("cp1251"), name, &russian);
        let before = TorrentContent {
            metainfo: Arc::new(now.metainfo.with_legacy_names().unwrap()),
            bytes: now.bytes.clone(),
        };
        let (files, mut here) = before.open(folder.path());
        before.store(&files, &mut here, [0, 2]);
        files.record_pieces(&here).unwrap();
        drop(files);
        let left = file_names(folder.path());
        let (files, mut here) = now.open(folder.path());
        assert_eq!((here.count(), file_names(folder.path())), (2, left), "half of it is there");
        now.store(&files, &mut here, now.all());
        files.finalize(&here).unwrap();
        files.record_pieces(&here).unwrap();
        before.assert_complete(folder.path());
        let complete = TorrentFiles::open_complete(folder.path(), &now.metainfo).unwrap();
        let all = Bitfield::full(now.metainfo.geometry());
        assert!(complete.check(&all, &CancellationToken::new(), &|_| ()).is_full());
        assert!(now.open(folder.path()).1.is_full(), "what is whole is not fetched again");
    }
}

#[test]
fn a_download_resumes_under_current_names() {
    let folder = tempfile::tempdir().unwrap();
    let now = original(Some("cp1251"), b"t", &[&[b"\xcc\xe8\xf0"], &[b"plain"]]);
    let (files, mut here) = now.open(folder.path());
    now.store(&files, &mut here, [0]);
    files.record_pieces(&here).unwrap();
    drop(files);
    let (files, mut here) = now.open(folder.path());
    assert_eq!(here.count(), 1);
    now.store(&files, &mut here, now.all());
    files.finalize(&here).unwrap();
    files.record_pieces(&here).unwrap();
    now.assert_complete(folder.path());
    assert_eq!(file_names(folder.path()), ["t/plain", "t/Мир"]);
}

#[test]
fn an_unmapped_name_is_tried_first() {
    let folder = tempfile::tempdir().unwrap();
    let original = original(None, b"t", &[&[b"a?"], &[b"a_"]]);
    fs::create_dir(folder.path().join("t")).unwrap();
    for (name, range) in [("a?", 0..150), ("a_", 150..300)] {
        fs::write(folder.path().join("t").join(name), &original.bytes[range]).unwrap();
    }
    let complete = TorrentFiles::open_complete(folder.path(), &original.metainfo).unwrap();
    let all = Bitfield::full(original.metainfo.geometry());
    assert!(complete.check(&all, &CancellationToken::new(), &|_| ()).is_full());
}
