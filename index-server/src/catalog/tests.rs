//! Tests the catalog against a simple model, and after restarts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::index::Share;

use super::restore::RestoreError;
use super::*;
use crate::address_group::AddressGroup;
use crate::availability::Availability;
use crate::words::{PatternPosition, WordPattern, words};

type CatalogModel = BTreeMap<u8, BTreeMap<String, FileRecord>>;
type ModelDisk = BTreeMap<NodeNo, (ListHeader, BTreeMap<BlockNo, Vec<FileRecord>>)>;

#[derive(Debug, Clone)]
enum CatalogAction {
    Register(u8, Vec<FileRecord>),
    Unregister(u8, Vec<String>),
    Replace(u8, Vec<FileRecord>),
    /// Lists a node in an address group, or unlists it.
    List(u8, Option<u8>),
    /// Restarts with a bulk load, or list by list.
    Restart(bool),
}

fn file() -> impl Strategy<Value = FileRecord> + Clone {
    let long = "x".repeat(900);
    (0u8..30, 0u8..8, 0u64..3, any::<bool>()).prop_map(move |(path, digest, size, whole)| FileRecord {
        path: format!("{path}/{}", if path % 3 == 0 { &long } else { "É" }),
        size: size + 1,
        digest: Digest::from_bytes([digest; 32]),
        share: if whole { Share::Complete } else { Share::Partial },
    })
}

fn action() -> impl Strategy<Value = CatalogAction> {
    let (node, files) = (0u8..4, prop::collection::vec(file(), 0..12));
    prop_oneof![
        4 => (node.clone(), files.clone()).prop_map(|(node, files)| CatalogAction::Register(node, files)),
        3 => (node.clone(), files.clone()).prop_map(|(node, files)|
            CatalogAction::Unregister(node, files.into_iter().map(|file| file.path).collect())),
        1 => (node.clone(), files).prop_map(|(node, files)| CatalogAction::Replace(node, files)),
        4 => (node, prop::option::weighted(0.7, 0u8..2)).prop_map(|(node, group)| CatalogAction::List(node, group)),
        1 => any::<bool>().prop_map(CatalogAction::Restart),
    ]
}

fn id(node: u8) -> NodeId {
    NodeId::from_bytes([node; 32])
}

/// Applies writes to the model disk.
fn write(disk: &mut ModelDisk, writes: ListWrites) {
    let Some(header) = writes.header else {
        let (_, blocks) = disk.remove(&writes.node).unwrap();
        let removed: BTreeSet<_> =
            writes.blocks.into_iter().map(|(block, files)| (block, files.is_empty())).collect();
        assert!(
            blocks.into_keys().all(|block| removed.contains(&(block, true))),
            "blocks remain without their node"
        );
        return;
    };
    let (kept, blocks) = disk.entry(writes.node).or_insert_with(|| (header, BTreeMap::new()));
    *kept = header;
    for (block, files) in writes.blocks {
        if files.is_empty() {
            blocks.remove(&block);
        } else {
            blocks.insert(block, files);
        }
    }
}

fn bulk_load(lists: Vec<StoredFileList>) -> Result<Catalog, RestoreError> {
    let files = 10 * lists.len() as u64;
    Catalog::from_lists(
        lists
            .into_iter()
            .map(StoredFileList::verify)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .map(|list| (list, files)),
    )
}

fn lists(disk: &ModelDisk) -> Vec<StoredFileList> {
    let list = |(node, (header, blocks)): (&NodeNo, &(ListHeader, BTreeMap<BlockNo, Vec<FileRecord>>))| {
        StoredFileList { node: *node, header: *header, blocks: blocks.clone().into_iter().collect() }
    };
    disk.iter().map(list).collect()
}

fn restart(disk: &ModelDisk, all_at_once: bool) -> Catalog {
    if all_at_once {
        return bulk_load(lists(disk)).unwrap();
    }
    let mut catalog = Catalog::default();
    catalog.restore_all(&lists(disk)).unwrap();
    catalog
}

