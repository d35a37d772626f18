//! Byte budgets, and expiry of lists for lack of capacity or of short-lived nodes.

use std::net::IpAddr;

use super::*;
use crate::budgets::{BudgetLimits, DISK_PER_BYTE};
use crate::catalog::{Attendance, ListHeader};

/// The encoded size of a file with a path of one byte.
const FILE: u64 = 50;

const UNLIMITED: BudgetLimits = BudgetLimits { per_node: 0, per_address: 0, memory: 0, disk: 0 };
const HOUR: Duration = Duration::from_hours(1);

fn limits_with(budgets: BudgetLimits) -> IndexLimits {
    IndexLimits { budgets, ..IndexLimits::default() }
}

/// Starts a session of a node at an address.
fn arrive_from(directory: &Directory, node: u8, address: &str) -> NodeSession {
    let session = arrive(directory, node);
    directory.set_list_address(&session, Some(address.parse::<IpAddr>().unwrap()));
    session
}

/// Ends a session, and waits until the registrar has recorded it.
async fn depart(registrar: &Registrar, directory: &Directory, session: &NodeSession) {
    directory.end_session(session);
    registrar.node_left(session.node).await;
    assert_eq!(registrar.change(session, ListChange::Begin).await, Err(Refusal::NoSuchPeer));
}

async fn register(registrar: &Registrar, session: &NodeSession, paths: &[&str]) -> Result<u32, Refusal> {
    let files = paths.iter().map(|path| file(path)).collect();
    registrar.change(session, ListChange::Register(files)).await.map(|list| list.files)
}

fn over(what: &str, wanted: u64, limit: u64) -> Result<u32, Refusal> {
    Err(Refusal::OverBudget { what: what.into(), wanted, limit })
}

fn files_of(directory: &Directory, node: u8) -> usize {
    let count = |state: &mut crate::directory::DirectoryState| {
        let number = state.catalog.number(&NodeId::from_bytes([node; 32]))?;
        state.catalog.list(number).map(crate::catalog::FileList::len)
    };
    directory.write(count).unwrap_or_default()
}

#[tokio::test]
async fn list_bytes_are_limited() {
    let limits = limits_with(BudgetLimits { per_node: 2 * FILE, ..UNLIMITED });
    let (registrar, directory, _, tasks, metrics) = start_with(&limits);
    let (one, other) = (arrive_from(&directory, 1, "192.0.2.1"), arrive_from(&directory, 2, "192.0.2.1"));
    assert_eq!(register(&registrar, &one, &["a", "b"]).await, Ok(2));
    let refused = register(&registrar, &one, &["b", "c"]).await;
    assert_eq!(refused, over("the list of this node", 3 * FILE, 2 * FILE));
    // Files that are registered already take no further bytes.
    assert_eq!(register(&registrar, &one, &["b", "a"]).await, Ok(2));
    assert_eq!(register(&registrar, &other, &["c"]).await, Ok(1));
    let removed = registrar.change(&one, ListChange::Unregister(vec!["a".into()])).await;
    assert_eq!(removed.map(|list| list.files), Ok(1));
    assert_eq!(register(&registrar, &one, &["c"]).await, Ok(2));
    assert!(metrics.text().contains("index_budget_refusals_total{budget=\"node\"} 1\n"));
    end(registrar, tasks).await;
}

#[tokio::test]
async fn nodes_of_one_address_share_its_budget() {
    let limits = limits_with(BudgetLimits { per_address: 2 * FILE, ..UNLIMITED });
    let (registrar, directory, _, tasks, metrics) = start_with(&limits);
    let [one, two, three] = [1, 2, 3].map(|node| arrive_from(&directory, node, "192.0.2.1"));
    let elsewhere = arrive_from(&directory, 4, "192.0.2.2");
    assert_eq!(register(&registrar, &one, &["a"]).await, Ok(1));
    assert_eq!(register(&registrar, &two, &["a"]).await, Ok(1));
    let refused = over("the lists of all nodes at this address", 3 * FILE, 2 * FILE);
    assert_eq!(register(&registrar, &three, &["b"]).await, refused);
    assert_eq!(register(&registrar, &elsewhere, &["a", "b"]).await, Ok(2));
    // Lists of offline nodes at the same address expire first.
    depart(&registrar, &directory, &two).await;
    assert_eq!(register(&registrar, &three, &["b"]).await, Ok(1));
    assert_eq!([1, 2, 3, 4].map(|node| files_of(&directory, node)), [1, 0, 1, 2]);
    assert!(metrics.text().contains("index_budget_refusals_total{budget=\"address\"} 1\n"));
    assert!(metrics.text().contains("index_lists_forgotten_total{reason=\"room\"} 1\n"));
    end(registrar, tasks).await;
}

