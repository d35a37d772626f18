//! Native nodes as sources of a torrent whose content is also known by its digest.
//!
//! The nodes are found through the index and use the native dialect. Their data is verified with the torrent's hashes
//! like all other data.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::backoff::{Backoff, BackoffRange};
use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::{Block, Geometry};
use protocol::limits::MAX_REQUESTS;
use protocol::node_id::NodeId;
use protocol::peer::BlockRef;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::TorrentSession;
use super::active_swarm::{ActiveSwarm, BACKLOG, BLOCK, TorrentPhase};
use crate::discovery::finder::Finder;
use crate::discovery::finder::source_search::{SearchEvent, SearchRound, TriedSources};
use crate::library::Library;
use crate::native::{FetchChannel, Links, SourceEvent};
use crate::torrent::translation::BlockTranslation;
use crate::transfer::fresh_seed::fresh_seed;
use swarm::{SourceId, SourceIds};

/// Minimum and maximum delay between source searches; the delay doubles each time.
const SEARCH_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(1), Duration::from_secs(30));

/// How long a node that was of no use is skipped.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// Connects torrents with the native network.
#[derive(Debug, Clone)]
pub(crate) struct NativeBridge {
    /// Native connections.
    pub links: Links,
    /// Finds sources.
    pub finder: Finder,
    /// Shares completed files.
    pub library: Library,
}

/// The native sources of one torrent.
#[derive(Debug)]
pub(super) struct NativeSources {
    bridge: NativeBridge,
    digest: Digest,
    translation: BlockTranslation,
    ids: SourceIds,
    sources: BTreeMap<SourceId, NativeSource>,
    /// Nodes not to try before the given time; without a time, never again.
    skipped_until: HashMap<NodeId, Option<Instant>>,
    event_sender: mpsc::Sender<(SourceId, SourceEvent)>,
    sighting_sender: mpsc::Sender<SearchEvent>,
    searches: JoinSet<()>,
    next_search: Instant,
    search_backoff: Backoff,
}

/// Events of native sources and of the search for them.
#[derive(Debug)]
pub(super) struct NativeEvents {
    events: mpsc::Receiver<(SourceId, SourceEvent)>,
    sightings: mpsc::Receiver<SearchEvent>,
}

/// An event of a native source, or of the search.
#[derive(Debug)]
pub(super) enum NativeEvent {
    Source(SourceId, SourceEvent),
    Sighting(SearchEvent),
}

#[derive(Debug)]
struct NativeSource {
    node: NodeId,
    address: SocketAddr,
    channel: FetchChannel,
    pieces: NativePieces,
}

/// The pieces a node has.
#[derive(Debug)]
enum NativePieces {
    /// Not announced yet.
    Unknown,
    All,
    Some(Bitfield),
}

impl NativeEvents {
    /// Waits for the next event; forever if there are no native sources. Cancel safe.
    pub(super) async fn next(inbox: &mut Option<Self>) -> NativeEvent {
        let Some(inbox) = inbox else { return std::future::pending().await };
        tokio::select! {
            Some((id, event)) = inbox.events.recv() => NativeEvent::Source(id, event),
            Some(sighting) = inbox.sightings.recv() => NativeEvent::Sighting(sighting),
            else => std::future::pending().await,
        }
    }
}

impl NativeSources {
    /// Creates the native sources; none if blocks cannot be translated between the two dialects.
    pub(super) fn new(
        bridge: NativeBridge,
        digest: Digest,
        geometry: &Geometry,
        ids: SourceIds,
        now: Instant,
    ) -> Option<(Self, NativeEvents)> {
        let translation = BlockTranslation::new(*geometry, BLOCK).ok()??;
        let (event_sender, events) = mpsc::channel(BACKLOG);
        let (sighting_sender, sightings) = mpsc::channel(BACKLOG);
        let natives = Self {
            bridge,
            digest,
            translation,
            ids,
            sources: BTreeMap::new(),
            skipped_until: HashMap::new(),
            event_sender,
            sighting_sender,
            searches: JoinSet::new(),
            next_search: now,
            search_backoff: Backoff::new(SEARCH_DELAYS),
        };
        Some((natives, NativeEvents { events, sightings }))
    }

