//! State of a torrent while it is part of its swarm, and how it finds peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::backoff::{Backoff, BackoffRange};
use protocol::geometry::{Block, PieceIndex};
use protocol::limits::MAX_BITTORRENT_REQUESTS;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::native_sources::{NativeEvents, NativeSources};
use super::piece_store::TorrentPieceStore;
use super::{TorrentSession, TorrentSessionError, TorrentStorage};
use crate::bittorrent::{ConnectMode, PeerWire, PeerWireError, SwarmMembership, TorrentOffering, WireEvent};
use crate::discovery::peer_event::{PeerContact, PeerEvent, PeerEvents, PeerReporter, peer_events};
use crate::discovery::trackers::{AnnounceConfig, AnnounceEvent, TrackerAnnouncer};
use crate::torrent::NoUsableSource;
use crate::torrent::peer_table::DisconnectKind;
use crate::transfer::driver::PieceDriver;
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::verification_queue::VerificationQueue;
use crate::transfer::view_schedule::{ViewActivity, ViewSchedule};
use crate::view::DownloadState;
use swarm::{OverduePolicy, PieceOrder, SourceId, SourceIds, Swarm, SwarmConfig};

/// Capacity of the peer event channel; connections pause while it is full.
pub(super) const BACKLOG: usize = 256;

/// Block length in bytes, as all clients use (BEP 3).
pub(super) const BLOCK: u32 = 16 << 10;

/// Maximum outstanding requests to a peer without reqq: as many as libtorrent sends, and fewer than most clients
/// reject.
pub(super) const DEFAULT_REQUESTS: usize = 500;

/// Maximum outstanding requests to any peer. aria2 announces no limit and benefits from many: see docs/performance.md.
pub(super) const MAX_REQUESTS: usize = MAX_BITTORRENT_REQUESTS;

/// Maximum bytes of unfinished pieces.
const MAX_UNFINISHED_BYTES: u64 = 24 << 20;

/// Outbound connections to keep open, and concurrent dials; inbound connections may add more.
const TARGET_CONNECTIONS: usize = 40;
const MAX_CONCURRENT_DIALS: usize = 8;

/// With fewer peers, trackers are asked for more.
const MIN_PEERS: usize = 8;

/// Minimum and maximum delay before trackers are asked again; trackers set limits of their own. The delay doubles while
/// no peer is connected.
const TRACKER_RETRY_DELAYS: BackoffRange =
    BackoffRange::new(Duration::from_secs(30), Duration::from_mins(30));

/// Phase of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TorrentPhase {
    /// Downloading pieces.
    Fetching,
    /// Everything wanted is verified; files are being finalized.
    Finishing,
    /// Complete and seeding.
    Seeding,
}

/// A connected peer.
#[derive(Debug)]
pub(super) struct ConnectedPeer {
    pub(super) wire: PeerWire,
    pub(super) address: SocketAddr,
    /// Requests rejected since the last received block.
    pub(super) rejections: usize,
    /// Cancelled requests, each of which gets a rejection as well.
    pub(super) cancelled: usize,
}

/// State of a torrent while it is part of its swarm.
#[derive(Debug)]
pub(super) struct ActiveSwarm {
    pub(super) phase: TorrentPhase,
    pub(super) pieces: PieceDriver<TorrentPieceStore>,
    pub(super) ids: SourceIds,
    pub(super) peers: BTreeMap<SourceId, ConnectedPeer>,
    pub(super) offering: Arc<TorrentOffering>,
    pub(super) membership: Arc<SwarmMembership>,
    pub(super) events: mpsc::Receiver<(SourceId, WireEvent)>,
    pub(super) announcer: TrackerAnnouncer,
    pub(super) announce_events: mpsc::Receiver<AnnounceEvent>,
    /// The peers that all discovery sources report.
    pub(super) peer_events: PeerEvents,
    pub(super) dials: JoinSet<(SocketAddr, Result<ConnectMode, PeerWireError>)>,
    pub(super) native_sources: Option<NativeSources>,
    pub(super) native_events: Option<NativeEvents>,
    pub(super) is_finalized: bool,
    /// When a source was last connected, or when the swarm was joined.
    pub(super) last_connected: Instant,
    pub(super) view_schedule: ViewSchedule,
    /// Whether bytes were uploaded shortly before the latest view.
    pub(super) is_uploading: bool,
    /// When to check for peers to dial.
    pub(super) next_dial: Option<Instant>,
    /// When trackers may be asked for more peers.
    peers_wanted_from: Instant,
    tracker_backoff: Backoff,
}

