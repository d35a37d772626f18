use sha1::{Digest as _, Sha1};

use super::*;

#[test]
fn single_file_is_read() {
    let metainfo = read(&single()).unwrap();
    assert_eq!((metainfo.name(), metainfo.is_single_file()), ("a.iso", true));
    assert_eq!((metainfo.geometry().size(), metainfo.geometry().piece_count()), (50_000, 4));
    let [file] = metainfo.files() else { panic!("{:?}", metainfo.files()) };
    assert_eq!((file.path.as_str(), file.offset, file.length), ("a.iso", 0, 50_000));
    assert_eq!(metainfo.tiers(), [["http://127.0.0.1:6969/announce"]]);
    assert_eq!(metainfo.bytes(), single().encode());
    assert!(!metainfo.is_private() && !metainfo.is_hybrid());
    assert_eq!(metainfo.irregularity(), None);
}

#[test]
fn several_files_are_contiguous_in_a_folder() {
    let files = [entry(5, &["b"]), entry(0, &["empty"]), entry(7, &["cd 1", "a.flac"])];
    let metainfo = read(&multi(files)).unwrap();
    let spans: Vec<_> =
        metainfo.files().iter().map(|file| (file.path.as_str(), file.offset, file.length)).collect();
    assert_eq!(spans, [("album/b", 0, 5), ("album/empty", 5, 0), ("album/cd 1/a.flac", 5, 7)]);
    assert_eq!((metainfo.geometry().size(), metainfo.is_single_file()), (12, false));
}

#[test]
fn infohash_covers_the_original_bytes() {
    let bytes = single().encode();
    let start = bytes.windows(7).position(|window| window == b"d6:leng").unwrap();
    let expected = Infohash::of(&bytes[start..bytes.len() - 1]);
    assert_eq!(read(&single()).unwrap().infohash(), expected);
}

#[test]
fn unsorted_keys_and_trailing_bytes_are_reported() {
    let info = b"d4:name1:x6:lengthi3e12:piece lengthi1e6:pieces60:".as_slice();
    let info = [info, &[1; 60], b"e"].concat();
    let torrent = [b"d4:info".as_slice(), &info, b"e\n"].concat();
    let metainfo = Metainfo::parse(&torrent).unwrap();
    assert_eq!(metainfo.infohash(), Infohash::of(&info));
    assert_eq!(metainfo.irregularity().unwrap().at, 17);
    assert_eq!(metainfo.bytes(), torrent);
    assert!(metainfo.tiers().is_empty());
}

#[test]
fn pieces_are_verified_by_sha1() {
    let mut torrent = single();
    let content = vec![3u8; 20_000];
    let hashes: Vec<u8> = content.chunks(16_384).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    set(&mut torrent, &["info", "length"], Some(20_000u64.into()));
    set(&mut torrent, &["info", "pieces"], Some(hashes.into()));
    let metainfo = read(&torrent).unwrap();
    let [first, last] = metainfo.geometry().pieces().collect::<Vec<_>>()[..] else { panic!("two pieces") };
    assert!(metainfo.verify_piece(first, [&content[..16_384]]));
    assert!(metainfo.verify_piece(first, [&content[..5], &[], &content[5..16_384]]));
    assert!(metainfo.verify_piece(last, [&content[16_384..]]));
    assert!(!metainfo.verify_piece(last, [&content[16_383..]]));
    assert!(!metainfo.verify_piece(first, []));
    let mut changed = content[..16_384].to_vec();
    changed[9] ^= 1;
    assert!(!metainfo.verify_piece(first, [&*changed]));
}

#[test]
fn announce_list_takes_precedence_over_announce() {
    let mut torrent = single();
    let tier = |addresses: &[&str]| Tree::list(addresses.iter().map(|address| (*address).into()));
    let list = [
        tier(&["http://a/announce", "udp://b:1/"]),
        tier(&["no address", "http://x y/", "http://a/announce", "http://\u{1b}/"]),
        tier(&[]),
        "https://c/".into(),
    ];
    set(&mut torrent, &["announce-list"], Some(Tree::list(list)));
    let metainfo = read(&torrent).unwrap();
    assert_eq!(metainfo.tiers(), [vec!["http://a/announce", "udp://b:1/"], vec!["https://c/"]]);

    set(&mut torrent, &["announce-list"], Some(Tree::list([])));
    assert_eq!(read(&torrent).unwrap().tiers(), [["http://127.0.0.1:6969/announce"]]);

    let many = (0..100_000).map(|number| tier(&[&format!("http://{number}/")]));
    set(&mut torrent, &["announce-list"], Some(Tree::list(many)));
    assert_eq!(read(&torrent).unwrap().tiers().len(), 100);
}

