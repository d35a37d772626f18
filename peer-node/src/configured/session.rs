//! One peer of a configured swarm: fetches the file, gives it to the others, and ends when all have it.
//!
//! A task owns everything: the storage, the engine, the choker, the log, and what is known of the neighbours.

mod chosen;
mod fetching;
mod group;
mod hearing;
mod neighbour;
mod parting;
mod store;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::configured::{LogEvent, PeerId};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event_log::EventLog;
use super::files::{Files, FilesError};
use super::link::{Common, Greeted};
use super::plan::Plan;
use super::reader::Heard;
use super::spoken_framings::SpokenFramings;
use crate::download::board::Board;
use crate::download::fresh_seed::fresh_seed;
use crate::swarm::{IntervalChoker, IntervalChokerConfig, Order, Overdue, SourceId, Swarm, SwarmConfig};
use crate::transfers::{ContentId, DownloadId, DownloadState, DownloadView};
use crate::transport::BufferPool;
use chosen::Chosen;
use group::Group;
use store::{Done, Store};

/// How often the clocks of the engine and of the choker are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often what is shown is refreshed.
const REFRESH: Duration = Duration::from_millis(250);

/// Events of connections that wait to be seen to; connections pause when it is full.
const BACKLOG: usize = 256;

/// How many bytes of unfinished pieces may be held; one piece is always allowed.
const BUDGET: u64 = 64 << 20;

/// How many buffers for pieces are kept when none needs them.
const SPARE_BUFFERS: usize = 32;

/// A request is repeated when its neighbour has sent no byte for so long: some programs lose requests that follow their unchoke
/// too fast.
const REPEAT_AFTER: Duration = Duration::from_millis(2500);

/// A peer that did not come to the end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("stopped; what has come is kept")]
    Cancelled,
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("cannot write: {0}; what has come is kept")]
    Write(std::io::Error),
}

/// How far the peer has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Pieces come in.
    Fetching,
    /// All pieces are here, and the file is put in its place.
    Finishing,
    /// The file is in its place; others still lack pieces.
    Whole,
    /// Everybody is known to have the file, since then.
    Farewell(Instant),
}

/// What comes from outside.
#[derive(Debug)]
pub(super) struct Inbox {
    met: mpsc::Receiver<Greeted>,
    events: mpsc::Receiver<(SourceId, Heard)>,
}

/// The task of one peer.
#[derive(Debug)]
pub(super) struct Session {
    plan: Arc<Plan>,
    us: PeerId,
    swarm: Swarm,
    choker: IntervalChoker,
    group: Group,
    store: Store,
    log: EventLog,
    board: Board,
    links: Common,
    phase: Phase,
    chosen: Chosen,
    /// Since when it does not go on because others are missing.
    alone_since: Option<Instant>,
}

impl Session {
    /// Makes the task of a peer, and returns where it is told of connections and what it shows of itself.
    pub(super) fn new(
        plan: Arc<Plan>,
        us: PeerId,
        (files, here): (Files, Bitfield),
        log: EventLog,
        tracker: TaskTracker,
    ) -> (Self, Inbox, mpsc::Sender<Greeted>, watch::Receiver<DownloadView>) {
        let (now, common, buffers) = (Instant::now(), &plan.common, BufferPool::new(SPARE_BUFFERS));
        let geometry = common.geometry;
        let (board, view) = Board::new(
            DownloadId(1),
            ContentId::Agreed,
            common.file_name().to_owned(),
            Some(geometry.size()),
        );
        let (met_sender, met) = mpsc::channel(BACKLOG);
        let (sender, events) = mpsc::channel(BACKLOG);
        let config = SwarmConfig {
            block_length: geometry.piece_length(),
            least_block: geometry.piece_length(),
            max_requests: 1,
            budget: BUDGET,
            most_on_trial: None,
            order: Order::Random,
            overdue: Overdue::Repeat(REPEAT_AFTER),
            seed: fresh_seed(),
        };
        let swarm = Swarm::new(geometry, config, now, |piece| here.has(piece));
        let choking = IntervalChokerConfig {
            slots: common.preferred_neighbors,
            regular_interval: common.unchoking_interval,
            optimistic_interval: common.optimistic_unchoking_interval,
            seed: fresh_seed(),
        };
        let (file, spoken) = (files.shared(), Arc::new(SpokenFramings::new()));
        let links = Common { geometry, file, buffers, spoken, events: sender, tracker };
        let phase = if files.is_whole() { Phase::Whole } else { Phase::Fetching };
        let session = Self {
            us,
            swarm,
            choker: IntervalChoker::new(choking),
            group: Group::new(geometry.piece_count()),
            store: Store::new(files, here, now),
            log,
            board,
            links,
            phase,
            chosen: Chosen::default(),
            alone_since: None,
            plan,
        };
        (session, Inbox { met, events }, met_sender, view)
    }

