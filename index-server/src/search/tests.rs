//! Tests the search against a full scan, while nodes come and go and change their lists.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};
use protocol::node_id::NodeId;

use super::scan::scan;
use super::*;
use crate::address_group::AddressGroup;
use crate::ids::NodeNo;

const NODES: u8 = 4;

#[derive(Debug, Clone)]
enum SearchAction {
    Register(u8, Vec<FileRecord>),
    Unregister(u8, Vec<String>),
    List(u8, bool),
}

/// Identifies a content independently of its number.
type ContentIdentity = (Digest, u64);

fn path() -> impl Strategy<Value = String> {
    "(ab|Ba|日本|É)?[ab1]{1,3}([ ./-](abba|aB|b|本|1a)){0,2}(\\.b|\\.tar\\.a)?"
}

fn file() -> impl Strategy<Value = FileRecord> {
    (path(), 0_u8..40, 1_u64..3, any::<bool>()).prop_map(|(path, digest, size, whole)| FileRecord {
        path,
        size,
        digest: Digest::from_bytes([digest.wrapping_mul(7); 32]),
        share: if whole { Share::Complete } else { Share::Partial },
    })
}

fn action() -> impl Strategy<Value = SearchAction> {
    let node = 0..NODES;
    prop_oneof![
        3 => (node.clone(), prop::collection::vec(file(), 1..12)).prop_map(|(node, files)| SearchAction::Register(node, files)),
        1 => (node.clone(), prop::collection::vec(path(), 1..12)).prop_map(|(node, paths)| SearchAction::Unregister(node, paths)),
        2 => (node, prop::bool::weighted(0.7)).prop_map(|(node, listed)| SearchAction::List(node, listed)),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        6 => "[ab1É日本]{1,3}",
        2 => "[ab1]{1,2}[_.-][ab]{1,2}(B[ab]?)?",
        1 => "[ab]{1,2}B[ab]{0,2}(A[ab])?",
        1 => "(\\*|a\\*)b?(\\.a|\\.b)?",
        2 => "\"[ab]{0,2}[ .-][ab]{0,2}\"",
        1 => "ext:(b|a|tar\\.a|b,a)",
        1 => "size:[12]",
        1 => "sha256:(0707|0e0e|1515)",
        1 => "(07070707|abababab)",
        1 => "-[ab1]{2}",
        1 => Just("*".to_owned()),
        1 => Just("-".to_owned()),
    ];
    prop::collection::vec(term, 1..4).prop_map(|terms| terms.join(" "))
}

fn apply(catalog: &mut Catalog, action: &SearchAction) {
    let number = |catalog: &mut Catalog, node: &u8| catalog.admit(NodeId::from_bytes([*node; 32])).unwrap();
    match action {
        SearchAction::Register(node, files) => {
            let node = number(catalog, node);
            catalog.register(node, files).unwrap();
        }
        SearchAction::Unregister(node, paths) => {
            let node = number(catalog, node);
            catalog.unregister(node, paths.iter().map(String::as_str)).unwrap();
        }
        SearchAction::List(node, listed) => {
            let node: NodeNo = number(catalog, node);
            catalog.set_listed(node, listed.then_some(AddressGroup::Node(node)));
            while !catalog.sync_listed(node, 5) {}
        }
    }
}

fn found(catalog: &Catalog, query: &Query) -> BTreeMap<ContentIdentity, Fit> {
    let identity =
        |(content, fit)| (catalog.contents().get(content).map(|it| (it.digest, it.size)).unwrap(), fit);
    scan(catalog, query).into_iter().map(identity).collect()
}

/// Returns one page, searched in steps of `budget`.
fn page(
    catalog: &Catalog,
    query: &Query,
    after: Option<SentMarks>,
    (wanted, budget): (usize, usize),
) -> (Vec<ContentIdentity>, Option<SentMarks>) {
    let mut search = Search::new(query.clone(), after.unwrap_or_default(), wanted);
    // Odd budgets intersect requirements early, even ones rarely.
    if budget % 2 == 1 {
        search.cost_budget = CostBudget::with_cost(budget / 4);
    }
    while !search.is_done() {
        search.advance(catalog, budget);
    }
    let (_, ranked, more, sent) = search.finish();
    let contents: Vec<_> = ranked.iter().map(|hit| catalog.contents().get(hit.content).unwrap()).collect();
    let cursor = sent.extended_by(contents.iter().copied()).filter(|_| more);
    (contents.iter().map(|content| (content.digest, content.size)).collect(), cursor)
}

