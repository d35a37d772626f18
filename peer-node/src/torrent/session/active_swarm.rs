//! What the torrent has while it takes part in its swarm, and how it comes to peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};
use protocol::limits::MAX_BITTORRENT_REQUESTS;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::native_sources::{NativeEvents, NativeSources};
use super::{TorrentSession, TorrentSessionError, TorrentStorage};
use crate::bittorrent::{ConnectMode, PeerWire, PeerWireError, SwarmMembership, TorrentOffering, WireEvent};
use crate::torrent::NoUsableSource;
use crate::torrent::announcer::{AnnounceConfig, AnnounceEvent, TrackerAnnouncer};
use crate::torrent::peer_table::DisconnectKind;
use crate::transfer::assembly::BlockAssembly;
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::record_schedule::RecordSchedule;
use crate::transfer::verification_queue::VerificationQueue;
use crate::view::DownloadState;
use swarm::{OverduePolicy, PieceOrder, SourceId, SourceIds, Swarm, SwarmConfig};

/// Events of peers that wait to be seen to; their connections pause when it is full.
pub(super) const BACKLOG: usize = 256;

/// The length of a block, in bytes: what all clients ask for (BEP 3).
pub(super) const BLOCK: u32 = 16 << 10;

/// How many requests may be sent ahead to a peer that has said nothing of itself: as many as libtorrent sends, and fewer
/// than most clients reject.
pub(super) const DEFAULT_REQUESTS: usize = 500;

/// How many may be sent ahead at most. aria2 names no limit; from one seeder of it a download takes 3.5 s a GiB with as many,
/// and 4.1 s with 500.
pub(super) const MAX_REQUESTS: usize = MAX_BITTORRENT_REQUESTS;

/// How many bytes of unfinished pieces may be held.
const MAX_UNFINISHED_BYTES: u64 = 24 << 20;

/// How many connections the torrent opens by itself, and how many at a time; others may open more.
const TARGET_CONNECTIONS: usize = 40;
const MAX_CONCURRENT_DIALS: usize = 8;

/// With fewer peers than this trackers are asked for more.
const MIN_PEERS: usize = 8;

/// The pauses before they are asked again, as far as the torrent goes; trackers set limits of their own. While nobody at all
/// is connected they double from the first to the last.
const TRACKER_RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(30));

/// How far the torrent has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TorrentPhase {
    /// Pieces come in.
    Fetching,
    /// All that is wanted is verified and is put in its place.
    Finishing,
    /// It is whole, and given to others.
    Seeding,
}

/// A connected peer.
#[derive(Debug)]
pub(super) struct ConnectedPeer {
    pub(super) wire: PeerWire,
    pub(super) address: SocketAddr,
    /// How many requests it has turned down since it last gave a block.
    pub(super) rejections: usize,
    /// How many requests were taken back; for these comes a rejection as well.
    pub(super) cancelled: usize,
}

/// What the torrent has while it takes part.
#[derive(Debug)]
pub(super) struct ActiveSwarm {
    pub(super) phase: TorrentPhase,
    pub(super) swarm: Swarm,
    pub(super) ids: SourceIds,
    pub(super) assembly: BlockAssembly,
    pub(super) checks: VerificationQueue,
    pub(super) notes: RecordSchedule,
    pub(super) peers: BTreeMap<SourceId, ConnectedPeer>,
    pub(super) offering: Arc<TorrentOffering>,
    pub(super) membership: Arc<SwarmMembership>,
    pub(super) events: mpsc::Receiver<(SourceId, WireEvent)>,
    pub(super) announcer: TrackerAnnouncer,
    pub(super) announce_events: mpsc::Receiver<AnnounceEvent>,
    pub(super) dials: JoinSet<(SocketAddr, Result<ConnectMode, PeerWireError>)>,
    pub(super) native_sources: Option<NativeSources>,
    pub(super) native_events: Option<NativeEvents>,
    pub(super) is_finalized: bool,
    /// When somebody was last connected, or it began.
    pub(super) last_connected: Instant,
    peers_wanted_at: Instant,
    /// How long to wait before trackers are asked for more peers again.
    tracker_retry_delay: Duration,
}

