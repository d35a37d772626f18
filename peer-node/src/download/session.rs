//! One download, from the wish to the file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::disk_jobs::DownloadJobOutcome;
use super::file_attributes::SourceAttributes;
use super::manifest_fetch::ManifestFetch;
use super::part_file::{PartFile, PartFileError};
use super::part_folders::KeptPart;
use super::pending_copies::PendingCopies;
use super::reservations::{ReservedName, ReservedTarget};
use super::rivals::RivalManifests;
use super::sources::DownloadSources;
use super::{DownloadsConfig, WantedFile, disk_jobs, log_end};
use crate::finder::source_search::SearchEvent;
use crate::native::SourceEvent;
use crate::transfer::queue::QueueSlot;
use crate::transfer::recovery::Recovery;
use crate::transfer::scheduler::QueueState;
use crate::transfer::view_publisher::ViewPublisher;
use crate::view::{ContentId, DownloadId, DownloadState, DownloadView};
use swarm::SourceId;

mod fetching;
mod manifest;
mod rival_testing;
mod saving;
mod search;
mod sharing;
mod source_events;
mod waiting;

use fetching::FetchState;
use saving::PlacedFile;
use search::SourceSearch;
use waiting::WaitState;

/// Events of sources that wait to be seen to; their connections pause when it is full.
const BACKLOG: usize = 256;

/// How often the engine's clock is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often what is shown is refreshed.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);

/// How long a download that has lost all its sources keeps its turn in case one comes back.
const GRACE_PERIOD: Duration = Duration::from_secs(30);

/// A download that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum DownloadSessionError {
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
enum DownloadStage {
    /// A manifest is looked for, or on its way.
    ChoosingManifest(Option<ManifestFetch>),
    /// The part file is being opened and checked.
    Preparing,
    /// Pieces come in.
    Fetching(Box<FetchState>),
    /// The file is whole and shared, and on its way to the other places where it was asked for.
    Copying(PlacedFile),
}

impl DownloadSessionError {
    /// Returns how the download recovers.
    fn recovery(&self) -> Recovery {
        match self {
            Self::Cancelled | Self::Internal(_) => Recovery::Fail,
            Self::NoSources(_) => Recovery::AwaitSources,
            Self::Part(error) => error.recovery(),
            Self::Write { path, source } => Recovery::for_part_error(path, source),
            Self::Read { path, source } => Recovery::for_io_error(path, source),
        }
    }

    /// Returns what went wrong with the sources that were tried.
    fn sources_error(&self) -> Option<String> {
        if let Self::NoSources(why) = self { why.clone() } else { None }
    }
}

/// What comes in from outside.
#[derive(Debug)]
struct DownloadInbox {
    event_sender: mpsc::Sender<(SourceId, SourceEvent)>,
    events: mpsc::Receiver<(SourceId, SourceEvent)>,
    search_event_sender: mpsc::Sender<SearchEvent>,
    search_events: mpsc::Receiver<SearchEvent>,
}

/// The task of one download.
#[derive(Debug)]
pub(super) struct DownloadSession {
    wanted: WantedFile,
    /// The path that was asked for.
    requested_path: PathBuf,
    /// The name that the file will have, while nothing has it.
    reserved_name: Option<ReservedName>,
    /// Where the file is wanted as well.
    copies: PendingCopies,
    /// What sources sent of their files.
    source_attributes: SourceAttributes,
    /// Whether the target was looked at: it may be the file already.
    is_target_checked: bool,
    config: DownloadsConfig,
    cancel: CancellationToken,
    publisher: ViewPublisher,
    sources: DownloadSources,
    stage: DownloadStage,
    /// What sources offer beside what is believed.
    rivals: RivalManifests,
    search: SourceSearch,
    jobs: JoinSet<DownloadJobOutcome>,
}

impl DownloadSession {
    pub(super) fn new(
        id: DownloadId,
        wanted: WantedFile,
        target: ReservedTarget,
        copies: PendingCopies,
        config: DownloadsConfig,
        cancel: CancellationToken,
    ) -> (Self, watch::Receiver<DownloadView>) {
        let path = target.path();
        let name = path.strip_prefix(&config.root).unwrap_or(path).to_string_lossy().into_owned();
        let ReservedTarget { requested_path: asked_for, reserved_name: reserved, kept_part: kept } = target;
        let (board, view) = ViewPublisher::new(id, ContentId::File(wanted.digest), name, wanted.size);
        if let Some(KeptPart { bytes, pieces_done: here, pieces }) = kept {
            // Shown until its turn has come and all is verified.
            board.update(|view| (view.bytes_done, view.pieces_done, view.pieces) = (bytes, here, pieces));
        }
        let (roster, seek, jobs) =
            (DownloadSources::default(), SourceSearch::new(Instant::now()), JoinSet::new());
        let (details, looked_at_target, stage) =
            (SourceAttributes::default(), false, DownloadStage::ChoosingManifest(None));
        let session = Self {
            wanted,
            requested_path: asked_for,
            reserved_name: reserved,
            copies,
            source_attributes: details,
            is_target_checked: looked_at_target,
            config,
            cancel,
            publisher: board,
            sources: roster,
            stage,
            rivals: RivalManifests::default(),
            search: seek,
            jobs,
        };
        (session, view)
    }

    /// Shows from the first moment on whether the download is paused.
    pub(super) fn with_pause(self, is_paused: bool) -> Self {
        if is_paused {
            self.publisher.set_state(DownloadState::Paused);
        }
        self
    }

