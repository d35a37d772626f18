//! One download, from the wish to the file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::copies::Copies;
use super::details::SourceDetails;
use super::manifest_choice::ManifestFetch;
use super::part_file::{PartFile, PartFileError};
use super::part_folders::Kept;
use super::queue::Place;
use super::recovery::Recovery;
use super::reservations::{Reserved, ReservedTarget};
use super::rivals::Rivals;
use super::roster::Roster;
use super::seeking::Sighting;
use super::storing::Done;
use super::turns::Turn;
use super::{DownloadsConfig, Wanted, log_end, storing};
use crate::native::SourceEvent;
use crate::swarm::SourceId;
use crate::transfers::{ContentId, DownloadId, DownloadState, DownloadView};

mod choosing;
mod fetching;
mod hearing;
mod looking;
mod resting;
mod rivalry;
mod saving;
mod sharing;

use fetching::Fetching;
use looking::Seek;
use resting::Rest;
use saving::Placed;

/// Events of sources that wait to be seen to; their connections pause when it is full.
const BACKLOG: usize = 256;

/// How often the engine's clock is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often what is shown is refreshed.
const REFRESH: Duration = Duration::from_millis(250);

/// How long a download that has lost all its sources keeps its turn in case one comes back.
const GRACE: Duration = Duration::from_secs(30);

