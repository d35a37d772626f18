use super::*;

fn original() -> TorrentContent {
    TorrentContent::of(&[("a", 250), ("b/c", 120), ("d", 330)], 100)
}

/// Leaves an unfinished download with pieces 0, 1, 3 and 5.
fn start_download(dir: &Path, original: &TorrentContent) -> Bitfield {
    let (files, mut have) = original.open(dir);
    original.store(&files, &mut have, [0, 1, 3, 5]);
    files.record_pieces(&have).unwrap();
    have
}

#[test]
fn only_damaged_pieces_are_fetched_again() {
    type Damage = fn(&Path);
    let damages: [(Damage, u32); 5] = [
        (|part| fs::write(part, [0; 330]).unwrap(), 2),
        (|part| fs::write(part, []).unwrap(), 2),
        (|part| fs::OpenOptions::new().write(true).open(part).unwrap().set_len(200).unwrap(), 3),
        (|part| fs::OpenOptions::new().write(true).open(part).unwrap().set_len(5000).unwrap(), 4),
        (|part| fs::remove_file(part).unwrap(), 2),
    ];
    for (damage, remaining) in damages {
        let folder = tempfile::tempdir().unwrap();
        let original = original();
        start_download(folder.path(), &original);
        damage(&folder.path().join("t/d.part"));
        let (files, mut have) = original.open(folder.path());
        assert_eq!(have.count(), remaining);
        original.store(&files, &mut have, original.all());
        files.finalize(&have).unwrap();
        original.assert_complete(folder.path());
    }
}

#[test]
fn a_missing_or_false_record_costs_no_piece() {
    let original = original();
    let record = |pieces: &str| {
        format!(
            r#"{{"version":1,"infohash":"{}","size":700,"pieces":"{pieces}"}}"#,
            original.metainfo.infohash()
        )
    };
    for (json, remaining) in [
        (None, 4),
        (Some("garbage".to_owned()), 4),
        (Some(record("fe")), 4),
        (Some(record("ffff")), 4),
        (Some(record("c0")), 2),
        (Some(record("02")), 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let have = start_download(folder.path(), &original);
        let path = folder.path().join("t.part.json");
        match &json {
            Some(json) => fs::write(&path, json).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let (files, reopened) = original.open(folder.path());
        assert_eq!(reopened.count(), remaining, "{json:?}");
        assert!(remaining < 4 || reopened == have);
        assert_eq!(files.location(), folder.path().join("t"));
    }
}

#[test]
fn the_part_of_another_torrent_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, other) = (original(), TorrentContent::of(&[("a", 250), ("b/c", 121)], 100));
    start_download(folder.path(), &other);
    let before = all_files(&folder.path().join("t"));
    let (files, mut have) = mine.open(folder.path());
    assert_eq!((have.count(), files.location()), (0, folder.path().join("t (1)").as_path()));
    mine.store(&files, &mut have, mine.all());
    files.finalize(&have).unwrap();
    assert!(all_files(&folder.path().join("t")) == before);
    drop(files);
    assert_eq!(other.open(folder.path()).1.count(), 3);
    let (files, have) = mine.open(folder.path());
    assert!(have.is_full());
    assert_eq!(files.location(), folder.path().join("t (1)"));
}

#[test]
fn a_crash_at_any_step_of_finalizing_loses_nothing() {
    // Complete parts that have a record; some files renamed; all renamed with a record; all renamed without one.
    for steps in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let original = original();
        let (files, mut have) = original.open(folder.path());
        original.store(&files, &mut have, original.all());
        files.record_pieces(&have).unwrap();
        drop(files);
        let rename = |name: &str| {
            let name = folder.path().join("t").join(name);
            fs::rename(
                name.with_file_name(format!("{}.part", name.file_name().unwrap().to_str().unwrap())),
                name,
            )
            .unwrap();
        };
        ["a"].into_iter().take(steps).for_each(rename);
        ["b/c", "d"].into_iter().take(if steps > 1 { 2 } else { 0 }).for_each(rename);
        if steps == 3 {
            fs::remove_file(folder.path().join("t.part.json")).unwrap();
        }
        let (files, have) = original.open(folder.path());
        assert!(have.is_full(), "{steps}");
        files.finalize(&have).unwrap();
        original.assert_complete(folder.path());
    }
}

#[test]
fn two_downloads_of_a_torrent_do_not_share_a_location() {
    for original in [original(), TorrentContent::of(&[("", 700)], 100)] {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = original.open(folder.path());
        assert!(matches!(original.open_error(folder.path()), TorrentFilesError::InUse { .. }));
        drop(files);
        original.open(folder.path());
    }
}

#[test]
fn part_of_a_digest_download_is_resumed_if_content_matches() {
    let original = TorrentContent::of(&[("", 700)], 100);
    for (bytes, name, count) in [(&original.bytes[..450], "t", 4), (&[9; 700][..], "t (1)", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let digest = "ab".repeat(32);
        let record = format!(r#"{{"version":1,"digest":"{digest}","size":700,"pieces":"c0"}}"#);
        fs::write(folder.path().join("t.part"), bytes).unwrap();
        fs::write(folder.path().join("t.part.json"), record).unwrap();
        let (files, mut have) = original.open(folder.path());
        assert_eq!((have.count(), files.location()), (count, folder.path().join(name).as_path()));
        original.store(&files, &mut have, original.all());
        assert_eq!(files.finalize(&have).unwrap(), [folder.path().join(name)]);
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), original.bytes);
    }
}

#[test]
fn cancelled_open_returns_an_error_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let original = original();
    start_download(folder.path(), &original);
    let before = all_files(folder.path());
    let cancel = CancellationToken::new();
    cancel.cancel();
    let cancelled =
        TorrentFiles::open(folder.path(), &original.metainfo, &FileSelection::all(), &cancel, &|_| ());
    assert!(matches!(cancelled, Err(TorrentFilesError::Cancelled)));
    assert!(all_files(folder.path()) == before);
}

#[test]
fn write_errors_name_the_file() {
    let (folder, original) = (tempfile::tempdir().unwrap(), original());
    let (files, _) = original.open(folder.path());
    fs::create_dir_all(folder.path().join("t/a.part")).unwrap();
    let piece = original.metainfo.geometry().piece(0).unwrap();
    let error = files.store(piece, &[original.piece(piece)]).unwrap_err();
    assert!(error.to_string().contains("t/a.part: "), "{error}");
}

#[test]
fn pieces_are_recorded_even_if_a_rename_fails() {
    let (folder, original) = (tempfile::tempdir().unwrap(), original());
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, 0..3);
    let part = folder.path().join("t/a.part");
    fs::OpenOptions::new().write(true).open(&part).unwrap().set_len(100).unwrap();
    let error = files.finalize_and_record(&have).unwrap_err();
    assert!(error.to_string().contains("t/a.part: "), "{error}");
    let record = fs::read_to_string(folder.path().join("t.part.json")).unwrap();
    assert!(record.contains("\"e0"), "{record}");
}