impl ConnectedPeer {
    /// Creates the entry of a new peer.
    pub(super) const fn new(wire: PeerWire, address: SocketAddr) -> Self {
        Self { wire, address, rejections: 0, cancelled: 0 }
    }

    /// Counts rejected requests; returns how many the peer has rejected since its last block.
    pub(super) fn count_rejected(&mut self, count: usize) -> usize {
        let own = self.cancelled.min(count);
        self.cancelled -= own;
        self.rejections += count - own;
        self.rejections
    }
}

impl ActiveSwarm {
    /// Requests a block from a source.
    pub(super) fn request(&self, source: SourceId, block: Block) {
        match (self.peers.get(&source), &self.native_sources) {
            (Some(peer), _) => peer.wire.request(block),
            (None, Some(natives)) => natives.request(source, block),
            (None, None) => {}
        }
    }

    /// Cancels a request at a source.
    pub(super) fn cancel(&mut self, source: SourceId, block: Block) {
        match (self.peers.get_mut(&source), &self.native_sources) {
            (Some(peer), _) => {
                peer.cancelled += 1;
                peer.wire.cancel(block);
            }
            (None, Some(natives)) => natives.cancel(source, block),
            (None, None) => {}
        }
    }

    /// Sets interest in a source.
    pub(super) fn set_interested(&self, source: SourceId, on: bool) {
        match (self.peers.get(&source), &self.native_sources) {
            (Some(peer), _) => peer.wire.set_interested(on),
            (None, Some(natives)) => natives.set_interested(source, on),
            (None, None) => {}
        }
    }

    /// Returns the address of a source; that of an inbound peer is not its listening address.
    pub(super) fn address(&self, source: SourceId) -> Option<SocketAddr> {
        let native = || self.native_sources.as_ref()?.address(source);
        self.peers.get(&source).map(|peer| peer.address).or_else(native)
    }

    /// Returns the connected sources of both kinds.
    pub(super) fn source_ids(&self) -> impl Iterator<Item = SourceId> {
        let natives = self.native_sources.iter().flat_map(NativeSources::source_ids);
        self.peers.keys().copied().chain(natives)
    }

    /// Passes path measurements of the sources to the engine.
    pub(super) fn report_paths(&mut self) {
        let wires = self.peers.iter().filter_map(|(id, peer)| Some((*id, peer.wire.rtt()?, 1)));
        let natives = self.native_sources.iter().flat_map(NativeSources::paths);
        for (id, rtt, connections) in wires.chain(natives) {
            self.pieces.swarm_mut().source_measured(id, rtt, connections);
        }
    }

    /// Returns how much may change in the view.
    pub(super) fn view_activity(&self) -> ViewActivity {
        if self.phase != TorrentPhase::Seeding || self.is_uploading {
            ViewActivity::Moving
        } else if self.peers.is_empty() {
            ViewActivity::Idle
        } else {
            ViewActivity::Quiet
        }
    }

    /// Returns the number of connected sources of both kinds.
    pub(super) fn source_count(&self) -> usize {
        self.peers.len() + self.native_sources.as_ref().map_or(0, NativeSources::offering_count)
    }
}

