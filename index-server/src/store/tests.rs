mod attendance;

use std::fs;

use protocol::digest::Digest;
use protocol::index::{FileRecord, ListSummary, Share, TorrentHint};
use protocol::infohash::Infohash;
use protocol::node_id::NodeId;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::ids::NodeNo;

fn files(count: u16) -> Vec<FileRecord> {
    let file = |no: u16| {
        let [high, low] = no.to_be_bytes();
        let (path, digest) = (format!("folder/{no}"), Digest::from_bytes([high ^ low ^ 7; 32]));
        FileRecord { path, size: u64::from(no) + 1, digest, share: Share::Complete }
    };
    (0..count).map(file).collect()
}

/// Registers files in batches, as the registrar does.
fn register(store: &mut Store, catalog: &mut Catalog, files: &[FileRecord]) -> NodeNo {
    let node = catalog.admit(NodeId::from_bytes([1; 32])).unwrap();
    for batch in files.chunks(1000) {
        catalog.register(node, batch).unwrap();
        store.commit(&[catalog.take_writes(node, 77).unwrap()], &[]).unwrap();
    }
    node
}

fn summary(catalog: &Catalog) -> ListSummary {
    catalog.number(&NodeId::from_bytes([1; 32])).and_then(|node| catalog.summary(node)).unwrap_or_default()
}

/// Creates a data folder with `count` files of one node, in several commits.
fn filled(count: u16) -> (TempDir, ListSummary) {
    let dir = tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut catalog = store.take_catalog();
    register(&mut store, &mut catalog, &files(count));
    (dir, summary(&catalog))
}

/// Opens a data folder and returns the summary stored there.
fn stored_summary(dir: &Path) -> Result<ListSummary, StoreError> {
    Store::open(dir).map(|mut store| summary(&store.take_catalog()))
}

#[test]
fn committed_lists_survive_reopening() {
    let (dir, written) = filled(3000);
    assert_eq!(written.files, 3000);
    let mut store = Store::open(dir.path()).unwrap();
    let mut catalog = store.take_catalog();
    assert_eq!(summary(&catalog), written);
    let node = NodeNo(0);
    let removed: Vec<String> = (0..2999).map(|no| format!("folder/{no}")).collect();
    catalog.unregister(node, removed.iter().map(String::as_str)).unwrap();
    store.commit(&[catalog.take_writes(node, 78).unwrap()], &[]).unwrap();
    assert_eq!(store.reopen().unwrap().lists.len(), 1);
    drop(store);
    assert_eq!(stored_summary(dir.path()).unwrap(), summary(&catalog));
}

#[test]
fn data_folder_is_used_by_one_index() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Locked { .. })));
    drop(store);
    assert!(Store::open(dir.path()).is_ok());
}

#[test]
fn uncreatable_folder_is_named() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        assert!(matches!(Store::open(&path), Err(StoreError::Unwritable { .. })));
    }
}

#[test]
fn unknown_format_is_refused_with_an_error() {
    let (dir, _) = filled(1);
    fs::write(dir.path().join("mark"), "peerdex index, format 2, change 00000000000000000001\n").unwrap();
    let error = stored_summary(dir.path()).unwrap_err();
    assert!(matches!(&error, StoreError::UnknownFormat { found, known: 1, .. } if found == "2"), "{error}");
    assert!(error.to_string().contains("format 2"));
}

#[test]
fn interrupted_creation_can_be_retried() {
    let (dir, written) = filled(1);
    // As if the process had been killed before the mark was created.
    fs::remove_file(dir.path().join("mark")).unwrap();
    assert_eq!(stored_summary(dir.path()).unwrap(), written);
    assert!(dir.path().join("mark").exists());
    let empty = tempdir().unwrap();
    fs::create_dir_all(empty.path().join("store.new/blobs")).unwrap();
    fs::write(empty.path().join("store.new/conf"), "").unwrap();
    fs::write(empty.path().join("mark.new"), "peerd").unwrap();
    assert_eq!(stored_summary(empty.path()).unwrap(), ListSummary::default());
}

#[test]
fn partial_snapshot_does_no_harm() {
    let (dir, written) = filled(10);
    fs::write(dir.path().join("store/snap.0000000000001234.generating"), b"half").unwrap();
    assert_eq!(stored_summary(dir.path()).unwrap(), written);
}

