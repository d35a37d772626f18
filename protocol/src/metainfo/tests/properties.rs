use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9äß日][a-zA-Z0-9 äß日._-]{0,20}xy"
}

/// Generates names that often conflict after mapping.
fn odd_name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "a", "a?", "a*", "a_", "a (1)", "a (2)", "A", "", ".", "..", "/", "a/b", "nul", "_nul", ".part",
            "b.part", "unnamed", "a\tb", "a_b", "a\nb", "a.x", "a?.x", "a (1).x",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

prop_compose! {
    fn draft()(
        name in name(),
        piece_length in 1u32..100_000,
        lengths in vec(0u64..100_000, 1..8),
        folders in vec(name(), 0..3),
        single: bool,
        private: bool,
        comment in proptest::option::of("[a-zä]{1,20}"),
        creation_date in proptest::option::of(0u64..1 << 40),
    ) -> (MetainfoDraft, Vec<[u8; 20]>) {
        let size: u64 = if single { lengths[0] } else { lengths.iter().sum() };
        let files = lengths.iter().enumerate().map(|(number, length)| {
            let mut path: Vec<String> = folders.iter().take(number % 3).cloned().collect();
            path.push(format!("{number}.bin"));
            DraftFile { path, length: *length }
        });
        let content = if single {
            DraftContent::Single(size)
        } else {
            DraftContent::Files(files.collect())
        };
        let hashes = (0..size.div_ceil(piece_length.into())).map(|number| {
            let mut hash = [0; 20];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            hash
        });
        let optional = DraftOptionalFields { comment, creation_date, ..DraftOptionalFields::default() };
        let tiers = Vec::new();
        let draft = MetainfoDraft { name, piece_length, content, private, tiers, optional };
        (draft, hashes.collect())
    }
}

/// Finds the bytes of `info` independently of the tested parser, from the key to the matching end of its value.
fn info_span(torrent: &[u8]) -> Option<&[u8]> {
    let start = torrent.windows(7).position(|window| window == b"4:infod")? + 6;
    let (mut at, mut depth) = (start, 0);
    loop {
        match torrent.get(at)? {
            b'd' | b'l' => (depth, at) = (depth + 1, at + 1),
            b'i' => at += torrent[at..].iter().position(|byte| *byte == b'e')? + 1,
            b'e' => (depth, at) = (depth - 1, at + 1),
            _ => {
                let colon = torrent[at..].iter().position(|byte| *byte == b':')?;
                let length: usize = std::str::from_utf8(&torrent[at..at + colon]).ok()?.parse().ok()?;
                at += colon + 1 + length;
            }
        }
        if depth == 0 {
            return torrent.get(start..at);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn drafts_round_trip((draft, hashes) in draft()) {
        prop_assume!(!hashes.is_empty());
        let metainfo = Metainfo::parse(&draft.encode(&hashes).unwrap()).unwrap();
        prop_assert_eq!(metainfo.name(), &draft.name);
        prop_assert_eq!(metainfo.is_private(), draft.private);
        prop_assert_eq!(metainfo.geometry().piece_length(), draft.piece_length);
        prop_assert_eq!(metainfo.comment(), draft.optional.comment.as_deref());
        prop_assert_eq!(metainfo.creation_date(), draft.optional.creation_date);
        for piece in metainfo.geometry().pieces() {
            prop_assert_eq!(metainfo.piece_hash(piece), hashes[piece.as_usize()]);
        }
        match &draft.content {
            DraftContent::Single(length) => {
                prop_assert!(metainfo.is_single_file() && metainfo.geometry().size() == *length);
            }
            DraftContent::Files(files) => {
                let expected = files.iter().map(|file| (format!("{}/{}", draft.name, file.path.join("/")), file.length));
                let read = metainfo.files().iter().map(|file| (file.path.as_str().to_owned(), file.length));
                prop_assert_eq!(read.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn files_tile_the_content((draft, hashes) in draft()) {
        prop_assume!(!hashes.is_empty());
        let metainfo = Metainfo::parse(&draft.encode(&hashes).unwrap()).unwrap();
        let mut next = 0;
        for file in metainfo.files() {
            prop_assert_eq!(file.offset, next);
            next += file.length;
        }
        prop_assert_eq!(next, metainfo.geometry().size());
    }

    #[test]
    fn changed_torrent_never_panics_and_hashes_its_bytes(
        (draft, hashes) in draft(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        prop_assume!(!hashes.is_empty());
        let mut torrent = draft.encode(&hashes).unwrap();
        for (at, byte) in changes {
            let at = at.index(torrent.len());
            torrent[at] = byte;
        }
        if let Ok(metainfo) = Metainfo::parse(&torrent) {
            prop_assert_eq!(Some(metainfo.infohash()), info_span(&torrent).map(Infohash::of));
            for file in metainfo.files() {
                prop_assert!(file.path.components().all(|name| !["", ".", ".."].contains(&name)));
            }
        }
    }

    #[test]
    fn every_file_has_a_unique_safe_path(paths in vec(vec(odd_name(), 1..4), 1..12)) {
        let files = paths.iter().map(|path| {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            entry(1, &names)
        });
        let metainfo = read(&multi(files)).unwrap();
        let stored: Vec<Vec<String>> =
            metainfo.files().iter().map(|file| file.path.stored_components().collect()).collect();
        for (number, path) in stored.iter().enumerate() {
            prop_assert!(path.iter().all(|name| crate::share_path::is_file_name(name)), "{path:?}");
            for (other, another) in stored.iter().enumerate().filter(|(other, _)| *other != number) {
                prop_assert!(!another.starts_with(path), "{number} {other} {stored:?}");
            }
        }
        let again = read(&multi(paths.iter().map(|path| {
            entry(1, &path.iter().map(String::as_str).collect::<Vec<_>>())
        }))).unwrap();
        prop_assert_eq!(again.files(), metainfo.files());
    }

    #[test]
    fn truncated_torrents_are_refused((draft, hashes) in draft(), cut: prop::sample::Index) {
        prop_assume!(!hashes.is_empty());
        let torrent = draft.encode(&hashes).unwrap();
        prop_assert!(Metainfo::parse(&torrent[..cut.index(torrent.len())]).is_err());
    }

    #[test]
    fn no_bytes_panic_the_parser(bytes: Vec<u8>) {
        let _ = Metainfo::parse(&bytes);
    }
}
