//! The session of one peer of a configured swarm: fetches the file, uploads it to the others, and ends when all have it.
//!
//! One task owns all state: the storage, the swarm engine, the choker, the event log and the neighbours.

mod choking;
mod events;
mod group_peers;
mod group_store;
mod missing_peers;
mod neighbour;
mod run;
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
use crate::transfer::driver::{PieceDriver, drive};
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::retry_schedule::RetrySchedule;
use crate::transfer::verification_queue::VerificationQueue;
use crate::transfer::view_publisher::ViewPublisher;
use crate::transfer::view_schedule::{ViewActivity, ViewSchedule};
use crate::transport::BufferPool;
use crate::view::{ContentId, DownloadId, DownloadState, DownloadView};
use choking::LoggedSelection;
use group_peers::GroupPeers;
use group_store::GroupStore;
use run::GroupRun;
use swarm::{IntervalChoker, IntervalChokerConfig, OverduePolicy, PieceOrder, SourceId, Swarm, SwarmConfig};

/// Events that may wait for the session. When the queue is full, the connections stop reading.
const BACKLOG: usize = 256;

/// Maximum number of bytes in unfinished pieces. One piece is always allowed.
const MAX_UNFINISHED_BYTES: u64 = 64 << 20;

/// Number of unused piece buffers that are kept for reuse.
const SPARE_BUFFERS: usize = 32;

/// Time without data from the neighbour after which a request is repeated. Some implementations lose requests that follow an
/// unchoke too quickly.
const REPEAT_AFTER: Duration = Duration::from_millis(2500);

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
enum GroupSessionError {
    #[error("stopped; received data is kept")]
    Cancelled,
    #[error(transparent)]
    Files(#[from] GroupFileError),
    #[error("cannot write: {0}; received data is kept")]
    Write(std::io::Error),
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// Progress of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupPhase {
    /// Pieces are missing.
    Fetching,
    /// All pieces are stored, and the file is being given its final name.
    Finishing,
    /// The file has its final name; other peers still lack pieces.
    Complete,
    /// All peers are known to have the file since this time.
    Lingering(Instant),
}

/// The session's input channels.
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
    pieces: PieceDriver<GroupFile>,
    choker: IntervalChoker,
    peers: GroupPeers,
    store: GroupStore,
    log: EventLog,
    publisher: ViewPublisher,
    view_schedule: ViewSchedule,
    /// Whether bytes were uploaded shortly before the latest view.
    is_uploading: bool,
    link_context: LinkContext,
    phase: GroupPhase,
    logged_selection: LoggedSelection,
    /// Decides when to write again after a failed write.
    retry_schedule: RetrySchedule,
    /// Why the latest write failed.
    write_problem: Option<std::io::Error>,
    /// Time since which progress has depended on missing peers.
    waiting_since: Option<Instant>,
}