#[test]
fn missing_or_older_database_is_damaged_and_untouched() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 6] = [
        ("missing", |db| fs::remove_file(db).unwrap()),
        ("empty", |db| fs::write(db, "").unwrap()),
        ("garbage", |db| fs::write(db, vec![0xa5; 300_000]).unwrap()),
        ("zeros", |db| fs::write(db, vec![0; 300_000]).unwrap()),
        ("cut in half", |db| {
            let bytes = fs::read(db).unwrap();
            fs::write(db, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("without its folder", |db| fs::remove_dir_all(db.parent().unwrap()).unwrap()),
    ];
    for (name, damage) in damages {
        let (dir, _) = filled(3000);
        for snapshot in fs::read_dir(dir.path().join("store")).unwrap().flatten() {
            if snapshot.file_name().to_string_lossy().starts_with("snap.") {
                fs::remove_file(snapshot.path()).unwrap();
            }
        }
        damage(&dir.path().join("store/db"));
        let opened = stored_summary(dir.path());
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{name}: {opened:?}");
        let again = stored_summary(dir.path());
        assert!(matches!(again, Err(StoreError::Damaged { .. })), "{name}, opened again: {again:?}");
    }
}

#[test]
fn older_database_is_detected() {
    let (dir, _) = filled(1);
    let (db, old) = (dir.path().join("store"), dir.path().join("old"));
    let copy = |from: &Path, to: &Path| {
        fs::create_dir_all(to.join("blobs")).unwrap();
        for file in fs::read_dir(from).unwrap().flatten().filter(|file| file.path().is_file()) {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    };
    copy(&db, &old);
    let mut store = Store::open(dir.path()).unwrap();
    let mut catalog = store.take_catalog();
    register(&mut store, &mut catalog, &files(5));
    drop(store);
    fs::remove_dir_all(&db).unwrap();
    copy(&old, &db);
    let error = stored_summary(dir.path()).unwrap_err();
    assert!(error.to_string().contains("change 2 was written"), "{error}");
}

#[test]
fn flipped_bytes_are_detected_or_harmless() {
    let (dir, written) = filled(2000);
    let original = fs::read(dir.path().join("store/db")).unwrap();
    for step in 0..24 {
        let copy = tempdir().unwrap();
        fs::create_dir_all(copy.path().join("store/blobs")).unwrap();
        for name in ["mark", "store/conf"] {
            fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
        }
        let mut bytes = original.clone();
        let offset = bytes.len() * step / 24 + step * 37 % 1000;
        bytes[offset] ^= 1 << (step % 8);
        fs::write(copy.path().join("store/db"), bytes).unwrap();
        match stored_summary(copy.path()) {
            Ok(kept) => assert_eq!(kept, written, "byte {offset}"),
            Err(StoreError::Damaged { .. }) => {}
            Err(other) => panic!("byte {offset}: {other}"),
        }
    }
}

/// Creates a data folder with a file of one node and three offered torrents.
fn with_offers() -> (TempDir, Vec<StoredOffer>) {
    let (dir, _) = filled(1);
    let mut store = Store::open(dir.path()).unwrap();
    let mut offers = store.take_offers();
    let node = NodeId::from_bytes([1; 32]);
    for number in [3, 1, 2] {
        let infohash = Infohash::from_bytes([number; 20]);
        let (digest, name) = (Digest::from_bytes([7; 32]), "a name".repeat(number.into()));
        let hint = TorrentHint { infohash, digest, name, piece_length: 1 << 18 };
        let write = offers.add(node, None, hint).unwrap().unwrap();
        store.commit(&[], &[write]).unwrap();
    }
    let stored = store.reopen().unwrap().offers;
    assert_eq!(stored.len(), 3);
    (dir, stored)
}

#[test]
fn offers_survive_reopening() {
    let (dir, written) = with_offers();
    let mut store = Store::open(dir.path()).unwrap();
    let mut offers = store.take_offers();
    assert!(written.iter().all(|offer| offers.contains(offer.node, &offer.hint)));
    let key = (written[0].node, written[0].hint.infohash);
    store.commit(&[], &[offers.withdraw(&key).unwrap()]).unwrap();
    drop(store);
    assert_eq!(Store::read_data(dir.path()).unwrap().0.offers, written[1..]);
    // The lists are unchanged.
    assert_eq!(stored_summary(dir.path()).unwrap().files, 1);
}

#[test]
fn unreadable_offers_are_refused() {
    let change = |key: &[u8], value: Option<&[u8]>| {
        let (dir, _) = with_offers();
        // A closed database releases its file a moment later.
        let db =
            std::iter::repeat_with(|| sled::open(dir.path().join("store"))).find_map(Result::ok).unwrap();
        let tree = db.open_tree(offer_tree::TREE).unwrap();
        match value {
            Some(value) => drop(tree.insert(key, value).unwrap()),
            None => drop(tree.remove(key).unwrap()),
        }
        db.flush().unwrap();
        drop((tree, db));
        dir
    };
    for (key, value) in [(&[5; 52][..], &b"x"[..]), (&[5; 51], b""), (&[0], b"abc")] {
        let dir = change(key, Some(value));
        let opened = stored_summary(dir.path());
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{key:?}: {opened:?}");
    }
    let without_format = change(&[0], None);
    assert!(matches!(stored_summary(without_format.path()), Err(StoreError::Damaged { .. })));
    let later = change(&[0], Some(&[0, 0, 0, 2]));
    let error = stored_summary(later.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::UnknownFormat { .. }) && error.to_string().contains("torrents"),
        "{error}"
    );
}

#[test]
fn disk_error_is_not_reported_as_damage() {
    let (dir, path) = (Path::new("/x"), Path::new("/x/store"));
    let of = |errno: rustix::io::Errno| engine::classify_error(dir, path, sled::Error::Io(errno.into()));
    for errno in [rustix::io::Errno::IO, rustix::io::Errno::NOSPC] {
        let error = of(errno);
        assert!(matches!(&error, StoreError::Unwritable { path: at, .. } if at == path), "{error}");
    }
    let error = engine::classify_error(dir, path, sled::Error::Corruption { at: None, bt: () });
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}
