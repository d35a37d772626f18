use std::collections::{BTreeMap, BTreeSet};

use protocol::digest::Digest;
use protocol::frame::encode_body;
use protocol::index::{FileRecord, IndexMessage, Reply, Share};
use protocol::limits::{MAX_CURSOR_HITS, MAX_HIT_NAMES, MAX_HITS, MAX_LISTING};
use protocol::node_id::NodeId;
use protocol::query::Query;

use super::*;
use crate::catalog::Catalog;
use crate::connection::{hits_reply, listing_reply};
use crate::ids::NodeNo;
use crate::request::SentMarks;
use crate::roster::Roster;
use crate::search::Search;

#[derive(Default)]
struct AnswerFixture {
    catalog: Catalog,
    roster: Roster,
    /// The host number of nodes that share an address.
    hosts: BTreeMap<u8, u8>,
}

impl AnswerFixture {
    /// Adds an online or offline node.
    fn node(&mut self, seed: u8, online: bool, files: &[FileRecord]) -> NodeNo {
        let node = self.catalog.admit(NodeId::from_bytes([seed; 32])).unwrap();
        self.catalog.register(node, files).unwrap();
        if online {
            let host = self.hosts.get(&seed).copied().unwrap_or(seed);
            let (session, _) = self.roster.enter(node, ([10, 0, 0, host], seed.into()).into());
            self.roster.list_node(node, session).unwrap();
            self.catalog.set_listed(node, self.roster.address_group(node));
            while !self.catalog.sync_listed(node, 100) {}
        }
        node
    }

    fn search(
        &self,
        query: &str,
        after: Option<&SentMarks>,
        wanted: usize,
    ) -> (Vec<FoundHit>, Option<SentMarks>) {
        let mut search =
            Search::new(Query::parse(query).unwrap(), after.cloned().unwrap_or_default(), wanted);
        while !search.is_done() {
            search.advance(&self.catalog, 3);
        }
        let (query, ranked, more, sent) = search.finish();
        let contents = ranked.iter().map(|ranked| self.catalog.contents().get(ranked.content).unwrap());
        let cursor = sent.extended_by(contents).filter(|_| more);
        (ranked.iter().map(|ranked| found_hit(&self.catalog, &query, ranked).unwrap()).collect(), cursor)
    }

    fn digests(&self, query: &str) -> Vec<u8> {
        self.search(query, None, 200).0.iter().map(|hit| hit.digest.as_bytes()[0]).collect()
    }
}

fn file(path: &str, digest: u8, share: Share) -> FileRecord {
    FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([digest; 32]), share }
}

fn complete_file(path: &str, digest: u8) -> FileRecord {
    file(path, digest, Share::Complete)
}

#[test]
fn only_online_nodes_are_counted_and_once() {
    let mut world = AnswerFixture::default();
    world.node(
        1,
        true,
        &[
            complete_file("a/song", 1),
            complete_file("b/song copy", 1),
            file("c/song part", 1, Share::Partial),
        ],
    );
    world.node(2, true, &[file("song", 1, Share::Partial), complete_file("other song", 2)]);
    world.node(3, false, &[complete_file("song", 1), complete_file("song three", 3)]);
    assert_eq!(world.digests("song"), [1, 2]);
    assert_eq!(world.digests("three"), [0; 0]);
    let (hits, _) = world.search("song", None, 1);
    assert_eq!((hits[0].availability.complete, hits[0].availability.partial), (1, 1));
}

#[test]
fn search_ends_despite_many_offline_files() {
    let mut world = AnswerFixture::default();
    for seed in 1..50 {
        world.node(seed, false, &[complete_file("same", 1), complete_file("other", 2)]);
    }
    world.node(60, true, &[complete_file("other", 2)]);
    assert_eq!(world.digests("other"), [2]);
}

