//! The one loop that drives the engine, for transfers of every kind.
//!
//! [`PieceDriver`] is what all have in common: the engine, the blocks of unfinished pieces, verification and writing, and the
//! record of verified pieces. A [`Transfer`] is what differs: its sources, its events and its end. [`drive`] waits for the
//! events of a transfer, for disk jobs and for the next deadline, and carries out the decisions of the engine.

mod piece_driver;
#[cfg(test)]
mod simulation;

use std::io;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, PieceIndex};
use swarm::{DisconnectReason, SourceId};

pub(crate) use piece_driver::{DiskOutcome, PieceDriver, PieceVerdict, TransferStore};

use super::alarm::{Alarm, now};

/// A decision of the engine that concerns a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceAction {
    /// Request a block.
    Request { source: SourceId, block: Block },
    /// Cancel a request.
    Cancel { source: SourceId, block: Block },
    /// Send our interest.
    Interest { source: SourceId, on: bool },
    /// Disconnect a source that the engine has removed.
    Disconnect { source: SourceId, reason: DisconnectReason },
}

/// What differs between the kinds of transfers.
pub(crate) trait Transfer {
    /// Where pieces are stored.
    type Store: TransferStore;
    /// Input from sources and other tasks.
    type Event;
    /// How the transfer ends, or why it leaves the loop.
    type End;
    /// Why it fails.
    type Error;

    /// Returns the driver of the pieces, once the content is known and its store is open.
    fn pieces(&mut self) -> Option<&mut PieceDriver<Self::Store>>;

    /// Returns the verified and stored pieces, once the content is known.
    fn have(&self) -> Option<&Bitfield>;

    /// Waits for the next event or disk job ([`PieceDriver::next_outcome`]). Cancel safe.
    fn next(&mut self) -> impl Future<Output = Wakeup<Self::Event>> + Send;

    /// Handles an event. Returns the end of the transfer if it is over.
    fn handle(&mut self, event: Self::Event) -> Result<Option<Self::End>, Self::Error>;

    /// Starts what is due and may change what the engine decides.
    fn prepare(&mut self, now: Instant) -> Result<(), Self::Error> {
        let _ = now;
        Ok(())
    }

    /// Carries out a decision of the engine.
    fn perform(&mut self, action: SourceAction, now: Instant);

    /// Handles the verification result of a piece.
    fn piece_checked(&mut self, piece: PieceIndex, verdict: PieceVerdict);

    /// Handles a failed write. The piece will be fetched again, unless the transfer leaves the loop with an error.
    fn write_failed(&mut self, error: io::Error, now: Instant) -> Result<(), Self::Error>;

    /// Starts what is due and enters the next phase. Returns the end of the transfer if it is over. Called after each event,
    /// and after the decisions of the engine that follow from it.
    fn advance(&mut self, now: Instant) -> Result<Option<Self::End>, Self::Error>;

    /// Returns when to call [`Self::advance`] if no event occurs before. Deadlines of the pieces are not included.
    fn deadline(&mut self, now: Instant) -> Option<Instant>;
}

/// What ended a wait.
#[derive(Debug)]
pub(crate) enum Wakeup<Event> {
    /// A source or another task has sent something.
    Event(Event),
    /// A disk job has finished.
    Disk(DiskOutcome),
    /// Something is due.
    Deadline,
}

/// Drives a transfer until it ends, leaves the loop, or fails.
pub(crate) async fn drive<T: Transfer>(transfer: &mut T) -> Result<T::End, T::Error> {
    let mut alarm = Alarm::new();
    loop {
        let started = now();
        transfer.prepare(started)?;
        decide(transfer, started);
        if let Some(end) = transfer.advance(started)? {
            return Ok(end);
        }
        record_if_due(transfer, started);
        let of_pieces = transfer.pieces().and_then(|pieces| pieces.deadline());
        let deadline = transfer.deadline(started).into_iter().chain(of_pieces).min();
        let wakeup = tokio::select! {
            wakeup = transfer.next() => wakeup,
            () = alarm.wait_until(deadline) => Wakeup::Deadline,
        };
        match wakeup {
            Wakeup::Event(event) => {
                if let Some(end) = transfer.handle(event)? {
                    return Ok(end);
                }
            }
            Wakeup::Disk(outcome) => apply(transfer, outcome)?,
            Wakeup::Deadline => {}
        }
    }
}

/// Carries out all pending decisions of the engine, then starts disk jobs.
fn decide<T: Transfer>(transfer: &mut T, now: Instant) {
    while let Some(action) = transfer.pieces().and_then(|pieces| pieces.poll(now)) {
        transfer.perform(action, now);
    }
    if let Some(pieces) = transfer.pieces() {
        pieces.start_checks();
    }
}

/// Applies the outcome of a disk job. One piece that cannot be written does not discard the results of the others.
fn apply<T: Transfer>(transfer: &mut T, outcome: DiskOutcome) -> Result<(), T::Error> {
    let mut failed = None;
    for (piece, outcome) in outcome.into_pieces() {
        let Some(pieces) = transfer.pieces() else { continue };
        match pieces.piece_done(piece, outcome) {
            Ok(verdict) => transfer.piece_checked(piece, verdict),
            Err(error) => failed = Some(failed.unwrap_or(error)),
        }
    }
    failed.map_or(Ok(()), |error| transfer.write_failed(error, now()))
}

/// Starts writing the record if it is far behind.
fn record_if_due<T: Transfer>(transfer: &mut T, now: Instant) {
    if transfer.pieces().is_some_and(|pieces| pieces.is_record_due(now))
        && let Some(have) = transfer.have().cloned()
        && let Some(pieces) = transfer.pieces()
    {
        pieces.start_record(have, now);
    }
}
