//! The one owner of the catalog, the roster and the offers, shared by all connections.
//!
//! Everybody reads; connections write the roster, and the registrar alone writes the catalog's lists and the offers. The lock is
//! held for the length of a function in here and never across an await.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::index::{
    ContentSource, HitWithSources, ListSummary, NodeAddress, PeerRef, Refusal, Reply, Share, Statistics,
    TorrentHint, WordSuggestions,
};
use protocol::infohash::Infohash;
use protocol::limits::{
    MAX_ALTERNATIVES, MAX_NODES_FOUND, MAX_QUERY_TERMS, MAX_SOURCED_HITS, MAX_TORRENT_HINTS,
    MAX_UNKNOWN_WORDS,
};
use protocol::node_id::NodeId;
use protocol::query::{Compound, DigestPrefix, Query};
use tokio_util::sync::CancellationToken;

use crate::address_group::AddressGroup;
use crate::budgets::{BudgetUsage, DISK_PER_BYTE, MEMORY_PER_BYTE};
use crate::catalog::{Catalog, FileList};
use crate::clock::IndexClock;
use crate::ids::NodeNo;
use crate::offers::TorrentOffers;
use crate::replies::{self, ListingPage};
use crate::request::OfferChange;
use crate::roster::{AddressFull, ListingRules, ProbeContext, Roster, SessionId};
use crate::search::{SCAN_COST_LIMIT, Search};
use crate::words::words;

/// How many titles a search goes through before it lets others at the catalog: less than a millisecond's worth.
const SEARCH_STEP: usize = 8192;
const _: () = assert!(SCAN_COST_LIMIT >= SEARCH_STEP, "a search that waits for a thread holds no bitmap");

/// How long a search may take; then it tells what it has found.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(50);

/// How long hits are told before others are let at the catalog.
const MAX_LOCK_TIME: Duration = Duration::from_micros(200);

/// Among how many contents that a torrent may stand for the seeds of a torrent are looked for.
const MAX_CONTENTS_PER_TORRENT: usize = 64;

/// How many files of a node that comes or goes are gone through before others are let at the catalog.
const SYNC_STEP: usize = 256;
const MIN_SYNC_STEP: usize = 16;

/// What a page of search results consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HitDetail {
    /// Hits alone.
    Hits,
    /// Hits, the first with some of their sources in an order that `seed` decides.
    WithSources { seed: u64 },
}

/// What everybody knows together.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<DirectoryInner>);

#[derive(Debug)]
struct DirectoryInner {
    state: RwLock<DirectoryState>,
    searches: AtomicU64,
    started: Instant,
    clock: IndexClock,
}

/// The catalog, the roster and the offers, which are only ever locked together.
#[derive(Debug, Default)]
pub(crate) struct DirectoryState {
    pub(crate) catalog: Catalog,
    pub(crate) roster: Roster,
    pub(crate) offers: TorrentOffers,
}

/// A node's session, as the directory knows it.
#[derive(Debug, Clone)]
pub(crate) struct NodeSession {
    pub(crate) id: NodeId,
    pub(crate) node: NodeNo,
    pub(crate) session: SessionId,
    /// Cancelled when a newer session of the node begins.
    pub(crate) replaced: CancellationToken,
    /// What is kept of its list.
    pub(crate) summary: ListSummary,
}

/// About what an offer of a torrent takes in memory beside its bytes.
const BYTES_PER_OFFER: u64 = 300;

impl DirectoryState {
    /// Returns what is used of each budget, with so many more bytes: of the list of a node, or of no node's.
    pub(crate) fn usage(&self, node: Option<NodeNo>, growth: u64) -> BudgetUsage {
        let Self { catalog, offers, .. } = self;
        let list = node.and_then(|node| catalog.list(node)).map(FileList::bytes);
        let beside = node.and_then(|node| catalog.bytes_at_same_address(node));
        let offered = offers.bytes() + offers.len() as u64 * BYTES_PER_OFFER;
        BudgetUsage {
            node: list.map_or(0, |bytes| bytes + growth),
            address: beside.map_or(0, |bytes| bytes + growth),
            memory: catalog.memory() + offered + growth * MEMORY_PER_BYTE,
            disk: (catalog.list_bytes() + offers.bytes() + growth) * DISK_PER_BYTE,
        }
    }
}

