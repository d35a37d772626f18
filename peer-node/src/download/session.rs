//! One download, from the wish to the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::manifest::{Manifest, ManifestBuilder};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::manifest_choice::ManifestFetch;
use super::part_file::{PartFile, PartFileError};
use super::queue::Place;
use super::roster::Roster;
use super::seeking::Sighting;
use super::storing::Done;
use super::turns::Turn;
use super::{DownloadsConfig, Wanted, log_end, place, room, storing};
use crate::native::SourceEvent;
use crate::storage::is_full;
use crate::swarm::SourceId;
use crate::transfers::{ContentId, DownloadId, DownloadState, DownloadView};

mod fetching;
mod hearing;
mod looking;
mod resting;
mod sharing;

use fetching::Fetching;
use looking::Seek;
use resting::Rest;

/// Events of sources that wait to be seen to; their connections pause when it is full.
const BACKLOG: usize = 256;

/// How often the engine's clock is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often what is shown is refreshed.
const REFRESH: Duration = Duration::from_millis(250);

/// How long a download that has lost all its sources waits for one to come back.
const GRACE: Duration = Duration::from_secs(30);

/// A download that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("stopped; what has come is kept")]
    Cancelled,
    #[error("{0}")]
    NoSources(String),
    #[error(transparent)]
    Part(#[from] PartFileError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
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
    Copying { location: PathBuf, manifest: Arc<Manifest> },
}

impl Failure {
    /// Returns what could not be written because the disk is full.
    fn full_at(&self) -> Option<&Path> {
        match self {
            Self::Part(error) => room::full_at(error),
            Self::Write { path, source } => is_full(source).then_some(path),
            Self::Cancelled | Self::NoSources(_) => None,
        }
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
    config: DownloadsConfig,
    cancel: CancellationToken,
    board: Board,
    roster: Roster,
    stage: Stage,
    seek: Seek,
    jobs: JoinSet<Done>,
}

impl Session {
    pub(super) fn new(
        id: DownloadId,
        wanted: Wanted,
        config: DownloadsConfig,
        cancel: CancellationToken,
    ) -> (Self, watch::Receiver<DownloadView>) {
        let target = place::asked_for(&config.root, &wanted.target);
        let name = target.strip_prefix(&config.root).unwrap_or(&target).to_string_lossy().into_owned();
        let (board, view) = Board::new(id, ContentId::File(wanted.digest), name, wanted.size);
        let (roster, seek, jobs) = (Roster::default(), Seek::new(Instant::now()), JoinSet::new());
        (Self { wanted, config, cancel, board, roster, stage: Stage::Choosing(None), seek, jobs }, view)
    }

    /// Waits for its turn, then fetches; says whether that came to an end of which there is nothing to go on with.
    pub(super) async fn run(mut self, place: Place) -> bool {
        let mut rest = Rest::new(place);
        let outcome = self.work(&mut rest).await;
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
        let is_final = state != DownloadState::Cancelled;
        self.show();
        self.board.set_state(state);
        log_end(&self.board.view());
        rest.place.stand_aside();
        if rest.place.is_queue_idle() {
            // Nobody fetches any more: an idle node keeps no memory for it.
            self.config.transport.buffers().clear();
        }
        is_final
    }