    /// Returns the number of nodes that offer pieces.
    pub(super) fn offering_count(&self) -> usize {
        self.sources.values().filter(|peer| !matches!(peer.pieces, NativePieces::Unknown)).count()
    }

    pub(super) fn source_ids(&self) -> impl Iterator<Item = SourceId> {
        self.sources.keys().copied()
    }

    /// Returns the address of a node.
    pub(super) fn address(&self, id: SourceId) -> Option<SocketAddr> {
        self.sources.get(&id).map(|peer| peer.address)
    }

    /// Returns the nodes with a known round-trip time, and their numbers of connections.
    pub(super) fn paths(&self) -> impl Iterator<Item = (SourceId, Duration, usize)> {
        self.sources.iter().filter_map(|(id, peer)| {
            let link = peer.channel.link();
            Some((*id, link.rtt()?, link.connections()))
        })
    }

    pub(super) fn request(&self, id: SourceId, block: Block) {
        if let (Some(peer), Some(block)) = (self.sources.get(&id), self.translation.to_native(block)) {
            peer.channel.request(block);
        }
    }

    pub(super) fn cancel(&self, id: SourceId, block: Block) {
        if let (Some(peer), Some(block)) = (self.sources.get(&id), self.translation.to_native(block)) {
            peer.channel.cancel(block);
        }
    }

    pub(super) fn set_interested(&self, id: SourceId, on: bool) {
        if let Some(peer) = self.sources.get(&id) {
            peer.channel.set_interested(on);
        }
    }

    /// Removes a node; returns its address if it was known.
    pub(super) fn remove(&mut self, id: SourceId, for_good: bool, now: Instant) -> Option<SocketAddr> {
        let peer = self.sources.remove(&id)?;
        self.skipped_until.insert(peer.node, (!for_good).then(|| now + RETRY_DELAY));
        Some(peer.address)
    }

    /// Starts a search for sources when one is due.
    fn search(&mut self, now: Instant) {
        while self.searches.try_join_next().is_some() {}
        if !self.searches.is_empty() || now < self.next_search {
            return;
        }
        self.next_search = now + self.search_backoff.next_delay(fresh_seed());
        self.skipped_until.retain(|_, until| until.is_none_or(|until| until > now));
        let connected = self.sources.values().map(|peer| peer.node);
        let skip: HashSet<NodeId> = self.skipped_until.keys().copied().chain(connected).collect();
        let NativeBridge { links, finder, .. } = self.bridge.clone();
        let round = SearchRound {
            finder,
            links,
            digest: self.digest,
            skip,
            tried: TriedSources::default(),
            ids: self.ids.clone(),
            events: self.event_sender.clone(),
            needs_manifest: false,
            search_events: self.sighting_sender.clone(),
        };
        self.searches.spawn(round.run());
    }

    /// Adds a node whose content channel was opened, unless it is known.
    fn add(&mut self, id: SourceId, channel: FetchChannel) {
        let (node, address) = (channel.link().node(), channel.link().address());
        if !self.sources.values().any(|peer| peer.node == node) {
            self.sources.insert(id, NativeSource { node, address, channel, pieces: NativePieces::Unknown });
        }
    }

    fn to_torrent_block(&self, reference: BlockRef) -> Option<Block> {
        let native = self.translation.native();
        let block = native.block(reference.piece, reference.begin, reference.length).ok()?;
        self.translation.to_torrent(block)
    }
}

impl TorrentSession {
    /// Disconnects all native sources when no piece is missing.
    pub(super) fn disconnect_natives(active: &mut ActiveSwarm) {
        active.native_events = None;
        let natives = active.native_sources.take();
        for id in natives.iter().flat_map(NativeSources::source_ids) {
            active.pieces.swarm_mut().source_lost(id);
        }
    }

    /// Searches for native sources while pieces are missing.
    pub(super) fn search_natives(active: &mut ActiveSwarm) {
        if let (Some(natives), TorrentPhase::Fetching) = (&mut active.native_sources, active.phase) {
            natives.search(Instant::now());
        }
    }

