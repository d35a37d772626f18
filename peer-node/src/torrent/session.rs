//! One torrent: fetches what is wanted of it, and gives it to others.
//!
//! A task owns it all: the storage, the engine, the connections' numbers and the table of known peers. It joins the torrent's
//! connections ([`Wires`]) and its trackers ([`Announcer`](super::announcer::Announcer)) while it takes part, and parts with
//! them while it rests. What is verified survives a rest.

mod active_swarm;
mod fetching;
mod fragments;
mod library_sharing;
mod native_sources;
mod opening;
mod peer_events;
mod progress_view;
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
use crate::transfer::queue::QueueSlot;
use crate::transfer::recovery::Recovery;
use crate::transfer::retry_schedule::RetrySchedule;
use crate::transfer::scheduler::QueueState;
use crate::transfer::verification::PieceOutcome;
use crate::transfer::view_publisher::ViewPublisher;
use crate::transport::{Buffer, Transport};
use crate::view::{ContentId, DownloadId, DownloadState, DownloadView};

use active_swarm::{ActiveSwarm, TorrentPhase};
use fragments::Fragments;
use library_sharing::ShareOutcome;
pub use native_sources::NativeBridge;
use native_sources::NativeEvents;
use opening::TorrentStorage;
use progress_view::Contributions;

/// How often the engine's clock is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often what is shown is refreshed.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);

/// How long a torrent with which nobody is connected keeps its turn while others wait for theirs.
const YIELD_TURN_AFTER: Duration = Duration::from_secs(30);

/// What the torrents of a program share.
#[derive(Debug, Clone)]
pub struct TorrentConfig {
    /// Where connections come from.
    pub wires: Wires,
    /// What they share with those of other dialects.
    pub transport: Transport,
    /// Where peers are accepted.
    pub port: u16,
    /// How native nodes are reached, where there are any.
    pub bridge: Option<NativeBridge>,
    /// Owns the tasks.
    pub tracker: TaskTracker,
}

/// A torrent that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum TorrentSessionError {
    #[error("stopped; what has come is kept")]
    Cancelled,
    #[error("the same torrent is under way already")]
    AlreadyJoined,
    #[error(transparent)]
    Files(#[from] TorrentFilesError),
    #[error("cannot write: {0}")]
    Write(io::Error),
    #[error(
        "{missing} of {all} pieces are missing or damaged in {folder}; fetch them with `torrent download`"
    )]
    Incomplete { missing: u32, all: u32, folder: String },
}

impl TorrentSessionError {
    /// Returns how the torrent recovers. That nobody has it is no failure: it waits for peers as long as it takes.
    fn recovery(&self) -> Recovery {
        match self {
            Self::Files(TorrentFilesError::Io { path, source }) => Recovery::for_io_error(path, source),
            Self::Write(source) => Recovery::for_io_error(Path::new(""), source),
            Self::Cancelled | Self::AlreadyJoined | Self::Files(_) | Self::Incomplete { .. } => {
                Recovery::Fail
            }
        }
    }
}

/// What a job on a blocking thread has done.
#[derive(Debug)]
enum JobOutcome {
    Checked(Vec<PieceOutcome>),
    RecordWritten(io::Result<()>),
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
    board: ViewPublisher,
    peer_table: PeerTable,
    contributions: Contributions,
    storage: Option<TorrentStorage>,
    fragments: Option<Fragments>,
    /// Bytes that came, and bytes that were sent before the present party.
    downloaded: u64,
    uploaded: u64,
    /// When it tries again what it could not do.
    polling: RetrySchedule,
    jobs: JoinSet<JobOutcome>,
}

impl TorrentSession {
    pub(crate) fn new(
        id: DownloadId,
        wish: TorrentSpec,
        config: TorrentConfig,
        cancel: CancellationToken,
    ) -> (Self, watch::Receiver<DownloadView>) {
        let metainfo = &wish.metainfo;
        let (content, name) = (ContentId::Torrent(metainfo.infohash()), metainfo.name().to_owned());
        let (board, view) = ViewPublisher::new(id, content, name, Some(metainfo.geometry().size()));
        board.update(|view| view.digest = wish.digest);
        let (book, givers) = (PeerTable::default(), Contributions::default());
        let (polling, jobs) = (RetrySchedule::new(Instant::now()), JoinSet::new());
        let session = Self {
            spec: wish,
            config,
            cancel,
            board,
            peer_table: book,
            contributions: givers,
            storage: None,
            fragments: None,
            downloaded: 0,
            uploaded: 0,
            polling,
            jobs,
        };
        (session, view)
    }

    /// Shows from the first moment on whether the torrent is paused.
    pub(crate) fn with_pause(self, is_paused: bool) -> Self {
        if is_paused {
            self.board.set_state(DownloadState::Paused);
        }
        self
    }

    /// Counts bytes that an earlier run has given.
    pub(crate) fn with_uploaded(mut self, bytes: u64) -> Self {
        self.uploaded = bytes;
        self.board.update(|view| view.bytes_uploaded = bytes);
        self
    }

    /// Takes part whenever it may; returns true once it is complete and not given to others any more.
    pub(crate) async fn run(mut self, mut place: QueueSlot) -> bool {
        let state = match self.run_until_done(&mut place).await {
            Ok(state) => state,
            Err(TorrentSessionError::Cancelled) => DownloadState::Cancelled,
            Err(failure) => DownloadState::Failed { reason: failure.to_string() },
        };
        let is_complete = state.is_complete();
        tracing::info!(infohash = %self.spec.metainfo.infohash(), ?state, "torrent ended");
        self.board.set_state(state);
        is_complete
    }

