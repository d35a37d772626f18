use protocol::configured::{CommonConfig, ConfiguredPeerId, PeerList};

use super::*;

/// A group of two peers. The first has a file of 25 bytes in pieces of 10.
fn plan(dir: &Path) -> GroupConfig {
    let common = b"NumberOfPreferredNeighbors 1\nUnchokingInterval 1\nOptimisticUnchokingInterval 1\n\
        FileName a.bin\nFileSize 25\nPieceSize 10";
    let list = PeerList::parse(b"1 localhost 1001 1\n2 localhost 1002 0").unwrap();
    let common = CommonConfig::parse(common).unwrap().0;
    let framing_advice = |_| String::new();
    let dir = dir.to_owned();
    GroupConfig { common, peer_list: list, dir, framing: None, warnings: Vec::new(), framing_advice }
}

fn open(plan: &GroupConfig, id: u32) -> Result<(GroupFile, Bitfield), GroupFileError> {
    let OpenedGroupFile { file: files, have, unverified } =
        GroupFile::open(plan, plan.peer_list.find(ConfiguredPeerId(id)).unwrap())?;
    assert_eq!(unverified, None);
    Ok((files, have))
}

#[test]
fn seed_file_is_found_in_either_folder_and_its_size_checked() {
    for folder in ["peer_1", "1"] {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(dir.path());
        assert!(matches!(open(&plan, 1), Err(GroupFileError::NoFile { .. })));
        let path = dir.path().join(folder).join("a.bin");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [7; 24]).unwrap();
        assert!(matches!(open(&plan, 1), Err(GroupFileError::WrongSize { expected: 25, got: 24, .. })));
        fs::write(&path, [7; 25]).unwrap();
        let (files, have) = open(&plan, 1).unwrap();
        assert!(have.is_full());
        files.finalize().unwrap();
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(open(&plan, 1), Err(GroupFileError::NotAFile(_))));
    }
}

#[test]
fn recorded_pieces_survive_and_the_file_is_named_when_complete() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    let geometry = plan.common.geometry;
    let (files, mut have) = open(&plan, 2).unwrap();
    assert!(matches!(open(&plan, 2), Err(GroupFileError::InUse(_))));
    assert_eq!(have.count(), 0);
    for (number, length) in [(0, 10), (2, 5)] {
        let piece = geometry.piece(number).unwrap();
        files.write_piece(piece, &[&vec![7; length]]).unwrap();
        have.insert(piece);
    }
    files.record_pieces(&have).unwrap();
    drop(files);
    let (files, again) = open(&plan, 2).unwrap();
    assert_eq!(again, have);
    assert!(!files.target().exists());
    files.write_piece(geometry.piece(1).unwrap(), &[&[7; 4], &[7; 6]]).unwrap();
    files.finalize().unwrap();
    assert_eq!(fs::read(files.target()).unwrap(), [7; 25]);
    assert_eq!(visible(&dir.path().join("peer_2")), ["a.bin"]);
    drop(files);
    assert!(open(&plan, 2).unwrap().1.is_full());
}

#[test]
fn record_is_valid_only_for_its_own_part_file() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    let part = dir.path().join("peer_2/a.bin.part");
    let write_record = |plan: &GroupConfig| {
        let (files, _) = open(plan, 2).unwrap();
        files.record_pieces(&Bitfield::full(&plan.common.geometry)).unwrap();
    };
    write_record(&plan);
    fs::remove_file(&part).unwrap();
    assert_eq!(open(&plan, 2).unwrap().1.count(), 0, "another file has the part's name");
    write_record(&plan);
    fs::rename(&part, dir.path().join("kept")).unwrap();
    fs::copy(dir.path().join("kept"), &part).unwrap();
    assert_eq!(open(&plan, 2).unwrap().1.count(), 0, "the part is a copy");
    write_record(&plan);
    File::options().write(true).open(&part).unwrap().set_len(24).unwrap();
    assert_eq!(open(&plan, 2).unwrap().1.count(), 0, "the part is shorter");
    write_record(&plan);
    let mut other = plan.clone();
    other.common.geometry = Geometry::new(25, 9).unwrap();
    assert_eq!(open(&other, 2).unwrap().1.count(), 0, "the piece size differs");
    write_record(&plan);
    assert_eq!(open(&plan, 2).unwrap().1.count(), 3);
    let note = dir.path().join("peer_2/a.bin.part.json");
    let complete = fs::read(&note).unwrap();
    for end in 0..complete.len() {
        write_record(&plan);
        fs::write(&note, complete.get(..end).unwrap()).unwrap();
        assert_eq!(open(&plan, 2).unwrap().1.count(), 0, "cut at {end}");
    }
}

/// Lists the files in a folder that are not hidden.
fn visible(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Receives the file of the second peer.
fn receive(plan: &GroupConfig) -> PathBuf {
    let (files, _) = open(plan, 2).unwrap();
    for piece in plan.common.geometry.pieces() {
        files.write_piece(piece, &[&vec![7; plan.common.geometry.length_of(piece) as usize]]).unwrap();
    }
    files.finalize().unwrap();
    files.target().to_owned()
}

/// Opens the second peer, whose file must be moved aside, and returns the file's new name.
fn open_moved_aside(plan: &GroupConfig) -> String {
    let OpenedGroupFile { have, unverified, .. } =
        GroupFile::open(plan, plan.peer_list.find(ConfiguredPeerId(2)).unwrap()).unwrap();
    assert_eq!(have.count(), 0);
    unverified.expect("a file that is moved").file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_file_that_was_not_received_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    let folder = dir.path().join("peer_2");
    fs::create_dir(&folder).unwrap();
    for (number, size) in [(1, 25), (2, 24), (3, 26), (4, 1)] {
        fs::write(folder.join("a.bin"), vec![9; size]).unwrap();
        assert_eq!(open_moved_aside(&plan), format!("a.bin.unverified-{number}"));
    }
    assert_eq!(fs::read(folder.join("a.bin.unverified-1")).unwrap(), [9; 25]);
    // A dangling link.
    std::os::unix::fs::symlink("nowhere", folder.join("a.bin")).unwrap();
    assert_eq!(open_moved_aside(&plan), "a.bin.unverified-5");
    receive(&plan);
}

#[test]
fn empty_file_counts_as_missing() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    for folder in ["peer_1", "peer_2"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("a.bin"), "").unwrap();
    }
    assert!(matches!(open(&plan, 1), Err(GroupFileError::NoFile { .. })));
    fs::create_dir(dir.path().join("1")).unwrap();
    fs::write(dir.path().join("1/a.bin"), [7; 25]).unwrap();
    assert!(open(&plan, 1).unwrap().1.is_full());
    receive(&plan);
}

#[test]
fn received_file_is_trusted_until_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    let target = receive(&plan);
    assert!(open(&plan, 2).unwrap().1.is_full());
    // The receipt is valid only for this very file, not for a copy.
    let kept = dir.path().join("kept");
    fs::copy(&target, &kept).unwrap();
    fs::rename(&kept, &target).unwrap();
    assert_eq!(open_moved_aside(&plan), "a.bin.unverified-1");
    let target = receive(&plan);
    // Changing the content changes the modification time.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let changed = OpenOptions::new().write(true).open(&target).unwrap();
    changed.set_modified(later).unwrap();
    assert_eq!(open_moved_aside(&plan), "a.bin.unverified-2");
    let target = receive(&plan);
    fs::write(target.with_file_name(".a.bin.done.json"), "{}").unwrap();
    assert_eq!(open_moved_aside(&plan), "a.bin.unverified-3");
}