impl Directory {
    pub(crate) fn new(catalog: Catalog, offers: TorrentOffers, rules: ListingRules) -> Self {
        let state = RwLock::new(DirectoryState { catalog, offers, roster: Roster::new(rules) });
        let (searches, started, clock) = (AtomicU64::new(0), Instant::now(), IndexClock::default());
        Self(Arc::new(DirectoryInner { state, searches, started, clock }))
    }

    /// Returns the clock by which comings and goings are noted.
    pub(crate) fn clock(&self) -> &IndexClock {
        &self.0.clock
    }

    /// Looks at anything; for the registrar.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&DirectoryState) -> T) -> T {
        look(&self.0.state.read())
    }

    /// Changes anything; for the registrar.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut DirectoryState) -> T) -> T {
        let mut state = self.0.state.write();
        let changed = change(&mut state);
        // Searches that wait go first, however soon the next change comes.
        RwLockWriteGuard::unlock_fair(state);
        changed
    }

    /// Enters a node that has proven who it is.
    pub(crate) fn start_session(&self, id: NodeId, address: SocketAddr) -> Option<NodeSession> {
        let mut state = self.0.state.write();
        let node = state.catalog.admit(id)?;
        let (session, replaced) = state.roster.enter(node, address);
        // A list that may not be on disk is not promised: the node then sends it again.
        let list = state.catalog.summary(node).unwrap_or_default();
        drop(state);
        // Until it is reached at its new address, it is no source.
        self.sync_listed(node);
        Some(NodeSession { id, node, session, replaced, summary: list })
    }

    /// Notes that a node has come, and at which address its list counts from now on, if at any.
    pub(crate) fn set_list_address(&self, arrival: &NodeSession, address: Option<IpAddr>) {
        let now = self.0.clock.now();
        self.0.state.write().catalog.record_arrival(arrival.node, address, now);
    }

    /// Lists a session's node, which answers at its address, if there is room for another one there.
    pub(crate) fn list_node(&self, arrival: &NodeSession) -> Result<(), AddressFull> {
        self.0.state.write().roster.list_node(arrival.node, arrival.session)?;
        self.sync_listed(arrival.node);
        Ok(())
    }

    /// Keeps what it takes to call a session's node again.
    pub(crate) fn set_probe_context(&self, arrival: &NodeSession, recall: ProbeContext) {
        self.0.state.write().roster.set_probe_context(arrival.node, arrival.session, recall);
    }

    /// Returns an error if a session's node may not be listed even if it answers.
    pub(crate) fn check_listing_limit(&self, arrival: &NodeSession) -> Result<(), AddressFull> {
        self.0.state.read().roster.check_listing_limit(arrival.node, arrival.session)
    }

    /// Notes that a session's node answers no longer: it is no source until it is listed again.
    pub(crate) fn demote(&self, arrival: &NodeSession) {
        self.0.state.write().roster.demote(arrival.node, arrival.session);
        self.sync_listed(arrival.node);
    }

    /// Returns the session of a node that is listed at an address, and what it takes to call it again.
    pub(crate) fn probe_context(&self, place: &NodeAddress) -> Option<(NodeSession, ProbeContext)> {
        let state = self.0.state.read();
        let node = state.catalog.number(&place.node)?;
        state.roster.address(node).filter(|address| *address == place.address)?;
        let (session, replaced, recall) = state.roster.probe_context(node)?;
        Some((
            NodeSession { id: place.node, node, session, replaced, summary: ListSummary::default() },
            recall,
        ))
    }

    /// Returns what a node counts as at an address.
    pub(crate) fn address_group_at(&self, node: NodeNo, address: IpAddr) -> AddressGroup {
        self.0.state.read().roster.address_group_at(node, address)
    }

    /// Brings a node's files in line with whether it is listed, and as whose.
    fn sync_listed(&self, node: NodeNo) {
        let mut done = false;
        while !done {
            let mut state = self.0.state.write();
            let household = state.roster.address_group(node);
            state.catalog.set_listed(node, household);
            // Each file is held against those of the other nodes of the household.
            let step = (SYNC_STEP / state.catalog.address_group_len(node)).max(MIN_SYNC_STEP);
            done = state.catalog.sync_listed(node, step)
                && state.catalog.is_listed_as(node, household.is_some());
            RwLockWriteGuard::unlock_fair(state);
        }
    }

    /// Notes that a session has ended, and that its node's files are to be had there no longer.
    pub(crate) fn end_session(&self, arrival: &NodeSession) {
        self.remove_session(arrival);
        self.sync_listed(arrival.node);
    }

    /// Notes that a session has ended.
    pub(crate) fn remove_session(&self, arrival: &NodeSession) {
        self.0.state.write().roster.leave(arrival.node, arrival.session);
    }

    /// Returns how many torrents a node offers if an offer of it changes nothing, and all that it offers is on disk: nodes
    /// repeat their offers whenever they come back.
    pub(crate) fn unchanged_offer_count(&self, id: NodeId, offer: &OfferChange) -> Option<u32> {
        let state = self.0.state.read();
        let is_so = match offer {
            OfferChange::Add(hint) => state.offers.contains(id, hint),
            OfferChange::Withdraw(infohash) => !state.offers.contains_key(&(id, *infohash)),
        };
        (is_so && state.offers.is_all_written()).then(|| state.offers.count(&id))
    }

    /// Returns what a torrent is said to stand for: first what the asking node can check because it has the content.
    pub(crate) fn find_torrent(&self, infohash: &Infohash, asker: NodeNo) -> Vec<TorrentHint> {
        checkable_first(&self.0.state.read(), infohash, asker)
    }

    /// Returns what the torrent with a key is said to stand for, likewise.
    pub(crate) fn find_torrent_by_key(&self, key: &TorrentKey, asker: NodeNo) -> Vec<TorrentHint> {
        let state = self.0.state.read();
        let infohash = state.offers.torrent_with_key(key);
        infohash.map_or_else(Vec::new, |infohash| checkable_first(&state, &infohash, asker))
    }

    /// Returns the torrents that are said to stand for a content.
    pub(crate) fn torrents_of(&self, digest: &Digest) -> Vec<TorrentHint> {
        let state = self.0.state.read();
        state.offers.hints_for_content(digest).into_iter().take(MAX_TORRENT_HINTS).cloned().collect()
    }

    /// Returns the list's summary, or nothing if it may not be what is on disk.
    pub(crate) fn summary(&self, node: NodeNo) -> Option<ListSummary> {
        self.0.state.read().catalog.summary(node)
    }

    /// Goes on with a search for less than a millisecond, and tells what it has found if that was all.
    pub(crate) fn advance(&self, mut search: Box<Search>, shape: HitDetail) -> Result<Reply, Box<Search>> {
        let state = self.0.state.read();
        search.advance(&state.catalog, SEARCH_STEP);
        if search.is_done() { Ok(self.build_page(*search, shape, state)) } else { Err(search) }
    }

    /// Goes on with a search until it is done, or its time is up, and tells what it has found.
    pub(crate) fn run_to_end(&self, mut search: Box<Search>, shape: HitDetail) -> Reply {
        let end = Instant::now() + SEARCH_TIMEOUT;
        while Instant::now() < end {
            match self.advance(search, shape) {
                Ok(reply) => return reply,
                Err(unfinished) => search = unfinished,
            }
        }
        self.build_page(*search, shape, self.0.state.read())
    }

    /// Makes the page of what a search has found. Others get the lock in between where that takes long; a content can have lost
    /// its last source by then.
    fn build_page(
        &self,
        search: Search,
        shape: HitDetail,
        mut state: RwLockReadGuard<'_, DirectoryState>,
    ) -> Reply {
        let timed_out = !search.is_done();
        let (query, places, more, told) = search.finish();
        let (mut hits, mut begun) = (Vec::with_capacity(places.len()), Instant::now());
        for place in &places {
            let Some(hit) = replies::hit(&state.catalog, &query, place) else { continue };
            let sources = match shape {
                HitDetail::WithSources { seed } if hits.len() < MAX_SOURCED_HITS => {
                    replies::sources_for_hit(&state.catalog, &state.roster, hit.digest, seed)
                }
                _ => Vec::new(),
            };
            hits.push(HitWithSources { hit, sources });
            if begun.elapsed() >= MAX_LOCK_TIME {
                RwLockReadGuard::bump(&mut state);
                begun = Instant::now();
            }
        }
        let contents = || places.iter().filter_map(|place| state.catalog.contents().get(place.content));
        let cursor = if more { told.extended_by(contents()) } else { None };
        drop(state);
        self.0.searches.fetch_add(1, Ordering::Relaxed);
        let cut = timed_out || (more && cursor.is_none());
        match shape {
            HitDetail::WithSources { .. } => Reply::HitsWithSources { hits, more: cursor, truncated: cut },
            HitDetail::Hits => {
                let hits = hits.into_iter().map(|sourced| sourced.hit).collect();
                Reply::Hits { hits, more: cursor, truncated: cut }
            }
        }
    }

    /// Returns who has a content and is there, in an order that `seed` decides.
    pub(crate) fn locate(&self, digest: Digest, limit: usize, seed: u64) -> Vec<ContentSource> {
        let state = self.0.state.read();
        replies::sources(&state.catalog, &state.roster, digest, (limit, seed))
    }

    /// Returns where the nodes are that have the content of a torrent whole and are there, in an order that `seed`
    /// decides: whatever nodes say what the content is, if they differ.
    pub(crate) fn seeds_of(&self, infohash: &Infohash, limit: usize, seed: u64) -> Vec<SocketAddr> {
        let state = self.0.state.read();
        let hints = state.offers.hints_for_torrent(infohash);
        let mut digests: Vec<Digest> =
            hints.iter().take(MAX_CONTENTS_PER_TORRENT).map(|hint| hint.digest).collect();
        digests.sort_unstable();
        digests.dedup();
        // Whoever names another content of many nodes does not crowd out those of the right one.
        let each = limit.div_ceil(digests.len().max(1));
        let sources = |digest| replies::sources(&state.catalog, &state.roster, digest, (each, seed));
        let whole = digests.into_iter().flat_map(sources).filter(|source| source.share == Share::Complete);
        let mut told = HashSet::new();
        whole.map(|source| source.address).filter(|address| told.insert(*address)).take(limit).collect()
    }

    /// Lists a page of the files of a node that is there.
    pub(crate) fn browse(&self, peer: PeerRef, page: ListingPage<'_>) -> Reply {
        let state = self.0.state.read();
        let node = match peer {
            PeerRef::Node(id) => state.catalog.number(&id).filter(|node| state.roster.is_listed(*node)),
            PeerRef::Address(address) => state.roster.node_at(address),
        };
        match node {
            Some(node) => replies::listing(&state.catalog, node, page),
            None => Reply::Refused(Refusal::NoSuchPeer),
        }
    }

    /// Returns the words of a query that occur in no name, each with words that are spelled like it. Looks up at most
    /// [`MAX_QUERY_TERMS`] words. Others get the lock in between two words.
    pub(crate) fn suggest(&self, query: &Query) -> Vec<WordSuggestions> {
        let parts = query.compounds().iter().flat_map(Compound::words);
        let texts = query.words().iter().map(String::as_str).chain(parts);
        let mut unknown: Vec<WordSuggestions> = Vec::new();
        for word in texts.flat_map(words).take(MAX_QUERY_TERMS) {
            let state = self.0.state.read();
            let known = state.catalog.words();
            if unknown.iter().all(|before| before.word != word) && !known.occurs(word) {
                unknown.push(WordSuggestions {
                    word: word.to_owned(),
                    alternatives: known.similar_words(word, MAX_ALTERNATIVES),
                });
            }
            if unknown.len() == MAX_UNKNOWN_WORDS {
                break;
            }
        }
        unknown
    }

    /// Returns nodes that are there and reachable, and whose id begins with some digits.
    pub(crate) fn find_nodes(&self, prefix: &DigestPrefix) -> Vec<NodeAddress> {
        let (low, high) = prefix.range();
        let state = self.0.state.read();
        let place = |(number, address)| {
            let node = state.catalog.list(number)?.id();
            (low..=high).contains(node.as_bytes()).then_some(NodeAddress { node, address })
        };
        state.roster.listed().filter_map(place).take(MAX_NODES_FOUND).collect()
    }

    /// Counts what the index holds.
    pub(crate) fn statistics(&self) -> Statistics {
        let state = self.0.state.read();
        Statistics {
            searches: self.0.searches.load(Ordering::Relaxed),
            uptime: self.0.started.elapsed().as_secs(),
            ..replies::statistics(&state.catalog, &state.roster)
        }
    }
}

/// Returns what a torrent is said to stand for: first what the asking node can check because it has the content.
fn checkable_first(state: &DirectoryState, infohash: &Infohash, asker: NodeNo) -> Vec<TorrentHint> {
    let mut hints = state.offers.hints_for_torrent(infohash);
    hints.sort_by_key(|hint| !state.catalog.has_content(hint.digest, asker));
    hints.into_iter().take(MAX_TORRENT_HINTS).cloned().collect()
}
