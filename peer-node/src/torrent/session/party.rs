//! What the torrent has while it takes part in its swarm, and how it comes to peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};
use protocol::limits::MAX_WIRE_REQUESTS;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::natives::{NativeInbox, Natives};
use super::{Failure, Session, Store};
use crate::bittorrent::{Approach, Membership, Offering, Wire, WireError, WireEvent};
use crate::download::assembly::Assembly;
use crate::download::checks::Checks;
use crate::download::fresh_seed::fresh_seed;
use crate::download::notes::Notes;
use crate::swarm::{Order, Overdue, SourceId, SourceIds, Swarm, SwarmConfig};
use crate::torrent::NoSource;
use crate::torrent::announcer::{AnnounceConfig, AnnounceEvent, Announcer};
use crate::torrent::peer_book::Parting;
use crate::transfers::DownloadState;

/// Events of peers that wait to be seen to; their connections pause when it is full.
pub(super) const BACKLOG: usize = 256;

/// The length of a block, in bytes: what all clients ask for (BEP 3).
pub(super) const BLOCK: u32 = 16 << 10;

/// How many requests may be sent ahead to a peer that has said nothing of itself: as many as libtorrent sends, and fewer
/// than most clients reject.
pub(super) const USUAL_REQUESTS: usize = 500;

/// How many may be sent ahead at most. aria2 names no limit; from one seeder of it a download takes 3.5 s a GiB with as many,
/// and 4.1 s with 500.
pub(super) const MAX_REQUESTS: usize = MAX_WIRE_REQUESTS;

/// How many bytes of unfinished pieces may be held.
const BUDGET: u64 = 24 << 20;

/// How many connections the torrent opens by itself, and how many at a time; others may open more.
const ENOUGH: usize = 40;
const DIALS_AT_ONCE: usize = 8;

/// With fewer peers than this trackers are asked for more.
const FEW: usize = 8;

/// The pauses before they are asked again, as far as the torrent goes; trackers set limits of their own. While nobody at all
/// is connected they double from the first to the last.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(30));

/// How far the torrent has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Pieces come in.
    Fetching,
    /// All that is wanted is verified and is put in its place.
    Finishing,
    /// It is whole, and given to others.
    Seeding,
}

/// A connected peer.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) wire: Wire,
    pub(super) address: SocketAddr,
    /// How many requests it has turned down since it last gave a block.
    pub(super) rejections: usize,
    /// How many requests were taken back; for these comes a rejection as well.
    pub(super) taken_back: usize,
}

/// What the torrent has while it takes part.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) phase: Phase,
    pub(super) swarm: Swarm,
    pub(super) ids: SourceIds,
    pub(super) assembly: Assembly,
    pub(super) checks: Checks,
    pub(super) notes: Notes,
    pub(super) live: BTreeMap<SourceId, Live>,
    pub(super) offering: Arc<Offering>,
    pub(super) membership: Arc<Membership>,
    pub(super) events: mpsc::Receiver<(SourceId, WireEvent)>,
    pub(super) announcer: Announcer,
    pub(super) announces: mpsc::Receiver<AnnounceEvent>,
    pub(super) dials: JoinSet<(SocketAddr, Result<Approach, WireError>)>,
    pub(super) natives: Option<Natives>,
    pub(super) native_inbox: Option<NativeInbox>,
    pub(super) is_settled: bool,
    /// When somebody was last connected, or it began.
    pub(super) last_company: Instant,
    asked: Instant,
    /// How long to wait before trackers are asked for more peers again.
    patience: Duration,
}

impl Live {
    /// Makes the entry of a peer that has just come.
    pub(super) const fn new(wire: Wire, address: SocketAddr) -> Self {
        Self { wire, address, rejections: 0, taken_back: 0 }
    }

    /// Counts requests that were rejected; returns how many the peer has turned down since it last gave a block.
    pub(super) fn rejected(&mut self, count: usize) -> usize {
        let own = self.taken_back.min(count);
        self.taken_back -= own;
        self.rejections += count - own;
        self.rejections
    }
}

impl Party {
    /// Asks a source for a block.
    pub(super) fn request(&self, source: SourceId, block: Block) {
        match (self.live.get(&source), &self.natives) {
            (Some(peer), _) => peer.wire.request(block),
            (None, Some(natives)) => natives.request(source, block),
            (None, None) => {}
        }
    }

