//! One peer of a configured swarm: fetches the file, gives it to the others, and ends when all have it.
//!
//! A task owns everything: the storage, the engine, the choker, the log, and what is known of the neighbours.

mod choking;
mod events;
mod fetching;
mod group_peers;
mod group_store;
mod missing_peers;
mod neighbour;
mod shutdown;

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::configured::{ConfiguredPeerId, LogEvent};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event_log::EventLog;
use super::group_config::GroupConfig;
use super::group_file::{GroupFile, GroupFileError};
use super::link::{GroupConnection, LinkContext};
use super::peer_framings::PeerFramings;
use super::reader::GroupEvent;
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::view_publisher::ViewPublisher;
use crate::transport::BufferPool;
use crate::view::{ContentId, DownloadId, DownloadState, DownloadView};
use choking::LoggedSelection;
use group_peers::GroupPeers;
use group_store::{DiskJobResult, GroupStore};
use swarm::{IntervalChoker, IntervalChokerConfig, OverduePolicy, PieceOrder, SourceId, Swarm, SwarmConfig};

/// How often the clocks of the engine and of the choker are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often what is shown is refreshed.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);

/// Events of connections that wait to be seen to; connections pause when it is full.
const BACKLOG: usize = 256;

/// How many bytes of unfinished pieces may be held; one piece is always allowed.
const MAX_UNFINISHED_BYTES: u64 = 64 << 20;

/// How many buffers for pieces are kept when none needs them.
const SPARE_BUFFERS: usize = 32;

/// A request is repeated when its neighbour has sent no byte for so long: some programs lose requests that follow their unchoke
/// too fast.
const REPEAT_AFTER: Duration = Duration::from_millis(2500);

/// A peer that did not come to the end.
#[derive(Debug, thiserror::Error)]
enum GroupSessionError {
    #[error("stopped; what has come is kept")]
    Cancelled,
    #[error(transparent)]
    Files(#[from] GroupFileError),
    #[error("cannot write: {0}; what has come is kept")]
    Write(std::io::Error),
}

/// How far the peer has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupPhase {
    /// Pieces come in.
    Fetching,
    /// All pieces are here, and the file is put in its place.
    Finishing,
    /// The file is in its place; others still lack pieces.
    Complete,
    /// Everybody is known to have the file, since then.
    Lingering(Instant),
}

/// What comes from outside.
#[derive(Debug)]
pub(super) struct GroupSessionInputs {
    connections: mpsc::Receiver<GroupConnection>,
    events: mpsc::Receiver<(SourceId, GroupEvent)>,
}

/// The task of one peer.
#[derive(Debug)]
pub(super) struct GroupSession {
    config: Arc<GroupConfig>,
    own_id: ConfiguredPeerId,
    swarm: Swarm,
    choker: IntervalChoker,
    peers: GroupPeers,
    store: GroupStore,
    log: EventLog,
    board: ViewPublisher,
    link_context: LinkContext,
    phase: GroupPhase,
    logged_selection: LoggedSelection,
    /// Since when it does not go on because others are missing.
    waiting_since: Option<Instant>,
}

impl GroupSession {
    /// Makes the task of a peer, and returns where it is told of connections and what it shows of itself.
    pub(super) fn new(
        plan: Arc<GroupConfig>,
        us: ConfiguredPeerId,
        (files, here): (GroupFile, Bitfield),
        log: EventLog,
        tracker: TaskTracker,
    ) -> (Self, GroupSessionInputs, mpsc::Sender<GroupConnection>, watch::Receiver<DownloadView>) {
        let (now, common, buffers) = (Instant::now(), &plan.common, BufferPool::new(SPARE_BUFFERS));
        let geometry = common.geometry;
        let (board, view) = ViewPublisher::new(
            DownloadId(1),
            ContentId::GroupFile,
            common.file_name().to_owned(),
            Some(geometry.size()),
        );
        let (connection_sender, connections) = mpsc::channel(BACKLOG);
        let (sender, events) = mpsc::channel(BACKLOG);
        let config = SwarmConfig {
            block_length: geometry.piece_length(),
            min_block: geometry.piece_length(),
            max_requests: 1,
            budget: MAX_UNFINISHED_BYTES,
            max_on_trial: None,
            order: PieceOrder::Random,
            overdue: OverduePolicy::Repeat(REPEAT_AFTER),
            seed: fresh_seed(),
        };
        let swarm = Swarm::new(geometry, config, now, |piece| here.has(piece));
        let choking = IntervalChokerConfig {
            slots: common.preferred_neighbors,
            regular_interval: common.unchoking_interval,
            optimistic_interval: common.optimistic_unchoking_interval,
            seed: fresh_seed(),
        };
        let (file, spoken) = (files.file_handle(), Arc::new(PeerFramings::new()));
        let links = LinkContext { geometry, file, buffers, framings: spoken, events: sender, tracker };
        let phase = if files.is_complete() { GroupPhase::Complete } else { GroupPhase::Fetching };
        let session = Self {
            own_id: us,
            swarm,
            choker: IntervalChoker::new(choking),
            peers: GroupPeers::new(geometry.piece_count()),
            store: GroupStore::new(files, here, now),
            log,
            board,
            link_context: links,
            phase,
            logged_selection: LoggedSelection::default(),
            waiting_since: None,
            config: plan,
        };
        (session, GroupSessionInputs { connections, events }, connection_sender, view)
    }

