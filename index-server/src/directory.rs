//! The one owner of the catalog, the roster and the offers, shared by all connections.
//!
//! Everybody reads; connections write the roster and the offers, and the registrar alone writes the catalog's lists. The lock is held
//! for the length of a function in here and never across an await.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::RwLock;
use protocol::digest::Digest;
use protocol::index::{
    Hit, ListSummary, PeerRef, Refusal, Reply, SearchCursor, Share, Source, Statistics, TorrentHint,
};
use protocol::infohash::Infohash;
use protocol::node_id::NodeId;
use protocol::query::Query;
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::catalog::{Catalog, NodeNo};
use crate::offers::Offers;
use crate::ranking::Place;
use crate::roster::{Roster, SessionId};
use crate::search::Scan;
use crate::session::Offer;

/// How many files a search looks at before it lets others at the catalog: a millisecond's worth or so.
const SCAN_STEP: usize = 8192;

/// What everybody knows together.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: RwLock<State>,
    searches: AtomicU64,
    started: Instant,
}

/// The catalog, the roster and the offers, which are only ever locked together.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) catalog: Catalog,
    pub(crate) roster: Roster,
    pub(crate) offers: Offers,
}

/// A node's session, as the directory knows it.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) node: NodeNo,
    pub(crate) session: SessionId,
    /// Cancelled when a newer session of the node begins.
    pub(crate) replaced: CancellationToken,
    /// What is kept of its list.
    pub(crate) list: ListSummary,
}

impl Directory {
    pub(crate) fn new(catalog: Catalog) -> Self {
        let state = RwLock::new(State { catalog, ..State::default() });
        Self(Arc::new(Shared { state, searches: AtomicU64::new(0), started: Instant::now() }))
    }

    /// Changes anything; for the registrar.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.write())
    }

    /// Enters a node that has proven who it is.
    pub(crate) fn arrive(&self, id: NodeId, address: SocketAddr) -> Option<Arrival> {
        let mut state = self.0.state.write();
        let node = state.catalog.admit(id)?;
        let (session, replaced) = state.roster.enter(node, address);
        // It makes its offers anew in every session.
        state.offers.forget(node);
        // A list that may not be on disk is not promised: the node then sends it again.
        let list = state.catalog.summary(node).unwrap_or_default();
        Some(Arrival { node, session, replaced, list })
    }

    /// Notes that a session's node answers at its address.
    pub(crate) fn list(&self, arrival: &Arrival) {
        self.0.state.write().roster.list(arrival.node, arrival.session);
    }

    /// Notes that a session has ended.
    pub(crate) fn leave(&self, arrival: &Arrival) {
        let mut state = self.0.state.write();
        if state.roster.is_current(arrival.node, arrival.session) {
            state.offers.forget(arrival.node);
        }
        state.roster.leave(arrival.node, arrival.session);
    }

    /// Changes what a session's node offers, and says how many torrents that are now.
    pub(crate) fn offer(&self, arrival: &Arrival, offer: Offer) -> Result<u32, Refusal> {
        let mut state = self.0.state.write();
        if !state.roster.is_current(arrival.node, arrival.session) {
            return Ok(0);
        }
        match offer {
            Offer::Make(hint) => state.offers.make(arrival.node, hint),
            Offer::Withdraw(infohash) => Ok(state.offers.withdraw(arrival.node, &infohash)),
        }
    }

    /// Returns what a torrent is said to stand for.
    pub(crate) fn find_torrent(&self, infohash: &Infohash) -> Vec<TorrentHint> {
        self.0.state.read().offers.find(infohash)
    }

    /// Returns the torrents that are said to stand for a content.
    pub(crate) fn torrents_of(&self, digest: &Digest) -> Vec<TorrentHint> {
        self.0.state.read().offers.of(digest)
    }

    /// Returns the list's summary, or nothing if it may not be what is on disk.
    pub(crate) fn summary(&self, node: NodeNo) -> Option<ListSummary> {
        self.0.state.read().catalog.summary(node)
    }

    /// Says whether so little is shared that a search takes no time worth speaking of.
    pub(crate) fn is_small(&self) -> bool {
        self.0.state.read().catalog.count_holdings() < SCAN_STEP / 4
    }

    /// Searches; takes a while where much is shared, and lets others in between.
    pub(crate) fn search(&self, query: Query, after: Option<SearchCursor>, wanted: usize) -> Reply {
        let mut scan = Scan::new(query, after, wanted);
        while !scan.is_done() {
            let state = self.0.state.read();
            scan.step(&state.catalog, &state.roster, SCAN_STEP);
        }
        let (query, places, more) = scan.finish();
        let more = places.last().filter(|_| more).map(Place::cursor);
        let state = self.0.state.read();
        // A content can have lost its last source since it was found.
        let hit = |content| answer::hit(&state.catalog, &state.roster, &query, content);
        let hits: Vec<Hit> = places.iter().filter_map(|place| hit(place.content)).collect();
        self.0.searches.fetch_add(1, Ordering::Relaxed);
        Reply::Hits { hits, more }
    }

    /// Returns who has a content and is there, in an order that `seed` decides.
    pub(crate) fn locate(&self, digest: Digest, limit: usize, seed: u64) -> Vec<Source> {
        let state = self.0.state.read();
        answer::sources(&state.catalog, &state.roster, digest, (limit, seed))
    }

    /// Returns where the nodes are that have the content of a torrent whole and are there, in an order that `seed`
    /// decides: whatever nodes say what the content is, if they differ.
    pub(crate) fn seeds_of(&self, infohash: &Infohash, limit: usize, seed: u64) -> Vec<SocketAddr> {
        let state = self.0.state.read();
        let mut digests: Vec<Digest> = state.offers.find(infohash).iter().map(|hint| hint.digest).collect();
        digests.sort_unstable();
        digests.dedup();
        let sources = |digest| answer::sources(&state.catalog, &state.roster, digest, (limit, seed));
        let whole = digests.into_iter().flat_map(sources).filter(|source| source.share == Share::Whole);
        let mut told = HashSet::new();
        whole.map(|source| source.address).filter(|address| told.insert(*address)).take(limit).collect()
    }

    /// Lists a page of the files of a node that is there.
    pub(crate) fn browse(&self, peer: PeerRef, after: Option<&str>, limit: usize) -> Reply {
        let state = self.0.state.read();
        let node = match peer {
            PeerRef::Node(id) => state.catalog.number(&id).filter(|node| state.roster.is_listed(*node)),
            PeerRef::Address(address) => state.roster.at(address),
        };
        match node {
            Some(node) => answer::listing(&state.catalog, node, after, limit),
            None => Reply::Refused(Refusal::NoSuchPeer),
        }
    }

    /// Counts what the index holds.
    pub(crate) fn statistics(&self) -> Statistics {
        let state = self.0.state.read();
        Statistics {
            searches: self.0.searches.load(Ordering::Relaxed),
            uptime: self.0.started.elapsed().as_secs(),
            ..answer::statistics(&state.catalog, &state.roster)
        }
    }
}
