use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::bittorrent::{BlockSegment, PieceLocator};
use crate::torrent::files::TorrentFileCondition::{Complete, Damaged, Missing, WrongLength};

/// Reads a piece block by block, as it is sent to peers.
fn read_in_blocks(files: &TorrentFiles, original: &TorrentContent, piece: PieceIndex) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in original.metainfo.geometry().blocks(piece, 1000) {
        for segment in files.segments(block).unwrap().unwrap() {
            let (BlockSegment::File { length, .. } | BlockSegment::Zeros { length }) = segment;
            let start = bytes.len();
            bytes.resize(start + length, 0);
            if let BlockSegment::File { file, offset, .. } = segment {
                file.read_exact_at(&mut bytes[start..], offset).unwrap();
            }
        }
    }
    bytes
}

#[test]
fn padding_is_zeros_and_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = pseudorandom_bytes(70, 9);
    bytes.resize(100, 0);
    bytes.extend(pseudorandom_bytes(50, 3));
    let file =
        |path: &[&str], length| DraftFile { path: path.iter().map(|&name| name.into()).collect(), length };
    let content =
        DraftContent::Files(vec![file(&["a"], 70), file(&["_____padding_file_0"], 30), file(&["b"], 50)]);
    let original = TorrentContent::of_content("t", content, 100, bytes);
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, original.all());
    assert_eq!(files.finalize(&have).unwrap().len(), 2);
    assert_eq!(file_names(folder.path()), ["t/a", "t/b"]);
    let first = original.metainfo.geometry().piece(0).unwrap();
    assert_eq!(read_in_blocks(&files, &original, first), original.piece(first));
    assert!(original.open(folder.path()).1.is_full());
}

#[test]
fn an_invalid_piece_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let original = TorrentContent::of(&[("a", 100)], 64);
    let (files, mut have) = original.open(folder.path());
    let first = original.metainfo.geometry().piece(0).unwrap();
    assert!(
        !files.store(first, &[&[0; 64]]).unwrap() && !files.store(first, &[&original.bytes[..63]]).unwrap()
    );
    assert_eq!(file_names(folder.path()), ["t.part.json"]);
    original.store(&files, &mut have, original.all());
    files.finalize(&have).unwrap();
    original.assert_complete(folder.path());
}

#[test]
fn a_file_is_renamed_with_its_last_piece_and_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let original = TorrentContent::of(&[("a", 150), ("none", 0), ("b", 100)], 100);
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, [0]);
    assert_eq!(files.finalize(&have).unwrap(), [folder.path().join("t/none")]);
    original.store(&files, &mut have, [1]);
    assert_eq!(files.finalize(&have).unwrap(), [folder.path().join("t/a")]);
    assert_eq!(file_names(folder.path()), ["t/a", "t/b.part", "t/none", "t.part.json"]);
    original.store(&files, &mut have, [2]);
    assert_eq!(files.finalize(&have).unwrap(), [folder.path().join("t/b")]);
    assert!(files.finalize(&have).unwrap().is_empty());
    files.record_pieces(&have).unwrap();
    original.assert_complete(folder.path());
}

#[test]
fn a_changed_file_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let original = TorrentContent::of(&[("a", 100), ("b", 100)], 100);
    original.write_content(folder.path());
    let files = TorrentFiles::open_complete(folder.path(), &original.metainfo).unwrap();
    let geometry = original.metainfo.geometry();
    let blocks = [0, 1].map(|number| geometry.block(number, 10, 20).unwrap());
    assert!(blocks.iter().all(|block| files.segments(*block).unwrap().is_some()));
    fs::write(folder.path().join("t/b"), [7; 100]).unwrap();
    assert!(files.segments(blocks[0]).unwrap().is_some() && files.segments(blocks[1]).unwrap().is_none());
}