#[test]
fn optional_texts_are_read() {
    let mut torrent = single();
    let digest = Digest::EMPTY;
    for (key, value) in [
        ("comment", Tree::from("für dich")),
        ("created by", "mktorrent 1.1".into()),
        ("creation date", 1_700_000_000u64.into()),
        ("encoding", "UTF-8".into()),
        ("sha256", digest.to_string().as_str().into()),
    ] {
        set(&mut torrent, &[key], Some(value));
    }
    set(&mut torrent, &["info", "private"], Some(1u32.into()));
    let metainfo = read(&torrent).unwrap();
    assert_eq!((metainfo.comment(), metainfo.created_by()), (Some("für dich"), Some("mktorrent 1.1")));
    assert_eq!((metainfo.creation_date(), metainfo.encoding()), (Some(1_700_000_000), Some("UTF-8")));
    assert_eq!((metainfo.digest(), metainfo.is_private()), (Some(digest), true));
}

#[test]
fn odd_optional_values_are_ignored() {
    let mut torrent = multi([entry(1, &["a"])]);
    for (key, value) in [
        ("comment", Tree::Integer(3)),
        ("creation date", (-1i64).into()),
        ("sha256", Digest::EMPTY.to_string().as_str().into()),
    ] {
        set(&mut torrent, &[key], Some(value));
    }
    let metainfo = read(&torrent).unwrap();
    assert_eq!((metainfo.comment(), metainfo.creation_date(), metainfo.digest()), (None, None, None));
}

#[test]
fn utf8_names_are_preferred_others_are_converted() {
    let mut torrent = single();
    set(&mut torrent, &["info", "name"], Some(b"caf\xe9 \x93x\x94".to_vec().into()));
    assert_eq!(read(&torrent).unwrap().name(), "café “x”");
    set(&mut torrent, &["info", "name.utf-8"], Some("日本".into()));
    assert_eq!(read(&torrent).unwrap().name(), "日本");

    let mut file = entry(1, &[]);
    set(&mut file, &["path"], Some(Tree::list([b"\xff".to_vec().into()])));
    assert_eq!(read(&multi([file.clone()])).unwrap().files()[0].path.as_str(), "album/ÿ");
    set(&mut file, &["path.utf-8"], Some(Tree::list(["ü".into()])));
    assert_eq!(read(&multi([file])).unwrap().files()[0].path.as_str(), "album/ü");
}

#[test]
fn padding_is_recognized_and_links_are_skipped() {
    let mut padding = entry(3, &[".pad", "3"]);
    set(&mut padding, &["attr"], Some("p".into()));
    let mut link = entry(0, &["link"]);
    set(&mut link, &["attr"], Some("l".into()));
    set(&mut link, &["symlink path"], Some(Tree::list(["..".into()])));
    let old = entry(3, &["_____padding_file_0_if you see this file, update____"]);
    let files = [entry(1, &["a"]), padding.clone(), link.clone(), padding.clone(), old, entry(1, &["b"])];
    let metainfo = read(&multi(files)).unwrap();
    let shown: Vec<_> =
        metainfo.files().iter().map(|file| (file.path.as_str(), file.offset, file.is_padding)).collect();
    let pad = "album/.pad/3";
    let expected =
        [("album/a", 0, false), (pad, 1, true), (pad, 4, true), (pad, 7, true), ("album/b", 10, false)];
    assert_eq!(shown, expected);
}

#[test]
fn links_and_padding_may_omit_keys() {
    let mut link = entry(50_000, &["link"]);
    set(&mut link, &["attr"], Some("xl".into()));
    let without = |mut entry: Tree, keys: &[&str]| {
        for key in keys {
            set(&mut entry, &[key], None);
        }
        entry
    };
    let mut padding = entry(3, &[".pad", "3"]);
    set(&mut padding, &["attr"], Some("p".into()));
    let files = [
        entry(1, &["a"]),
        link.clone(),
        without(link.clone(), &["length"]),
        without(link, &["length", "path"]),
        without(padding.clone(), &["path"]),
        without(padding, &["path", "length"]),
        entry(1, &["b"]),
    ];
    let metainfo = read(&multi(files)).unwrap();
    let shown: Vec<_> = metainfo.files().iter().map(|file| (file.path.as_str(), file.length)).collect();
    assert_eq!(shown, [("album/a", 1), ("album/.pad/3", 3), ("album/.pad/0", 0), ("album/b", 1)]);
    assert_eq!(metainfo.geometry().size(), 5);
    assert!(refusal(&multi([without(entry(1, &["a"]), &["length"])])).contains("no `length`"));
}

