use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::download::reservations::NameReservations;
use crate::storage::FileIdentity;

fn part(root: &Path) -> (PartFile, Bitfield) {
    let geometry = Geometry::for_native(3 << 18).unwrap();
    PartFile::open(&PartFolders::for_test(root), &root.join("a.bin"), Digest::from_bytes([7; 32]), geometry)
        .unwrap()
}

/// Renames a part file to its final name and returns its path.
fn finalize(part: PartFile) -> PathBuf {
    let reserved = NameReservations::default().reserve(&part.target).unwrap();
    part.finalize(reserved).unwrap().finish().unwrap().0
}

/// Returns the names in a folder that are not hidden.
fn visible(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[test]
fn part_is_hidden_until_it_is_complete() {
    let root = tempfile::tempdir().unwrap();
    let (part, claimed) = part(root.path());
    assert_eq!(claimed.count(), 0);
    let halves = [vec![1; 1 << 17], vec![2; 1 << 17]];
    for piece in part.geometry.pieces() {
        part.write(piece, &[&halves[0], &halves[1]]).unwrap();
    }
    assert_eq!(visible(root.path()), [""; 0]);
    let target = root.path().join("a.bin");
    assert_eq!(finalize(part), target);
    assert_eq!(fs::read(&target).unwrap(), halves.concat().repeat(3));
    assert_eq!(visible(root.path()), ["a.bin"]);
    assert_eq!(fs::read_dir(root.path().join(".peerdex/partial")).unwrap().count(), 0);
}

#[test]
fn single_piece_part_has_no_name_until_complete() {
    let root = tempfile::tempdir().unwrap();
    let (geometry, target) = (Geometry::for_native(5).unwrap(), root.path().join("a.bin"));
    let folders = PartFolders::for_test(root.path());
    let open = |tag| PartFile::open(&folders, &target, Digest::from_bytes([tag; 32]), geometry).unwrap().0;
    for (part, expected) in [(open(1), "a.bin"), (open(2), "a (1).bin")] {
        part.write(geometry.last_piece().unwrap(), &[b"12345"]).unwrap();
        part.save_record(&Bitfield::full(&geometry)).unwrap();
        assert_eq!(finalize(part), root.path().join(expected));
        assert_eq!(fs::read(root.path().join(expected)).unwrap(), b"12345");
    }
    let dropped = open(3);
    dropped.write(geometry.last_piece().unwrap(), &[b"12345"]).unwrap();
    drop(dropped);
    assert_eq!(visible(root.path()), ["a (1).bin", "a.bin"]);
}

#[test]
fn name_taken_in_the_meantime_is_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    let (part, _) = part(root.path());
    let reserved = NameReservations::default().reserve(&part.target).unwrap();
    fs::write(root.path().join("a.bin"), "other").unwrap();
    let (location, identity) = part.finalize(reserved).unwrap().finish().unwrap();
    assert_eq!(location, root.path().join("a (1).bin"));
    assert_eq!(FileIdentity::from_file(&File::open(location).unwrap()).unwrap(), Some(identity));
    assert_eq!(fs::read(root.path().join("a.bin")).unwrap(), b"other");
}

#[test]
fn recorded_pieces_are_claimed_on_reopen() {
    let root = tempfile::tempdir().unwrap();
    let (first, mut pieces) = part(root.path());
    pieces.insert(first.geometry.piece(1).unwrap());
    first.save_record(&pieces).unwrap();
    let path = first.path().to_owned();
    drop(first);
    assert_eq!(part(root.path()).1, pieces);
    fs::write(&path, "cut short").unwrap();
    let (again, claimed) = part(root.path());
    assert_eq!(claimed, pieces);
    assert_eq!(fs::metadata(again.path()).unwrap().len(), again.geometry.size());
    again.save_record(&Bitfield::empty(&again.geometry)).unwrap();
    assert_eq!(part(root.path()).1, pieces, "a claim is not withdrawn");
}

#[test]
fn link_in_place_of_a_part_is_not_written_through() {
    let root = tempfile::tempdir().unwrap();
    let (first, _) = part(root.path());
    let path = first.path().to_owned();
    drop(first);
    let outside = root.path().join("precious");
    fs::write(&outside, "precious").unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    let opened = PartFile::open(
        &PartFolders::for_test(root.path()),
        &root.path().join("a.bin"),
        Digest::from_bytes([7; 32]),
        Geometry::for_native(3 << 18).unwrap(),
    );
    assert!(matches!(opened, Err(PartFileError::Io { .. })), "{opened:?}");
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
}

