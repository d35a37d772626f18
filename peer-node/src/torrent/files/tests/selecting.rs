use super::*;
use crate::torrent::selection::FileSelectionError;

fn original() -> TorrentContent {
    TorrentContent::of(
        &[("a.iso", 250), ("docs/b.txt", 20), ("docs/c.txt", 330), ("d.ISO", 100), ("1", 50)],
        100,
    )
}

#[test]
fn numbers_ranges_and_patterns_select_files() {
    let original = original();
    let selected = |text: &str| {
        let selection = FileSelection::parse(text, &original.metainfo)?;
        Ok((0..5).filter(|number| selection.has(*number)).collect::<Vec<_>>())
    };
    for (text, files) in [
        ("1", vec![0]),
        ("2-4", vec![1, 2, 3]),
        (" 5 , 1 - 1 ", vec![0, 4]),
        ("*.iso", vec![0, 3]),
        ("docs/", vec![1, 2]),
        ("docs/?.TXT", vec![1, 2]),
        ("b*t,*/c*", vec![1, 2]),
        ("*", vec![0, 1, 2, 3, 4]),
    ] {
        assert_eq!(selected(text), Ok(files), "{text}");
    }
    assert!((0..9).all(|number| FileSelection::all().has(number)));
    assert_eq!(selected("6"), Err(FileSelectionError::NoSuchFile { number: 6, files: 5 }));
    assert_eq!(selected("0"), Err(FileSelectionError::NoSuchFile { number: 0, files: 5 }));
    assert_eq!(selected("4-2"), Err(FileSelectionError::ReversedRange { first: 4, last: 2 }));
    assert!(matches!(selected("1,,2"), Err(FileSelectionError::EmptyEntry { .. })));
    assert!(matches!(selected("no*pe"), Err(FileSelectionError::NoMatch { .. })));
    assert!(matches!(selected(&"*a".repeat(50_000)), Err(FileSelectionError::NoMatch { .. })));
    assert!(matches!(selected("99999999999999999999999"), Err(FileSelectionError::NoMatch { .. })));
}

#[test]
fn unselected_files_can_be_selected_later() {
    let folder = tempfile::tempdir().unwrap();
    let original = original();
    let selection = FileSelection::parse("docs/c.txt", &original.metainfo).unwrap();
    let (files, mut have) = original.open_selected(folder.path(), &selection);
    let wanted: Vec<u32> = original
        .metainfo
        .geometry()
        .pieces()
        .filter(|piece| files.wanted().has(*piece))
        .map(PieceIndex::get)
        .collect();
    assert_eq!(wanted, [2, 3, 4, 5]);
    original.store(&files, &mut have, wanted);
    files.finalize(&have).unwrap();
    files.record_pieces(&have).unwrap();
    let existing = ["t/a.iso.part", "t/docs/b.txt", "t/docs/c.txt", "t.part.json"];
    assert_eq!(file_names(folder.path()), existing);
    drop(files);
    let (files, mut have) = original.open(folder.path());
    assert_eq!(have.count(), 4);
    original.store(&files, &mut have, original.all());
    files.finalize(&have).unwrap();
    original.assert_complete(folder.path());
}

#[test]
fn only_selected_files_need_disk_space() {
    let folder = tempfile::tempdir().unwrap();
    let original = TorrentContent::of(&[("a", 3 << 20), ("b", 1 << 20)], 1 << 18);
    let needed = |text| {
        let selection = FileSelection::parse(text, &original.metainfo).unwrap();
        original.open_selected(folder.path(), &selection).0.disk_space().unwrap().needed
    };
    assert_eq!((needed("1"), needed("2"), needed("1-2")), (3 << 20, 1 << 20, 4 << 20));
    let (files, mut have) = original.open(folder.path());
    original.store(&files, &mut have, [0]);
    assert!(files.disk_space().unwrap().needed <= 1 << 20, "the space of the first file was not reserved");
}