impl TorrentSession {
    /// Joins the swarm.
    pub(super) fn join_swarm(&mut self) -> Result<ActiveSwarm, TorrentSessionError> {
        let now = Instant::now();
        let metainfo = Arc::clone(&self.spec.metainfo);
        let store = self.storage.as_ref().ok_or(TorrentSessionError::Cancelled)?;
        let offering =
            Arc::new(TorrentOffering::new(Arc::clone(&metainfo), &store.have, Arc::clone(&store.locator)));
        let (event_sender, events) = mpsc::channel(BACKLOG);
        let ids = SourceIds::default();
        let wires = &self.config.wires;
        let membership = wires
            .join(Arc::clone(&offering), ids.clone(), event_sender)
            .map_err(|_| TorrentSessionError::AlreadyJoined)?;
        let (reporter, peer_events) = peer_events();
        let (announcer, announce_events) = TrackerAnnouncer::start(self.announce_config(reporter));
        self.peer_table.release_all(now);
        self.spec.peers.iter().for_each(|peer| self.peer_table.add(*peer, now));
        let swarm = new_swarm(store, metainfo.geometry(), now);
        let state = if swarm.is_complete() { DownloadState::Finishing } else { DownloadState::Fetching };
        self.view_publisher.activate(state);
        let bridge = self.config.bridge.clone().zip(self.spec.digest);
        let (native_sources, native_events) = bridge
            .and_then(|(bridge, digest)| {
                NativeSources::new(bridge, digest, metainfo.geometry(), ids.clone(), now)
            })
            .unzip();
        let checks = VerificationQueue::new(metainfo.geometry().piece_length());
        let files = TorrentPieceStore(store.files.clone());
        let pieces = PieceDriver::new(swarm, checks, Arc::new(files), now);
        self.warn_without_sources(native_sources.is_none() && !pieces.is_complete());
        let active = ActiveSwarm {
            phase: TorrentPhase::Fetching,
            pieces,
            ids,
            peers: BTreeMap::new(),
            offering,
            membership: Arc::new(membership),
            events,
            announcer,
            announce_events,
            peer_events,
            dials: JoinSet::new(),
            native_sources,
            native_events,
            is_finalized: false,
            last_connected: now,
            view_schedule: ViewSchedule::new(now),
            is_uploading: false,
            next_dial: None,
            peers_wanted_from: now + TRACKER_RETRY_DELAYS.min(),
            tracker_backoff: Backoff::new(TRACKER_RETRY_DELAYS),
        };
        self.report_to_trackers(&active);
        Ok(active)
    }

    /// Shows a warning if the torrent names no usable source and nothing else does.
    fn warn_without_sources(&self, is_alone: bool) {
        let metainfo = &self.spec.metainfo;
        let none = NoUsableSource::from_metainfo(metainfo);
        if let Some(none) = none.filter(|_| is_alone && self.spec.peers.is_empty()) {
            tracing::info!(infohash = %metainfo.infohash(), %none, "torrent has no usable source");
            self.show_warning(Some(none.to_string()));
        }
    }

    /// Returns the configuration of the announcer, which reports the peers of the trackers.
    fn announce_config(&self, peers: PeerReporter) -> AnnounceConfig {
        let metainfo = &self.spec.metainfo;
        AnnounceConfig {
            infohash: metainfo.infohash(),
            peer_id: self.config.wires.peer_id(),
            source: self.config.transport.source_address(),
            port: self.config.port,
            tiers: metainfo.tiers().to_vec(),
            stats: self.stats(self.uploaded),
            tracker: self.config.tracker.clone(),
            peers,
            cancel: self.cancel.clone(),
        }
    }

    /// Leaves the swarm: stops all requests and records the verified pieces.
    pub(super) async fn leave_swarm(&mut self, active: ActiveSwarm) {
        self.report_to_trackers(&active);
        self.uploaded = self.total_uploaded(&active);
        let ActiveSwarm { membership, announcer, mut dials, mut pieces, peers, .. } = active;
        // Closed before the disk is waited for: readers that wait for room would stop their whole connections.
        drop((active.events, active.native_events, active.native_sources, peers));
        dials.shutdown().await;
        // Dropping the last reference closes the connections.
        drop(membership);
        self.config.tracker.spawn(announcer.stop());
        for piece in pieces.settle().await {
            self.add_piece(piece);
        }
        while let Some(job) = self.jobs.join_next().await {
            if let Ok(job) = job {
                self.handle_late_job(job);
            }
        }
        if let Some(store) = &self.storage {
            pieces.write_last_record(store.have.clone(), Instant::now()).await;
        }
        self.peer_table.release_all(Instant::now());
        self.view_publisher.deactivate();
    }

    /// Dials known peers if one may be dialled by now.
    pub(super) fn dial_if_due(&mut self, active: &mut ActiveSwarm) {
        if active.next_dial.is_some_and(|due| due <= Instant::now()) {
            self.dial(active);
        }
    }