    /// Takes part until everybody has the file, until it cannot go on, or until it is stopped.
    pub(super) async fn run(mut self, mut inbox: Inbox, cancel: CancellationToken) {
        self.board.begin(DownloadState::Fetching);
        if self.phase == Phase::Whole {
            self.is_whole();
        }
        let ended = self.work(&mut inbox, &cancel).await;
        self.part(&mut inbox, ended.is_ok()).await;
        self.show(Instant::now());
        let state = match ended {
            Ok(()) => DownloadState::Done { location: self.store.target(), renamed: None },
            Err(Failure::Cancelled) => DownloadState::Cancelled,
            Err(failure) => DownloadState::Failed { reason: failure.to_string() },
        };
        tracing::info!(?state, "peer ended");
        self.board.set_state(state);
    }

    async fn work(&mut self, inbox: &mut Inbox, cancel: &CancellationToken) -> Result<(), Failure> {
        let mut tick = tokio::time::interval(TICK);
        let mut shown = Instant::now();
        loop {
            self.act();
            if self.advance() {
                return Ok(());
            }
            let now = Instant::now();
            // Not before what has come is followed by what is asked for next: nobody would seem to give anything.
            if now.saturating_duration_since(shown) >= REFRESH {
                shown = now;
                self.show(now);
            }
            if self.phase == Phase::Fetching {
                self.store.note_if_due(now);
            }
            self.log.flush();
            tokio::select! {
                Some(greeted) = inbox.met.recv() => self.met(greeted),
                Some((id, heard)) = inbox.events.recv() => self.hear_all(id, heard, inbox),
                Some(done) = self.store.jobs.join_next(), if !self.store.jobs.is_empty() => {
                    if let Ok(done) = done { self.job_done(done)?; }
                }
                _ = tick.tick() => {}
                () = cancel.cancelled() => return Err(Failure::Cancelled),
            }
        }
    }

    /// Goes on to the next phase when the present one is over; says whether all are.
    fn advance(&mut self) -> bool {
        match self.phase {
            Phase::Fetching if self.swarm.is_complete() && self.store.jobs.is_empty() => {
                self.phase = Phase::Finishing;
                self.log.note(LogEvent::Complete);
                self.board.set_state(DownloadState::Finishing);
                self.group.told_everybody();
                // Whoever has the whole file gives it to anybody.
                self.choker.forget_received();
                self.store.settle();
            }
            Phase::Whole if self.group.is_whole_but(self.us, &self.plan.list) => {
                tracing::info!("everybody has the file");
                self.phase = Phase::Farewell(Instant::now());
            }
            Phase::Farewell(since) => return self.group.is_over(self.us, &self.plan.list, since.elapsed()),
            _ => {}
        }
        false
    }

    /// Takes in that the file is in its place.
    fn is_whole(&mut self) {
        self.phase = Phase::Whole;
        self.show(Instant::now());
        self.board.set_state(DownloadState::Seeding { location: self.store.target() });
        self.group.neighbours_mut().for_each(neighbour::Neighbour::answer_done);
    }

    fn show(&mut self, now: Instant) {
        let given = self.group.sent();
        let rate_up = self.store.gave(given, now);
        let (pieces, pieces_done) = (self.plan.common.geometry.piece_count(), self.swarm.pieces_done());
        let bytes_done = self.store.bytes_here();
        let (active, known) = (self.swarm.active_sources(), self.group.len());
        let (is_fetching, awaited) = (self.phase == Phase::Fetching, self.awaited(now));
        self.board.show(|view| {
            (view.pieces_done, view.pieces) = (pieces_done, pieces);
            view.bytes_done = bytes_done;
            view.bytes_given += given;
            view.rate_up = rate_up;
            view.sources_active = if is_fetching { active } else { known };
            view.sources_known = known;
            view.trouble = awaited;
        });
    }
}