    /// Takes part until everybody has the file, until it cannot go on, or until it is stopped.
    pub(super) async fn run(mut self, mut inbox: GroupSessionInputs, cancel: CancellationToken) {
        self.board.activate(DownloadState::Fetching);
        if self.phase == GroupPhase::Complete {
            self.on_complete();
        }
        let ended = self.run_until_done(&mut inbox, &cancel).await;
        self.shut_down(&mut inbox, ended.is_ok()).await;
        self.publish_view(Instant::now());
        let state = match ended {
            Ok(()) => DownloadState::Done { location: self.store.target(), renamed: None },
            Err(GroupSessionError::Cancelled) => DownloadState::Cancelled,
            Err(failure) => DownloadState::Failed { reason: failure.to_string() },
        };
        tracing::info!(?state, "peer ended");
        self.board.set_state(state);
    }

    async fn run_until_done(
        &mut self,
        inbox: &mut GroupSessionInputs,
        cancel: &CancellationToken,
    ) -> Result<(), GroupSessionError> {
        let mut tick = tokio::time::interval(TICK);
        let mut shown = Instant::now();
        loop {
            self.perform_actions();
            if self.advance() {
                return Ok(());
            }
            let now = Instant::now();
            // Not before what has come is followed by what is asked for next: nobody would seem to give anything.
            if now.saturating_duration_since(shown) >= VIEW_INTERVAL {
                shown = now;
                self.publish_view(now);
            }
            if self.phase == GroupPhase::Fetching {
                self.store.record_if_due(now);
            }
            self.log.flush();
            tokio::select! {
                Some(greeted) = inbox.connections.recv() => self.on_connected(greeted),
                Some((id, event)) = inbox.events.recv() => self.handle_events(id, event, inbox),
                Some(done) = self.store.jobs.join_next(), if !self.store.jobs.is_empty() => {
                    if let Ok(done) = done { self.on_job_done(done)?; }
                }
                _ = tick.tick() => {}
                () = cancel.cancelled() => return Err(GroupSessionError::Cancelled),
            }
        }
    }

    /// Goes on to the next phase when the present one is over; says whether all are.
    fn advance(&mut self) -> bool {
        match self.phase {
            GroupPhase::Fetching if self.swarm.is_complete() && self.store.jobs.is_empty() => {
                self.phase = GroupPhase::Finishing;
                self.log.record(LogEvent::Complete);
                self.board.set_state(DownloadState::Finishing);
                self.peers.mark_all_notified();
                // Whoever has the whole file gives it to anybody.
                self.choker.forget_received();
                self.store.finalize();
            }
            GroupPhase::Complete if self.peers.are_others_complete(self.own_id, &self.config.peer_list) => {
                tracing::info!("everybody has the file");
                self.phase = GroupPhase::Lingering(Instant::now());
            }
            GroupPhase::Lingering(since) => {
                return self.peers.may_leave(self.own_id, &self.config.peer_list, since.elapsed());
            }
            _ => {}
        }
        false
    }

    /// Takes in that the file is in its place.
    fn on_complete(&mut self) {
        self.phase = GroupPhase::Complete;
        self.publish_view(Instant::now());
        self.board.set_state(DownloadState::Seeding { location: self.store.target() });
        self.peers.neighbours_mut().for_each(neighbour::Neighbour::reply_done);
    }

    fn publish_view(&mut self, now: Instant) {
        let uploaded = self.peers.take_sent();
        let rate_up = self.store.count_uploaded(uploaded, now);
        let (pieces, pieces_done) = (self.config.common.geometry.piece_count(), self.swarm.pieces_done());
        let bytes_done = self.store.bytes_stored();
        let (active, known) = (self.swarm.active_sources(), self.peers.len());
        let (is_fetching, awaited) = (self.phase == GroupPhase::Fetching, self.waiting_for(now));
        self.board.update(|view| {
            (view.pieces_done, view.pieces) = (pieces_done, pieces);
            view.bytes_done = bytes_done;
            view.bytes_uploaded += uploaded;
            view.rate_up = rate_up;
            view.sources_active = if is_fetching { active } else { known };
            view.sources_known = known;
            view.warning = awaited;
        });
    }
}
