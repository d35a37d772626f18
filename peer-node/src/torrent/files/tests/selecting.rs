use super::*;
use crate::torrent::selection::SelectionError;

fn original() -> Original {
    Original::of(&[("a.iso", 250), ("docs/b.txt", 20), ("docs/c.txt", 330), ("d.ISO", 100), ("1", 50)], 100)
}

#[test]
fn numbers_ranges_and_patterns_choose_files() {
    let original = original();
    let chosen = |text: &str| {
        let selection = Selection::parse(text, &original.metainfo)?;
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
        assert_eq!(chosen(text), Ok(files), "{text}");
    }
    assert!((0..9).all(|number| Selection::all().has(number)));
    assert_eq!(chosen("6"), Err(SelectionError::NoSuchFile { number: 6, files: 5 }));
    assert_eq!(chosen("0"), Err(SelectionError::NoSuchFile { number: 0, files: 5 }));
    assert_eq!(chosen("4-2"), Err(SelectionError::Backwards { first: 4, last: 2 }));
    assert!(matches!(chosen("1,,2"), Err(SelectionError::Empty { .. })));
    assert!(matches!(chosen("no*pe"), Err(SelectionError::NoMatch { .. })));
    assert!(matches!(chosen(&"*a".repeat(50_000)), Err(SelectionError::NoMatch { .. })));
    assert!(matches!(chosen("99999999999999999999999"), Err(SelectionError::NoMatch { .. })));
}

#[test]
fn only_chosen_files_get_their_names_and_the_rest_can_be_chosen_later() {
    let folder = tempfile::tempdir().unwrap();
    let original = original();
    let selection = Selection::parse("docs/c.txt", &original.metainfo).unwrap();
    let (files, mut here) = original.open_selected(folder.path(), &selection);
    let wanted: Vec<u32> = original
        .metainfo
        .geometry()
        .pieces()
        .filter(|piece| files.wanted().has(*piece))
        .map(PieceIndex::get)
        .collect();
    assert_eq!(wanted, [2, 3, 4, 5]);
    original.store(&files, &mut here, wanted);
    files.settle(&here).unwrap();
    files.note(&here).unwrap();
    let left = ["t/a.iso.part", "t/docs/b.txt", "t/docs/c.txt", "t.part.json"];
    assert_eq!(names(folder.path()), left);
    drop(files);
    let (files, mut here) = original.open(folder.path());
    assert_eq!(here.count(), 4);
    original.store(&files, &mut here, original.all());
    files.settle(&here).unwrap();
    original.assert_whole(folder.path());
}

#[test]
fn room_is_needed_for_what_was_chosen_alone() {
    let folder = tempfile::tempdir().unwrap();
    let original = Original::of(&[("a", 3 << 20), ("b", 1 << 20)], 1 << 18);
    let needed = |text| {
        let selection = Selection::parse(text, &original.metainfo).unwrap();
        original.open_selected(folder.path(), &selection).0.room().unwrap().needed
    };
    assert_eq!((needed("1"), needed("2"), needed("1-2")), (3 << 20, 1 << 20, 4 << 20));
    let (files, mut here) = original.open(folder.path());
    original.store(&files, &mut here, [0]);
    assert!(files.room().unwrap().needed <= 1 << 20, "all of the first file's room was taken");
}
