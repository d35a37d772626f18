use protocol::bencode::Tree;

use super::*;

const PIECE: usize = 100;

/// Builds a torrent of files with arbitrary names, 150 bytes each.
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
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, 0..5);
    files.record_pieces(&have).unwrap();
    drop(files);
    let (files, mut have) = original.open(folder.path());
    assert_eq!(have.count(), 5, "the earlier attempt was not found");
    original.store(&files, &mut have, original.all());
    files.finalize(&have).unwrap();
    files.record_pieces(&have).unwrap();
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
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, original.all());
    assert_eq!(files.finalize(&have).unwrap().len(), 1);
    assert!(original.open(folder.path()).1.is_full());
}

#[test]
fn content_under_names_of_an_earlier_release_is_found() {
    let russian: [&[&[u8]]; 2] = [&[b"\xcc\xe8\xf0"], &[b"plain"]];
    for name in [&b"t"[..], b"\xcc"] {
        let folder = tempfile::tempdir().unwrap();
        let current = original(Some("cp1251"), name, &russian);
        let legacy = TorrentContent {
            metainfo: Arc::new(current.metainfo.with_legacy_names().unwrap()),
            bytes: current.bytes.clone(),
        };
        let (files, mut have) = legacy.open(folder.path());
        legacy.store(&files, &mut have, [0, 2]);
        files.record_pieces(&have).unwrap();
        drop(files);
        let existing = file_names(folder.path());
        let (files, mut have) = current.open(folder.path());
        assert_eq!((have.count(), file_names(folder.path())), (2, existing), "half of the content exists");
        current.store(&files, &mut have, current.all());
        files.finalize(&have).unwrap();
        files.record_pieces(&have).unwrap();
        legacy.assert_complete(folder.path());
        let complete = TorrentFiles::open_complete(folder.path(), &current.metainfo).unwrap();
        let all = Bitfield::full(current.metainfo.geometry());
        assert!(complete.check(&all, &CancellationToken::new(), &|_| ()).is_full());
        assert!(current.open(folder.path()).1.is_full(), "complete content must not be fetched again");
    }
}

#[test]
fn a_download_resumes_under_current_names() {
    let folder = tempfile::tempdir().unwrap();
    let current = original(Some("cp1251"), b"t", &[&[b"\xcc\xe8\xf0"], &[b"plain"]]);
    let (files, mut have) = current.open(folder.path());
    current.store(&files, &mut have, [0]);
    files.record_pieces(&have).unwrap();
    drop(files);
    let (files, mut have) = current.open(folder.path());
    assert_eq!(have.count(), 1);
    current.store(&files, &mut have, current.all());
    files.finalize(&have).unwrap();
    files.record_pieces(&have).unwrap();
    current.assert_complete(folder.path());
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