    /// Waits for its turn, then fetches; returns true once the file is whole. One that was begun before, in an earlier run
    /// or an attempt that failed, may be finished already.
    pub(super) async fn run(mut self, slot: QueueSlot, is_begun: bool) -> bool {
        let mut rest = WaitState::new(slot);
        let outcome = self.run_until_done(&mut rest, is_begun).await;
        let state = match outcome {
            Ok(state) => state,
            Err(failure) => {
                self.shut_down().await;
                match failure {
                    DownloadSessionError::Cancelled => DownloadState::Cancelled,
                    other => DownloadState::Failed { reason: other.to_string() },
                }
            }
        };
        let is_done = state.is_complete();
        self.update_view();
        self.publisher.set_state(state);
        log_end(&self.publisher.view());
        rest.slot.yield_slot();
        if rest.slot.is_queue_idle() {
            // Nobody fetches any more: an idle node keeps no memory for it.
            self.config.transport.buffers().clear();
        }
        is_done
    }

    /// Fetches whenever it is its turn, until the file is whole.
    async fn run_until_done(
        &mut self,
        wait_state: &mut WaitState,
        is_begun: bool,
    ) -> Result<DownloadState, DownloadSessionError> {
        if is_begun {
            match self.find_finished(&mut wait_state.slot).await {
                Ok(Some(finished)) => return Ok(finished),
                Ok(None) => {}
                Err(failure) => self.wait_for_recovery(failure, wait_state).await?,
            }
        }
        loop {
            let fetched = match self.wait_for_turn(&mut wait_state.slot).await {
                Ok(()) => self.fetch(&mut wait_state.slot).await,
                Err(failure) => Err(failure),
            };
            match fetched {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => self.stop_fetching(&wait_state.slot).await,
                Err(failure) => self.wait_for_recovery(failure, wait_state).await?,
            }
        }
    }

    /// Fetches until the file is whole, or until the turn is over, which returns nothing.
    async fn fetch(&mut self, slot: &mut QueueSlot) -> Result<Option<DownloadState>, DownloadSessionError> {
        self.publisher.activate(match &self.stage {
            DownloadStage::ChoosingManifest(_) => DownloadState::Searching,
            DownloadStage::Preparing => DownloadState::Verifying,
            DownloadStage::Fetching(_) => DownloadState::Fetching,
            DownloadStage::Copying(_) => DownloadState::Finishing,
        });
        self.publisher.update(|view| view.warning = None);
        tracing::info!(digest = %self.wanted.digest, "download begun");
        if matches!(self.stage, DownloadStage::Copying(_)) {
            return self.make_copies().await.map(Some);
        }
        if let Some(state) = self.copy_local_file().await? {
            return Ok(Some(state));
        }
        if self.wanted.digest == Digest::EMPTY {
            return self.create_empty().await.map(Some);
        }
        let (events_to, events) = mpsc::channel(BACKLOG);
        let (sightings_to, sightings) = mpsc::channel(BACKLOG);
        let mut inbox = DownloadInbox {
            event_sender: events_to,
            events,
            search_event_sender: sightings_to,
            search_events: sightings,
        };
        let mut tick = tokio::time::interval(TICK);
        // It may have waited long for its turn.
        self.search = SourceSearch::new(Instant::now());
        let mut shown = Instant::now();
        loop {
            self.search_sources(&inbox, slot)?;
            self.add_visitors(&inbox);
            self.choose_manifest();
            self.test_rivals();
            self.run_actions();
            if self.is_complete() {
                // Connections that wait to be heard are not to wait for the disk.
                drop(inbox);
                return self.finish().await.map(Some);
            }
            tokio::select! {
                Some((source, event)) = inbox.events.recv() => self.handle_events(source, event, &mut inbox),
                Some(sighting) = inbox.search_events.recv() => self.handle_search_event(sighting, &mut inbox),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok(done) = done { self.handle_job(done)?; }
                }
                _ = tick.tick() => {}
                () = slot.changed() => {
                    if slot.state() != QueueState::Active {
                        return Ok(None);
                    }
                    self.search.restart_now();
                }
                () = self.cancel.cancelled() => return Err(DownloadSessionError::Cancelled),
            }
            if shown.elapsed() >= VIEW_INTERVAL {
                shown = Instant::now();
                self.report_paths();
                self.update_view();
                self.show_activity();
                self.announce();
            }
            self.record_if_due();
        }
    }

    /// Shows what the download does at the moment.
    fn show_activity(&mut self) {
        let is_stuck = self.is_without_sources();
        let is_queued =
            matches!(self.stage, DownloadStage::Fetching(_)) && self.sources.queued_at().is_some();
        self.publisher.set_waiting(is_stuck || is_queued, Instant::now());
        let trouble = if is_stuck { self.no_sources_failure().sources_error() } else { None };
        self.publisher.update(|view| view.warning = trouble);
        self.publisher.set_state(match &self.stage {
            DownloadStage::ChoosingManifest(_) | DownloadStage::Fetching(_) if is_stuck => {
                self.sources.awaiting_state()
            }
            DownloadStage::ChoosingManifest(_) => DownloadState::Searching,
            DownloadStage::Preparing => DownloadState::Verifying,
            DownloadStage::Fetching(_) => DownloadState::Fetching,
            DownloadStage::Copying(_) => DownloadState::Finishing,
        });
    }
}
