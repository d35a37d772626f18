//! A download that has a slot, as [`drive`](crate::transfer::driver::drive) drives it.

use std::io;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;

use super::{
    DownloadInbox, DownloadJobOutcome, DownloadSession, DownloadSessionError, DownloadStage, GRACE_PERIOD,
};
use crate::discovery::finder::source_search::SearchEvent;
use crate::download::disk_jobs::DownloadStore;
use crate::native::SourceEvent;
use crate::transfer::driver::{PieceDriver, PieceVerdict, SourceAction, Transfer, Wakeup};
use crate::transfer::queue::QueueSlot;
use crate::transfer::scheduler::QueueState;
use crate::transfer::view_schedule::{ViewActivity, ViewSchedule};
use swarm::{DisconnectReason, SourceId};

/// Interval between checks of the search for sources, of manifests and of visitors. Only downloads with a slot make them.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A download with a slot.
#[derive(Debug)]
pub(super) struct DownloadRun<'a> {
    session: &'a mut DownloadSession,
    inbox: DownloadInbox,
    slot: &'a mut QueueSlot,
    view_schedule: ViewSchedule,
    next_check: Instant,
}

/// Why a download leaves the loop.
#[derive(Debug, Clone, Copy)]
pub(super) enum FetchExit {
    /// All pieces are verified and stored.
    Complete,
    /// It has lost its slot.
    SlotLost,
}

/// Input of a download.
#[derive(Debug)]
pub(super) enum DownloadInput {
    Source(SourceId, SourceEvent),
    Search(SearchEvent),
    Job(Option<DownloadJobOutcome>),
    SlotChanged,
    Cancelled,
}

impl<'a> DownloadRun<'a> {
    pub(super) fn new(
        session: &'a mut DownloadSession,
        inbox: DownloadInbox,
        slot: &'a mut QueueSlot,
    ) -> Self {
        let now = Instant::now();
        Self { session, inbox, slot, view_schedule: ViewSchedule::new(now), next_check: now }
    }
}

impl Transfer for DownloadRun<'_> {
    type Store = DownloadStore;
    type Event = DownloadInput;
    type End = FetchExit;
    type Error = DownloadSessionError;

    fn pieces(&mut self) -> Option<&mut PieceDriver<DownloadStore>> {
        match &mut self.session.stage {
            DownloadStage::Fetching(fetching) => Some(&mut fetching.pieces),
            _ => None,
        }
    }

    fn have(&self) -> Option<&Bitfield> {
        match &self.session.stage {
            DownloadStage::Fetching(fetching) => Some(&fetching.have),
            _ => None,
        }
    }

    async fn next(&mut self) -> Wakeup<DownloadInput> {
        let DownloadSession { stage, jobs, cancel, .. } = &mut *self.session;
        let pieces = match stage {
            DownloadStage::Fetching(fetching) => Some(&mut fetching.pieces),
            _ => None,
        };
        let input = tokio::select! {
            Some((source, event)) = self.inbox.events.recv() => DownloadInput::Source(source, event),
            Some(event) = self.inbox.search_events.recv() => DownloadInput::Search(event),
            Some(done) = jobs.join_next(), if !jobs.is_empty() => DownloadInput::Job(done.ok()),
            outcome = PieceDriver::next_outcome(pieces) => return Wakeup::Disk(outcome),
            () = self.slot.changed() => DownloadInput::SlotChanged,
            () = cancel.cancelled() => DownloadInput::Cancelled,
        };
        Wakeup::Event(input)
    }

    fn handle(&mut self, input: DownloadInput) -> Result<Option<FetchExit>, DownloadSessionError> {
        let session = &mut *self.session;
        match input {
            DownloadInput::Source(source, event) => session.handle_events(source, event, &mut self.inbox),
            DownloadInput::Search(event) => session.handle_search_event(event, &mut self.inbox),
            DownloadInput::Job(None) => return Err(DownloadSessionError::Internal("a disk job failed")),
            DownloadInput::Job(Some(done)) => session.handle_job(done)?,
            DownloadInput::SlotChanged if self.slot.state() != QueueState::Active => {
                return Ok(Some(FetchExit::SlotLost));
            }
            DownloadInput::SlotChanged => session.search.restart_now(),
            DownloadInput::Cancelled => return Err(DownloadSessionError::Cancelled),
        }
        Ok(None)
    }

    fn perform(&mut self, action: SourceAction, now: Instant) {
        let sources = &mut self.session.sources;
        match action {
            SourceAction::Request { source, block } => {
                if let Some(peer) = sources.get(source) {
                    peer.channel.request(block);
                }
            }
            SourceAction::Cancel { source, block } => {
                if let Some(peer) = sources.get(source) {
                    peer.channel.cancel(block);
                }
            }
            SourceAction::Interest { source, on } => {
                if let Some(peer) = sources.get(source) {
                    peer.channel.set_interested(on);
                }
            }
            SourceAction::Disconnect { source, reason } => {
                let again = match reason {
                    DisconnectReason::BadData => None,
                    DisconnectReason::Stalled | DisconnectReason::Refusing => Some(GRACE_PERIOD),
                };
                if let Some(peer) = sources.get(source) {
                    tracing::warn!(address = %peer.address, %reason, "source disconnected");
                }
                sources.disconnect(source, &reason.to_string(), again, now);
            }
        }
    }

    fn piece_checked(&mut self, piece: PieceIndex, verdict: PieceVerdict) {
        self.session.piece_checked(piece, verdict);
    }

    fn write_failed(&mut self, source: io::Error, _now: Instant) -> Result<(), DownloadSessionError> {
        match &self.session.stage {
            DownloadStage::Fetching(fetching) => {
                Err(DownloadSessionError::Write { path: fetching.part.path().to_owned(), source })
            }
            _ => Err(DownloadSessionError::Internal("a piece was written in the wrong stage")),
        }
    }

    fn prepare(&mut self, now: Instant) -> Result<(), DownloadSessionError> {
        if now >= self.next_check {
            self.next_check = now + CHECK_INTERVAL;
        }
        self.session.search_sources(&self.inbox, self.slot)?;
        self.session.add_visitors(&self.inbox);
        self.session.choose_manifest();
        self.session.test_rivals();
        Ok(())
    }

    fn advance(&mut self, now: Instant) -> Result<Option<FetchExit>, DownloadSessionError> {
        let session = &mut *self.session;
        if self.view_schedule.begin(ViewActivity::Moving, now) {
            session.report_paths();
            session.update_view();
            session.show_activity();
            session.announce();
        }
        let is_complete =
            matches!(&session.stage, DownloadStage::Fetching(fetching) if fetching.pieces.is_complete());
        Ok(is_complete.then_some(FetchExit::Complete))
    }

    fn deadline(&mut self, _now: Instant) -> Option<Instant> {
        self.view_schedule.due(ViewActivity::Moving).into_iter().chain([self.next_check]).min()
    }
}
