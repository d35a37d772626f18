use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use rustix::fs::{CWD, RenameFlags};

use super::*;

fn original() -> TorrentContent {
    TorrentContent::of(&[("a", 250), ("b/c", 120), ("d", 330)], 100)
}

#[test]
fn existing_content_is_used_unchanged() {
    for original in [original(), TorrentContent::of(&[("", 700)], 100)] {
        let folder = tempfile::tempdir().unwrap();
        original.write_content(folder.path());
        let (files, have) = original.open(folder.path());
        assert!(have.is_full());
        assert!(files.finalize(&have).unwrap().is_empty());
        original.assert_complete(folder.path());
    }
}

#[test]
fn existing_files_are_used_and_missing_ones_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let original = original();
    original.write_content(folder.path());
    fs::remove_file(folder.path().join("t/b/c")).unwrap();
    let (files, mut have) = original.open(folder.path());
    assert_eq!(have.count(), 5);
    original.store(&files, &mut have, original.all());
    assert_eq!(files.finalize(&have).unwrap(), [folder.path().join("t/b/c")]);
    original.assert_complete(folder.path());
}

#[test]
fn other_content_in_folder_is_kept_and_valid_pieces_copied() {
    type Change = fn(&Path);
    let changes: [(Change, u32); 5] = [
        (|folder| fs::write(folder.join("d"), [0; 330]).unwrap(), 3),
        (|folder| fs::write(folder.join("d"), [0; 7]).unwrap(), 0),
        (|folder| fs::create_dir(folder.join("d.part")).unwrap(), 7),
        (
            |folder| {
                fs::remove_dir_all(folder.join("b")).unwrap();
                symlink("/etc", folder.join("b")).unwrap();
            },
            0,
        ),
        (
            |folder| {
                fs::remove_file(folder.join("d")).unwrap();
                fs::create_dir(folder.join("d")).unwrap();
            },
            0,
        ),
    ];
    for (number, (change, copied)) in changes.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let original = original();
        original.write_content(folder.path());
        change(&folder.path().join("t"));
        let before = all_files(&folder.path().join("t"));
        let (files, mut have) = original.open(folder.path());
        assert_eq!(have.count(), copied, "{number}");
        if number == 2 {
            continue;
        }
        assert_eq!(files.location(), folder.path().join("t (1)"), "{number}");
        original.store(&files, &mut have, original.all());
        files.finalize(&have).unwrap();
        assert!(all_files(&folder.path().join("t")) == before);
        for (path, bytes) in original.files() {
            let path = folder.path().join("t (1)").join(path.strip_prefix("t").unwrap());
            assert_eq!(fs::read(path).unwrap(), bytes);
        }
        drop(files);
        assert!(original.open(folder.path()).1.is_full(), "{number}");
    }
}

#[test]
fn other_content_in_file_is_kept_and_valid_pieces_copied() {
    let folder = tempfile::tempdir().unwrap();
    let original =
        TorrentContent::of_content("t.iso", DraftContent::Single(700), 100, pseudorandom_bytes(700, 5));
    let mut damaged = original.bytes.clone();
    damaged[333] ^= 1;
    fs::write(folder.path().join("t.iso"), &damaged).unwrap();
    let (files, mut have) = original.open(folder.path());
    assert_eq!((have.count(), files.location()), (6, folder.path().join("t (1).iso").as_path()));
    original.store(&files, &mut have, original.all());
    files.finalize(&have).unwrap();
    assert_eq!(fs::read(folder.path().join("t (1).iso")).unwrap(), original.bytes);
    assert_eq!(fs::read(folder.path().join("t.iso")).unwrap(), damaged);
}

#[test]
fn a_foreign_folder_is_not_reused() {
    let folder = tempfile::tempdir().unwrap();
    let original = original();
    fs::create_dir(folder.path().join("t")).unwrap();
    assert_eq!(original.open(folder.path()).0.location(), folder.path().join("t"));
    fs::remove_file(folder.path().join("t.part.json")).unwrap();
    fs::write(folder.path().join("t/mine"), "x").unwrap();
    assert_eq!(original.open(folder.path()).0.location(), folder.path().join("t (1)"));
    assert_eq!(file_names(&folder.path().join("t")), ["mine"]);
}