    /// Tells a source that a block is not wanted any more.
    pub(super) fn cancel(&mut self, source: SourceId, block: Block) {
        match (self.live.get_mut(&source), &self.natives) {
            (Some(peer), _) => {
                peer.taken_back += 1;
                peer.wire.cancel(block);
            }
            (None, Some(natives)) => natives.cancel(source, block),
            (None, None) => {}
        }
    }

    /// Tells a source whether it has anything that is wanted.
    pub(super) fn interested(&self, source: SourceId, on: bool) {
        match (self.live.get(&source), &self.natives) {
            (Some(peer), _) => peer.wire.interested(on),
            (None, Some(natives)) => natives.interested(source, on),
            (None, None) => {}
        }
    }

    /// Returns where a source listens, or called from.
    pub(super) fn address(&self, source: SourceId) -> Option<SocketAddr> {
        let native = || self.natives.as_ref()?.address(source);
        self.live.get(&source).map(|peer| peer.address).or_else(native)
    }

    /// Returns the connected sources of both kinds.
    pub(super) fn sources(&self) -> impl Iterator<Item = SourceId> {
        let natives = self.natives.iter().flat_map(Natives::sources);
        self.live.keys().copied().chain(natives)
    }

    /// Passes on to the engine what is known of the paths to the sources.
    pub(super) fn measure(&mut self) {
        let wires = self.live.iter().filter_map(|(id, peer)| Some((*id, peer.wire.rtt()?, 1)));
        let natives = self.natives.iter().flat_map(Natives::paths);
        for (id, rtt, connections) in wires.chain(natives) {
            self.swarm.source_measured(id, rtt, connections);
        }
    }

    /// Counts the connected sources of both kinds.
    pub(super) fn connected(&self) -> usize {
        self.live.len() + self.natives.as_ref().map_or(0, Natives::len)
    }
}

impl Session {
    /// Joins the swarm.
    pub(super) fn begin(&mut self) -> Result<Party, Failure> {
        let now = Instant::now();
        let metainfo = Arc::clone(&self.wish.metainfo);
        let store = self.store.as_ref().ok_or(Failure::Cancelled)?;
        let offering = Arc::new(Offering::new(Arc::clone(&metainfo), &store.here, Arc::clone(&store.bytes)));
        let (events_to, events) = mpsc::channel(BACKLOG);
        let ids = SourceIds::default();
        let wires = &self.config.wires;
        let membership =
            wires.join(Arc::clone(&offering), ids.clone(), events_to).map_err(|_| Failure::Taken)?;
        let (announcer, said) = Announcer::start(AnnounceConfig {
            infohash: metainfo.infohash(),
            peer_id: wires.peer_id(),
            source: self.config.transport.source(),
            port: self.config.port,
            tiers: metainfo.tiers().to_vec(),
            stats: self.stats(self.uploaded),
            tracker: self.config.tracker.clone(),
            cancel: self.cancel.clone(),
        });
        self.book.disband(now);
        self.wish.peers.iter().for_each(|peer| self.book.learn(*peer, now));
        let swarm = new_swarm(store, metainfo.geometry(), now);
        let state = if swarm.is_complete() { DownloadState::Finishing } else { DownloadState::Fetching };
        self.board.begin(state);
        let bridge = self.config.bridge.clone().zip(self.wish.digest);
        let (natives, native_inbox) = bridge
            .and_then(|(bridge, digest)| Natives::new(bridge, digest, metainfo.geometry(), ids.clone(), now))
            .unzip();
        let is_alone = natives.is_none() && self.wish.peers.is_empty() && !swarm.is_complete();
        if let Some(none) = NoSource::of(&metainfo).filter(|_| is_alone) {
            tracing::info!(infohash = %metainfo.infohash(), %none, "torrent without a source");
            self.show_trouble(Some(none.to_string()));
        }
        let party = Party {
            phase: Phase::Fetching,
            swarm,
            ids,
            assembly: Assembly::default(),
            checks: Checks::new(metainfo.geometry().piece_length()),
            notes: Notes::new(now),
            live: BTreeMap::new(),
            offering,
            membership: Arc::new(membership),
            events,
            announcer,
            announces: said,
            dials: JoinSet::new(),
            natives,
            native_inbox,
            is_settled: false,
            last_company: now,
            asked: now,
            patience: ASK_AGAIN.0,
        };
        self.report(&party);
        Ok(party)
    }