impl GroupSession {
    /// Creates the session. Returns its input channels, the sender for new connections, and the view.
    pub(super) fn new(
        group_config: Arc<GroupConfig>,
        own_id: ConfiguredPeerId,
        (files, have): (GroupFile, Bitfield),
        log: EventLog,
        tracker: TaskTracker,
    ) -> (Self, GroupSessionInputs, mpsc::Sender<GroupConnection>, watch::Receiver<DownloadView>) {
        let (now, common, buffers) = (Instant::now(), &group_config.common, BufferPool::new(SPARE_BUFFERS));
        let geometry = common.geometry;
        let (publisher, view) = ViewPublisher::new(
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
        let swarm = Swarm::new(geometry, config, now, |piece| have.has(piece));
        let choking = IntervalChokerConfig {
            slots: common.preferred_neighbors,
            regular_interval: common.unchoking_interval,
            optimistic_interval: common.optimistic_unchoking_interval,
            seed: fresh_seed(),
        };
        let (file, framings) = (files.file_handle(), Arc::new(PeerFramings::new()));
        let links = LinkContext { geometry, file, buffers, framings, events: sender, tracker };
        let phase = if files.is_complete() { GroupPhase::Complete } else { GroupPhase::Fetching };
        let group_file = Arc::new(files);
        let session = Self {
            own_id,
            pieces: PieceDriver::new(swarm, VerificationQueue::in_pairs(), Arc::clone(&group_file), now),
            choker: IntervalChoker::new(choking),
            peers: GroupPeers::new(geometry.piece_count()),
            store: GroupStore::new(group_file, have, now),
            log,
            publisher,
            view_schedule: ViewSchedule::new(now),
            is_uploading: false,
            link_context: links,
            phase,
            logged_selection: LoggedSelection::default(),
            retry_schedule: RetrySchedule::new(now),
            write_problem: None,
            waiting_since: None,
            config: group_config,
        };
        (session, GroupSessionInputs { connections, events }, connection_sender, view)
    }

    /// Runs until all peers have the file, an error occurs, or the token is cancelled.
    pub(super) async fn run(mut self, mut inbox: GroupSessionInputs, cancel: CancellationToken) {
        self.publisher.activate(DownloadState::Fetching);
        if self.phase == GroupPhase::Complete {
            self.on_complete();
        }
        let mut run = GroupRun { session: &mut self, inbox: &mut inbox, cancel: &cancel };
        let ended = drive(&mut run).await;
        self.shut_down(&mut inbox, ended.is_ok()).await;
        self.publish_view(Instant::now());
        let state = match ended {
            Ok(()) => DownloadState::Done { location: self.store.target(), renamed: None },
            Err(GroupSessionError::Cancelled) => DownloadState::Cancelled,
            Err(failure) => DownloadState::Failed { reason: failure.to_string() },
        };
        tracing::info!(?state, "peer ended");
        self.publisher.set_state(state);
    }

    /// Returns when to continue if no event occurs before.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let leaving = match self.phase {
            GroupPhase::Lingering(since) => GroupPeers::leaving_deadline(since, now),
            GroupPhase::Fetching | GroupPhase::Finishing | GroupPhase::Complete => None,
        };
        let view = self.view_schedule.due(self.view_activity());
        let deadlines = [self.choker.deadline(), leaving, view];
        deadlines.into_iter().flatten().min()
    }

    fn view_activity(&self) -> ViewActivity {
        let is_fetching = matches!(self.phase, GroupPhase::Fetching | GroupPhase::Finishing);
        if is_fetching || self.is_uploading { ViewActivity::Moving } else { ViewActivity::Quiet }
    }

    /// Enters the next phase if the current one is over. Returns true if the session is over.
    fn enter_next_phase(&mut self) -> bool {
        match self.phase {
            GroupPhase::Fetching if self.pieces.is_complete() && self.pieces.is_settled() => {
                self.phase = GroupPhase::Finishing;
                self.log.record(LogEvent::Complete);
                self.publisher.set_state(DownloadState::Finishing);
                self.peers.mark_all_notified();
                // A complete peer uploads regardless of what it received.
                self.choker.reset_received();
                self.store.finalize();
            }
            GroupPhase::Complete if self.peers.are_others_complete(self.own_id, &self.config.peer_list) => {
                tracing::info!("all peers have the file");
                self.phase = GroupPhase::Lingering(Instant::now());
            }
            GroupPhase::Lingering(since) => {
                return self.peers.may_leave(self.own_id, &self.config.peer_list, since.elapsed());
            }
            _ => {}
        }
        false
    }

    /// Handles the completion of the file.
    fn on_complete(&mut self) {
        self.phase = GroupPhase::Complete;
        self.publish_view(Instant::now());
        self.publisher.set_state(DownloadState::Seeding { location: self.store.target() });
        self.peers.neighbours_mut().for_each(neighbour::Neighbour::reply_done);
    }

    fn publish_view(&mut self, now: Instant) {
        let uploaded = self.peers.take_sent();
        let rate_up = self.store.count_uploaded(uploaded, now);
        self.is_uploading = rate_up > 0.0;
        let (pieces, pieces_done) =
            (self.config.common.geometry.piece_count(), self.pieces.swarm().pieces_done());
        let bytes_done = self.store.bytes_stored();
        let (active, known) = (self.pieces.swarm().active_sources(), self.peers.len());
        let (is_fetching, awaited) = (self.phase == GroupPhase::Fetching, self.waiting_for(now));
        self.publisher.update(|view| {
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
