//! Nodes of our own kind as sources of a torrent whose content is known by its digest as well.
//!
//! They are found through the index and speak the native dialect; what they send is verified like everything else, by the
//! torrent's hashes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

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
use crate::finder::Finder;
use crate::finder::source_search::{SearchEvent, SearchRound, TriedSources};
use crate::library::Library;
use crate::native::{FetchChannel, Links, SourceEvent};
use crate::torrent::translation::BlockTranslation;
use swarm::{SourceId, SourceIds};

/// The pauses between rounds of looking for sources: they double from the first to the last.
const SEARCH_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long a node that was of no use is left alone.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// How native nodes are found and reached, and how what has come is shared with them.
#[derive(Debug, Clone)]
pub struct NativeBridge {
    /// Where native connections come from.
    pub links: Links,
    /// Who knows the sources.
    pub finder: Finder,
    /// Who shares what is whole.
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
    /// Nodes that need not be tried before then; those that lied, not at all.
    skipped_until: HashMap<NodeId, Option<Instant>>,
    event_sender: mpsc::Sender<(SourceId, SourceEvent)>,
    sighting_sender: mpsc::Sender<SearchEvent>,
    searches: JoinSet<()>,
    next_search: Instant,
    search_delay: Duration,
}

/// What natives and the search for them say.
#[derive(Debug)]
pub(super) struct NativeEvents {
    events: mpsc::Receiver<(SourceId, SourceEvent)>,
    sightings: mpsc::Receiver<SearchEvent>,
}

/// Something that a native says, or that is heard of one.
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

/// What a node has of the content.
#[derive(Debug)]
enum NativePieces {
    /// It has not said.
    Unknown,
    All,
    Some(Bitfield),
}

impl NativeEvents {
    /// Waits for news; for ever if there is no bridge. Cancel safe.
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
    /// Makes the bridge, where the content can be cut both ways.
    pub(super) fn new(
        bridge: NativeBridge,
        digest: Digest,
        geometry: &Geometry,
        ids: SourceIds,
        now: Instant,
    ) -> Option<(Self, NativeEvents)> {
        let translation = BlockTranslation::new(*geometry, BLOCK).ok()??;
        let (events_to, events) = mpsc::channel(BACKLOG);
        let (sightings_to, sightings) = mpsc::channel(BACKLOG);
        let natives = Self {
            bridge,
            digest,
            translation,
            ids,
            sources: BTreeMap::new(),
            skipped_until: HashMap::new(),
            event_sender: events_to,
            sighting_sender: sightings_to,
            searches: JoinSet::new(),
            next_search: now,
            search_delay: SEARCH_DELAYS.0,
        };
        Some((natives, NativeEvents { events, sightings }))
    }

    /// Counts the nodes that give.
    pub(super) fn offering_count(&self) -> usize {
        self.sources.values().filter(|peer| !matches!(peer.pieces, NativePieces::Unknown)).count()
    }

    pub(super) fn source_ids(&self) -> impl Iterator<Item = SourceId> {
        self.sources.keys().copied()
    }

    /// Returns where a node listens.
    pub(super) fn address(&self, id: SourceId) -> Option<SocketAddr> {
        self.sources.get(&id).map(|peer| peer.address)
    }

    /// Returns the nodes with the round-trip times of their paths, where those are known, and the numbers of their connections.
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

    /// Parts with a node; says whether it was one.
    pub(super) fn remove(&mut self, id: SourceId, for_good: bool, now: Instant) -> Option<SocketAddr> {
        let peer = self.sources.remove(&id)?;
        self.skipped_until.insert(peer.node, (!for_good).then(|| now + RETRY_DELAY));
        Some(peer.address)
    }

