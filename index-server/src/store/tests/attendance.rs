//! Attendance of nodes, stored beside their lists.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::attendance_tree;
use super::*;
use crate::catalog::Attendance;

/// Creates a data folder with the list of a node that was online for a minute at an address.
fn store_with_attendance(address: Option<&str>) -> (TempDir, Attendance) {
    let dir = tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut catalog = store.take_catalog();
    let node = register(&mut store, &mut catalog, &files(1));
    let (address, now) = (address.map(|address| address.parse::<IpAddr>().unwrap()), Instant::now());
    catalog.record_arrival(node, address, now);
    let writes = catalog.record_departure(node, (78, now + Duration::from_mins(1))).unwrap();
    assert!(writes.has_new_attendance);
    store.commit(&[writes], &[]).unwrap();
    (dir, Attendance { online: 60, address })
}

fn read_attendance(dir: &Path) -> Result<Attendance, StoreError> {
    Store::read_data(dir).map(|(stored, _)| stored.lists[0].header.attendance)
}

/// Changes or removes a row of the tree.
fn change(dir: &Path, key: &[u8], value: Option<&[u8]>) {
    // A closed database releases its file a moment later.
    let db = std::iter::repeat_with(|| sled::open(dir.join("store"))).find_map(Result::ok).unwrap();
    let tree = db.open_tree(attendance_tree::TREE).unwrap();
    match value {
        Some(value) => drop(tree.insert(key, value).unwrap()),
        None => drop(tree.remove(key).unwrap()),
    }
    db.flush().unwrap();
    drop((tree, db));
}

#[test]
fn attendance_survives_reopening() {
    for address in [None, Some("192.0.2.1"), Some("2001:db8::")] {
        let (dir, written) = store_with_attendance(address);
        assert_eq!(read_attendance(dir.path()).unwrap(), written);
        let mut store = Store::open(dir.path()).unwrap();
        let catalog = store.take_catalog();
        let bytes = catalog.bytes_at_same_address(NodeNo(0));
        assert_eq!(bytes, written.address.map(|_| catalog.list_bytes()));
        assert_eq!(store.reopen().unwrap().lists[0].header.attendance, written);
    }
}

#[test]
fn nodes_without_own_attendance_are_established() {
    let (dir, _) = store_with_attendance(Some("192.0.2.1"));
    // As if an earlier release had given the number to another node.
    let (number, mut row) = ([0; 4], vec![9; 32]);
    row.extend([0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    change(dir.path(), &number, Some(&row));
    assert_eq!(read_attendance(dir.path()).unwrap(), Attendance::ESTABLISHED);
    change(dir.path(), &number, None);
    change(dir.path(), &[0], None);
    assert_eq!(read_attendance(dir.path()).unwrap(), Attendance::ESTABLISHED);
}

#[test]
fn unreadable_attendance_is_refused() {
    for (key, value) in [(&[0; 4][..], &b"x"[..]), (&[0; 5], b""), (&[0], b"abc")] {
        let (dir, _) = store_with_attendance(None);
        change(dir.path(), key, Some(value));
        let opened = stored_summary(dir.path());
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{key:?}: {opened:?}");
    }
    let (dir, _) = store_with_attendance(None);
    change(dir.path(), &[0], Some(&[0, 0, 0, 2]));
    let error = stored_summary(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::UnknownFormat { .. })
            && error.to_string().contains("attendance records"),
        "{error}"
    );
}

#[test]
fn restarted_list_regains_its_attendance() {
    let (dir, _) = store_with_attendance(None);
    let mut store = Store::open(dir.path()).unwrap();
    let mut catalog = store.take_catalog();
    catalog.unregister(NodeNo(0), ["folder/0"]).unwrap();
    store.commit(&[catalog.take_writes(NodeNo(0), 79).unwrap()], &[]).unwrap();
    register(&mut store, &mut catalog, &files(2));
    drop(store);
    assert_eq!(
        read_attendance(dir.path()).unwrap(),
        Attendance { online: 60, address: None },
        "the attendance is kept in memory meanwhile"
    );
}