#[tokio::test]
async fn full_index_expires_longest_absent_then_refuses() {
    let each = FILE * DISK_PER_BYTE;
    // Slightly more than three lists take.
    let limit = 3 * each + 10;
    let (registrar, directory, disk, tasks, metrics) =
        start_with(&limits_with(BudgetLimits { disk: limit, ..UNLIMITED }));
    let [one, two, three, four] = [1, 2, 3, 4].map(|node| arrive(&directory, node));
    for node in [&one, &two, &three] {
        assert_eq!(register(&registrar, node, &["a"]).await, Ok(1));
    }
    // The nodes leave in a different order than they arrived.
    for node in [&two, &one] {
        directory.clock().advance(HOUR);
        depart(&registrar, &directory, node).await;
    }
    assert_eq!(register(&registrar, &four, &["b"]).await, Ok(1));
    assert_eq!([1, 2, 3, 4].map(|node| files_of(&directory, node)), [1, 0, 1, 1]);
    assert_eq!(register(&registrar, &four, &["c"]).await, Ok(2));
    assert_eq!([1, 2, 3, 4].map(|node| files_of(&directory, node)), [0, 0, 1, 2]);
    let refused = over("all lists of this index on disk", 4 * each, limit);
    assert_eq!(register(&registrar, &four, &["d"]).await, refused);
    assert!(metrics.text().contains("index_budget_refusals_total{budget=\"disk\"} 1\n"));
    // A node that returns sees that its list has expired, sends it again, and succeeds once another node has left.
    let one = arrive(&directory, 1);
    assert_eq!(one.summary, ListSummary::default());
    assert_eq!(register(&registrar, &one, &["a"]).await, refused);
    depart(&registrar, &directory, &three).await;
    assert_eq!(register(&registrar, &one, &["a"]).await, Ok(1));
    end(registrar, tasks).await;
    let commits = disk.0.lock().commits.clone();
    let expired = commits.iter().flatten().filter(|writes| writes.header.is_none()).map(|writes| writes.node);
    assert_eq!(expired.collect::<Vec<_>>(), [two.node, one.node, three.node]);
}

#[tokio::test]
async fn offers_share_the_memory_budget() {
    let used = |files: &[&str]| {
        let mut catalog = Catalog::default();
        let node = catalog.admit(NodeId::from_bytes([1; 32])).unwrap();
        catalog.register(node, &files.iter().map(|path| file(path)).collect::<Vec<_>>()).unwrap();
        catalog.memory()
    };
    let limits = limits_with(BudgetLimits { memory: used(&["a", "b"]), ..UNLIMITED });
    let (registrar, directory, _, tasks, metrics) = start_with(&limits);
    let node = arrive(&directory, 1);
    assert_eq!(register(&registrar, &node, &["a", "b"]).await, Ok(2));
    let refused = register(&registrar, &node, &["c"]).await;
    assert!(
        matches!(&refused, Err(Refusal::OverBudget { what, .. }) if what.ends_with("in memory")),
        "{refused:?}"
    );
    let refused = offer(&registrar, &node, OfferChange::Add(hint(1))).await;
    assert!(matches!(&refused, Err(Refusal::TooMany { .. })), "{refused:?}");
    assert!(metrics.text().contains("index_budget_refusals_total{budget=\"memory\"} 2\n"));
    end(registrar, tasks).await;
}

