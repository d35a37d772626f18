//! One torrent: fetches what is wanted of it, and gives it to others.
//!
//! A task owns it all: the storage, the engine, the connections' numbers and the table of known peers. It joins the torrent's
//! connections ([`Wires`]) and its trackers ([`Announcer`](super::announcer::Announcer)) while it takes part, and parts with
//! them while it rests. What is verified survives a rest.

mod fetching;
mod fragments;
mod hearing;
mod natives;
mod opening;
mod party;
mod resting;
mod sharing;
mod showing;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::geometry::Block;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::files::FilesError;
use super::peer_book::PeerBook;
use super::wish::{Afterwards, Wish};
use crate::bittorrent::Wires;
use crate::download::board::Board;
use crate::download::polling::Polling;
use crate::download::queue::Place;
use crate::download::recovery::Recovery;
use crate::download::turns::Turn;
use crate::download::verification::Outcome;
use crate::transfers::{ContentId, DownloadId, DownloadState, DownloadView};
use crate::transport::{Buffer, Transport};

use fragments::Fragments;
pub use natives::Bridge;
use natives::NativeInbox;
use opening::Store;
use party::{Party, Phase};
use sharing::Shared;
use showing::Givers;

/// How often the engine's clock is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often what is shown is refreshed.
const REFRESH: Duration = Duration::from_millis(250);

/// How long a torrent with which nobody is connected keeps its turn while others wait for theirs.
const GRACE: Duration = Duration::from_secs(30);

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
    pub bridge: Option<Bridge>,
    /// Owns the tasks.
    pub tracker: TaskTracker,
}

/// A torrent that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("stopped; what has come is kept")]
    Cancelled,
    #[error("the same torrent is under way already")]
    Taken,
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("cannot write: {0}")]
    Write(io::Error),
    #[error(
        "{missing} of {all} pieces are missing or damaged in {folder}; fetch them with `torrent download`"
    )]
    NotWhole { missing: u32, all: u32, folder: String },
}

impl Failure {
    /// Returns how the torrent recovers. That nobody has it is no failure: it waits for peers as long as it takes.
    fn recovery(&self) -> Recovery {
        match self {
            Self::Files(FilesError::Io { path, source }) => Recovery::of_io(path, source),
            Self::Write(source) => Recovery::of_io(Path::new(""), source),
            Self::Cancelled | Self::Taken | Self::Files(_) | Self::NotWhole { .. } => Recovery::None,
        }
    }
}

/// What a job on a blocking thread has done.
#[derive(Debug)]
enum Done {
    Checked(Vec<Outcome>),
    Noted(io::Result<()>),
    Settled(Result<(), FilesError>),
    Shared(Shared),
    Read(Vec<(Block, Buffer)>),
}

/// The task of one torrent.
#[derive(Debug)]
pub(crate) struct Session {
    wish: Wish,
    config: TorrentConfig,
    cancel: CancellationToken,
    board: Board,
    book: PeerBook,
    givers: Givers,
    store: Option<Store>,
    fragments: Option<Fragments>,
    /// Bytes that came, and bytes that were sent before the present party.
    downloaded: u64,
    uploaded: u64,
    /// When it tries again what it could not do.
    polling: Polling,
    jobs: JoinSet<Done>,
}

