//! The sole owner of the catalog, the roster and the offers, shared by all connections.
//!
//! All tasks read it. Connections change the roster; only the registrar changes lists and offers. The lock is held at most for
//! the length of one function in this module, and never across an await.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::index::{ListSummary, NodeAddress, PeerRef, Share, TorrentHint};
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
use crate::request::{HitDetail, OfferChange};
use crate::results::{
    self, DirectoryStatistics, FoundHits, FoundSource, ListedNode, Listing, ListingPage, UnknownWord,
};
use crate::roster::{AddressFull, ListingRules, ProbeContext, Roster, SessionId};
use crate::search::{SCAN_COST_LIMIT, Search};
use crate::words::words;

/// Titles that a search examines before it releases the catalog lock: less than a millisecond.
const SEARCH_STEP: usize = 8192;
const _: () = assert!(SCAN_COST_LIMIT >= SEARCH_STEP, "a search that waits for a thread holds no bitmap");

/// Maximum time of a search; after it, the results so far are returned.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(50);

/// Maximum time that building a page of hits holds the lock.
const MAX_LOCK_TIME: Duration = Duration::from_micros(200);

/// Maximum number of contents of a torrent whose sources are looked up as seeds.
const MAX_CONTENTS_PER_TORRENT: usize = 64;

/// Files of an arriving or leaving node that are updated before the lock is released.
const SYNC_STEP: usize = 256;
const MIN_SYNC_STEP: usize = 16;

/// The shared state of the index. Clones share the same state.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<DirectoryInner>);

#[derive(Debug)]
struct DirectoryInner {
    state: RwLock<DirectoryState>,
    searches: AtomicU64,
    started: Instant,
    clock: IndexClock,
}

/// The catalog, the roster and the offers, protected by one lock.
#[derive(Debug, Default)]
pub(crate) struct DirectoryState {
    pub(crate) catalog: Catalog,
    pub(crate) roster: Roster,
    pub(crate) offers: TorrentOffers,
}

#[derive(Debug, Clone)]
pub(crate) struct NodeSession {
    pub(crate) id: NodeId,
    pub(crate) node: NodeNo,
    pub(crate) session: SessionId,
    /// Cancelled when a newer session of the node starts.
    pub(crate) replaced: CancellationToken,
    /// The summary of the node's list on disk.
    pub(crate) summary: ListSummary,
}

/// Estimated memory of an offer beside its encoded bytes.
const BYTES_PER_OFFER: u64 = 300;

impl DirectoryState {
    /// Returns the hints about a torrent, first those that the asking node can verify because it has the content.
    fn checkable_hints(&self, infohash: &Infohash, asker: NodeNo) -> Vec<TorrentHint> {
        let mut hints = self.offers.hints_for_torrent(infohash);
        hints.sort_by_key(|hint| !self.catalog.has_content(hint.digest, asker));
        hints.into_iter().take(MAX_TORRENT_HINTS).cloned().collect()
    }

    /// Returns the usage of each budget if a node's list (or, without a node, any list) grows by `growth` bytes.
    pub(crate) fn usage(&self, node: Option<NodeNo>, growth: u64) -> BudgetUsage {
        let Self { catalog, offers, .. } = self;
        let list = node.and_then(|node| catalog.list(node)).map(FileList::bytes);
        let at_address = node.and_then(|node| catalog.bytes_at_same_address(node));
        let offered = offers.bytes() + offers.len() as u64 * BYTES_PER_OFFER;
        BudgetUsage {
            node: list.map_or(0, |bytes| bytes + growth),
            address: at_address.map_or(0, |bytes| bytes + growth),
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

    pub(crate) fn clock(&self) -> &IndexClock {
        &self.0.clock
    }

    /// Reads the state, for the registrar.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&DirectoryState) -> T) -> T {
        read(&self.0.state.read())
    }

    /// Changes the state, for the registrar.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut DirectoryState) -> T) -> T {
        let mut state = self.0.state.write();
        let changed = change(&mut state);
        // Waiting searches go first, even if the next change follows immediately.
        RwLockWriteGuard::unlock_fair(state);
        changed
    }

    /// Starts the session of an authenticated node; returns `None` if the catalog is out of node numbers.
    pub(crate) fn start_session(&self, id: NodeId, address: SocketAddr) -> Option<NodeSession> {
        let mut state = self.0.state.write();
        let node = state.catalog.admit(id)?;
        let (session, replaced) = state.roster.enter(node, address);
        // A list that may not be on disk is reported as empty, so that the node sends it again.
        let list = state.catalog.summary(node).unwrap_or_default();
        drop(state);
        // The node is no source until it was reached at its new address.
        self.sync_listed(node);
        Some(NodeSession { id, node, session, replaced, summary: list })
    }

    /// Records the arrival of a node, and the address at which its list counts from now on.
    pub(crate) fn set_list_address(&self, session: &NodeSession, address: Option<IpAddr>) {
        let now = self.0.clock.now();
        self.0.state.write().catalog.record_arrival(session.node, address, now);
    }