    /// Fetches whenever it is its turn, until the file is whole.
    async fn work(&mut self, rest: &mut Rest) -> Result<DownloadState, Failure> {
        if rest.place.is_patient()
            && let Some(finished) = self.find_finished(&mut rest.place).await?
        {
            return Ok(finished);
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
            Stage::Copying { .. } => DownloadState::Finishing,
        });
        tracing::info!(digest = %self.wanted.digest, "download begun");
        if matches!(self.stage, Stage::Copying { .. }) {
            return self.make_copies().await.map(Some);
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
            self.look_for_sources(&inbox)?;
            self.welcome_visitors(&inbox);
            self.choose_manifest();
            self.act();
            if self.is_complete() {
                // Connections that wait to be heard are not to wait for the disk.
                drop(inbox);
                return self.finish().await.map(Some);
            }
            tokio::select! {
                Some((source, event)) = inbox.events.recv() => self.hear_all(source, event, &mut inbox),
                Some(sighting) = inbox.sightings.recv() => self.sighted(sighting, &inbox),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok(done) = done { self.job_done(done)?; }
                }
                _ = tick.tick() => {}
                () = place.changed() => if place.turn() != Turn::Here { return Ok(None) },
                () = self.cancel.cancelled() => return Err(Failure::Cancelled),
            }
            if shown.elapsed() >= REFRESH {
                shown = Instant::now();
                self.measure();
                self.show();
                self.announce();
            }
            self.note_if_due();
        }
    }

    /// Makes the file that needs no source.
    async fn make_empty(&mut self) -> Result<DownloadState, Failure> {
        let (root, target) = (self.config.root.clone(), self.asked_for());
        let made = tokio::task::spawn_blocking(move || {
            let manifest = ManifestBuilder::new(0).and_then(ManifestBuilder::finish).ok()?;
            let digest = manifest.digest();
            Some((PartFile::open(&root, &target, digest, *manifest.geometry()), manifest))
        });
        let Ok(Some((part, manifest))) = made.await else { return Err(Failure::Cancelled) };
        let (part, _) = part?;
        self.board.show(|view| view.size = Some(0));
        self.settle(part, Arc::new(manifest)).await
    }

    fn asked_for(&self) -> PathBuf {
        place::asked_for(&self.config.root, &self.wanted.target)
    }

    /// Puts the finished file in its place and has it shared.
    async fn settle(&mut self, part: PartFile, manifest: Arc<Manifest>) -> Result<DownloadState, Failure> {
        self.board.set_state(DownloadState::Finishing);
        let path = part.path().to_owned();
        let at = |source| Failure::Write { path: path.clone(), source };
        let named = tokio::task::spawn_blocking(move || part.name()).await;
        let named = named.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(at)?;
        self.config.folder_syncs.sync(named.folder()).await.map_err(at)?;
        let location = named.settled();
        self.share(&location, &manifest).await;
        self.stage = Stage::Copying { location, manifest };
        self.make_copies().await
    }

    async fn share(&self, location: &Path, manifest: &Arc<Manifest>) {
        if let Err(error) = self.config.library.adopt(location.to_owned(), Arc::clone(manifest)).await {
            tracing::warn!(%error, "finished download not shared");
        }
    }

    /// Copies the finished file to the other places where it was asked for.
    async fn make_copies(&mut self) -> Result<DownloadState, Failure> {
        let Stage::Copying { location, manifest } = &self.stage else { return Err(Failure::Cancelled) };
        let (location, manifest) = (location.clone(), Arc::clone(manifest));
        while let Some(target) = self.wanted.copies.first() {
            let (root, from) = (self.config.root.clone(), location.clone());
            let (target, all) = (place::asked_for(&root, target), Arc::clone(&manifest));
            let copied =
                tokio::task::spawn_blocking(move || storing::copy(&root, &from, &target, &all)).await;
            let copy = copied.unwrap_or_else(|error| {
                let path = location.clone();
                Err(PartFileError::Io { path, source: std::io::Error::other(error) })
            })?;
            tracing::info!(copy = %copy.display(), "download copied");
            self.share(&copy, &manifest).await;
            self.wanted.copies.remove(0);
        }
        let asked_for = self.asked_for();
        let renamed =
            (location != asked_for).then(|| format!("{} is taken by another file", asked_for.display()));
        let name =
            location.strip_prefix(&self.config.root).unwrap_or(&location).to_string_lossy().into_owned();
        self.board.show(|view| view.name = name);
        Ok(DownloadState::Done { location, renamed })
    }
}