/// Returns the hits of all pages; calls `between` after each page but the last.
fn pages(
    catalog: &mut Catalog,
    query: &Query,
    sizes: (usize, usize),
    mut between: impl FnMut(&mut Catalog),
) -> Vec<ContentIdentity> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (hits, more) = page(catalog, query, after.take(), sizes);
        all.extend(hits);
        if more.is_none() {
            return all;
        }
        after = more;
        between(catalog);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn search_finds_what_a_scan_finds_in_order(
        actions in prop::collection::vec(action(), 1..30),
        queries in prop::collection::vec(query(), 10),
        sizes in (1_usize..8, 1_usize..40),
    ) {
        let mut catalog = Catalog::default();
        for action in &actions {
            apply(&mut catalog, action);
        }
        for query in queries.iter().filter_map(|query| Query::parse(query).ok()) {
            let expected = found(&catalog, &query);
            let got = pages(&mut catalog, &query, sizes, |_| {});
            let distinct: BTreeSet<ContentIdentity> = got.iter().copied().collect();
            prop_assert_eq!(distinct.len(), got.len());
            prop_assert!(distinct.iter().eq(expected.keys()), "{:?}: {:?} but {:?}", query, got, expected);
            let position = |(digest, size): &ContentIdentity| {
                let content = catalog.contents().find(digest, *size).unwrap();
                let rank = catalog.contents().get(content).unwrap().availability.rank();
                (expected[&(*digest, *size)], std::cmp::Reverse(rank))
            };
            prop_assert!(got.iter().map(position).is_sorted(), "{:?}: {:?}", query, got);
        }
    }

    #[test]
    fn pages_repeat_nothing_and_miss_nothing_stable(
        before in prop::collection::vec(action(), 1..30),
        between in prop::collection::vec(action(), 0..30),
        query in query(),
        sizes in (1_usize..4, 1_usize..40),
    ) {
        let Ok(query) = Query::parse(&query) else { return Ok(()) };
        let mut catalog = Catalog::default();
        for action in &before {
            apply(&mut catalog, action);
        }
        let mut always = found(&catalog, &query);
        let mut rest = between.iter();
        let got = pages(&mut catalog, &query, sizes, |catalog| {
            for action in rest.by_ref().take(2) {
                apply(catalog, action);
                let now = found(catalog, &query);
                always.retain(|identity, _| now.contains_key(identity));
            }
        });
        let distinct: BTreeSet<ContentIdentity> = got.iter().copied().collect();
        prop_assert_eq!(distinct.len(), got.len());
        prop_assert!(always.keys().all(|identity| distinct.contains(identity)), "{:?} but {:?}", got, always);
    }
}

/// Returns a catalog in which one node shares a file per name.
fn shared(names: impl Iterator<Item = String>) -> Catalog {
    let mut catalog = Catalog::default();
    let node = catalog.admit(NodeId::from_bytes([1; 32])).unwrap();
    catalog.set_listed(node, Some(AddressGroup::Node(node)));
    for (path, number) in names.zip(0_u32..) {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        let file = FileRecord { path, size: 1, digest: Digest::from_bytes(digest), share: Share::Complete };
        catalog.register(node, &[file]).unwrap();
    }
    catalog
}

/// Returns the number of single-step advances that a search takes.
fn cost(catalog: &Catalog, query: &str) -> usize {
    let mut steps = 0;
    let mut search = Search::new(Query::parse(query).unwrap(), SentMarks::default(), 20);
    while !search.is_done() {
        search.advance(catalog, 1);
        steps += 1;
    }
    steps
}

#[test]
fn word_in_every_name_costs_no_more_than_a_page() {
    let catalog = shared((0..20_000).map(|number| format!("same/{number}.same")));
    for query in ["same", "am", "ext:same", "*", "same -other", "\"/\""] {
        let cost = cost(&catalog, query);
        assert!(cost < 150, "{query} costs {cost}");
    }
}

#[test]
fn rare_words_cost_little_beside_common_ones() {
    let catalog = shared(
        (0..20_000).map(|number| format!("same/{number}.{}", if number == 7777 { "iso" } else { "bin" })),
    );
    for query in ["same ext:iso", "same iso", "777", "ame bin 77.", "same nothing", "sha256:00001e6100000000"]
    {
        let cost = cost(&catalog, query);
        assert!(cost < 500, "{query} costs {cost}");
    }
}

#[test]
fn disjoint_common_words_cost_no_title_scan() {
    let words = ["flac", "flac24", "mkv", "mkv2"];
    let catalog = shared((0..50_000).map(|number| format!("{number} {}", words[number % words.len()])));
    let both = shared((0..50_000).map(|number| {
        let word = words[number % words.len()];
        if number == 49_999 { format!("{number} {word} flac") } else { format!("{number} {word}") }
    }));
    for (catalog, hits) in [(&catalog, 0), (&both, 1)] {
        let cost = cost(catalog, "flac mkv");
        assert!(cost < 20_000, "{cost} steps, although each word has 25,000 titles in two fits");
        let query = Query::parse("flac mkv").unwrap();
        assert_eq!(page(catalog, &query, None, (20, 1000)).0.len(), hits);
    }
}

#[test]
fn each_name_of_a_content_has_its_own_cost() {
    let mut catalog = Catalog::default();
    let node = catalog.admit(NodeId::from_bytes([1; 32])).unwrap();
    catalog.set_listed(node, Some(AddressGroup::Node(node)));
    let digest = Digest::from_bytes([7; 32]);
    let file =
        |number| FileRecord { path: format!("name {number}"), size: 1, digest, share: Share::Complete };
    catalog.register(node, &(0..1000).map(file).collect::<Vec<_>>()).unwrap();
    let cost = cost(&catalog, "sha256:0707");
    assert!((1000..1100).contains(&cost), "1,000 names cost {cost}");
}
