//! Golden bytes of torrents created by other programs.

use super::*;

/// Created by mktorrent 1.1 with `-d -p -l 15` and two tiers of trackers.
const MKTORRENT: &[u8] =
    b"d8:announce30:http://127.0.0.1:6969/announce13:announce-listll30:http://127.0.0.1:6969/announc\
    e30:http://127.0.0.2:6969/announceel20:udp://127.0.0.3:6969ee7:comment8:a remark10:created by1\
    3:mktorrent 1.14:infod5:filesld6:lengthi6e4:pathl5:a.txteed6:lengthi7e4:pathl3:sub5:b.txteee4:\
    name4:pair12:piece lengthi32768e6:pieces20:\x93 ,#\xed\xaa]\x7f\x0aT~\x8c\x84r\x9d\xf0\x87\xf6\
    \xb8\xa77:privatei1eee";

/// Created by libtorrent 2.1 from the same two files, as a hybrid of version 1 and 2.
const HYBRID: &[u8] =
    b"d8:announce30:http://127.0.0.1:6969/announce10:created by10:libtorrent4:infod9:file treed5:a.t\
    xtd0:d6:lengthi6e11:pieces root32:X\x91\xb5\xb5\"\xd5\xdf\x08m\x0f\xf0\xb1\x10\xfb\xd9\xd2\x1b\
    \xb4\xfcqc\xaf4\xd0\x82\x86\xa2\xe8F\xf6\xbe\x03ee3:subd5:b.txtd0:d6:lengthi7e11:pieces root32\
    :\x15)l\xbdue\xd6\xb3X?\xcf\xe1\xd9\"F\xcb\xe2{\xd9\xb7\xc5\x86'\x84\xc7\x8f\x11v\xc3\xb6\"\
    \xb0eeee5:filesld6:lengthi6e4:pathl5:a.txteed4:attr1:p6:lengthi16378e4:pathl4:.pad5:16378eed6:\
    lengthi7e4:pathl3:sub5:b.txteed4:attr1:p6:lengthi16377e4:pathl4:.pad5:16377eee12:meta versioni\
    2e4:name4:pair12:piece lengthi16384e6:pieces40:\x9d\xd3\xc81\x7f\xeeW\x91g|\xad\x95\xc1\xed\
    \xeb`\xa0P\xbf\xee\xbdh\xb8\x0e\x96\x1a\x09\x9b\x9fl\xc5\x10\x1d\xe3X\x9cCR \x1ae12:piece laye\
    rsdee";

/// Created by libtorrent 2.1 as version 2 only.
const VERSION_2_ONLY: &[u8] =
    b"d8:announce30:http://127.0.0.1:6969/announce10:created by10:libtorrent4:infod9:file treed5:a.t\
    xtd0:d6:lengthi6e11:pieces root32:X\x91\xb5\xb5\"\xd5\xdf\x08m\x0f\xf0\xb1\x10\xfb\xd9\xd2\x1b\
    \xb4\xfcqc\xaf4\xd0\x82\x86\xa2\xe8F\xf6\xbe\x03ee3:subd5:b.txtd0:d6:lengthi7e11:pieces root32\
    :\x15)l\xbdue\xd6\xb3X?\xcf\xe1\xd9\"F\xcb\xe2{\xd9\xb7\xc5\x86'\x84\xc7\x8f\x11v\xc3\xb6\"\
    \xb0eeee12:meta versioni2e4:name4:pair12:piece lengthi16384ee12:piece layersdee";

#[test]
fn mktorrent_file_round_trips() {
    let metainfo = Metainfo::parse(MKTORRENT).unwrap();
    assert_eq!(metainfo.infohash().to_string(), "4be732d993e410da3beeebe3b0dd0ee370031601");
    assert_eq!(metainfo.irregularity(), None);
    let first = ["http://127.0.0.1:6969/announce", "http://127.0.0.2:6969/announce"];
    assert_eq!(metainfo.tiers(), [&first[..], &["udp://127.0.0.3:6969"]]);
    let only = metainfo.geometry().piece(0).unwrap();
    assert!(metainfo.verify_piece(only, [&b"hello\n"[..], b"world!\n"]));

    let file = |path: &[&str], length| DraftFile {
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        length,
    };
    let optional = DraftOptionalFields {
        comment: Some("a remark".to_owned()),
        created_by: Some("mktorrent 1.1".to_owned()),
        ..DraftOptionalFields::default()
    };
    let draft = MetainfoDraft {
        name: "pair".to_owned(),
        piece_length: 32_768,
        content: DraftContent::Files(vec![file(&["a.txt"], 6), file(&["sub", "b.txt"], 7)]),
        private: true,
        tiers: metainfo.tiers().to_vec(),
        optional,
    };
    assert_eq!(draft.encode(&[metainfo.piece_hash(only)]).unwrap(), MKTORRENT);
}

#[test]
fn libtorrent_hybrid_is_read_as_version_1() {
    let metainfo = Metainfo::parse(HYBRID).unwrap();
    assert_eq!(metainfo.infohash().to_string(), "eea7400a263f3ce74e31e2e95e2d01843241e117");
    assert!(metainfo.is_hybrid());
    let files: Vec<_> = metainfo.files().iter().map(|file| (file.path.as_str(), file.is_padding)).collect();
    let (a, b) = (("pair/a.txt", false), ("pair/sub/b.txt", false));
    assert_eq!(files, [a, ("pair/.pad/16378", true), b, ("pair/.pad/16377", true)]);
    let zeros = [0; 16_378];
    let pieces: Vec<_> = metainfo.geometry().pieces().collect();
    assert!(metainfo.verify_piece(pieces[0], [&b"hello\n"[..], &zeros]));
    assert!(metainfo.verify_piece(pieces[1], [&b"world!\n"[..], &zeros[1..]]));
}

#[test]
fn version_2_only_torrent_is_refused() {
    assert_eq!(Metainfo::parse(VERSION_2_ONLY), Err(MetainfoError::VersionTwo));
}
