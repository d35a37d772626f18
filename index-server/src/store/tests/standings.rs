//! How long nodes were online, beside their lists.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::standings;
use super::*;
use crate::catalog::Standing;

/// Makes a data folder with the list of a node that came from an address and was online for a minute.
fn with_standing(address: Option<&str>) -> (TempDir, Standing) {
    let dir = tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut catalog = store.take_catalog();
    let node = register(&mut store, &mut catalog, &files(1));
    let (address, now) = (address.map(|address| address.parse::<IpAddr>().unwrap()), Instant::now());
    catalog.come(node, address, now);
    let writes = catalog.part(node, (78, now + Duration::from_mins(1))).unwrap();
    assert!(writes.has_new_standing);
    store.commit(&[writes], &[]).unwrap();
    (dir, Standing { online: 60, address })
}

fn standing(dir: &Path) -> Result<Standing, StoreError> {
    Store::read(dir).map(|(stored, _)| stored.lists[0].header.standing)
}

/// Changes a row of the tree.
fn change(dir: &Path, key: &[u8], value: Option<&[u8]>) {
    // A database that was just closed lets go of its file a moment later.
    let db = std::iter::repeat_with(|| sled::open(dir.join("store"))).find_map(Result::ok).unwrap();
    let tree = db.open_tree(standings::TREE).unwrap();
    match value {
        Some(value) => drop(tree.insert(key, value).unwrap()),
        None => drop(tree.remove(key).unwrap()),
    }
    db.flush().unwrap();
    drop((tree, db));
}

#[test]
fn standings_are_there_when_the_store_is_opened_again() {
    for address in [None, Some("192.0.2.1"), Some("2001:db8::")] {
        let (dir, written) = with_standing(address);
        assert_eq!(standing(dir.path()).unwrap(), written);
        let mut store = Store::open(dir.path()).unwrap();
        let catalog = store.take_catalog();
        let bytes = catalog.bytes_beside(NodeNo(0));
        assert_eq!(bytes, written.address.map(|_| catalog.list_bytes()));
        assert_eq!(store.reopen().unwrap().lists[0].header.standing, written);
    }
}

#[test]
fn nodes_without_a_standing_and_with_that_of_another_count_as_established() {
    let (dir, _) = with_standing(Some("192.0.2.1"));
    // As if an earlier release had given the number to another node.
    let (number, mut row) = ([0; 4], vec![9; 32]);
    row.extend([0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    change(dir.path(), &number, Some(&row));
    assert_eq!(standing(dir.path()).unwrap(), Standing::ESTABLISHED);
    change(dir.path(), &number, None);
    change(dir.path(), &[0], None);
    assert_eq!(standing(dir.path()).unwrap(), Standing::ESTABLISHED);
}

#[test]
fn standings_that_cannot_be_read_or_of_another_format_are_refused() {
    for (key, value) in [(&[0; 4][..], &b"x"[..]), (&[0; 5], b""), (&[0], b"abc")] {
        let (dir, _) = with_standing(None);
        change(dir.path(), key, Some(value));
        let opened = kept(dir.path());
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{key:?}: {opened:?}");
    }
    let (dir, _) = with_standing(None);
    change(dir.path(), &[0], Some(&[0, 0, 0, 2]));
    let error = kept(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::UnknownFormat { .. }) && error.to_string().contains("standings"),
        "{error}"
    );
}

#[test]
fn a_list_that_is_begun_anew_gets_its_standing_again() {
    let (dir, _) = with_standing(None);
    let mut store = Store::open(dir.path()).unwrap();
    let mut catalog = store.take_catalog();
    catalog.unregister(NodeNo(0), ["folder/0"]).unwrap();
    store.commit(&[catalog.take_writes(NodeNo(0), 79).unwrap()], &[]).unwrap();
    register(&mut store, &mut catalog, &files(2));
    drop(store);
    assert_eq!(
        standing(dir.path()).unwrap(),
        Standing { online: 60, address: None },
        "it is known while it is in memory"
    );
}
