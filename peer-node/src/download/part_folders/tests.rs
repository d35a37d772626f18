use protocol::bitfield::Bitfield;

use super::*;

const DIGEST: Digest = Digest::from_bytes([7; 32]);

/// Creates a folder on another file system than the temporary folder, if the system has one.
fn other_file_system(root: &Path) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir_in("/dev/shm").ok()?;
    let system = |path| Folder::open(path).ok()?.file_system_id().ok();
    (system(folder.path())? != system(root)?).then_some(folder)
}

fn leave_part(paths: &PartPaths, digest: Digest) {
    let geometry = Geometry::for_native(1 << 20).unwrap();
    fs::write(&paths.part, "x").unwrap();
    PartRecord::new(digest, 1 << 20, &Bitfield::empty(&geometry)).save(&paths.record).unwrap();
}

#[test]
fn partial_file_lies_on_the_file_system_of_its_destination() {
    let root = tempfile::tempdir().unwrap();
    let folders = PartFolders::for_test(root.path());
    let target = root.path().join("a.iso");
    let own = folders.location(&target, &DIGEST, 1 << 20).unwrap().paths;
    assert_eq!(own.part.parent(), Some(&*root.path().join(".peerdex/partial")));
    let Some(other) = other_file_system(root.path()) else { return };
    let target = other.path().join("a.iso");
    assert!(!folders.has_part(&target, &DIGEST));
    let beside = folders.location(&target, &DIGEST, 1 << 20).unwrap().paths;
    assert_eq!(beside.part.parent(), Some(&*other.path().join(HIDDEN_FOLDER_NAME)));
    leave_part(&beside, DIGEST);
    assert!(folders.has_part(&target, &DIGEST));
    beside.remove();
    folders.remove_folder_if_empty(&beside);
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
}

#[test]
fn folder_beside_a_destination_is_remembered_and_cleaned() {
    let root = tempfile::tempdir().unwrap();
    let Some(other) = other_file_system(root.path()) else { return };
    let target = other.path().join("a.iso");
    let paths = PartFolders::for_test(root.path()).location(&target, &DIGEST, 1 << 20).unwrap().paths;
    fs::write(&paths.part, "x").unwrap();
    let foreign = other.path().join(HIDDEN_FOLDER_NAME).join(format!("{DIGEST}-1048576-00000000.part"));
    fs::write(&foreign, "of another node").unwrap();
    let folders = PartFolders::for_test(root.path());
    folders.clean(&HashSet::from([DIGEST]), SystemTime::now());
    assert!(paths.part.exists(), "listed");
    folders.clean(&HashSet::new(), SystemTime::now());
    assert!(!paths.part.exists() && foreign.exists());
}

#[test]
fn only_partial_files_without_a_download_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let folders = PartFolders::for_test(root.path());
    let target = root.path().join("a");
    let paths = |tag: u8| folders.location(&target, &Digest::from_bytes([tag; 32]), 1 << 20).unwrap().paths;
    let [listed, kept, broken, empty] = [1, 2, 3, 4].map(paths);
    assert_eq!(folders.kept_part(&root.path().join("a"), &Digest::from_bytes([1; 32]), 1 << 20), None);
    leave_part(&listed, Digest::from_bytes([1; 32]));
    leave_part(&kept, Digest::from_bytes([2; 32]));
    fs::write(&broken.part, "x").unwrap();
    fs::write(&broken.record, "").unwrap();
    fs::write(&empty.record, "").unwrap();
    let kept_here = folders.kept_part(&root.path().join("a"), &Digest::from_bytes([2; 32]), 1 << 20);
    assert_eq!(kept_here, Some(KeptPart { bytes: 0, pieces_done: 0, pieces: 4 }));
    let strange = broken.part.with_file_name("something else.part");
    fs::write(&strange, "").unwrap();
    let names = HashSet::from([Digest::from_bytes([1; 32])]);
    folders.clean(&names, SystemTime::now());
    let is_there = |paths: &PartPaths| paths.part.exists() || paths.record.exists();
    assert_eq!([&listed, &kept, &broken, &empty].map(is_there), [true, true, false, false]);
    folders.clean(&names, SystemTime::now() + MAX_PART_AGE + Duration::from_mins(1));
    assert_eq!((is_there(&listed), is_there(&kept), strange.exists()), (true, false, true));
}

#[test]
fn link_in_the_place_of_the_hidden_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let Some(other) = other_file_system(root.path()) else { return };
    std::os::unix::fs::symlink(root.path(), other.path().join(HIDDEN_FOLDER_NAME)).unwrap();
    let found = PartFolders::for_test(root.path()).location(&other.path().join("a.iso"), &DIGEST, 1);
    assert!(matches!(found, Err(LocationError::Link { .. })));
}