    /// Lists the session's node, unless its address has reached the limit of listed nodes.
    pub(crate) fn list_node(&self, session: &NodeSession) -> Result<(), AddressFull> {
        self.0.state.write().roster.list_node(session.node, session.session)?;
        self.sync_listed(session.node);
        Ok(())
    }

    /// Stores what is needed to probe the session's node again.
    pub(crate) fn set_probe_context(&self, session: &NodeSession, context: ProbeContext) {
        self.0.state.write().roster.set_probe_context(session.node, session.session, context);
    }

    /// Returns an error if the session's node may not be listed even if it answers.
    pub(crate) fn check_listing_limit(&self, session: &NodeSession) -> Result<(), AddressFull> {
        self.0.state.read().roster.check_listing_limit(session.node, session.session)
    }

    /// Unlists the session's node, which no longer answers: it is no source until it is listed again.
    pub(crate) fn demote(&self, session: &NodeSession) {
        self.0.state.write().roster.demote(session.node, session.session);
        self.sync_listed(session.node);
    }

    /// Returns the session of a node listed at an address, and what is needed to probe it again.
    pub(crate) fn probe_context(&self, listed_at: &NodeAddress) -> Option<(NodeSession, ProbeContext)> {
        let state = self.0.state.read();
        let node = state.catalog.number(&listed_at.node)?;
        state.roster.address(node).filter(|address| *address == listed_at.address)?;
        let (session, replaced, context) = state.roster.probe_context(node)?;
        Some((
            NodeSession { id: listed_at.node, node, session, replaced, summary: ListSummary::default() },
            context,
        ))
    }

    /// Returns the address group that a node would have at an address.
    pub(crate) fn address_group_at(&self, node: NodeNo, address: IpAddr) -> AddressGroup {
        self.0.state.read().roster.address_group_at(node, address)
    }

    /// Updates the flags of a node's files to match whether and in which group the node is listed.
    fn sync_listed(&self, node: NodeNo) {
        let mut done = false;
        while !done {
            let mut state = self.0.state.write();
            let group = state.roster.address_group(node);
            state.catalog.set_listed(node, group);
            // Each file is compared with those of the other nodes in the group.
            let step = (SYNC_STEP / state.catalog.address_group_len(node)).max(MIN_SYNC_STEP);
            done = state.catalog.sync_listed(node, step) && state.catalog.is_listed_as(node, group.is_some());
            RwLockWriteGuard::unlock_fair(state);
        }
    }

    /// Ends a session; its node's files are no longer available there.
    pub(crate) fn end_session(&self, session: &NodeSession) {
        self.remove_session(session);
        self.sync_listed(session.node);
    }

    pub(crate) fn remove_session(&self, session: &NodeSession) {
        self.0.state.write().roster.leave(session.node, session.session);
    }

    /// Returns the number of torrents a node offers if the offer changes nothing and everything is on disk: nodes repeat their
    /// offers whenever they reconnect.
    pub(crate) fn unchanged_offer_count(&self, id: NodeId, offer: &OfferChange) -> Option<u32> {
        let state = self.0.state.read();
        let is_unchanged = match offer {
            OfferChange::Add(hint) => state.offers.contains(id, hint),
            OfferChange::Withdraw(infohash) => !state.offers.contains_key(&(id, *infohash)),
        };
        (is_unchanged && state.offers.is_all_written()).then(|| state.offers.count(&id))
    }

    /// Returns the hints about a torrent, first those that the asking node can verify because it has the content.
    pub(crate) fn find_torrent(&self, infohash: &Infohash, asker: NodeNo) -> Vec<TorrentHint> {
        self.0.state.read().checkable_hints(infohash, asker)
    }

    /// Returns the hints about the torrent with a key, in the same order.
    pub(crate) fn find_torrent_by_key(&self, key: &TorrentKey, asker: NodeNo) -> Vec<TorrentHint> {
        let state = self.0.state.read();
        let infohash = state.offers.torrent_with_key(key);
        infohash.map_or_else(Vec::new, |infohash| state.checkable_hints(&infohash, asker))
    }

    /// Returns the torrents that nodes offer for a content.
    pub(crate) fn torrents_of(&self, digest: &Digest) -> Vec<TorrentHint> {
        let state = self.0.state.read();
        state.offers.hints_for_content(digest).into_iter().take(MAX_TORRENT_HINTS).cloned().collect()
    }

    /// Returns the list's summary, or `None` if the list may differ from the one on disk.
    pub(crate) fn summary(&self, node: NodeNo) -> Option<ListSummary> {
        self.0.state.read().catalog.summary(node)
    }

    /// Continues a search for less than a millisecond; returns the hits if the search is done.
    pub(crate) fn advance(
        &self,
        mut search: Box<Search>,
        detail: HitDetail,
    ) -> Result<FoundHits, Box<Search>> {
        let state = self.0.state.read();
        search.advance(&state.catalog, SEARCH_STEP);
        if search.is_done() { Ok(self.build_page(*search, detail, state)) } else { Err(search) }
    }