    async fn run_until_done(&mut self, place: &mut QueueSlot) -> Result<DownloadState, TorrentSessionError> {
        loop {
            self.wait_for_turn(place).await?;
            let opened = if self.storage.is_none() { self.open().await } else { Ok(()) };
            let taken = match opened {
                Ok(()) => self.join_and_run(place).await,
                Err(failure) => Err(failure),
            };
            match taken {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => {}
                Err(failure) => self.wait_for_recovery(failure, place).await?,
            }
        }
    }

    /// Takes part in the swarm until the end, or until the turn is over, which returns nothing.
    async fn join_and_run(
        &mut self,
        place: &mut QueueSlot,
    ) -> Result<Option<DownloadState>, TorrentSessionError> {
        self.ensure_space().await?;
        let mut party = self.join_swarm()?;
        let outcome = self.run_swarm(&mut party, place).await;
        self.leave_swarm(party).await;
        outcome
    }

    async fn run_swarm(
        &mut self,
        party: &mut ActiveSwarm,
        place: &mut QueueSlot,
    ) -> Result<Option<DownloadState>, TorrentSessionError> {
        let mut tick = tokio::time::interval(TICK);
        let mut shown = Instant::now();
        loop {
            self.run_actions(party);
            if let Some(state) = self.advance(party, place) {
                return Ok(Some(state));
            }
            Self::search_natives(party);
            tokio::select! {
                Some((id, event)) = party.events.recv() => self.handle_events(id, event, party),
                Some(event) = party.announce_events.recv() => {
                    self.handle_announce(event);
                    self.dial(party);
                }
                news = NativeEvents::next(&mut party.native_events) => self.handle_native_event(news, party),
                Some(dialled) = party.dials.join_next(), if !party.dials.is_empty() => {
                    if let Ok(dialled) = dialled { self.handle_dial(dialled); }
                    self.dial(party);
                }
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok(done) = done { self.handle_job(done, party)?; }
                }
                _ = tick.tick() => self.dial(party),
                () = place.changed() => if must_leave_swarm(party, place) { return Ok(None) },
                () = self.cancel.cancelled() => return Err(TorrentSessionError::Cancelled),
            }
            if shown.elapsed() >= VIEW_INTERVAL {
                shown = Instant::now();
                party.report_paths();
                self.update_view(party);
                self.update_activity(party, shown);
                if yields_turn(party, place, shown) {
                    return Ok(None);
                }
            }
            self.record_if_due(party);
        }
    }

    /// Goes on to the next phase when the present one is over; returns the end, if that is it.
    fn advance(&mut self, party: &mut ActiveSwarm, place: &mut QueueSlot) -> Option<DownloadState> {
        match party.phase {
            TorrentPhase::Fetching if party.swarm.is_complete() && self.jobs.is_empty() => {
                party.phase = TorrentPhase::Finishing;
                Self::disconnect_natives(party);
                self.board.set_state(DownloadState::Finishing);
                self.start_finalizing(party);
                None
            }
            TorrentPhase::Seeding => self.has_reached_ratio(party).then(|| self.done_state()),
            TorrentPhase::Finishing if self.jobs.is_empty() && party.is_finalized => {
                tracing::info!(infohash = %self.spec.metainfo.infohash(), "torrent complete");
                if self.downloaded > 0 {
                    party.announcer.completed();
                }
                self.update_view(party);
                match self.spec.on_completion {
                    OnCompletion::Stop => Some(self.done_state()),
                    OnCompletion::Seed { .. } => {
                        party.phase = TorrentPhase::Seeding;
                        self.board.set_state(DownloadState::Seeding { location: self.location() });
                        place.yield_slot();
                        None
                    }
                }
            }
            _ => None,
        }
    }

    fn has_reached_ratio(&self, party: &ActiveSwarm) -> bool {
        let OnCompletion::Seed { ratio: Some(ratio) } = self.spec.on_completion else { return false };
        #[expect(clippy::cast_precision_loss, reason = "a ratio that a person chose")]
        let (given, size) = (self.total_uploaded(party) as f64, self.spec.metainfo.geometry().size() as f64);
        given >= ratio * size
    }

    fn done_state(&self) -> DownloadState {
        DownloadState::Done { location: self.location(), renamed: None }
    }
}

/// Returns true if the torrent, with which nobody is connected, has let another download have its turn first.
fn yields_turn(party: &ActiveSwarm, place: &mut QueueSlot, now: Instant) -> bool {
    let is_alone = now.saturating_duration_since(party.last_connected) >= YIELD_TURN_AFTER;
    let makes_way = is_alone && party.phase == TorrentPhase::Fetching && place.has_waiting();
    if makes_way {
        place.yield_slot();
        place.rejoin_at_end();
    }
    makes_way
}

/// Says whether the turn is over. Who only gives needs none.
fn must_leave_swarm(party: &ActiveSwarm, place: &mut QueueSlot) -> bool {
    match (place.state(), party.phase) {
        (QueueState::Paused, _) => true,
        (QueueState::Active, TorrentPhase::Seeding) => {
            place.yield_slot();
            false
        }
        (_, TorrentPhase::Seeding | TorrentPhase::Finishing)
        | (QueueState::Active, TorrentPhase::Fetching) => false,
        (_, TorrentPhase::Fetching) => true,
    }
}