/// A download that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("stopped; what has come is kept")]
    Cancelled,
    #[error("no source has it{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoSources(Option<String>),
    #[error(transparent)]
    Part(#[from] PartFileError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// How far a download has got.
#[derive(Debug)]
enum Stage {
    /// A manifest is looked for, or on its way.
    Choosing(Option<ManifestFetch>),
    /// The part file is being opened and checked.
    Preparing,
    /// Pieces come in.
    Fetching(Box<Fetching>),
    /// The file is whole and shared, and on its way to the other places where it was asked for.
    Copying(Placed),
}

impl Failure {
    /// Returns how the download recovers.
    fn recovery(&self) -> Recovery {
        match self {
            Self::Cancelled | Self::Internal(_) => Recovery::None,
            Self::NoSources(_) => Recovery::AwaitSources,
            Self::Part(error) => error.recovery(),
            Self::Write { path, source } => Recovery::of_part(path, source),
            Self::Read { path, source } => Recovery::of_io(path, source),
        }
    }

    /// Returns what went wrong with the sources that were tried.
    fn trouble(&self) -> Option<String> {
        if let Self::NoSources(why) = self { why.clone() } else { None }
    }
}

/// What comes in from outside.
#[derive(Debug)]
struct Inbox {
    events_to: mpsc::Sender<(SourceId, SourceEvent)>,
    events: mpsc::Receiver<(SourceId, SourceEvent)>,
    sightings_to: mpsc::Sender<Sighting>,
    sightings: mpsc::Receiver<Sighting>,
}

/// The task of one download.
#[derive(Debug)]
pub(super) struct Session {
    wanted: Wanted,
    /// The path that was asked for.
    asked_for: PathBuf,
    /// The name that the file will have, while nothing has it.
    reserved: Option<Reserved>,
    /// Where the file is wanted as well.
    copies: Copies,
    /// What sources sent of their files.
    details: SourceDetails,
    /// Whether the target was looked at: it may be the file already.
    looked_at_target: bool,
    config: DownloadsConfig,
    cancel: CancellationToken,
    board: Board,
    roster: Roster,
    stage: Stage,
    /// What sources offer beside what is believed.
    rivals: Rivals,
    seek: Seek,
    jobs: JoinSet<Done>,
}

impl Session {
    pub(super) fn new(
        id: DownloadId,
        wanted: Wanted,
        target: ReservedTarget,
        copies: Copies,
        config: DownloadsConfig,
        cancel: CancellationToken,
    ) -> (Self, watch::Receiver<DownloadView>) {
        let path = target.path();
        let name = path.strip_prefix(&config.root).unwrap_or(path).to_string_lossy().into_owned();
        let ReservedTarget { asked_for, reserved, kept } = target;
        let (board, view) = Board::new(id, ContentId::File(wanted.digest), name, wanted.size);
        if let Some(Kept { bytes, here, pieces }) = kept {
            // Shown until its turn has come and all is verified.
            board.show(|view| (view.bytes_done, view.pieces_done, view.pieces) = (bytes, here, pieces));
        }
        let (roster, seek, jobs) = (Roster::default(), Seek::new(Instant::now()), JoinSet::new());
        let (details, looked_at_target, stage) = (SourceDetails::default(), false, Stage::Choosing(None));
        let session = Self {
            wanted,
            asked_for,
            reserved,
            copies,
            details,
            looked_at_target,
            config,
            cancel,
            board,
            roster,
            stage,
            rivals: Rivals::default(),
            seek,
            jobs,
        };
        (session, view)
    }

    /// Shows from the first moment on whether the download is paused.
    pub(super) fn with_pause(self, is_paused: bool) -> Self {
        if is_paused {
            self.board.set_state(DownloadState::Paused);
        }
        self
    }

    /// Waits for its turn, then fetches; returns true once the file is whole. One that was begun before, in an earlier run
    /// or an attempt that failed, may be finished already.
    pub(super) async fn run(mut self, place: Place, is_begun: bool) -> bool {
        let mut rest = Rest::new(place);
        let outcome = self.work(&mut rest, is_begun).await;
        let state = match outcome {
            Ok(state) => state,
            Err(failure) => {
                self.put_away().await;
                match failure {
                    Failure::Cancelled => DownloadState::Cancelled,
                    other => DownloadState::Failed { reason: other.to_string() },
                }
            }
        };
        let is_done = state.is_here();
        self.show();
        self.board.set_state(state);
        log_end(&self.board.view());
        rest.place.stand_aside();
        if rest.place.is_queue_idle() {
            // Nobody fetches any more: an idle node keeps no memory for it.
            self.config.transport.buffers().clear();
        }
        is_done
    }

    /// Fetches whenever it is its turn, until the file is whole.
    async fn work(&mut self, rest: &mut Rest, is_begun: bool) -> Result<DownloadState, Failure> {
        if is_begun {
            match self.find_finished(&mut rest.place).await {
                Ok(Some(finished)) => return Ok(finished),
                Ok(None) => {}
                Err(failure) => self.overcome(failure, rest).await?,
            }
        }
        loop {
            let fetched = match self.wait_for_turn(&mut rest.place).await {
                Ok(()) => self.fetch(&mut rest.place).await,
                Err(failure) => Err(failure),
            };
            match fetched {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => self.rest(&rest.place).await,
                Err(failure) => self.overcome(failure, rest).await?,
            }
        }
    }

    /// Fetches until the file is whole, or until the turn is over, which returns nothing.
    async fn fetch(&mut self, place: &mut Place) -> Result<Option<DownloadState>, Failure> {
        self.board.begin(match &self.stage {
            Stage::Choosing(_) => DownloadState::Looking,
            Stage::Preparing => DownloadState::Checking,
            Stage::Fetching(_) => DownloadState::Fetching,
            Stage::Copying(_) => DownloadState::Finishing,
        });
        self.board.show(|view| view.trouble = None);
        tracing::info!(digest = %self.wanted.digest, "download begun");
        if matches!(self.stage, Stage::Copying(_)) {
            return self.make_copies().await.map(Some);
        }
        if let Some(state) = self.copy_from_here().await? {
            return Ok(Some(state));
        }
        if self.wanted.digest == Digest::OF_NOTHING {
            return self.make_empty().await.map(Some);
        }
        let (events_to, events) = mpsc::channel(BACKLOG);
        let (sightings_to, sightings) = mpsc::channel(BACKLOG);
        let mut inbox = Inbox { events_to, events, sightings_to, sightings };
        let mut tick = tokio::time::interval(TICK);
        // It may have waited long for its turn.
        self.seek = Seek::new(Instant::now());
        let mut shown = Instant::now();
        loop {
            self.look_for_sources(&inbox, place)?;
            self.welcome_visitors(&inbox);
            self.choose_manifest();
            self.test_rivals();
            self.act();
            if self.is_complete() {
                // Connections that wait to be heard are not to wait for the disk.
                drop(inbox);
                return self.finish().await.map(Some);
            }
            tokio::select! {
                Some((source, event)) = inbox.events.recv() => self.hear_all(source, event, &mut inbox),
                Some(sighting) = inbox.sightings.recv() => self.sighted(sighting, &mut inbox),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok(done) = done { self.job_done(done)?; }
                }
                _ = tick.tick() => {}
                () = place.changed() => {
                    if place.turn() != Turn::Here {
                        return Ok(None);
                    }
                    self.seek.at_once();
                }
                () = self.cancel.cancelled() => return Err(Failure::Cancelled),
            }
            if shown.elapsed() >= REFRESH {
                shown = Instant::now();
                self.measure();
                self.show();
                self.show_activity();
                self.announce();
            }
            self.note_if_due();
        }
    }

    /// Shows what the download does at the moment.
    fn show_activity(&mut self) {
        let is_stuck = self.is_without_sources();
        let is_queued = matches!(self.stage, Stage::Fetching(_)) && self.roster.queued_at().is_some();
        self.board.set_waiting(is_stuck || is_queued, Instant::now());
        let trouble = if is_stuck { self.no_sources().trouble() } else { None };
        self.board.show(|view| view.trouble = trouble);
        self.board.set_state(match &self.stage {
            Stage::Choosing(_) | Stage::Fetching(_) if is_stuck => self.roster.awaiting(),
            Stage::Choosing(_) => DownloadState::Looking,
            Stage::Preparing => DownloadState::Checking,
            Stage::Fetching(_) => DownloadState::Fetching,
            Stage::Copying(_) => DownloadState::Finishing,
        });
    }
}