    /// Leaves the swarm: nothing is asked for any more, what was verified is noted.
    pub(super) async fn part(&mut self, party: Party) {
        self.report(&party);
        self.uploaded = self.given(&party);
        let Party { membership, announcer, mut dials, mut notes, .. } = party;
        dials.shutdown().await;
        // Nobody else holds it now, so its connections are closed.
        drop(membership);
        self.config.tracker.spawn(announcer.stop());
        while let Some(done) = self.jobs.join_next().await {
            if let Ok(done) = done {
                self.late_job(done, &mut notes);
            }
        }
        self.save(&mut notes).await;
        self.book.disband(Instant::now());
        self.board.rest();
    }

    /// Dials peers that are known and not connected, as long as there are not enough. It looks at all that are known, so it
    /// is for ticks and news of peers, not for every block.
    pub(super) fn dial(&mut self, party: &mut Party) {
        let now = Instant::now();
        while party.dials.len() < DIALS_AT_ONCE && party.live.len() + party.dials.len() < ENOUGH {
            let Some((address, approach)) = self.book.next(now) else { break };
            let membership = Arc::clone(&party.membership);
            party.dials.spawn(async move { (address, membership.dial(address, approach).await) });
        }
        if !party.live.is_empty() {
            party.patience = ASK_AGAIN.0;
        }
        // Who has everything looks for others as well: they may be unable to call here.
        let enough = if party.phase == Phase::Fetching { FEW } else { 1 };
        let is_due = now.saturating_duration_since(party.asked) >= party.patience;
        if party.live.len() < enough && is_due {
            party.asked = now;
            party.patience = (party.patience * 2).min(ASK_AGAIN.1);
            party.announcer.want_peers();
        }
    }

    /// Takes in what became of a dial.
    pub(super) fn dialled(&mut self, (address, outcome): (SocketAddr, Result<Approach, WireError>)) {
        let error = match outcome {
            Ok(approach) => return self.book.began(address, approach),
            Err(error) => error,
        };
        if let WireError::Greeting { source, .. } = &error {
            tracing::info!(%address, error = %source, "handshake failed");
        } else {
            tracing::debug!(%address, %error, "peer not reached");
        }
        let parting = if error.is_worth_another_try() { Parting::Soon } else { Parting::Useless };
        self.book.parted(address, parting, Instant::now());
    }

    /// Takes in what a tracker said.
    pub(super) fn announced(&mut self, event: AnnounceEvent) {
        let now = Instant::now();
        match event {
            AnnounceEvent::Peers(peers) => peers.into_iter().for_each(|peer| self.book.learn(peer, now)),
            AnnounceEvent::Announced { tracker, seeders, leechers } => {
                tracing::info!(tracker, ?seeders, ?leechers, "announced");
                self.show_trouble(None);
            }
            AnnounceEvent::Warning { tracker, text } => {
                tracing::warn!(tracker, text, "tracker warns");
                self.show_trouble(Some(format!("tracker {tracker} warns: {text}")));
            }
            AnnounceEvent::Failure { tracker, reason, retry_in } => {
                tracing::warn!(tracker, reason, ?retry_in, "announce failed");
                self.show_trouble(Some(format!("tracker {tracker}: {reason}")));
            }
        }
    }
}

/// Makes the engine: pieces that nobody wants are taken to be here.
fn new_swarm(store: &Store, geometry: &protocol::geometry::Geometry, now: Instant) -> Swarm {
    let seed = fresh_seed();
    let config = SwarmConfig {
        block_length: BLOCK,
        least_block: BLOCK,
        max_requests: MAX_REQUESTS,
        budget: BUDGET,
        most_on_trial: None,
        order: Order::Rarest,
        overdue: Overdue::Overtake,
        seed,
    };
    let is_needless = |piece: PieceIndex| store.here.has(piece) || !store.wanted.has(piece);
    Swarm::new(*geometry, config, now, is_needless)
}