    /// Runs a search until it is done or times out, and returns the hits.
    pub(crate) fn run_to_end(&self, mut search: Box<Search>, detail: HitDetail) -> FoundHits {
        let deadline = Instant::now() + SEARCH_TIMEOUT;
        while Instant::now() < deadline {
            match self.advance(search, detail) {
                Ok(found) => return found,
                Err(unfinished) => search = unfinished,
            }
        }
        self.build_page(*search, detail, self.0.state.read())
    }

    /// Builds the page of a search's hits. Releases the lock in between if that takes long; a content may lose its last source
    /// meanwhile.
    fn build_page(
        &self,
        search: Search,
        detail: HitDetail,
        mut state: RwLockReadGuard<'_, DirectoryState>,
    ) -> FoundHits {
        let timed_out = !search.is_done();
        let (query, ranked_hits, more, sent_hits) = search.finish();
        let (mut hits, mut locked_since) = (Vec::with_capacity(ranked_hits.len()), Instant::now());
        for ranked in &ranked_hits {
            let Some(mut hit) = results::found_hit(&state.catalog, &query, ranked) else { continue };
            if let HitDetail::WithSources { seed } = detail
                && hits.len() < MAX_SOURCED_HITS
            {
                hit.sources = results::sources_for_hit(&state.catalog, &state.roster, hit.digest, seed);
            }
            hits.push(hit);
            if locked_since.elapsed() >= MAX_LOCK_TIME {
                RwLockReadGuard::bump(&mut state);
                locked_since = Instant::now();
            }
        }
        let contents = || ranked_hits.iter().filter_map(|hit| state.catalog.contents().get(hit.content));
        let more_after = if more { sent_hits.extended_by(contents()) } else { None };
        drop(state);
        self.0.searches.fetch_add(1, Ordering::Relaxed);
        let truncated = timed_out || (more && more_after.is_none());
        FoundHits { hits, more: more_after, truncated }
    }

    /// Returns the online sources of a content, in an order that `seed` determines.
    pub(crate) fn locate(&self, digest: Digest, limit: usize, seed: u64) -> Vec<FoundSource> {
        let state = self.0.state.read();
        results::sources(&state.catalog, &state.roster, digest, (limit, seed))
    }

    /// Returns the addresses of online nodes that have the complete content of a torrent, in an order that `seed` determines.
    /// If hints name different contents, the sources of all of them are included.
    pub(crate) fn seeds_of(&self, infohash: &Infohash, limit: usize, seed: u64) -> Vec<SocketAddr> {
        let state = self.0.state.read();
        let hints = state.offers.hints_for_torrent(infohash);
        let mut digests: Vec<Digest> =
            hints.iter().take(MAX_CONTENTS_PER_TORRENT).map(|hint| hint.digest).collect();
        digests.sort_unstable();
        digests.dedup();
        // A false hint to a popular content must not crowd out the sources of the right one.
        let per_content = limit.div_ceil(digests.len().max(1));
        let sources = |digest| results::sources(&state.catalog, &state.roster, digest, (per_content, seed));
        let complete = digests.into_iter().flat_map(sources).filter(|source| source.share == Share::Complete);
        let mut unique = HashSet::new();
        complete.map(|source| source.address).filter(|address| unique.insert(*address)).take(limit).collect()
    }

    /// Returns a page of the files of a listed node; `None` if there is no such node.
    pub(crate) fn browse(&self, peer: PeerRef, page: ListingPage<'_>) -> Option<Listing> {
        let state = self.0.state.read();
        let node = match peer {
            PeerRef::Node(id) => state.catalog.number(&id).filter(|node| state.roster.is_listed(*node)),
            PeerRef::Address(address) => state.roster.node_at(address),
        };
        results::listing(&state.catalog, node?, page)
    }

    /// Returns the words of a query that occur in no name, each with similarly spelled words. Looks up at most
    /// [`MAX_QUERY_TERMS`] words, and releases the lock between two words.
    pub(crate) fn suggest(&self, query: &Query) -> Vec<UnknownWord> {
        let parts = query.compounds().iter().flat_map(Compound::words);
        let texts = query.words().iter().map(String::as_str).chain(parts);
        let mut unknown: Vec<UnknownWord> = Vec::new();
        for word in texts.flat_map(words).take(MAX_QUERY_TERMS) {
            let state = self.0.state.read();
            let known = state.catalog.words();
            if unknown.iter().all(|before| before.word != word) && !known.occurs(word) {
                unknown.push(UnknownWord {
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

    /// Returns listed nodes whose id starts with a prefix.
    pub(crate) fn find_nodes(&self, prefix: &DigestPrefix) -> Vec<ListedNode> {
        let (low, high) = prefix.range();
        let state = self.0.state.read();
        let matching = |(number, address)| {
            let id = state.catalog.list(number)?.id();
            (low..=high).contains(id.as_bytes()).then_some(ListedNode { id, address })
        };
        state.roster.listed().filter_map(matching).take(MAX_NODES_FOUND).collect()
    }

    /// Returns the counters of the directory.
    pub(crate) fn statistics(&self) -> DirectoryStatistics {
        let state = self.0.state.read();
        let searches = self.0.searches.load(Ordering::Relaxed);
        DirectoryStatistics::count(&state.catalog, &state.roster, searches, self.0.started.elapsed())
    }
}