impl ConnectedPeer {
    /// Makes the entry of a peer that has just come.
    pub(super) const fn new(wire: PeerWire, address: SocketAddr) -> Self {
        Self { wire, address, rejections: 0, cancelled: 0 }
    }

    /// Counts requests that were rejected; returns how many the peer has turned down since it last gave a block.
    pub(super) fn count_rejected(&mut self, count: usize) -> usize {
        let own = self.cancelled.min(count);
        self.cancelled -= own;
        self.rejections += count - own;
        self.rejections
    }
}

impl ActiveSwarm {
    /// Asks a source for a block.
    pub(super) fn request(&self, source: SourceId, block: Block) {
        match (self.peers.get(&source), &self.native_sources) {
            (Some(peer), _) => peer.wire.request(block),
            (None, Some(natives)) => natives.request(source, block),
            (None, None) => {}
        }
    }

    /// Tells a source that a block is not wanted any more.
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

    /// Tells a source whether it has anything that is wanted.
    pub(super) fn set_interested(&self, source: SourceId, on: bool) {
        match (self.peers.get(&source), &self.native_sources) {
            (Some(peer), _) => peer.wire.set_interested(on),
            (None, Some(natives)) => natives.set_interested(source, on),
            (None, None) => {}
        }
    }

    /// Returns where a source listens, or called from.
    pub(super) fn address(&self, source: SourceId) -> Option<SocketAddr> {
        let native = || self.native_sources.as_ref()?.address(source);
        self.peers.get(&source).map(|peer| peer.address).or_else(native)
    }

    /// Returns the connected sources of both kinds.
    pub(super) fn source_ids(&self) -> impl Iterator<Item = SourceId> {
        let natives = self.native_sources.iter().flat_map(NativeSources::source_ids);
        self.peers.keys().copied().chain(natives)
    }

    /// Passes on to the engine what is known of the paths to the sources.
    pub(super) fn report_paths(&mut self) {
        let wires = self.peers.iter().filter_map(|(id, peer)| Some((*id, peer.wire.rtt()?, 1)));
        let natives = self.native_sources.iter().flat_map(NativeSources::paths);
        for (id, rtt, connections) in wires.chain(natives) {
            self.swarm.source_measured(id, rtt, connections);
        }
    }