fn apply(catalog: &mut Catalog, model: &mut CatalogModel, disk: &mut ModelDisk, action: CatalogAction) {
    let number = match action {
        CatalogAction::Restart(at_once) => {
            *catalog = restart(disk, at_once);
            return;
        }
        CatalogAction::List(node, group) => {
            let number = catalog.admit(id(node)).unwrap();
            let address = |last| AddressGroup::Address([192, 0, 2, last].into());
            catalog.set_listed(number, group.map(address));
            catalog.sync_listed(number, 3);
            number
        }
        CatalogAction::Register(node, files) => {
            let number = catalog.admit(id(node)).unwrap();
            catalog.register_unindexed(number, &files).unwrap();
            catalog.pack(number);
            model.entry(node).or_default().extend(files.into_iter().map(|file| (file.path.clone(), file)));
            number
        }
        CatalogAction::Unregister(node, paths) => {
            let number = catalog.admit(id(node)).unwrap();
            catalog.unregister(number, paths.iter().map(String::as_str)).unwrap();
            model.entry(node).or_default().retain(|path, _| !paths.contains(path));
            number
        }
        CatalogAction::Replace(node, files) => {
            let number = catalog.admit(id(node)).unwrap();
            catalog.begin_list(number).unwrap();
            catalog.register(number, &files).unwrap();
            if let Some(writes) = catalog.take_writes(number, 1) {
                write(disk, writes);
            }
            let unmentioned = catalog.unmentioned_paths(number).unwrap();
            catalog.end_list(number).unwrap();
            catalog.unregister(number, unmentioned.iter().map(AsRef::as_ref)).unwrap();
            model.insert(node, files.into_iter().map(|file| (file.path.clone(), file)).collect());
            number
        }
    };
    if let Some(writes) = catalog.take_writes(number, 1) {
        write(disk, writes);
    }
    catalog.remove_if_empty(number);
}

fn compare(catalog: &Catalog, model: &CatalogModel) {
    let (mut contents, mut holdings) = (BTreeSet::new(), 0);
    for (node, files) in model {
        let mut summary = ListSummary::default();
        for file in files.values() {
            summary.add(file);
            contents.insert((file.digest, file.size));
            holdings += 1;
        }
        let Some(number) = catalog.number(&id(*node)) else {
            assert!(files.is_empty(), "node {node} is missing");
            continue;
        };
        assert_eq!(catalog.summary(number), Some(summary));
        let listed: Vec<FileRecord> = catalog.files_after(number, None).collect();
        assert_eq!(listed, files.values().cloned().collect::<Vec<_>>());
        if let Some(first) = listed.first() {
            assert_eq!(catalog.files_after(number, Some(&first.path)).count(), listed.len() - 1);
        }
    }
    assert_eq!(catalog.contents().len(), contents.len());
    assert_eq!(catalog.contents().bytes(), contents.iter().map(|(_, size)| size).sum::<u64>());
    assert_eq!(catalog.all_holdings().count(), holdings);
    for holding in catalog.all_holdings() {
        let content = catalog.contents().get(holding.content()).unwrap();
        let path = catalog.names().path(holding.name()).unwrap();
        let id = catalog.list(holding.node()).unwrap().id();
        let file = &model[&id.as_bytes()[0]][path.as_ref()];
        assert_eq!((file.digest, file.size, file.share), (content.digest, content.size, holding.share()));
        assert_eq!(catalog.contents().find(&file.digest, file.size), Some(holding.content()));
        let same = catalog.contents().with_digest(file.digest);
        assert_eq!(same.filter(|content| *content == holding.content()).count(), 1);
        let title = catalog.titles().number(holding.content(), holding.name()).unwrap();
        for text in words(&fold(path)).map(str::to_owned) {
            let pattern = WordPattern { text, position: PatternPosition::Whole };
            let found = catalog.words().find(&pattern, 1).unwrap();
            let titles = catalog.words().titles(found[0]).unwrap();
            assert!(titles.contains(title.0));
            assert!(titles.iter().all(|title| contains(catalog, TitleNo(title), &pattern.text)));
        }
    }
    assert!(catalog.contents().count_between(0, DigestHead::MAX) >= contents.len());
    compare_counts(catalog);
}