impl Session {
    pub(crate) fn new(
        id: DownloadId,
        wish: Wish,
        config: TorrentConfig,
        cancel: CancellationToken,
    ) -> (Self, watch::Receiver<DownloadView>) {
        let metainfo = &wish.metainfo;
        let (content, name) = (ContentId::Torrent(metainfo.infohash()), metainfo.name().to_owned());
        let (board, view) = Board::new(id, content, name, Some(metainfo.geometry().size()));
        board.show(|view| view.digest = wish.digest);
        let (book, givers) = (PeerBook::default(), Givers::default());
        let (polling, jobs) = (Polling::new(Instant::now()), JoinSet::new());
        let session = Self {
            wish,
            config,
            cancel,
            board,
            book,
            givers,
            store: None,
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
    pub(crate) fn having_given(mut self, bytes: u64) -> Self {
        self.uploaded = bytes;
        self.board.show(|view| view.bytes_given = bytes);
        self
    }

    /// Takes part whenever it may; returns true once it is complete and not given to others any more.
    pub(crate) async fn run(mut self, mut place: Place) -> bool {
        let state = match self.work(&mut place).await {
            Ok(state) => state,
            Err(Failure::Cancelled) => DownloadState::Cancelled,
            Err(failure) => DownloadState::Failed { reason: failure.to_string() },
        };
        let is_complete = state.is_here();
        tracing::info!(infohash = %self.wish.metainfo.infohash(), ?state, "torrent ended");
        self.board.set_state(state);
        is_complete
    }

    async fn work(&mut self, place: &mut Place) -> Result<DownloadState, Failure> {
        loop {
            self.wait_for_turn(place).await?;
            let opened = if self.store.is_none() { self.open().await } else { Ok(()) };
            let taken = match opened {
                Ok(()) => self.take_part(place).await,
                Err(failure) => Err(failure),
            };
            match taken {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => {}
                Err(failure) => self.overcome(failure, place).await?,
            }
        }
    }

    /// Takes part in the swarm until the end, or until the turn is over, which returns nothing.
    async fn take_part(&mut self, place: &mut Place) -> Result<Option<DownloadState>, Failure> {
        self.ensure_room().await?;
        let mut party = self.begin()?;
        let outcome = self.attend(&mut party, place).await;
        self.part(party).await;
        outcome
    }

    async fn attend(
        &mut self,
        party: &mut Party,
        place: &mut Place,
    ) -> Result<Option<DownloadState>, Failure> {
        let mut tick = tokio::time::interval(TICK);
        let mut shown = Instant::now();
        loop {
            self.act(party);
            if let Some(state) = self.advance(party, place) {
                return Ok(Some(state));
            }
            Self::look_for_natives(party);
            tokio::select! {
                Some((id, event)) = party.events.recv() => self.hear_all(id, event, party),
                Some(event) = party.announces.recv() => {
                    self.announced(event);
                    self.dial(party);
                }
                news = NativeInbox::next(&mut party.native_inbox) => self.native_news(news, party),
                Some(dialled) = party.dials.join_next(), if !party.dials.is_empty() => {
                    if let Ok(dialled) = dialled { self.dialled(dialled); }
                    self.dial(party);
                }
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok(done) = done { self.job_done(done, party)?; }
                }
                _ = tick.tick() => self.dial(party),
                () = place.changed() => if must_rest(party, place) { return Ok(None) },
                () = self.cancel.cancelled() => return Err(Failure::Cancelled),
            }
            if shown.elapsed() >= REFRESH {
                shown = Instant::now();
                party.measure();
                self.show(party);
                self.show_activity(party, shown);
                if makes_way(party, place, shown) {
                    return Ok(None);
                }
            }
            self.note_if_due(party);
        }
    }

    /// Goes on to the next phase when the present one is over; returns the end, if that is it.
    fn advance(&mut self, party: &mut Party, place: &mut Place) -> Option<DownloadState> {
        match party.phase {
            Phase::Fetching if party.swarm.is_complete() && self.jobs.is_empty() => {
                party.phase = Phase::Finishing;
                Self::leave_natives(party);
                self.board.set_state(DownloadState::Finishing);
                self.settle(party);
                None
            }
            Phase::Seeding => self.has_given_enough(party).then(|| self.done()),
            Phase::Finishing if self.jobs.is_empty() && party.is_settled => {
                tracing::info!(infohash = %self.wish.metainfo.infohash(), "torrent complete");
                if self.downloaded > 0 {
                    party.announcer.completed();
                }
                self.show(party);
                match self.wish.afterwards {
                    Afterwards::End => Some(self.done()),
                    Afterwards::Seed { .. } => {
                        party.phase = Phase::Seeding;
                        self.board.set_state(DownloadState::Seeding { location: self.location() });
                        place.stand_aside();
                        None
                    }
                }
            }
            _ => None,
        }
    }

    fn has_given_enough(&self, party: &Party) -> bool {
        let Afterwards::Seed { ratio: Some(ratio) } = self.wish.afterwards else { return false };
        #[expect(clippy::cast_precision_loss, reason = "a ratio that a person chose")]
        let (given, size) = (self.given(party) as f64, self.wish.metainfo.geometry().size() as f64);
        given >= ratio * size
    }

    fn done(&self) -> DownloadState {
        DownloadState::Done { location: self.location(), renamed: None }
    }
}

/// Returns true if the torrent, with which nobody is connected, has let another download have its turn first.
fn makes_way(party: &Party, place: &mut Place, now: Instant) -> bool {
    let is_alone = now.saturating_duration_since(party.last_company) >= GRACE;
    let makes_way = is_alone && party.phase == Phase::Fetching && place.has_waiting();
    if makes_way {
        place.stand_aside();
        place.come_back();
    }
    makes_way
}

/// Says whether the turn is over. Who only gives needs none.
fn must_rest(party: &Party, place: &mut Place) -> bool {
    match (place.turn(), party.phase) {
        (Turn::Paused, _) => true,
        (Turn::Here, Phase::Seeding) => {
            place.stand_aside();
            false
        }
        (_, Phase::Seeding | Phase::Finishing) | (Turn::Here, Phase::Fetching) => false,
        (_, Phase::Fetching) => true,
    }
}