#[tokio::test]
async fn node_online_under_an_hour_expires_in_a_day() {
    let (registrar, directory, disk, tasks, metrics) = start_with(&IndexLimits::default());
    let (clock, [short, twice, long]) = (directory.clock(), [1, 2, 3].map(|node| arrive(&directory, node)));
    for node in [&short, &twice, &long] {
        directory.set_list_address(node, None);
        register(&registrar, node, &["a"]).await.unwrap();
    }
    clock.advance(HOUR / 2);
    for node in [&short, &twice] {
        depart(&registrar, &directory, node).await;
    }
    let again = arrive(&directory, 2);
    directory.set_list_address(&again, None);
    clock.advance(HOUR / 2);
    for node in [&again, &long] {
        depart(&registrar, &directory, node).await;
    }
    registrar.run_expiry().await;
    let known = || [1, 2, 3].map(|node| files_of(&directory, node));
    clock.advance(23 * HOUR);
    registrar.run_expiry().await;
    assert_eq!(known(), [1, 1, 1]);
    clock.advance(HOUR);
    registrar.run_expiry().await;
    assert_eq!(known(), [0, 1, 1]);
    assert!(metrics.text().contains("index_lists_forgotten_total{reason=\"brief\"} 1\n"));
    clock.advance(30 * 24 * HOUR);
    registrar.run_expiry().await;
    assert_eq!(known(), [0, 0, 0]);
    assert!(metrics.text().contains("index_lists_forgotten_total{reason=\"absent\"} 2\n"));
    end(registrar, tasks).await;
    let saved = disk.0.lock().commits.concat();
    let saved = saved.iter().filter(|writes| writes.has_new_attendance).filter_map(|writes| writes.header);
    let of = |node: &NodeSession| {
        let own = saved.clone().filter(|header| header.id == node.id);
        own.map(|header| header.attendance.online / 60).collect::<Vec<_>>()
    };
    assert_eq!((of(&short), of(&twice), of(&long)), (vec![0, 30], vec![0, 30, 60], vec![0, 60]));
}

#[tokio::test]
async fn online_time_counts_without_leaving() {
    let (registrar, directory, disk, tasks, _) = start_with(&IndexLimits::default());
    let node = arrive(&directory, 1);
    directory.set_list_address(&node, None);
    register(&registrar, &node, &["a"]).await.unwrap();
    for _ in 0..3 {
        directory.clock().advance(HOUR);
        registrar.run_expiry().await;
    }
    let commits = disk.0.lock().commits.concat();
    let online = commits.iter().filter(|writes| writes.has_new_attendance).filter_map(|writes| writes.header);
    assert_eq!(online.map(|header| header.attendance.online / 60).collect::<Vec<_>>(), [0, 60]);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn store_over_budget_is_served_and_shrinks_gradually() {
    let mut catalog = Catalog::default();
    let list = |node: u8| {
        let mut summary = ListSummary::default();
        summary.add(&file("a"));
        let (id, attendance) = (NodeId::from_bytes([node; 32]), Attendance::ESTABLISHED);
        let header = ListHeader { id, summary, last_seen: u64::from(node), attendance };
        let blocks = vec![(crate::catalog::BlockNo(0), vec![file("a")])];
        StoredFileList { node: NodeNo(node.into()), header, blocks }
    };
    catalog.restore_all(&(1..=9).map(list).collect::<Vec<_>>()).unwrap();
    let directory = Directory::new(catalog, TorrentOffers::default(), ListingRules::default());
    let limits = IndexLimits {
        budgets: BudgetLimits { disk: 3 * FILE * DISK_PER_BYTE + 10, ..UNLIMITED },
        expire_after: Duration::MAX,
        expire_short_lived_after: Duration::ZERO,
        ..IndexLimits::default()
    };
    let (disk, tasks) = (FakeStore::default(), TaskTracker::new());
    let registrar = Registrar::start(disk, directory.clone(), (&limits, Arc::default()), &tasks);
    let known = || (1..=9).filter(|node| files_of(&directory, *node) > 0).collect::<Vec<_>>();
    let back = arrive(&directory, 1);
    assert_eq!(register(&registrar, &back, &["a"]).await, Ok(1));
    assert_eq!(known().len(), 9);
    registrar.run_expiry().await;
    assert_eq!(known(), [1, 8, 9]);
    end(registrar, tasks).await;
}