fn contains(catalog: &Catalog, title: TitleNo, word: &str) -> bool {
    let path = catalog.titles().get(title).and_then(|title| catalog.names().path(title.name));
    path.is_some_and(|path| words(&fold(path)).any(|other| other == word))
}

/// Recomputes the counts that the tables maintain incrementally.
fn compare_counts(catalog: &Catalog) {
    let mut offers = HashMap::<(ContentNo, AddressGroup), Share>::new();
    let mut listed = BTreeMap::<(ContentNo, NameNo), HashSet<AddressGroup>>::new();
    for holding in catalog.all_holdings() {
        let counted = listed.entry((holding.content(), holding.name())).or_default();
        if holding.is_listed() {
            let group = catalog.holdings.address_groups.group_of(holding.node()).unwrap();
            counted.insert(group);
            let best = offers.entry((holding.content(), group)).or_insert(holding.share());
            *best = holding.share().min(*best);
        }
    }
    let mut available = BTreeMap::<ContentNo, Availability>::new();
    for ((content, _), share) in offers {
        *available.entry(content).or_default().count_mut(share) += 1;
    }
    let mut titles = 0;
    for ((content, name), groups) in listed {
        let count = u32::try_from(groups.len()).unwrap();
        let number = catalog.titles().number(content, name).unwrap();
        let title = catalog.titles().get(number).unwrap();
        assert_eq!((title.content, title.name, title.listed_groups()), (content, name, count));
        let availability = available.get(&content).copied().unwrap_or_default();
        assert_eq!(catalog.contents().get(content).unwrap().availability, availability);
        if let Some(below) = availability.rank().checked_sub(1) {
            assert_eq!(
                catalog.titles().next_above(number.0, below),
                Some(number.0),
                "the title would be skipped"
            );
        }
        titles += 1;
    }
    assert_eq!(catalog.titles().all().count(), titles);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn memory_and_disk_match_the_model(
        actions in prop::collection::vec((action(), any::<bool>()), 0..40),
    ) {
        let (mut catalog, mut model, mut disk) = (Catalog::default(), CatalogModel::new(), ModelDisk::new());
        for (action, is_indexed) in actions {
            apply(&mut catalog, &mut model, &mut disk, action);
            if is_indexed {
                catalog.index_all();
                compare(&catalog, &model);
            }
        }
        for at_once in [false, true] {
            compare(&restart(&disk, at_once), &model);
        }
    }
}

fn record(path: &str, digest: u8) -> FileRecord {
    FileRecord {
        path: path.into(),
        size: 1,
        digest: Digest::from_bytes([digest; 32]),
        share: Share::Complete,
    }
}

#[test]
fn unchanged_registration_is_not_written_again() {
    let mut catalog = Catalog::default();
    let node = catalog.admit(id(1)).unwrap();
    catalog.register(node, &[record("a", 1)]).unwrap();
    assert!(catalog.take_writes(node, 1).is_some());
    catalog.register(node, &[record("a", 1)]).unwrap();
    assert_eq!(catalog.take_writes(node, 1), None);
}

#[test]
fn doubtful_list_has_no_summary_until_reread() {
    let mut catalog = Catalog::default();
    let node = catalog.admit(id(1)).unwrap();
    catalog.begin_list(node).unwrap();
    catalog.register(node, &[record("a", 1)]).unwrap();
    catalog.take_writes(node, 1);
    catalog.mark_doubtful(node);
    assert_eq!(catalog.summary(node), None);
    catalog.remove_if_empty(node);
    catalog.restore_all(&[]).unwrap();
    assert_eq!(catalog.summary(node), Some(ListSummary::default()));
    assert_eq!(catalog.unmentioned_paths(node), Err(ListChangeError::NotStarted));
}