#[test]
fn trackers_are_found_in_every_known_form() {
    let mut torrent = single();
    let tiers = |torrent: &Tree| read(torrent).unwrap().tiers().to_vec();
    set(&mut torrent, &["announce"], Some(" \thttp://a/announce\r\n".into()));
    assert_eq!(tiers(&torrent), [["http://a/announce"]]);
    for none in [Tree::Integer(1), Tree::dictionary([]), "no address".into()] {
        set(&mut torrent, &["announce-list"], Some(none));
        assert_eq!(tiers(&torrent), [["http://a/announce"]]);
    }
    set(&mut torrent, &["announce-list"], Some("http://b/announce".into()));
    assert_eq!(tiers(&torrent), [["http://a/announce"]]);
    set(&mut torrent, &["announce"], Some(Tree::Integer(7)));
    assert_eq!(tiers(&torrent), [["http://b/announce"]]);
    let list = Tree::list([Tree::list([" http://c/ ".into(), "http://c/".into()])]);
    set(&mut torrent, &["announce-list"], Some(list));
    assert_eq!(tiers(&torrent), [["http://c/"]]);
    set(&mut torrent, &["announce-list"], None);
    assert!(tiers(&torrent).is_empty());
}

#[test]
fn private_flag_is_read_in_any_form() {
    for (flag, is_private) in [
        (Tree::Integer(1), true),
        (Tree::Integer(0), false),
        ("1".into(), true),
        ("yes".into(), true),
        ("0".into(), false),
        ("".into(), false),
        (Tree::list([]), true),
    ] {
        let mut torrent = single();
        set(&mut torrent, &["info", "private"], Some(flag.clone()));
        assert_eq!(read(&torrent).unwrap().is_private(), is_private, "{flag:?}");
    }
}

#[test]
fn unused_sources_are_recognized() {
    let known = |key: &str, value: Tree| {
        let mut torrent = single();
        set(&mut torrent, &[key], Some(value));
        let metainfo = read(&torrent).unwrap();
        (metainfo.has_web_seeds(), metainfo.has_nodes())
    };
    assert_eq!(known("url-list", "http://a/".into()), (true, false));
    assert_eq!(known("url-list", Tree::list(["http://a/".into()])), (true, false));
    assert_eq!(known("httpseeds", Tree::list(["http://a/".into()])), (true, false));
    assert_eq!(known("nodes", Tree::list([Tree::list(["a".into(), 1u32.into()])])), (false, true));
    for nothing in ["".into(), Tree::list([]), Tree::Integer(1)] {
        assert_eq!(known("url-list", nothing), (false, false));
    }
}

#[test]
fn hybrid_is_read_as_version_1() {
    let mut torrent = single();
    set(&mut torrent, &["info", "meta version"], Some(2u32.into()));
    set(&mut torrent, &["info", "file tree"], Some(Tree::dictionary([])));
    assert!(read(&torrent).unwrap().is_hybrid());
}

#[test]
fn paths_differing_by_case_are_distinct() {
    assert!(read(&multi([entry(1, &["README"]), entry(1, &["readme"])])).is_ok());
}

#[test]
fn draft_is_read_back() {
    let tiers = vec![vec!["http://a/".to_owned(), "http://b/".to_owned()], vec!["udp://c:1/".to_owned()]];
    let file = |path: &[&str], length| DraftFile {
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        length,
    };
    let draft = MetainfoDraft {
        name: "album".to_owned(),
        piece_length: 4,
        content: DraftContent::Files(vec![file(&["x"], 3), file(&["d", "y"], 4)]),
        private: true,
        tiers: tiers.clone(),
        optional: DraftOptionalFields { creation_date: Some(5), ..DraftOptionalFields::default() },
    };
    let metainfo = Metainfo::parse(&draft.encode(&[[1; 20], [2; 20]]).unwrap()).unwrap();
    assert_eq!((metainfo.tiers(), metainfo.is_private()), (&*tiers, true));
    assert_eq!((metainfo.files().len(), metainfo.files()[1].path.as_str()), (2, "album/d/y"));
    assert_eq!(metainfo.piece_hash(metainfo.geometry().piece(1).unwrap()), [2; 20]);
    assert!(matches!(draft.encode(&[[1; 20]]), Err(MetainfoError::Pieces(PiecesFault::Count { .. }))));
}
