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

/// What a job on a blocking thread has done.
#[derive(Debug)]
pub(super) enum DiskJobResult {
    Stored(Vec<(PieceIndex, io::Result<()>)>),
    Recorded(io::Result<()>),
    Finalized(Result<(), GroupFileError>),
}

/// What is here of the content, and what is on its way to the disk.
#[derive(Debug)]
pub(super) struct GroupStore {
    file: Arc<GroupFile>,
    have: Bitfield,
    bytes_stored: u64,
    assembly: BlockAssembly,
    checks: VerificationQueue,
    notes: RecordSchedule,
    /// Who gave the pieces that are not stored yet.
    piece_sources: BTreeMap<PieceIndex, ConfiguredPeerId>,
    upload_meter: RateMeter,
    pub(super) jobs: JoinSet<DiskJobResult>,
}

impl GroupStore {
    pub(super) fn new(files: GroupFile, here: Bitfield, now: Instant) -> Self {
        let bytes_here = byte_count(&here, files.geometry());
        Self {
            file: Arc::new(files),
            have: here,
            bytes_stored: bytes_here,
            assembly: BlockAssembly::default(),
            checks: VerificationQueue::in_pairs(),
            notes: RecordSchedule::new(now),
            piece_sources: BTreeMap::new(),
            upload_meter: RateMeter::new(now),
            jobs: JoinSet::new(),
        }
    }

    /// Returns the pieces that are here.
    pub(super) const fn have(&self) -> &Bitfield {
        &self.have
    }

    pub(super) const fn bytes_stored(&self) -> u64 {
        self.bytes_stored
    }

    /// Returns where the file is once it is whole.
    pub(super) fn target(&self) -> PathBuf {
        self.file.target().to_owned()
    }

    /// Counts bytes that were given, and returns the rate.
    pub(super) fn count_uploaded(&mut self, bytes: u64, now: Instant) -> f64 {
        self.upload_meter.add(bytes, now);
        self.upload_meter.rate(now)
    }

    /// Takes in a piece that is wanted.
    pub(super) fn add_block(&mut self, block: Block, data: Buffer, from: ConfiguredPeerId) {
        self.assembly.put(block, data);
        self.piece_sources.insert(block.piece, from);
    }

    /// Forgets what has come of a piece.
    pub(super) fn drop_piece(&mut self, piece: PieceIndex) {
        drop(self.assembly.take(piece));
    }

    /// Has a piece stored that has come. There is nothing to verify it by.
    pub(super) fn queue_piece(&mut self, piece: PieceIndex) {
        let data = self.assembly.take(piece);
        self.checks.push(piece, data);
    }

    /// Begins to store what waits for it, as far as there is room.
    pub(super) fn start_writes(&mut self) {
        while let Some(pieces) = self.checks.next_batch() {
            let files = Arc::clone(&self.file);
            self.jobs.spawn_blocking(move || DiskJobResult::Stored(write_pieces(&pieces, &files)));
        }
    }

    /// Notes that a job of storing has ended.
    pub(super) const fn write_ended(&mut self) {
        self.checks.job_finished();
    }

    /// Takes in that a piece is stored; returns who gave it, if that is known.
    pub(super) fn mark_stored(&mut self, piece: PieceIndex) -> Option<ConfiguredPeerId> {
        let length = u64::from(self.file.geometry().length_of(piece));
        if self.have.insert(piece) {
            self.bytes_stored += length;
            self.notes.add_verified(length);
        }
        self.piece_sources.remove(&piece)
    }

    /// Notes on disk what is here, if the note is far behind.
    pub(super) fn record_if_due(&mut self, now: Instant) {
        if self.notes.is_due(now) && self.notes.begin(now) {
            let (files, here) = (Arc::clone(&self.file), self.have.clone());
            self.jobs.spawn_blocking(move || DiskJobResult::Recorded(files.record_pieces(&here)));
        }
    }

    /// Takes in that the note is written.
    pub(super) fn record_written(&mut self, outcome: io::Result<()>) {
        self.notes.finished();
        if let Err(error) = outcome {
            tracing::warn!(%error, "note of what is here not written");
        }
    }

    /// Puts the file in its place.
    pub(super) fn finalize(&mut self) {
        let files = Arc::clone(&self.file);
        self.jobs.spawn_blocking(move || DiskJobResult::Finalized(files.finalize()));
    }

    /// Waits for what is on its way to the disk, and notes what is here then, if anything is missing.
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
        if is_missing_some && self.notes.begin(Instant::now()) {
            let (files, here) = (Arc::clone(&self.file), self.have.clone());
            let written = tokio::task::spawn_blocking(move || files.record_pieces(&here)).await;
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

fn byte_count(here: &Bitfield, geometry: &Geometry) -> u64 {
    geometry.pieces().filter(|piece| here.has(*piece)).map(|piece| u64::from(geometry.length_of(piece))).sum()
}