#[test]
fn numbers_of_nodes_without_files_are_reused() {
    let mut catalog = Catalog::default();
    let numbers: Vec<NodeNo> = (0..4).map(|node| catalog.admit(id(node)).unwrap()).collect();
    catalog.register(numbers[1], &[record("a", 1)]).unwrap();
    for number in &numbers {
        catalog.remove_if_empty(*number);
    }
    let again: BTreeSet<NodeNo> = (4..8).map(|node| catalog.admit(id(node)).unwrap()).collect();
    assert_eq!(again, [0, 2, 3, 4].map(NodeNo).into());
}

#[test]
fn conflicting_stored_lists_are_rejected() {
    let file = record("a", 1);
    let mut summary = ListSummary::default();
    summary.add(&file);
    let header = ListHeader { id: id(1), summary, last_seen: 0, attendance: Attendance::ESTABLISHED };
    let list = StoredFileList { node: NodeNo(3), header, blocks: vec![(BlockNo(0), vec![file.clone()])] };
    let restore = |lists: &[StoredFileList]| {
        let restored = Catalog::default().restore_all(lists).is_ok();
        assert_eq!(bulk_load(lists.to_vec()).is_ok(), restored);
        restored
    };
    assert!(restore(std::slice::from_ref(&list)));
    assert!(!restore(&[list.clone(), StoredFileList { node: NodeNo(4), ..list.clone() }]));
    assert!(!restore(&[
        list.clone(),
        StoredFileList { header: ListHeader { id: id(2), ..header }, ..list.clone() }
    ]));
    assert!(!restore(&[StoredFileList { blocks: vec![], ..list.clone() }]));
    assert!(!restore(&[StoredFileList { blocks: vec![(BlockNo(0), vec![file.clone(), file])], ..list }]));
}

#[test]
fn one_node_has_one_size_per_content_others_may_differ() {
    let mut catalog = Catalog::default();
    let [one, other] = [1, 2].map(|seed| catalog.admit(id(seed)).unwrap());
    let with_size = |path: &str, size| FileRecord { size, ..record(path, 1) };
    catalog.register(one, &[with_size("a", 5)]).unwrap();
    let conflict = |catalog: &Catalog, node, files: &[FileRecord]| {
        catalog.conflicting_file(node, files).map(|file| file.path.clone())
    };
    assert_eq!(conflict(&catalog, one, &[with_size("b", 5), with_size("c", 6)]), Some("c".to_owned()));
    assert_eq!(conflict(&catalog, one, &[with_size("a", 6)]), None, "the file is replaced");
    assert_eq!(conflict(&catalog, other, &[with_size("a", 6)]), None);
    catalog.register(one, &[with_size("b", 5)]).unwrap();
    assert!(catalog.conflicting_file(one, &[with_size("a", 6)]).is_some(), "\"b\" still has the other size");
}

#[test]
fn unindexed_titles_are_found_after_store_is_reread() {
    let (mut catalog, mut disk) = (Catalog::default(), ModelDisk::new());
    let node = catalog.admit(id(1)).unwrap();
    let files = [record("kept one", 1), record("kept two", 2)];
    catalog.register_unindexed(node, &files).unwrap();
    write(&mut disk, catalog.take_writes(node, 1).unwrap());
    catalog.register_unindexed(node, &[record("lost", 3)]).unwrap();
    catalog.restore_all(&lists(&disk)).unwrap();
    let model = CatalogModel::from([(1, files.map(|file| (file.path.clone(), file)).into())]);
    compare(&catalog, &model);
    assert_eq!(
        catalog.words().find(&WordPattern { text: "lost".into(), position: PatternPosition::Whole }, 9),
        Some(Vec::new())
    );
}