    /// Begins a round of looking for sources when its time has come.
    fn search(&mut self, now: Instant) {
        while self.searches.try_join_next().is_some() {}
        if !self.searches.is_empty() || now < self.next_search {
            return;
        }
        self.next_search = now + self.search_delay;
        self.search_delay = (self.search_delay * 2).min(SEARCH_DELAYS.1);
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

    /// Takes in a node that was asked for the content, unless it was asked before.
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
    /// Parts with all native sources once nothing is missing any more.
    pub(super) fn disconnect_natives(party: &mut ActiveSwarm) {
        party.native_events = None;
        let natives = party.native_sources.take();
        for id in natives.iter().flat_map(NativeSources::source_ids) {
            party.swarm.source_lost(id);
        }
    }

    /// Looks for native sources as long as pieces are missing.
    pub(super) fn search_natives(party: &mut ActiveSwarm) {
        if let (Some(natives), TorrentPhase::Fetching) = (&mut party.native_sources, party.phase) {
            natives.search(Instant::now());
        }
    }

    /// Takes in what a native says, or what is heard of one.
    pub(super) fn handle_native_event(&mut self, news: NativeEvent, party: &mut ActiveSwarm) {
        let Some(natives) = &mut party.native_sources else { return };
        match news {
            NativeEvent::Source(id, event) => self.handle_source_event(id, event, party),
            NativeEvent::Sighting(SearchEvent::Unreachable { node, address, error }) => {
                tracing::info!(%address, %error, "source not reached");
                natives.skipped_until.insert(node, Some(Instant::now() + RETRY_DELAY));
            }
            NativeEvent::Sighting(_) => {}
        }
    }

    fn handle_source_event(&mut self, id: SourceId, event: SourceEvent, party: &mut ActiveSwarm) {
        let now = Instant::now();
        let Some(natives) = &mut party.native_sources else { return };
        match event {
            SourceEvent::Opened { channel, .. } => {
                if party.phase == TorrentPhase::Fetching {
                    natives.add(id, channel);
                }
            }
            SourceEvent::Offered { size, pieces, choked, .. } => {
                self.handle_native_offer(id, size, pieces, choked, party);
            }
            SourceEvent::Has { piece } => {
                let Some(piece) = natives.translation.native().piece(piece) else {
                    return self.disconnect_native(id, "it claims a piece that does not exist", true, party);
                };
                if let Some(NativePieces::Some(pieces)) =
                    natives.sources.get_mut(&id).map(|peer| &mut peer.pieces)
                {
                    pieces.insert(piece);
                    let gained = natives.translation.newly_complete(pieces, piece);
                    for piece in gained {
                        party.swarm.source_has(id, piece);
                    }
                }
            }
            SourceEvent::Choked { .. } => party.swarm.source_choked(id),
            SourceEvent::Unchoked => party.swarm.source_unchoked(id),
            SourceEvent::Bytes { count } => self.add_received(id, count, party, now),
            SourceEvent::Block { reference, data, count } => {
                let block = natives.to_torrent_block(reference);
                self.add_received(id, count, party, now);
                if let Some(block) = block {
                    party.add_block(id, block, data, now);
                }
            }
            SourceEvent::Rejected { reference } => {
                if let Some(block) = natives.to_torrent_block(reference) {
                    party.swarm.block_rejected(id, block, now);
                }
            }
            SourceEvent::NotShared => self.disconnect_native(id, "it does not share the file", false, party),
            SourceEvent::Disconnected { reason } => self.disconnect_native(id, &reason, false, party),
            SourceEvent::ManifestPart { .. } | SourceEvent::Details { .. } => {}
        }
    }

    fn handle_native_offer(
        &mut self,
        id: SourceId,
        size: u64,
        pieces: Option<Vec<u8>>,
        choked: bool,
        party: &mut ActiveSwarm,
    ) {
        let Some(natives) = &mut party.native_sources else { return };
        let native = *natives.translation.native();
        if size != native.size() {
            return self.disconnect_native(id, "it says that the file has another size", true, party);
        }
        let Ok(pieces) = pieces.map(|bytes| Bitfield::from_bytes(&native, bytes)).transpose() else {
            return self.disconnect_native(id, "its bitfield is not one of this file", true, party);
        };
        let have = natives.translation.torrent_pieces(pieces.as_ref());
        let is_new = |peer: &&mut NativeSource| matches!(peer.pieces, NativePieces::Unknown);
        let Some(peer) = natives.sources.get_mut(&id).filter(is_new) else { return };
        peer.pieces = pieces.map_or(NativePieces::All, NativePieces::Some);
        tracing::info!(address = %peer.address, "node joined");
        self.contributions.connected(peer.address);
        party.swarm.source_joined(id, have, choked, Instant::now());
        party.swarm.source_limits_requests(id, MAX_REQUESTS);
        party.report_paths();
    }

    /// Parts with a node, for some time or for good.
    pub(super) fn disconnect_native(
        &mut self,
        id: SourceId,
        why: &str,
        for_good: bool,
        party: &mut ActiveSwarm,
    ) {
        party.swarm.source_lost(id);
        let natives = party.native_sources.as_mut();
        if let Some(address) = natives.and_then(|natives| natives.remove(id, for_good, Instant::now())) {
            tracing::info!(%address, why, for_good, "node left");
            self.contributions.disconnected(address, Some(why));
        }
    }
}
