use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, PieceIndex};
use swarm::{SourceId, Swarm, SwarmAction};
use tokio::task::{JoinSet, spawn_blocking};

use super::SourceAction;
use crate::transfer::assembly::BlockAssembly;
use crate::transfer::record_schedule::RecordSchedule;
use crate::transfer::verification::{PieceOutcome, PieceStore, verify_and_write};
use crate::transfer::verification_queue::{AssembledPiece, VerificationQueue};
use crate::transport::Buffer;

/// Storage of a transfer. Its functions are called on blocking threads.
pub(crate) trait TransferStore: PieceStore {
    /// Writes the record of the verified pieces, for the next run.
    fn write_record(&self, have: &Bitfield) -> io::Result<()>;

    /// Writes the record of a transfer that leaves the loop.
    fn write_last_record(&self, have: &Bitfield) -> io::Result<()> {
        self.write_record(have)
    }

    /// Verifies pieces and writes the valid ones.
    fn verify_and_write(
        self: Arc<Self>,
        pieces: Vec<AssembledPiece>,
    ) -> impl Future<Output = Vec<PieceOutcome>> + Send + 'static
    where
        Self: Sized,
    {
        verify_and_write(pieces, self)
    }
}

/// The verification result of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceVerdict {
    /// It is valid, and stored.
    Stored,
    /// It is invalid; with the source of the wrong bytes, if that is certain.
    Wrong { culprit: Option<SourceId> },
}

/// The result of a disk job.
#[derive(Debug)]
pub(crate) struct DiskOutcome(Vec<PieceOutcome>);

/// The result of a running job.
#[derive(Debug)]
enum JobResult {
    Checked(Vec<PieceOutcome>),
    RecordWritten(io::Result<()>),
}

/// What drives the pieces of one transfer from request to disk.
#[derive(Debug)]
pub(crate) struct PieceDriver<S> {
    swarm: Swarm,
    assembly: BlockAssembly,
    queue: VerificationQueue,
    record_schedule: RecordSchedule,
    /// Whether the latest record could not be written.
    is_record_failing: bool,
    store: Arc<S>,
    jobs: JoinSet<JobResult>,
    /// Until when nothing is requested or written, because a write failed.
    held_until: Option<Instant>,
}

impl DiskOutcome {
    /// Returns the outcomes of the pieces.
    pub(super) fn into_pieces(self) -> Vec<PieceOutcome> {
        self.0
    }
}

impl<S: TransferStore> PieceDriver<S> {
    /// Creates a driver for an engine that knows the pieces in the store.
    pub(crate) fn new(swarm: Swarm, queue: VerificationQueue, store: Arc<S>, now: Instant) -> Self {
        Self {
            swarm,
            assembly: BlockAssembly::default(),
            queue,
            record_schedule: RecordSchedule::new(now),
            is_record_failing: false,
            store,
            jobs: JoinSet::new(),
            held_until: None,
        }
    }

    /// Starts over with another engine. Drops everything that is neither verified nor being verified.
    pub(crate) fn restart(&mut self, swarm: Swarm, queue: VerificationQueue) {
        debug_assert!(self.is_settled(), "restarted while pieces are being verified");
        (self.swarm, self.queue, self.assembly) = (swarm, queue, BlockAssembly::default());
        self.held_until = None;
    }

    /// Returns the engine.
    pub(crate) const fn swarm(&self) -> &Swarm {
        &self.swarm
    }

    /// Returns the engine, to report events other than received blocks.
    pub(crate) const fn swarm_mut(&mut self) -> &mut Swarm {
        &mut self.swarm
    }

    /// Adds a received block. Its bytes are dropped if they are not wanted. Returns true if they are.
    pub(crate) fn add_block(&mut self, id: SourceId, block: Block, data: Buffer, now: Instant) -> bool {
        let is_wanted = self.swarm.block_arrived(id, block, now);
        if is_wanted {
            self.assembly.put(block, data);
        }
        is_wanted
    }

    /// Requests and writes nothing until a time, because a write failed.
    pub(crate) const fn hold_until(&mut self, time: Instant) {
        self.held_until = Some(time);
    }

    /// Returns the next decision that concerns a source, or `None` until an event occurs or [`Self::deadline`] passes.
    pub(super) fn poll(&mut self, now: Instant) -> Option<SourceAction> {
        if self.is_held(now) {
            return None;
        }
        loop {
            return Some(match self.swarm.poll(now)? {
                SwarmAction::Request { source, block } => SourceAction::Request { source, block },
                SwarmAction::Cancel { source, block } => SourceAction::Cancel { source, block },
                SwarmAction::Interest { source, on } => SourceAction::Interest { source, on },
                SwarmAction::Disconnect { source, reason } => SourceAction::Disconnect { source, reason },
                SwarmAction::Verify { piece } => {
                    self.queue.push(piece, self.assembly.take(piece));
                    continue;
                }
                SwarmAction::Drop { piece } => {
                    drop(self.assembly.take(piece));
                    continue;
                }
            });
        }
    }

    /// Returns true if nothing is requested or written at the moment, because a write failed.
    pub(crate) fn is_held(&mut self, now: Instant) -> bool {
        self.held_until = self.held_until.filter(|until| now < *until);
        self.held_until.is_some()
    }

