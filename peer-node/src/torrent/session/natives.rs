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

use super::Session;
use super::party::{BACKLOG, BLOCK, Party, Phase};
use crate::download::seeking::{Round, Sighting, Tried};
use crate::finder::Finder;
use crate::library::Library;
use crate::native::{FetchChannel, Links, SourceEvent};
use crate::swarm::{SourceId, SourceIds};
use crate::torrent::translation::Translation;

/// The pauses between rounds of looking for sources: they double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long a node that was of no use is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// How native nodes are found and reached, and how what has come is shared with them.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// Where native connections come from.
    pub links: Links,
    /// Who knows the sources.
    pub finder: Finder,
    /// Who shares what is whole.
    pub library: Library,
}

/// The native sources of one torrent.
#[derive(Debug)]
pub(super) struct Natives {
    bridge: Bridge,
    digest: Digest,
    translation: Translation,
    ids: SourceIds,
    peers: BTreeMap<SourceId, Native>,
    /// Nodes that need not be tried before then; those that lied, not at all.
    absent: HashMap<NodeId, Option<Instant>>,
    events_to: mpsc::Sender<(SourceId, SourceEvent)>,
    sightings_to: mpsc::Sender<Sighting>,
    rounds: JoinSet<()>,
    next: Instant,
    pause: Duration,
}

/// What natives and the search for them say.
#[derive(Debug)]
pub(super) struct NativeInbox {
    events: mpsc::Receiver<(SourceId, SourceEvent)>,
    sightings: mpsc::Receiver<Sighting>,
}

/// Something that a native says, or that is heard of one.
#[derive(Debug)]
pub(super) enum NativeNews {
    Event(SourceId, SourceEvent),
    Sighting(Sighting),
}

#[derive(Debug)]
struct Native {
    node: NodeId,
    address: SocketAddr,
    channel: FetchChannel,
    has: NativeHas,
}

/// What a node has of the content.
#[derive(Debug)]
enum NativeHas {
    /// It has not said.
    Unsaid,
    All,
    Some(Bitfield),
}

impl NativeInbox {
    /// Waits for news; for ever if there is no bridge. Cancel safe.
    pub(super) async fn next(inbox: &mut Option<Self>) -> NativeNews {
        let Some(inbox) = inbox else { return std::future::pending().await };
        tokio::select! {
            Some((id, event)) = inbox.events.recv() => NativeNews::Event(id, event),
            Some(sighting) = inbox.sightings.recv() => NativeNews::Sighting(sighting),
            else => std::future::pending().await,
        }
    }
}

impl Natives {
    /// Makes the bridge, where the content can be cut both ways.
    pub(super) fn new(
        bridge: Bridge,
        digest: Digest,
        geometry: &Geometry,
        ids: SourceIds,
        now: Instant,
    ) -> Option<(Self, NativeInbox)> {
        let translation = Translation::new(*geometry, BLOCK).ok()??;
        let (events_to, events) = mpsc::channel(BACKLOG);
        let (sightings_to, sightings) = mpsc::channel(BACKLOG);
        let natives = Self {
            bridge,
            digest,
            translation,
            ids,
            peers: BTreeMap::new(),
            absent: HashMap::new(),
            events_to,
            sightings_to,
            rounds: JoinSet::new(),
            next: now,
            pause: PAUSES.0,
        };
        Some((natives, NativeInbox { events, sightings }))
    }

    /// Counts the nodes that give.
    pub(super) fn len(&self) -> usize {
        self.peers.values().filter(|peer| !matches!(peer.has, NativeHas::Unsaid)).count()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = SourceId> {
        self.peers.keys().copied()
    }

    /// Returns where a node listens.
    pub(super) fn address(&self, id: SourceId) -> Option<SocketAddr> {
        self.peers.get(&id).map(|peer| peer.address)
    }

    /// Returns the nodes with the round-trip times of their paths, where those are known, and the numbers of their connections.
    pub(super) fn paths(&self) -> impl Iterator<Item = (SourceId, Duration, usize)> {
        self.peers.iter().filter_map(|(id, peer)| {
            let link = peer.channel.link();
            Some((*id, link.rtt()?, link.connections()))
        })
    }

    pub(super) fn request(&self, id: SourceId, block: Block) {
        if let (Some(peer), Some(block)) = (self.peers.get(&id), self.translation.to_native(block)) {
            peer.channel.request(block);
        }
    }

    pub(super) fn cancel(&self, id: SourceId, block: Block) {
        if let (Some(peer), Some(block)) = (self.peers.get(&id), self.translation.to_native(block)) {
            peer.channel.cancel(block);
        }
    }

    pub(super) fn interested(&self, id: SourceId, on: bool) {
        if let Some(peer) = self.peers.get(&id) {
            peer.channel.interested(on);
        }
    }

    /// Parts with a node; says whether it was one.
    pub(super) fn leave(&mut self, id: SourceId, for_good: bool, now: Instant) -> Option<SocketAddr> {
        let peer = self.peers.remove(&id)?;
        self.absent.insert(peer.node, (!for_good).then(|| now + LEFT_ALONE));
        Some(peer.address)
    }

    /// Begins a round of looking for sources when its time has come.
    fn look(&mut self, now: Instant) {
        while self.rounds.try_join_next().is_some() {}
        if !self.rounds.is_empty() || now < self.next {
            return;
        }
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.absent.retain(|_, until| until.is_none_or(|until| until > now));
        let connected = self.peers.values().map(|peer| peer.node);
        let skip: HashSet<NodeId> = self.absent.keys().copied().chain(connected).collect();
        let Bridge { links, finder, .. } = self.bridge.clone();
        let round = Round {
            finder,
            links,
            digest: self.digest,
            skip,
            tried: Tried::default(),
            ids: self.ids.clone(),
            events: self.events_to.clone(),
            needs_manifest: false,
            sightings: self.sightings_to.clone(),
        };
        self.rounds.spawn(round.run());
    }

    /// Takes in a node that was asked for the content, unless it was asked before.
    fn opened(&mut self, id: SourceId, channel: FetchChannel) {
        let (node, address) = (channel.link().node(), channel.link().address());
        if !self.peers.values().any(|peer| peer.node == node) {
            self.peers.insert(id, Native { node, address, channel, has: NativeHas::Unsaid });
        }
    }

    fn block(&self, reference: BlockRef) -> Option<Block> {
        let native = self.translation.native();
        let block = native.block(reference.piece, reference.begin, reference.length).ok()?;
        self.translation.to_torrent(block)
    }
}

impl Session {
    /// Parts with all native sources once nothing is missing any more.
    pub(super) fn leave_natives(party: &mut Party) {
        party.native_inbox = None;
        let natives = party.natives.take();
        for id in natives.iter().flat_map(Natives::sources) {
            party.swarm.source_lost(id);
        }
    }

