//! One torrent: downloads its wanted pieces and seeds them.
//!
//! One task owns all state: storage, engine, source numbers and the table of known peers. While active, it joins the
//! torrent's connections ([`Wires`]) and trackers ([`TrackerAnnouncer`](crate::discovery::trackers::TrackerAnnouncer)); while
//! queued or paused, it leaves them. Verified pieces survive.

mod active_swarm;
mod fetching;
mod fragments;
mod library_sharing;
mod native_sources;
mod opening;
mod peer_events;
mod piece_store;
mod progress_view;
mod run;
mod waiting;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::geometry::Block;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::files::TorrentFilesError;
use super::peer_table::PeerTable;
use super::torrent_spec::{OnCompletion, TorrentSpec};
use crate::bittorrent::Wires;
use crate::transfer::driver::drive;
use crate::transfer::queue::QueueSlot;
use crate::transfer::recovery::Recovery;
use crate::transfer::retry_schedule::RetrySchedule;
use crate::transfer::scheduler::QueueState;
use crate::transfer::view_publisher::ViewPublisher;
use crate::transport::{Buffer, Transport};
use crate::view::{ContentId, DownloadId, DownloadState, DownloadView};

use active_swarm::{ActiveSwarm, TorrentPhase};
use fragments::Fragments;
use library_sharing::ShareOutcome;
pub(crate) use native_sources::NativeBridge;
use opening::TorrentStorage;
use progress_view::Contributions;
use run::TorrentRun;

/// How long a torrent without connections keeps its queue slot while other downloads wait.
const YIELD_TURN_AFTER: Duration = Duration::from_secs(30);

/// Dependencies shared by all torrents of a program.
#[derive(Debug, Clone)]
pub(crate) struct TorrentConfig {
    /// The BitTorrent connections.
    pub wires: Wires,
    /// Limits, slots and buffers shared with the other dialects.
    pub transport: Transport,
    /// The port that accepts peers.
    pub port: u16,
    /// Access to native nodes, if there are any.
    pub bridge: Option<NativeBridge>,
    /// Owns the tasks.
    pub tracker: TaskTracker,
}

/// Why a torrent ended early.
#[derive(Debug, thiserror::Error)]
enum TorrentSessionError {
    #[error("stopped; the downloaded data is kept")]
    Cancelled,
    #[error("this torrent is already active")]
    AlreadyJoined,
    #[error(transparent)]
    Files(#[from] TorrentFilesError),
    #[error("cannot write: {0}")]
    Write(io::Error),
    #[error("internal error: {0}")]
    Internal(&'static str),
    #[error(
        "{missing} of {all} pieces are missing or damaged in {folder}; fetch them with `torrent download`"
    )]
    Incomplete { missing: u32, all: u32, folder: String },
}

impl TorrentSessionError {
    /// Returns how the torrent recovers. A lack of sources is no failure: the torrent waits for peers indefinitely.
    fn recovery(&self) -> Recovery {
        match self {
            Self::Files(TorrentFilesError::Io { path, source }) => Recovery::for_io_error(path, source),
            Self::Write(source) => Recovery::for_io_error(Path::new(""), source),
            Self::Cancelled
            | Self::AlreadyJoined
            | Self::Internal(_)
            | Self::Files(_)
            | Self::Incomplete { .. } => Recovery::Fail,
        }
    }
}

/// Result of a background job.
#[derive(Debug)]
enum JobOutcome {
    Finalized(Result<(), TorrentFilesError>),
    Shared(ShareOutcome),
    FragmentsRead(Vec<(Block, Buffer)>),
}

/// The task of one torrent.
#[derive(Debug)]
pub(crate) struct TorrentSession {
    spec: TorrentSpec,
    config: TorrentConfig,
    cancel: CancellationToken,
    view_publisher: ViewPublisher,
    peer_table: PeerTable,
    contributions: Contributions,
    storage: Option<TorrentStorage>,
    fragments: Option<Fragments>,
    /// Bytes received, and bytes uploaded before the current swarm membership.
    downloaded: u64,
    uploaded: u64,
    /// When to retry after a failure.
    retry_schedule: RetrySchedule,
    jobs: JoinSet<JobOutcome>,
}

impl TorrentSession {
    pub(crate) fn new(
        id: DownloadId,
        spec: TorrentSpec,
        config: TorrentConfig,
        cancel: CancellationToken,
    ) -> (Self, watch::Receiver<DownloadView>) {
        let metainfo = &spec.metainfo;
        let (content, name) = (ContentId::Torrent(metainfo.infohash()), metainfo.name().to_owned());
        let (board, view) = ViewPublisher::new(id, content, name, Some(metainfo.geometry().size()));
        board.update(|view| view.digest = spec.digest);
        let (peer_table, contributions) = (PeerTable::default(), Contributions::default());
        let (polling, jobs) = (RetrySchedule::new(Instant::now()), JoinSet::new());
        let session = Self {
            spec,
            config,
            cancel,
            view_publisher: board,
            peer_table,
            contributions,
            storage: None,
            fragments: None,
            downloaded: 0,
            uploaded: 0,
            retry_schedule: polling,
            jobs,
        };
        (session, view)
    }