#[test]
fn pieces_beyond_4_gib_have_the_right_offset() {
    let root = tempfile::tempdir().unwrap();
    let geometry = Geometry::for_native((5 << 30) + 1).unwrap();
    let open = || {
        let folders = PartFolders::for_test(root.path());
        PartFile::open(&folders, &root.path().join("a.bin"), Digest::from_bytes([8; 32]), geometry)
    };
    let part = match open() {
        // The disk is too small for this test.
        Err(PartFileError::NoSpace { .. }) => return,
        opened => opened.unwrap().0,
    };
    let (last, before) =
        (geometry.last_piece().unwrap(), geometry.piece(geometry.piece_count() - 2).unwrap());
    let bytes = vec![7; geometry.length_of(before) as usize];
    part.write(before, &[&bytes]).unwrap();
    part.write(last, &[&bytes[..geometry.length_of(last) as usize]]).unwrap();
    let (file, from) = (File::open(part.path()).unwrap(), geometry.size() - 1 - bytes.len() as u64);
    assert!(from > 4 << 30 && file.metadata().unwrap().len() == geometry.size());
    let mut found = vec![0; bytes.len() + 2];
    file.read_exact_at(&mut found[..=bytes.len()], from).unwrap();
    assert!(found[..=bytes.len()].iter().all(|byte| *byte == 7));
    file.read_exact_at(&mut found[..1], from - 1).unwrap();
    assert_eq!(found[0], 0, "the piece before has no data");
}

#[test]
fn part_without_a_usable_record_is_found_by_its_name() {
    let root = tempfile::tempdir().unwrap();
    let (first, _) = part(root.path());
    let record = first.named.as_ref().unwrap().location.paths.record.clone();
    first.write(first.geometry.piece(1).unwrap(), &[&vec![1; 1 << 18]]).unwrap();
    drop(first);
    for damage in ["", "{\"version\":1,\"dig"] {
        fs::write(&record, damage).unwrap();
        let (again, claimed) = part(root.path());
        assert_eq!(claimed.count(), 3, "every piece is claimed");
        let looked_at: Vec<bool> = again.geometry.pieces().map(|piece| again.has_bytes(piece)).collect();
        assert!(looked_at[1], "{looked_at:?}");
        assert_eq!(fs::read_dir(record.parent().unwrap()).unwrap().count(), 2);
    }
}

#[test]
fn wrong_size_does_not_truncate_the_part() {
    let root = tempfile::tempdir().unwrap();
    let (honest, _) = part(root.path());
    let shorter = Geometry::for_native(2 << 18).unwrap();
    let target = root.path().join("a.bin");
    let (lied, _) =
        PartFile::open(&PartFolders::for_test(root.path()), &target, honest.digest, shorter).unwrap();
    assert_ne!(lied.path(), honest.path());
    assert_eq!(fs::metadata(honest.path()).unwrap().len(), 3 << 18);
}

#[test]
fn modification_time_and_executable_bit_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let (part, _) = part(root.path());
    let modified = std::time::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    part.set_attributes(FileAttributes { modified: Some(modified), executable: true });
    let found = fs::metadata(finalize(part)).unwrap();
    assert_eq!(found.modified().unwrap(), modified);
    assert_eq!(found.permissions().mode() & 0o111, (found.permissions().mode() & 0o444) >> 2);
}

#[test]
fn file_whose_folder_became_a_link_is_not_written_elsewhere() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders = PartFolders::for_test(root.path());
    for size in [5, 3 << 18] {
        let target = root.path().join("films/a.bin");
        let geometry = Geometry::for_native(size).unwrap();
        let digest = Digest::from_bytes([7; 32]);
        let (part, _) = PartFile::open(&folders, &target, digest, geometry).unwrap();
        let reserved = NameReservations::default().reserve(&target).unwrap();
        fs::rename(root.path().join("films"), root.path().join("moved")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("films")).unwrap();
        let error = part.finalize(reserved).unwrap_err().to_string();
        assert!(error.contains("is a link"), "{error}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        fs::remove_file(root.path().join("films")).unwrap();
        fs::rename(root.path().join("moved"), root.path().join("films")).unwrap();
    }
    assert_eq!(visible(root.path()), ["films"]);
}