#[test]
fn a_file_proved_wrong_by_a_fetched_piece_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let original = TorrentContent::of(&[("a", 230), ("small", 20), ("d", 330)], 100);
    original.write_content(folder.path());
    fs::remove_file(folder.path().join("t/d")).unwrap();
    fs::write(folder.path().join("t/small"), [0; 20]).unwrap();
    let (files, mut have) = original.open(folder.path());
    assert_eq!((have.count(), files.location()), (2, folder.path().join("t").as_path()));
    original.store(&files, &mut have, original.all());
    assert_eq!(files.finalize(&have).unwrap().len(), 2);
    assert_eq!(file_names(folder.path()), ["t/a", "t/d", "t/small", "t/small (1)"]);
    assert_eq!(fs::read(folder.path().join("t/small")).unwrap(), [0; 20]);
    assert_eq!(fs::read(folder.path().join("t/small (1)")).unwrap(), original.bytes[230..250]);
}

#[test]
fn a_name_taken_during_the_download_is_left_alone() {
    for (original, new) in [(TorrentContent::of(&[("", 700)], 100), "t (1)"), (original(), "t/a (1)")] {
        let folder = tempfile::tempdir().unwrap();
        let (files, mut have) = original.open(folder.path());
        original.store(&files, &mut have, original.all());
        let taken = folder.path().join(if new == "t (1)" { "t" } else { "t/a" });
        fs::write(&taken, "mine").unwrap();
        assert!(files.finalize(&have).unwrap().contains(&folder.path().join(new)));
        assert_eq!(fs::read(taken).unwrap(), b"mine");
    }
}

#[test]
fn a_name_taken_between_attempts_costs_no_piece() {
    for (original, taken, new) in
        [(TorrentContent::of(&[("", 700)], 100), "t", "t (1)"), (original(), "t/a", "t/a (1)")]
    {
        let folder = tempfile::tempdir().unwrap();
        let (files, mut have) = original.open(folder.path());
        original.store(&files, &mut have, 0..2);
        files.record_pieces(&have).unwrap();
        drop(files);
        fs::write(folder.path().join(taken), "mine").unwrap();
        let (files, mut have) = original.open(folder.path());
        assert_eq!(have.count(), 2);
        original.store(&files, &mut have, original.all());
        assert!(files.finalize(&have).unwrap().contains(&folder.path().join(new)));
        assert_eq!(fs::read(folder.path().join(taken)).unwrap(), b"mine");
    }
}

#[test]
fn a_truncated_part_is_not_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let original = original();
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, original.all());
    files.record_pieces(&have).unwrap();
    fs::OpenOptions::new().write(true).open(folder.path().join("t/d.part")).unwrap().set_len(7).unwrap();
    assert!(files.finalize(&have).is_err());
    assert!(files.finalize(&have).is_err() && !folder.path().join("t/d").exists());
    drop(files);
    let (files, mut have) = original.open(folder.path());
    assert_eq!(have.count(), 3);
    original.store(&files, &mut have, original.all());
    files.finalize(&have).unwrap();
    original.assert_complete(folder.path());
}

#[test]
fn nothing_is_written_through_a_folder_replaced_by_a_symlink() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let original = original();
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, [0, 1]);
    symlink(outside.path(), folder.path().join("t/b")).unwrap();
    let third = original.metainfo.geometry().piece(2).unwrap();
    assert!(files.store(third, &[original.piece(third)]).is_err());
    assert!(file_names(outside.path()).is_empty());
    fs::remove_file(folder.path().join("t/b")).unwrap();
    original.store(&files, &mut have, original.all());
    files.finalize(&have).unwrap();
    original.assert_complete(folder.path());
}