#[test]
fn each_file_is_reported_and_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let original =
        TorrentContent::of(&[("a", 100), (".b", 100), ("c", 100), ("d", 100), ("aux.x", 100)], 100);
    original.write_content(folder.path());
    let at = |name: &str| folder.path().join("t").join(name);
    fs::rename(at("_b"), at(".b")).unwrap();
    fs::write(at("a"), [0; 100]).unwrap();
    fs::write(at("c"), [0; 7]).unwrap();
    fs::remove_file(at("d")).unwrap();
    let before = all_files(folder.path());
    let files = TorrentFiles::open_complete(folder.path(), &original.metainfo).unwrap();
    let valid =
        files.check(&Bitfield::full(original.metainfo.geometry()), &CancellationToken::new(), &|_| ());
    let conditions: Vec<_> = files.file_reports(&valid).into_iter().map(|report| report.condition).collect();
    assert_eq!(conditions, [Damaged, Complete, WrongLength { found: 7 }, Missing, Complete]);
    assert!(all_files(folder.path()) == before);
    let elsewhere = TorrentFiles::open_complete(&folder.path().join("t"), &original.metainfo);
    assert!(matches!(elsewhere, Err(TorrentFilesError::NotFound { .. })));
}

#[test]
fn more_files_than_open_handles_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<String> = (0..500).map(|number| format!("{}/{number}", number % 7)).collect();
    let files: Vec<(&str, usize)> =
        paths.iter().zip(1..).map(|(path, length)| (path.as_str(), length)).collect();
    let original = TorrentContent::of(&files, 1 << 14);
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, original.all().rev());
    assert_eq!(files.finalize(&have).unwrap().len(), 500);
    original.assert_complete(folder.path());
    for piece in original.metainfo.geometry().pieces() {
        assert_eq!(read_in_blocks(&files, &original, piece), original.piece(piece));
    }
}

/// File lengths, a piece length, a seed for the piece order, and the number of pieces stored in each run.
fn histories() -> impl Strategy<Value = (Vec<usize>, u32, u64, Vec<usize>)> {
    let lengths = prop::collection::vec(prop_oneof![0..5usize, 0..400usize, Just(128)], 1..12);
    let lengths = lengths.prop_filter("content", |lengths| lengths.iter().any(|length| *length > 0));
    (lengths, 1..200u32, any::<u64>(), prop::collection::vec(0..20usize, 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_piece_order_and_restarts_give_the_original(
        (lengths, piece_length, seed, runs) in histories()
    ) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<String> = (0..lengths.len()).map(|number| format!("{}/{number}", number % 3)).collect();
        let listed: Vec<(&str, usize)> = paths.iter().map(String::as_str).zip(lengths).collect();
        let original = TorrentContent::of(&listed, piece_length);
        let mut order: Vec<u32> = original.all().collect();
        order.sort_by_key(|piece| (u64::from(*piece) + 1).wrapping_mul(seed | 1).rotate_left(17));
        for run in runs {
            let (files, mut have) = original.open(folder.path());
            let missing: Vec<u32> =
                order.iter().copied().filter(|number| !have.has(original.metainfo.geometry().piece(*number).unwrap())).collect();
            original.store(&files, &mut have, missing.into_iter().take(run));
            files.record_pieces(&have).unwrap();
            if seed % 2 == 0 {
                files.finalize(&have).unwrap();
            }
            drop(files);
            let again = original.open(folder.path()).1;
            prop_assert_eq!(again, have);
        }
        let (files, mut have) = original.open(folder.path());
        original.store(&files, &mut have, order);
        files.finalize(&have).unwrap();
        original.assert_complete(folder.path());
    }
}

#[test]
fn files_can_be_read_while_they_are_renamed() {
    let names: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 64)).collect();
    let original = TorrentContent::of(&files, 64);
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let (files, mut have) = original.open(folder.path());
        original.store(&files, &mut have, original.all());
        let is_stopped = AtomicBool::new(false);
        let missing = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let geometry = original.metainfo.geometry();
                let mut missing = 0;
                while !is_stopped.load(Ordering::Relaxed) {
                    let blocks = geometry.pieces().flat_map(|piece| geometry.blocks(piece, 64));
                    missing += blocks.filter(|block| files.segments(*block).unwrap().is_none()).count();
                }
                missing
            });
            files.finalize(&have).unwrap();
            is_stopped.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        assert_eq!(missing, 0, "blocks were missing during the renames");
    }
}