    /// Starts to verify and write complete pieces, as far as the queue allows.
    pub(super) fn start_checks(&mut self) {
        while self.held_until.is_none()
            && let Some(pieces) = self.queue.next_batch()
        {
            let numbers: BTreeSet<PieceIndex> = pieces.iter().map(|assembled| assembled.piece).collect();
            let checking = Arc::clone(&self.store).verify_and_write(pieces);
            self.jobs.spawn(async move { JobResult::Checked(all_outcomes(numbers, checking.await)) });
        }
    }

    /// Returns when to poll again if no event occurs before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let engine = if self.held_until.is_some() { self.held_until } else { self.swarm.deadline() };
        [engine, self.record_deadline()].into_iter().flatten().min()
    }

    /// Waits for the next result of a disk job, forever if there is no driver. Cancel safe.
    pub(crate) async fn next_outcome(driver: Option<&mut Self>) -> DiskOutcome {
        let Some(driver) = driver else { return std::future::pending().await };
        match driver.jobs.join_next().await {
            Some(Ok(JobResult::Checked(outcomes))) => {
                driver.queue.job_finished();
                DiskOutcome(outcomes)
            }
            Some(Ok(JobResult::RecordWritten(written))) => {
                driver.record_written(written);
                DiskOutcome(Vec::new())
            }
            Some(Err(error)) => {
                // Jobs turn the panics of their blocking parts into errors.
                tracing::error!(%error, "internal error: a disk job ended unexpectedly");
                debug_assert!(false, "a disk job ended unexpectedly");
                DiskOutcome(Vec::new())
            }
            None => std::future::pending().await,
        }
    }

    /// Reports the outcome of a piece to the engine. Returns the error of a failed write, after which the piece is fetched again.
    pub(super) fn piece_done(
        &mut self,
        piece: PieceIndex,
        outcome: io::Result<bool>,
    ) -> io::Result<PieceVerdict> {
        match outcome {
            Ok(true) => {
                self.swarm.piece_checked(piece, true);
                self.record_schedule.add_verified(u64::from(self.swarm.geometry().length_of(piece)));
                Ok(PieceVerdict::Stored)
            }
            Ok(false) => Ok(PieceVerdict::Wrong { culprit: self.swarm.piece_checked(piece, false) }),
            Err(error) => {
                self.swarm.piece_not_stored(piece);
                Err(error)
            }
        }
    }

    /// Returns the number of received bytes that are not being verified yet.
    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> u64 {
        self.assembly.byte_count() + self.queue.byte_count()
    }

    /// Returns true if all pieces are verified and stored.
    pub(crate) fn is_complete(&self) -> bool {
        self.swarm.is_complete()
    }

    /// Returns true if no disk job is running.
    pub(crate) fn is_settled(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Returns when the record will be due. A complete transfer needs none: its files get their names instead.
    fn record_deadline(&self) -> Option<Instant> {
        self.record_schedule.deadline().filter(|_| !self.swarm.is_complete())
    }

    pub(super) fn is_record_due(&self, now: Instant) -> bool {
        self.record_deadline().is_some() && self.record_schedule.is_due(now)
    }

    /// Starts writing the record if there are new pieces and no record is being written.
    pub(crate) fn start_record(&mut self, have: Bitfield, now: Instant) {
        if self.record_schedule.begin(now) {
            let store = Arc::clone(&self.store);
            let writing = on_blocking_thread(move || store.write_record(&have));
            self.jobs.spawn(async { JobResult::RecordWritten(writing.await) });
        }
    }

    /// Waits for the disk jobs of a transfer that leaves the loop, so that nothing verified is lost. Returns the pieces that
    /// were stored.
    pub(crate) async fn settle(&mut self) -> Vec<PieceIndex> {
        let mut stored = Vec::new();
        while !self.is_settled() {
            for (piece, outcome) in Self::next_outcome(Some(self)).await.into_pieces() {
                if matches!(self.piece_done(piece, outcome), Ok(PieceVerdict::Stored)) {
                    stored.push(piece);
                }
            }
        }
        stored
    }

    /// Writes the last record before the transfer leaves the loop, if there are new pieces.
    pub(crate) async fn write_last_record(&mut self, have: Bitfield, now: Instant) {
        if self.record_schedule.begin(now) {
            let store = Arc::clone(&self.store);
            let written = on_blocking_thread(move || store.write_last_record(&have)).await;
            self.record_written(written);
        }
    }

    /// Ends the write of a record. A failure is logged once, although the write is repeated.
    fn record_written(&mut self, written: io::Result<()>) {
        self.record_schedule.finished(written.is_ok());
        let was_failing = std::mem::replace(&mut self.is_record_failing, written.is_err());
        if let Err(error) = written.or_else(|error| if was_failing { Ok(()) } else { Err(error) }) {
            tracing::warn!(%error, "cannot write the record of a transfer; retrying");
        }
    }
}

/// Does disk work on a blocking thread; a panic is an error.
async fn on_blocking_thread(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Completes the outcomes of a job: pieces without one were not stored.
fn all_outcomes(mut pieces: BTreeSet<PieceIndex>, mut outcomes: Vec<PieceOutcome>) -> Vec<PieceOutcome> {
    for (piece, _) in &outcomes {
        pieces.remove(piece);
    }
    let lost = |piece| (piece, Err(io::Error::other("the disk job failed")));
    outcomes.extend(pieces.into_iter().map(lost));
    outcomes
}