#[test]
fn swapping_a_folder_with_a_symlink_never_escapes() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths: Vec<String> = (0..200).map(|number| format!("b/{number}")).collect();
    let listed: Vec<(&str, usize)> = paths.iter().map(|path| (path.as_str(), 50)).collect();
    let original = TorrentContent::of(&listed, 50);
    let (files, have) = original.open(folder.path());
    let (inside, link) = (folder.path().join("t/b"), folder.path().join("link"));
    fs::create_dir(&inside).unwrap();
    symlink(outside.path(), &link).unwrap();
    let is_stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_stopped.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &inside, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for piece in original.metainfo.geometry().pieces().filter(|piece| !have.has(*piece)) {
            // May fail, depending on timing.
            let _ = files.store(piece, &[original.piece(piece)]);
        }
        let _ = files.finalize(&Bitfield::full(original.metainfo.geometry()));
        is_stopped.store(true, Ordering::Relaxed);
    });
    assert!(file_names(outside.path()).is_empty());
}

/// State of a file before a download begins.
#[derive(Debug, Clone, Copy)]
enum InitialState {
    Absent,
    Complete,
    Damaged,
    Truncated,
    Part,
    DamagedPart,
}

fn initial_states() -> impl Strategy<Value = Vec<(usize, InitialState)>> {
    use InitialState::{Absent, Complete, Damaged, DamagedPart, Part, Truncated};
    let state = prop_oneof![
        4 => Just(Absent), 6 => Just(Complete), 1 => Just(Damaged), 1 => Just(Truncated), 3 => Just(Part), 1 => Just(DamagedPart)
    ];
    prop::collection::vec((1..300usize, state), 1..8)
}

fn create_files(dir: &Path, original: &TorrentContent, states: &[(usize, InitialState)]) {
    for ((path, bytes), (_, state)) in original.files().zip(states) {
        let path = dir.join(path);
        let part = path.with_file_name(format!("{}.part", path.file_name().unwrap().to_str().unwrap()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let damaged: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
        match state {
            InitialState::Absent => {}
            InitialState::Complete => fs::write(path, bytes).unwrap(),
            InitialState::Damaged => fs::write(path, damaged).unwrap(),
            InitialState::Truncated => fs::write(path, &bytes[1..]).unwrap(),
            InitialState::Part => fs::write(part, bytes).unwrap(),
            InitialState::DamagedPart => fs::write(part, damaged).unwrap(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn existing_files_stay_and_the_content_completes(
        states in initial_states(), piece_length in 20..200u32, is_ours: bool
    ) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<String> = (0..states.len()).map(|number| format!("{}/{number}", number % 2)).collect();
        let listed: Vec<(&str, usize)> =
            paths.iter().map(String::as_str).zip(states.iter().map(|(length, _)| *length)).collect();
        let original = TorrentContent::of(&listed, piece_length);
        if is_ours {
            let (files, _) = original.open(folder.path());
            files.record_pieces(&Bitfield::full(original.metainfo.geometry())).unwrap();
        }
        create_files(folder.path(), &original, &states);
        let before = all_files(&folder.path().join("t"));
        let (files, mut have) = original.open(folder.path());
        original.store(&files, &mut have, original.all());
        files.finalize(&have).unwrap();
        let location = files.location().to_owned();
        let is_elsewhere = location != folder.path().join("t");
        let after = all_files(&folder.path().join("t"));
        for (path, bytes) in before {
            let is_part = path.extension().is_some_and(|extension| extension == "part");
            if is_elsewhere || !is_part {
                prop_assert!(after.contains(&(path.clone(), bytes)), "{:?} was changed", path);
            }
        }
        for (path, bytes) in original.files() {
            let path = location.join(path.strip_prefix("t").unwrap());
            let other = path.with_file_name(format!("{} (1)", path.file_name().unwrap().to_str().unwrap()));
            prop_assert!([&path, &other].into_iter().any(|path| fs::read(path).is_ok_and(|found| found == bytes)), "{:?}", path);
        }
    }
}
