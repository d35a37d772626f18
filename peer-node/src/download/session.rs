//! The task of one download, from the request to the finished file.

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
use crate::discovery::finder::source_search::SearchEvent;
use crate::native::SourceEvent;
use crate::transfer::driver::drive;
use crate::transfer::queue::QueueSlot;
use crate::transfer::recovery::Recovery;
use crate::transfer::view_publisher::ViewPublisher;
use crate::view::{ContentId, DownloadId, DownloadState, DownloadView};
use swarm::SourceId;

mod fetching;
mod manifest;
mod rival_testing;
mod run;
mod saving;
mod search;
mod sharing;
mod source_events;
mod waiting;

use fetching::FetchState;
use run::{DownloadRun, FetchExit};
use saving::PlacedFile;
use search::SourceSearch;
use waiting::WaitState;

/// Source events waiting to be handled; connections pause when it is full.
const BACKLOG: usize = 256;

/// How long a download that has lost all sources keeps its slot, in case one returns.
const GRACE_PERIOD: Duration = Duration::from_secs(30);

/// Why a download stopped before completion.
#[derive(Debug, thiserror::Error)]
enum DownloadSessionError {
    #[error("stopped; received data is kept")]
    Cancelled,
    #[error("no source has the content{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
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

/// Stage of a download.
#[derive(Debug)]
enum DownloadStage {
    /// Choosing a manifest, or fetching the chosen one.
    ChoosingManifest(Option<ManifestFetch>),
    /// Opening and verifying the part file.
    Preparing,
    /// Fetching pieces.
    Fetching(Box<FetchState>),
    /// The file is complete and shared, and is being copied to its additional targets.
    Copying(PlacedFile),
}

impl DownloadSessionError {
    /// Returns how the download recovers from this error.
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

/// Channels for input from other tasks.
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
    /// The path that was requested.
    requested_path: PathBuf,
    /// The reserved final name, until the file takes it.
    reserved_name: Option<ReservedName>,
    /// Additional targets.
    copies: PendingCopies,
    /// File attributes sent by sources.
    source_attributes: SourceAttributes,
    /// Whether the target has been checked for an existing copy of the file.
    is_target_checked: bool,
    config: DownloadsConfig,
    cancel: CancellationToken,
    publisher: ViewPublisher,
    sources: DownloadSources,
    stage: DownloadStage,
    /// Offers that differ from the current manifest.
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
        let ReservedTarget { requested_path, reserved_name: reserved, kept_part: kept } = target;
        let (publisher, view) = ViewPublisher::new(id, ContentId::File(wanted.digest), name, wanted.size);
        if let Some(KeptPart { bytes, pieces_done: here, pieces }) = kept {
            // Shown until the download gets a slot and verifies the data.
            publisher.update(|view| (view.bytes_done, view.pieces_done, view.pieces) = (bytes, here, pieces));
        }
        let (sources, search, jobs) =
            (DownloadSources::default(), SourceSearch::new(Instant::now()), JoinSet::new());
        let (source_attributes, is_target_checked, stage) =
            (SourceAttributes::default(), false, DownloadStage::ChoosingManifest(None));
        let session = Self {
            wanted,
            requested_path,
            reserved_name: reserved,
            copies,
            source_attributes,
            is_target_checked,
            config,
            cancel,
            publisher,
            sources,
            stage,
            rivals: RivalManifests::default(),
            search,
            jobs,
        };
        (session, view)
    }

    /// Sets the initial state to paused if `is_paused`, so that the first view is right.
    pub(super) fn with_pause(self, is_paused: bool) -> Self {
        if is_paused {
            self.publisher.set_state(DownloadState::Paused);
        }
        self
    }

    /// Waits for a slot, then fetches. Returns true once the file is complete. If `is_begun`, an earlier run or attempt may have
    /// finished the file already.
    pub(super) async fn run(mut self, slot: QueueSlot, is_begun: bool) -> bool {
        let mut wait_state = WaitState::new(slot);
        let outcome = self.run_until_done(&mut wait_state, is_begun).await;
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
        wait_state.slot.yield_slot();
        if wait_state.slot.is_queue_idle() {
            // The node is idle, so its buffers are released.
            self.config.transport.buffers().clear();
        }
        is_done
    }

    /// Fetches whenever the download has a slot, until the file is complete.
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

    /// Fetches until the file is complete, or until the slot is lost, which returns `None`.
    async fn fetch(&mut self, slot: &mut QueueSlot) -> Result<Option<DownloadState>, DownloadSessionError> {
        self.publisher.activate(match &self.stage {
            DownloadStage::ChoosingManifest(_) => DownloadState::Searching,
            DownloadStage::Preparing => DownloadState::Verifying,
            DownloadStage::Fetching(_) => DownloadState::Fetching,
            DownloadStage::Copying(_) => DownloadState::Finishing,
        });
        self.publisher.update(|view| view.warning = None);
        tracing::info!(digest = %self.wanted.digest, "download started");
        if matches!(self.stage, DownloadStage::Copying(_)) {
            return self.make_copies().await.map(Some);
        }
        if let Some(state) = self.copy_local_file().await? {
            return Ok(Some(state));
        }
        if self.wanted.digest == Digest::EMPTY {
            return self.create_empty().await.map(Some);
        }
        let (event_sender, events) = mpsc::channel(BACKLOG);
        let (search_event_sender, search_events) = mpsc::channel(BACKLOG);
        let inbox = DownloadInbox { event_sender, events, search_event_sender, search_events };
        // The download may have waited long for its slot, so the search starts over.
        self.search = SourceSearch::new(Instant::now());
        let mut run = DownloadRun::new(self, inbox, slot);
        let exit = drive(&mut run).await;
        // Closed first, so that connections do not wait for disk access.
        drop(run);
        match exit? {
            FetchExit::Complete => self.finish().await.map(Some),
            FetchExit::SlotLost => Ok(None),
        }
    }

    /// Publishes the current state of the download.
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
