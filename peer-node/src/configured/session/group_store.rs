use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::configured::ConfiguredPeerId;
use protocol::geometry::{Block, Geometry, PieceIndex};
use tokio::task::JoinSet;

use crate::configured::group_file::{GroupFile, GroupFileError};
use crate::transfer::assembly::BlockAssembly;
use crate::transfer::record_schedule::RecordSchedule;
use crate::transfer::verification_queue::{AssembledPiece, VerificationQueue};
use crate::transport::Buffer;
use swarm::RateMeter;

/// The result of a job on a blocking thread.
#[derive(Debug)]
pub(super) enum DiskJobResult {
    Stored(Vec<(PieceIndex, io::Result<()>)>),
    Recorded(io::Result<()>),
    Finalized(Result<(), GroupFileError>),
}

/// The pieces that we have, and those on their way to the disk.
#[derive(Debug)]
pub(super) struct GroupStore {
    file: Arc<GroupFile>,
    have: Bitfield,
    bytes_stored: u64,
    assembly: BlockAssembly,
    write_queue: VerificationQueue,
    record_schedule: RecordSchedule,
    /// Sources of the pieces that are not yet stored.
    piece_sources: BTreeMap<PieceIndex, ConfiguredPeerId>,
    upload_meter: RateMeter,
    pub(super) jobs: JoinSet<DiskJobResult>,
}

impl GroupStore {
    pub(super) fn new(files: GroupFile, have: Bitfield, now: Instant) -> Self {
        let bytes_stored = byte_count(&have, files.geometry());
        Self {
            file: Arc::new(files),
            have,
            bytes_stored,
            assembly: BlockAssembly::default(),
            write_queue: VerificationQueue::in_pairs(),
            record_schedule: RecordSchedule::new(now),
            piece_sources: BTreeMap::new(),
            upload_meter: RateMeter::new(now),
            jobs: JoinSet::new(),
        }
    }

    /// Returns the pieces that we have.
    pub(super) const fn have(&self) -> &Bitfield {
        &self.have
    }

    pub(super) const fn bytes_stored(&self) -> u64 {
        self.bytes_stored
    }

    /// Returns the final path of the file.
    pub(super) fn target(&self) -> PathBuf {
        self.file.target().to_owned()
    }

    /// Counts uploaded bytes and returns the upload rate.
    pub(super) fn count_uploaded(&mut self, bytes: u64, now: Instant) -> f64 {
        self.upload_meter.add(bytes, now);
        self.upload_meter.rate(now)
    }

    /// Adds a wanted piece.
    pub(super) fn add_block(&mut self, block: Block, data: Buffer, from: ConfiguredPeerId) {
        self.assembly.put(block, data);
        self.piece_sources.insert(block.piece, from);
    }

    /// Drops what has been received of a piece.
    pub(super) fn drop_piece(&mut self, piece: PieceIndex) {
        drop(self.assembly.take(piece));
    }

    /// Queues a received piece for writing. There is no hash to verify it.
    pub(super) fn queue_piece(&mut self, piece: PieceIndex) {
        let data = self.assembly.take(piece);
        self.write_queue.push(piece, data);
    }

    /// Starts to write queued pieces, as far as jobs are available.
    pub(super) fn start_writes(&mut self) {
        while let Some(pieces) = self.write_queue.next_batch() {
            let files = Arc::clone(&self.file);
            self.jobs.spawn_blocking(move || DiskJobResult::Stored(write_pieces(&pieces, &files)));
        }
    }

    /// Records that a write job has ended.
    pub(super) const fn write_ended(&mut self) {
        self.write_queue.job_finished();
    }

    /// Marks a piece as stored. Returns its source, if known.
    pub(super) fn mark_stored(&mut self, piece: PieceIndex) -> Option<ConfiguredPeerId> {
        let length = u64::from(self.file.geometry().length_of(piece));
        if self.have.insert(piece) {
            self.bytes_stored += length;
            self.record_schedule.add_verified(length);
        }
        self.piece_sources.remove(&piece)
    }

    /// Writes the record of stored pieces if it is due.
    pub(super) fn record_if_due(&mut self, now: Instant) {
        if self.record_schedule.is_due(now) && self.record_schedule.begin(now) {
            let (files, have) = (Arc::clone(&self.file), self.have.clone());
            self.jobs.spawn_blocking(move || DiskJobResult::Recorded(files.record_pieces(&have)));
        }
    }

    /// Handles the result of writing the record.
    pub(super) fn record_written(&mut self, outcome: io::Result<()>) {
        self.record_schedule.finished();
        if let Err(error) = outcome {
            tracing::warn!(%error, "record of stored pieces not written");
        }
    }

    /// Starts to give the file its final name.
    pub(super) fn finalize(&mut self) {
        let files = Arc::clone(&self.file);
        self.jobs.spawn_blocking(move || DiskJobResult::Finalized(files.finalize()));
    }

    /// Waits for all disk jobs. Then writes the record of stored pieces if `is_missing_some`.
    pub(super) async fn finish_jobs(&mut self, is_missing_some: bool) {
        while let Some(done) = self.jobs.join_next().await {
            match done {
                Ok(DiskJobResult::Stored(outcomes)) => {
                    for (piece, _) in outcomes.into_iter().filter(|(_, outcome)| outcome.is_ok()) {
                        self.mark_stored(piece);
                    }
                }
                Ok(DiskJobResult::Recorded(outcome)) => self.record_written(outcome),
                Ok(DiskJobResult::Finalized(_)) | Err(_) => {}
            }
        }
        if is_missing_some && self.record_schedule.begin(Instant::now()) {
            let (files, have) = (Arc::clone(&self.file), self.have.clone());
            let written = tokio::task::spawn_blocking(move || files.record_pieces(&have)).await;
            self.record_written(written.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
    }
}

fn write_pieces(pieces: &[AssembledPiece], files: &GroupFile) -> Vec<(PieceIndex, io::Result<()>)> {
    let store_one = |AssembledPiece { piece, data }: &AssembledPiece| {
        let parts: Vec<&[u8]> = data.iter().map(Buffer::bytes).collect();
        (*piece, files.write_piece(*piece, &parts))
    };
    pieces.iter().map(store_one).collect()
}

fn byte_count(have: &Bitfield, geometry: &Geometry) -> u64 {
    geometry.pieces().filter(|piece| have.has(*piece)).map(|piece| u64::from(geometry.length_of(piece))).sum()
}