    /// Shows from the start whether the torrent is paused.
    pub(crate) fn with_pause(self, is_paused: bool) -> Self {
        if is_paused {
            self.view_publisher.set_state(DownloadState::Paused);
        }
        self
    }

    /// Adds bytes uploaded by an earlier run.
    pub(crate) fn with_uploaded(mut self, bytes: u64) -> Self {
        self.uploaded = bytes;
        self.view_publisher.update(|view| view.bytes_uploaded = bytes);
        self
    }

    /// Runs whenever it has a queue slot. Returns true once the torrent is complete and no longer seeded.
    pub(crate) async fn run(mut self, mut slot: QueueSlot) -> bool {
        let state = match self.run_until_done(&mut slot).await {
            Ok(state) => state,
            Err(TorrentSessionError::Cancelled) => DownloadState::Cancelled,
            Err(failure) => DownloadState::Failed { reason: failure.to_string() },
        };
        let is_complete = state.is_complete();
        tracing::info!(infohash = %self.spec.metainfo.infohash(), ?state, "torrent ended");
        self.view_publisher.set_state(state);
        is_complete
    }

    async fn run_until_done(&mut self, slot: &mut QueueSlot) -> Result<DownloadState, TorrentSessionError> {
        loop {
            self.wait_for_turn(slot).await?;
            let opened = if self.storage.is_none() { self.open().await } else { Ok(()) };
            let outcome = match opened {
                Ok(()) => self.join_and_run(slot).await,
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => {}
                Err(failure) => self.wait_for_recovery(failure, slot).await?,
            }
        }
    }

    /// Runs in the swarm until the torrent ends, or returns none when the queue slot is lost.
    async fn join_and_run(
        &mut self,
        slot: &mut QueueSlot,
    ) -> Result<Option<DownloadState>, TorrentSessionError> {
        self.ensure_space().await?;
        let mut active = self.join_swarm()?;
        self.dial(&mut active);
        let outcome = drive(&mut TorrentRun { session: self, active: &mut active, slot }).await;
        self.leave_swarm(active).await;
        outcome
    }

    /// Enters the next phase when the current one is finished; returns the final state, if any.
    fn enter_next_phase(&mut self, active: &mut ActiveSwarm, slot: &mut QueueSlot) -> Option<DownloadState> {
        match active.phase {
            TorrentPhase::Fetching
                if active.pieces.is_complete() && active.pieces.is_settled() && self.jobs.is_empty() =>
            {
                active.phase = TorrentPhase::Finishing;
                Self::disconnect_natives(active);
                self.view_publisher.set_state(DownloadState::Finishing);
                self.start_finalizing(active);
                None
            }
            TorrentPhase::Seeding => self.has_reached_ratio(active).then(|| self.done_state()),
            TorrentPhase::Finishing if self.jobs.is_empty() && active.is_finalized => {
                tracing::info!(infohash = %self.spec.metainfo.infohash(), "torrent complete");
                if self.downloaded > 0 {
                    active.announcer.completed();
                }
                self.update_view(active);
                match self.spec.on_completion {
                    OnCompletion::Stop => Some(self.done_state()),
                    OnCompletion::Seed { .. } => {
                        active.phase = TorrentPhase::Seeding;
                        self.view_publisher.set_state(DownloadState::Seeding { location: self.location() });
                        // Only the time of the download counts.
                        self.view_publisher.set_waiting(true, Instant::now());
                        slot.yield_slot();
                        None
                    }
                }
            }
            _ => None,
        }
    }

    fn has_reached_ratio(&self, active: &ActiveSwarm) -> bool {
        let OnCompletion::Seed { ratio: Some(ratio) } = self.spec.on_completion else { return false };
        #[expect(clippy::cast_precision_loss, reason = "the user's ratio needs no exact arithmetic")]
        let (uploaded, size) =
            (self.total_uploaded(active) as f64, self.spec.metainfo.geometry().size() as f64);
        uploaded >= ratio * size
    }

    fn done_state(&self) -> DownloadState {
        DownloadState::Done { location: self.location(), renamed: None }
    }
}

/// Yields the queue slot if no peer is connected and another download waits. Returns true if it did.
fn yields_turn(active: &ActiveSwarm, slot: &mut QueueSlot, now: Instant) -> bool {
    let is_alone = now.saturating_duration_since(active.last_connected) >= YIELD_TURN_AFTER;
    let should_yield = is_alone && active.phase == TorrentPhase::Fetching && slot.has_waiting();
    if should_yield {
        slot.yield_slot();
        slot.rejoin_at_end();
    }
    should_yield
}

/// Returns true if the torrent has lost its queue slot. Seeding needs none.
fn must_leave_swarm(active: &ActiveSwarm, slot: &mut QueueSlot) -> bool {
    match (slot.state(), active.phase) {
        (QueueState::Paused, _) => true,
        (QueueState::Active, TorrentPhase::Seeding) => {
            slot.yield_slot();
            false
        }
        (_, TorrentPhase::Seeding | TorrentPhase::Finishing)
        | (QueueState::Active, TorrentPhase::Fetching) => false,
        (_, TorrentPhase::Fetching) => true,
    }
}