#[test]
fn pages_are_consecutive() {
    let mut world = AnswerFixture::default();
    for seed in 1..=4 {
        let files: Vec<FileRecord> =
            (0..seed * 3).map(|no| complete_file(&format!("file {no}"), no)).collect();
        world.node(seed, true, &files);
    }
    let (mut got, mut after) = (Vec::new(), None::<SentMarks>);
    loop {
        let (hits, more) = world.search("file", after.as_ref(), 5);
        got.extend(hits.iter().map(|hit| hit.digest.as_bytes()[0]));
        after = more;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(got, (0..12).collect::<Vec<u8>>());
}

#[test]
fn matching_names_come_first_then_most_used() {
    let mut world = AnswerFixture::default();
    world.node(1, true, &[complete_file("rare", 1), complete_file("track 1", 1)]);
    world.node(2, true, &[complete_file("common", 1)]);
    world.node(3, true, &[complete_file("common", 1)]);
    world.node(4, false, &[complete_file("track of one who is away", 1)]);
    let (mut hits, _) = world.search("track", None, 1);
    let hit = hits.remove(0);
    assert_eq!(hit.names, ["track 1", "common", "rare"]);
    assert_eq!((hit.availability.complete, hit.availability.partial), (3, 0));
}

fn long_path(number: u32) -> String {
    let component = "x".repeat(250);
    let folders = vec![component; 16].join("/");
    format!("{number:06}{folders}")
}

fn fits(reply: Reply) {
    assert!(encode_body(&IndexMessage::Reply { id: u64::MAX, reply }).is_ok());
}

fn page_after(after: Option<&str>, any_names: bool) -> ListingPage<'_> {
    ListingPage { after, limit: MAX_LISTING.into(), allow_any_names: any_names }
}

#[test]
fn old_node_gets_no_empty_page_before_the_last() {
    let mut world = AnswerFixture::default();
    let odd = (0..2 * u32::from(MAX_LISTING)).map(|no| complete_file(&format!("a:{no:06}"), 1));
    let node =
        world.node(1, true, &odd.chain([complete_file("b", 1), complete_file("b:", 1)]).collect::<Vec<_>>());
    let paths = |page| {
        let Listing { files, more, .. } = listing(&world.catalog, node, page).unwrap();
        (files.into_iter().map(|file| file.path).collect(), more)
    };
    assert_eq!(paths(page_after(None, false)), (vec!["b".to_owned()], false));
    assert_eq!(paths(page_after(Some("b"), false)), (vec![], false));
    assert_eq!(paths(page_after(Some("b"), true)), (vec!["b:".to_owned()], false));
    let (files, more) = paths(page_after(None, true));
    assert_eq!((files.len(), more), (MAX_LISTING.into(), true));
}

#[test]
fn longest_names_fit_a_frame() {
    let mut world = AnswerFixture::default();
    let hundred: Vec<FileRecord> =
        (0..u32::from(MAX_HITS)).map(|no| complete_file(&long_path(no), u8::try_from(no).unwrap())).collect();
    let short: Vec<FileRecord> = (0..MAX_HITS)
        .flat_map(|no| {
            (0..9).map(move |copy| complete_file(&format!("x{no}/{copy}"), u8::try_from(no).unwrap()))
        })
        .collect();
    let node = world.node(1, true, &hundred);
    world.node(2, true, &short);
    let (hits, _) = world.search("x", None, MAX_HITS.into());
    assert_eq!(hits.len(), usize::from(MAX_HITS));
    assert!(hits.iter().all(|hit| !hit.names.is_empty() && hit.names.len() <= MAX_HIT_NAMES));
    let more = Some(vec![0; MAX_CURSOR_HITS].into());
    fits(hits_reply(FoundHits { hits, more, truncated: true }, false));

    let more: Vec<FileRecord> = (200..1000).map(|no| complete_file(&long_path(no), 0)).collect();
    world.catalog.register(node, &more).unwrap();
    let (mut after, mut got) = (None::<String>, 0);
    loop {
        let page = listing(&world.catalog, node, page_after(after.as_deref(), true));
        fits(listing_reply(page.clone()));
        let Listing { files, more, .. } = page.unwrap();
        got += files.len();
        after = files.last().map(|file| file.path.clone());
        if !more {
            break;
        }
        assert!(files.len() > 100);
    }
    assert_eq!(got, 1000);
}