    /// Looks for native sources as long as pieces are missing.
    pub(super) fn look_for_natives(party: &mut Party) {
        if let (Some(natives), Phase::Fetching) = (&mut party.natives, party.phase) {
            natives.look(Instant::now());
        }
    }

    /// Takes in what a native says, or what is heard of one.
    pub(super) fn native_news(&mut self, news: NativeNews, party: &mut Party) {
        let Some(natives) = &mut party.natives else { return };
        match news {
            NativeNews::Event(id, event) => self.hear_native(id, event, party),
            NativeNews::Sighting(Sighting::Unreachable { node, address, error }) => {
                tracing::info!(%address, %error, "source not reached");
                natives.absent.insert(node, Some(Instant::now() + LEFT_ALONE));
            }
            NativeNews::Sighting(_) => {}
        }
    }

    fn hear_native(&mut self, id: SourceId, event: SourceEvent, party: &mut Party) {
        let now = Instant::now();
        let Some(natives) = &mut party.natives else { return };
        match event {
            SourceEvent::Opened { channel, .. } => {
                if party.phase == Phase::Fetching {
                    natives.opened(id, channel);
                }
            }
            SourceEvent::Offered { size, pieces, choked, .. } => {
                self.native_offered(id, size, pieces, choked, party);
            }
            SourceEvent::Has { piece } => {
                let Some(piece) = natives.translation.native().piece(piece) else {
                    return self.leave_native(id, "it claims a piece that does not exist", true, party);
                };
                if let Some(NativeHas::Some(pieces)) = natives.peers.get_mut(&id).map(|peer| &mut peer.has) {
                    pieces.insert(piece);
                    let gained = natives.translation.gained(pieces, piece);
                    for piece in gained {
                        party.swarm.source_has(id, piece);
                    }
                }
            }
            SourceEvent::Choked { .. } => party.swarm.source_choked(id),
            SourceEvent::Unchoked => party.swarm.source_unchoked(id),
            SourceEvent::Bytes { count } => self.bytes(id, count, party, now),
            SourceEvent::Block { reference, data, count } => {
                let block = natives.block(reference);
                self.bytes(id, count, party, now);
                if let Some(block) = block {
                    party.block(id, block, data, now);
                }
            }
            SourceEvent::Rejected { reference } => {
                if let Some(block) = natives.block(reference) {
                    party.swarm.block_rejected(id, block, now);
                }
            }
            SourceEvent::NotShared => self.leave_native(id, "it does not share the file", false, party),
            SourceEvent::Lost { reason } => self.leave_native(id, &reason, false, party),
            SourceEvent::ManifestPart { .. } | SourceEvent::Details { .. } => {}
        }
    }

    fn native_offered(
        &mut self,
        id: SourceId,
        size: u64,
        pieces: Option<Vec<u8>>,
        choked: bool,
        party: &mut Party,
    ) {
        let Some(natives) = &mut party.natives else { return };
        let native = *natives.translation.native();
        if size != native.size() {
            return self.leave_native(id, "it says that the file has another size", true, party);
        }
        let Ok(pieces) = pieces.map(|bytes| Bitfield::from_bytes(&native, bytes)).transpose() else {
            return self.leave_native(id, "its bitfield is not one of this file", true, party);
        };
        let have = natives.translation.have(pieces.as_ref());
        let is_new = |peer: &&mut Native| matches!(peer.has, NativeHas::Unsaid);
        let Some(peer) = natives.peers.get_mut(&id).filter(is_new) else { return };
        peer.has = pieces.map_or(NativeHas::All, NativeHas::Some);
        tracing::info!(address = %peer.address, "node joined");
        self.givers.joined(peer.address);
        party.swarm.source_joined(id, have, choked, Instant::now());
        party.swarm.source_takes(id, MAX_REQUESTS);
        party.measure();
    }

    /// Parts with a node, for some time or for good.
    pub(super) fn leave_native(&mut self, id: SourceId, why: &str, for_good: bool, party: &mut Party) {
        party.swarm.source_lost(id);
        let natives = party.natives.as_mut();
        if let Some(address) = natives.and_then(|natives| natives.leave(id, for_good, Instant::now())) {
            tracing::info!(%address, why, for_good, "node left");
            self.givers.left(address, Some(why));
        }
    }
}