    /// Dials known peers until there are enough connections. Scans all known peers, so it is not called for every block.
    pub(super) fn dial(&mut self, active: &mut ActiveSwarm) {
        let now = Instant::now();
        while active.dials.len() < MAX_CONCURRENT_DIALS
            && active.peers.len() + active.dials.len() < TARGET_CONNECTIONS
        {
            let Some((address, mode)) = self.peer_table.next(now) else { break };
            let membership = Arc::clone(&active.membership);
            active.dials.spawn(async move { (address, membership.dial(address, mode).await) });
        }
        if !active.peers.is_empty() {
            active.tracker_backoff.reset();
            active.peers_wanted_from = active.peers_wanted_from.min(now + TRACKER_RETRY_DELAYS.min());
        }
        // A seed dials too: peers may be unable to connect to it.
        let enough = if active.phase == TorrentPhase::Fetching { MIN_PEERS } else { 1 };
        if active.peers.len() < enough && now >= active.peers_wanted_from {
            active.peers_wanted_from = now + active.tracker_backoff.next_delay(fresh_seed());
            active.announcer.request_peers();
        }
        let has_room = active.dials.len() < MAX_CONCURRENT_DIALS
            && active.peers.len() + active.dials.len() < TARGET_CONNECTIONS;
        let peer = self.peer_table.next_due().filter(|_| has_room);
        let trackers = (active.peers.len() < enough).then_some(active.peers_wanted_from);
        active.next_dial = peer.into_iter().chain(trackers).min();
    }

    /// Handles the outcome of a dial.
    pub(super) fn handle_dial(
        &mut self,
        (address, outcome): (SocketAddr, Result<ConnectMode, PeerWireError>),
    ) {
        let error = match outcome {
            Ok(mode) => return self.peer_table.connected(address, mode),
            Err(error) => error,
        };
        if let PeerWireError::Handshake { source, .. } = &error {
            tracing::info!(%address, error = %source, "handshake failed");
        } else {
            tracing::debug!(%address, %error, "cannot connect to a peer");
        }
        let kind = if error.is_retryable() { DisconnectKind::RetrySoon } else { DisconnectKind::Useless };
        self.peer_table.disconnected(address, kind, Instant::now(), fresh_seed());
    }

    /// Handles a report of any discovery source. Nodes are found and dialled by the [`NativeSources`].
    pub(super) fn handle_peers(&mut self, events: Vec<PeerEvent>) {
        let now = Instant::now();
        for event in events {
            if let PeerContact::Client(address) = event.contact {
                tracing::trace!(%address, origin = ?event.origin, "peer found");
                self.peer_table.add(address, now);
            }
        }
    }

    /// Handles a tracker event.
    pub(super) fn handle_announce(&mut self, event: AnnounceEvent) {
        match event {
            AnnounceEvent::Announced { tracker, seeders, leechers } => {
                tracing::info!(tracker, ?seeders, ?leechers, "announced");
                self.show_warning(None);
            }
            AnnounceEvent::Warning { tracker, text } => {
                tracing::warn!(tracker, text, "tracker warning");
                self.show_warning(Some(format!("warning from tracker {tracker}: {text}")));
            }
            AnnounceEvent::Failed { tracker, reason, retry_in } => {
                tracing::warn!(tracker, reason, ?retry_in, "announce failed");
                self.show_warning(Some(format!("tracker {tracker}: {reason}")));
            }
        }
    }
}

/// Creates the engine. Unwanted pieces count as complete.
fn new_swarm(store: &TorrentStorage, geometry: &protocol::geometry::Geometry, now: Instant) -> Swarm {
    let seed = fresh_seed();
    let config = SwarmConfig {
        block_length: BLOCK,
        min_block: BLOCK,
        max_requests: MAX_REQUESTS,
        budget: MAX_UNFINISHED_BYTES,
        max_on_trial: None,
        order: PieceOrder::Rarest,
        overdue: OverduePolicy::Duplicate,
        seed,
    };
    let is_not_needed = |piece: PieceIndex| store.have.has(piece) || !store.wanted.has(piece);
    Swarm::new(*geometry, config, now, is_not_needed)
}