    /// Handles an event of a native source or of the search.
    pub(super) fn handle_native_event(&mut self, event: NativeEvent, active: &mut ActiveSwarm) {
        let Some(natives) = &mut active.native_sources else { return };
        match event {
            NativeEvent::Source(id, event) => self.handle_source_event(id, event, active),
            NativeEvent::Sighting(SearchEvent::Unreachable { node, address, error }) => {
                tracing::info!(%address, %error, "cannot reach a source");
                natives.skipped_until.insert(node, Some(Instant::now() + RETRY_DELAY));
            }
            NativeEvent::Sighting(_) => {}
        }
    }

    fn handle_source_event(&mut self, id: SourceId, event: SourceEvent, active: &mut ActiveSwarm) {
        let now = Instant::now();
        let Some(natives) = &mut active.native_sources else { return };
        match event {
            SourceEvent::Opened { channel, .. } => {
                if active.phase == TorrentPhase::Fetching {
                    natives.add(id, channel);
                }
            }
            SourceEvent::Offered { size, pieces, choked, .. } => {
                self.handle_native_offer(id, size, pieces, choked, active);
            }
            SourceEvent::Has { piece } => {
                let Some(piece) = natives.translation.native().piece(piece) else {
                    return self.disconnect_native(id, "it claims a piece that does not exist", true, active);
                };
                if let Some(NativePieces::Some(pieces)) =
                    natives.sources.get_mut(&id).map(|peer| &mut peer.pieces)
                {
                    pieces.insert(piece);
                    let gained = natives.translation.newly_complete(pieces, piece);
                    for piece in gained {
                        active.pieces.swarm_mut().source_has(id, piece);
                    }
                }
            }
            SourceEvent::Choked { .. } => active.pieces.swarm_mut().source_choked(id),
            SourceEvent::Unchoked => active.pieces.swarm_mut().source_unchoked(id),
            SourceEvent::Bytes { count } => self.add_received(id, count, active, now),
            SourceEvent::Block { reference, data, count } => {
                let block = natives.to_torrent_block(reference);
                self.add_received(id, count, active, now);
                if let Some(block) = block {
                    active.pieces.add_block(id, block, data, now);
                }
            }
            SourceEvent::Rejected { reference } => {
                if let Some(block) = natives.to_torrent_block(reference) {
                    active.pieces.swarm_mut().block_rejected(id, block, now);
                }
            }
            SourceEvent::NotShared => self.disconnect_native(id, "it does not share the file", false, active),
            SourceEvent::Disconnected { reason } => self.disconnect_native(id, &reason, false, active),
            SourceEvent::ManifestPart { .. } | SourceEvent::Details { .. } => {}
        }
    }

    fn handle_native_offer(
        &mut self,
        id: SourceId,
        size: u64,
        pieces: Option<Vec<u8>>,
        choked: bool,
        active: &mut ActiveSwarm,
    ) {
        let Some(natives) = &mut active.native_sources else { return };
        let native = *natives.translation.native();
        if size != native.size() {
            return self.disconnect_native(id, "it reports another file size", true, active);
        }
        let Ok(pieces) = pieces.map(|bytes| Bitfield::from_bytes(&native, bytes)).transpose() else {
            return self.disconnect_native(id, "its bitfield does not match this file", true, active);
        };
        let have = natives.translation.torrent_pieces(pieces.as_ref());
        let is_new = |peer: &&mut NativeSource| matches!(peer.pieces, NativePieces::Unknown);
        let Some(peer) = natives.sources.get_mut(&id).filter(is_new) else { return };
        peer.pieces = pieces.map_or(NativePieces::All, NativePieces::Some);
        tracing::info!(address = %peer.address, "node joined");
        self.contributions.connected(peer.address);
        active.pieces.swarm_mut().source_joined(id, have, choked, Instant::now());
        active.pieces.swarm_mut().source_limits_requests(id, MAX_REQUESTS);
        active.report_paths();
    }

    /// Disconnects a node, temporarily or permanently.
    pub(super) fn disconnect_native(
        &mut self,
        id: SourceId,
        reason: &str,
        for_good: bool,
        active: &mut ActiveSwarm,
    ) {
        active.pieces.swarm_mut().source_lost(id);
        let natives = active.native_sources.as_mut();
        if let Some(address) = natives.and_then(|natives| natives.remove(id, for_good, Instant::now())) {
            tracing::info!(%address, reason, for_good, "node disconnected");
            self.contributions.disconnected(address, Some(reason));
        }
    }
}