#[test]
fn sources_are_a_sample_preferring_complete_copies() {
    let mut world = AnswerFixture::default();
    for seed in 1..=60 {
        let share = if seed <= 10 { Share::Complete } else { Share::Partial };
        world.node(seed, seed != 10, &[file("x", 1, share)]);
    }
    let digest = Digest::from_bytes([1; 32]);
    let sample = |limit, seed| sources(&world.catalog, &world.roster, digest, (limit, seed));
    assert_eq!(sample(200, 1).len(), 59);
    assert_ne!(sample(200, 1), sample(200, 2));
    let complete_count =
        |seed| sample(20, seed).iter().filter(|source| source.share == Share::Complete).count();
    assert!((0..20).all(|seed| complete_count(seed) == 9));
    let seen: BTreeSet<_> = (0..100).flat_map(|seed| sample(20, seed)).map(|source| source.node).collect();
    assert_eq!(seen.len(), 59, "all sources are sampled");
    assert!(sources(&world.catalog, &world.roster, Digest::EMPTY, (20, 1)).is_empty());
}

#[test]
fn node_with_many_names_is_one_source_and_hides_none() {
    let mut world = AnswerFixture::default();
    let names: Vec<FileRecord> =
        (0..1000).map(|number| complete_file(&format!("name {number}"), 1)).collect();
    world.node(1, true, &names);
    world.node(2, true, &[complete_file("x", 1), file("y", 1, Share::Partial)]);
    world.node(3, true, &[FileRecord { size: 2, ..complete_file("another size", 1) }]);
    let digest = Digest::from_bytes([1; 32]);
    let mut found = sources(&world.catalog, &world.roster, digest, (20, 1));
    found.sort_by_key(|source| source.node);
    let found: Vec<(u8, Share)> =
        found.into_iter().map(|source| (source.node.as_bytes()[0], source.share)).collect();
    assert_eq!(found, [(1, Share::Complete), (2, Share::Complete), (3, Share::Complete)]);
    assert_eq!(world.catalog.contents().with_digest(digest).count(), 2, "both sizes");
}

#[test]
fn every_address_precedes_second_node_of_any() {
    let mut world =
        AnswerFixture { hosts: (100..200).map(|seed| (seed, 99)).collect(), ..AnswerFixture::default() };
    for seed in 100..200 {
        world.node(seed, true, &[complete_file("x", 1)]);
    }
    for seed in 1..=3 {
        world.node(seed, true, &[file("x", 1, Share::Partial)]);
    }
    let digest = Digest::from_bytes([1; 32]);
    let named = |limit, seed| {
        let sources = sources(&world.catalog, &world.roster, digest, (limit, seed));
        sources.iter().map(|source| source.node.as_bytes()[0]).collect::<Vec<_>>()
    };
    for seed in 0..20 {
        let all = named(200, seed);
        let (first, others) = all.split_at(4);
        let own: BTreeSet<u8> = first.iter().copied().filter(|node| *node < 100).collect();
        assert_eq!(own, BTreeSet::from([1, 2, 3]), "{all:?}");
        assert_eq!(others.len(), 3, "four of one address: {all:?}");
        assert!(named(2, seed).iter().any(|node| *node >= 100), "complete sources are preferred");
    }
    let crowd: BTreeSet<u8> = (0..200).flat_map(|seed| named(4, seed)).filter(|node| *node >= 100).collect();
    assert!(crowd.len() > 50, "sources of one address are chosen randomly: {crowd:?}");
    let (hits, _) = world.search("x", None, 1);
    assert_eq!((hits[0].availability.complete, hits[0].availability.partial), (1, 3));
}