    /// Counts the connected sources of both kinds.
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
        let (events_to, events) = mpsc::channel(BACKLOG);
        let ids = SourceIds::default();
        let wires = &self.config.wires;
        let membership = wires
            .join(Arc::clone(&offering), ids.clone(), events_to)
            .map_err(|_| TorrentSessionError::AlreadyJoined)?;
        let (announcer, said) = TrackerAnnouncer::start(AnnounceConfig {
            infohash: metainfo.infohash(),
            peer_id: wires.peer_id(),
            source: self.config.transport.source_address(),
            port: self.config.port,
            tiers: metainfo.tiers().to_vec(),
            stats: self.stats(self.uploaded),
            tracker: self.config.tracker.clone(),
            cancel: self.cancel.clone(),
        });
        self.peer_table.release_all(now);
        self.spec.peers.iter().for_each(|peer| self.peer_table.add(*peer, now));
        let swarm = new_swarm(store, metainfo.geometry(), now);
        let state = if swarm.is_complete() { DownloadState::Finishing } else { DownloadState::Fetching };
        self.board.activate(state);
        let bridge = self.config.bridge.clone().zip(self.spec.digest);
        let (natives, native_inbox) = bridge
            .and_then(|(bridge, digest)| {
                NativeSources::new(bridge, digest, metainfo.geometry(), ids.clone(), now)
            })
            .unzip();
        let is_alone = natives.is_none() && self.spec.peers.is_empty() && !swarm.is_complete();
        if let Some(none) = NoUsableSource::of(&metainfo).filter(|_| is_alone) {
            tracing::info!(infohash = %metainfo.infohash(), %none, "torrent without a source");
            self.show_trouble(Some(none.to_string()));
        }
        let party = ActiveSwarm {
            phase: TorrentPhase::Fetching,
            swarm,
            ids,
            assembly: BlockAssembly::default(),
            checks: VerificationQueue::new(metainfo.geometry().piece_length()),
            notes: RecordSchedule::new(now),
            peers: BTreeMap::new(),
            offering,
            membership: Arc::new(membership),
            events,
            announcer,
            announce_events: said,
            dials: JoinSet::new(),
            native_sources: natives,
            native_events: native_inbox,
            is_finalized: false,
            last_connected: now,
            peers_wanted_at: now,
            tracker_retry_delay: TRACKER_RETRY_DELAYS.0,
        };
        self.report_to_trackers(&party);
        Ok(party)
    }

    /// Leaves the swarm: nothing is asked for any more, what was verified is noted.
    pub(super) async fn leave_swarm(&mut self, party: ActiveSwarm) {
        self.report_to_trackers(&party);
        self.uploaded = self.total_uploaded(&party);
        let ActiveSwarm { membership, announcer, mut dials, mut notes, .. } = party;
        dials.shutdown().await;
        // Nobody else holds it now, so its connections are closed.
        drop(membership);
        self.config.tracker.spawn(announcer.stop());
        while let Some(done) = self.jobs.join_next().await {
            if let Ok(done) = done {
                self.handle_late_job(done, &mut notes);
            }
        }
        self.write_record(&mut notes).await;
        self.peer_table.release_all(Instant::now());
        self.board.deactivate();
    }

    /// Dials peers that are known and not connected, as long as there are not enough. It looks at all that are known, so it
    /// is for ticks and news of peers, not for every block.
    pub(super) fn dial(&mut self, party: &mut ActiveSwarm) {
        let now = Instant::now();
        while party.dials.len() < MAX_CONCURRENT_DIALS
            && party.peers.len() + party.dials.len() < TARGET_CONNECTIONS
        {
            let Some((address, approach)) = self.peer_table.next(now) else { break };
            let membership = Arc::clone(&party.membership);
            party.dials.spawn(async move { (address, membership.dial(address, approach).await) });
        }
        if !party.peers.is_empty() {
            party.tracker_retry_delay = TRACKER_RETRY_DELAYS.0;
        }
        // Who has everything looks for others as well: they may be unable to call here.
        let enough = if party.phase == TorrentPhase::Fetching { MIN_PEERS } else { 1 };
        let is_due = now.saturating_duration_since(party.peers_wanted_at) >= party.tracker_retry_delay;
        if party.peers.len() < enough && is_due {
            party.peers_wanted_at = now;
            party.tracker_retry_delay = (party.tracker_retry_delay * 2).min(TRACKER_RETRY_DELAYS.1);
            party.announcer.request_peers();
        }
    }

    /// Takes in what became of a dial.
    pub(super) fn handle_dial(
        &mut self,
        (address, outcome): (SocketAddr, Result<ConnectMode, PeerWireError>),
    ) {
        let error = match outcome {
            Ok(approach) => return self.peer_table.connected(address, approach),
            Err(error) => error,
        };
        if let PeerWireError::Handshake { source, .. } = &error {
            tracing::info!(%address, error = %source, "handshake failed");
        } else {
            tracing::debug!(%address, %error, "peer not reached");
        }
        let parting = if error.is_retryable() { DisconnectKind::RetrySoon } else { DisconnectKind::Useless };
        self.peer_table.disconnected(address, parting, Instant::now());
    }

    /// Takes in what a tracker said.
    pub(super) fn handle_announce(&mut self, event: AnnounceEvent) {
        let now = Instant::now();
        match event {
            AnnounceEvent::Peers(peers) => peers.into_iter().for_each(|peer| self.peer_table.add(peer, now)),
            AnnounceEvent::Announced { tracker, seeders, leechers } => {
                tracing::info!(tracker, ?seeders, ?leechers, "announced");
                self.show_trouble(None);
            }
            AnnounceEvent::Warning { tracker, text } => {
                tracing::warn!(tracker, text, "tracker warns");
                self.show_trouble(Some(format!("tracker {tracker} warns: {text}")));
            }
            AnnounceEvent::Failed { tracker, reason, retry_in } => {
                tracing::warn!(tracker, reason, ?retry_in, "announce failed");
                self.show_trouble(Some(format!("tracker {tracker}: {reason}")));
            }
        }
    }
}

/// Makes the engine: pieces that nobody wants are taken to be here.
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
    let is_needless = |piece: PieceIndex| store.have.has(piece) || !store.wanted.has(piece);
    Swarm::new(*geometry, config, now, is_needless)
}
