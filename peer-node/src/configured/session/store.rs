use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::configured::PeerId;
use protocol::geometry::{Block, Geometry, PieceIndex};
use tokio::task::JoinSet;

use crate::configured::files::{Files, FilesError};
use crate::download::assembly::Assembly;
use crate::download::checks::{Checks, Gathered};
use crate::download::notes::Notes;
use crate::swarm::RateMeter;
use crate::transport::Buffer;

/// What a job on a blocking thread has done.
#[derive(Debug)]
pub(super) enum Done {
    Stored(Vec<(PieceIndex, io::Result<()>)>),
    Noted(io::Result<()>),
    Settled(Result<(), FilesError>),
}

/// What is here of the content, and what is on its way to the disk.
#[derive(Debug)]
pub(super) struct Store {
    files: Arc<Files>,
    here: Bitfield,
    bytes_here: u64,
    assembly: Assembly,
    checks: Checks,
    notes: Notes,
    /// Who gave the pieces that are not stored yet.
    givers: BTreeMap<PieceIndex, PeerId>,
    given: RateMeter,
    pub(super) jobs: JoinSet<Done>,
}

impl Store {
    pub(super) fn new(files: Files, here: Bitfield, now: Instant) -> Self {
        let bytes_here = bytes_in(&here, files.geometry());
        Self {
            files: Arc::new(files),
            here,
            bytes_here,
            assembly: Assembly::default(),
            checks: Checks::in_pairs(),
            notes: Notes::new(now),
            givers: BTreeMap::new(),
            given: RateMeter::new(now),
            jobs: JoinSet::new(),
        }
    }

    /// Returns the pieces that are here.
    pub(super) const fn here(&self) -> &Bitfield {
        &self.here
    }

    pub(super) const fn bytes_here(&self) -> u64 {
        self.bytes_here
    }

    /// Returns where the file is once it is whole.
    pub(super) fn target(&self) -> PathBuf {
        self.files.target().to_owned()
    }

    /// Counts bytes that were given, and returns the rate.
    pub(super) fn gave(&mut self, bytes: u64, now: Instant) -> f64 {
        self.given.add(bytes, now);
        self.given.rate(now)
    }

    /// Takes in a piece that is wanted.
    pub(super) fn arrived(&mut self, block: Block, data: Buffer, from: PeerId) {
        self.assembly.put(block, data);
        self.givers.insert(block.piece, from);
    }

    /// Forgets what has come of a piece.
    pub(super) fn forget(&mut self, piece: PieceIndex) {
        drop(self.assembly.take(piece));
    }

    /// Has a piece stored that has come. There is nothing to verify it by.
    pub(super) fn store(&mut self, piece: PieceIndex) {
        let data = self.assembly.take(piece);
        self.checks.push(piece, data);
    }

    /// Begins to store what waits for it, as far as there is room.
    pub(super) fn store_some(&mut self) {
        while let Some(pieces) = self.checks.begin() {
            let files = Arc::clone(&self.files);
            self.jobs.spawn_blocking(move || Done::Stored(store(&pieces, &files)));
        }
    }

    /// Notes that a job of storing has ended.
    pub(super) const fn stored_some(&mut self) {
        self.checks.ended();
    }

    /// Takes in that a piece is stored; returns who gave it, if that is known.
    pub(super) fn stored(&mut self, piece: PieceIndex) -> Option<PeerId> {
        let length = u64::from(self.files.geometry().length_of(piece));
        if self.here.insert(piece) {
            self.bytes_here += length;
            self.notes.verified(length);
        }
        self.givers.remove(&piece)
    }

    /// Notes on disk what is here, if the note is far behind.
    pub(super) fn note_if_due(&mut self, now: Instant) {
        if self.notes.is_due(now) && self.notes.begin(now) {
            let (files, here) = (Arc::clone(&self.files), self.here.clone());
            self.jobs.spawn_blocking(move || Done::Noted(files.note(&here)));
        }
    }

    /// Takes in that the note is written.
    pub(super) fn noted(&mut self, outcome: io::Result<()>) {
        self.notes.ended();
        if let Err(error) = outcome {
            tracing::warn!(%error, "note of what is here not written");
        }
    }

    /// Puts the file in its place.
    pub(super) fn settle(&mut self) {
        let files = Arc::clone(&self.files);
        self.jobs.spawn_blocking(move || Done::Settled(files.settle()));
    }

    /// Waits for what is on its way to the disk, and notes what is here then, if anything is missing.
    pub(super) async fn rest(&mut self, is_missing_some: bool) {
        while let Some(done) = self.jobs.join_next().await {
            match done {
                Ok(Done::Stored(outcomes)) => {
                    for (piece, _) in outcomes.into_iter().filter(|(_, outcome)| outcome.is_ok()) {
                        self.stored(piece);
                    }
                }
                Ok(Done::Noted(outcome)) => self.noted(outcome),
                Ok(Done::Settled(_)) | Err(_) => {}
            }
        }
        if is_missing_some && self.notes.begin(Instant::now()) {
            let (files, here) = (Arc::clone(&self.files), self.here.clone());
            let written = tokio::task::spawn_blocking(move || files.note(&here)).await;
            self.noted(written.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
    }
}

fn store(pieces: &[Gathered], files: &Files) -> Vec<(PieceIndex, io::Result<()>)> {
    let store_one = |Gathered { piece, data }: &Gathered| {
        let parts: Vec<&[u8]> = data.iter().map(Buffer::bytes).collect();
        (*piece, files.store(*piece, &parts))
    };
    pieces.iter().map(store_one).collect()
}

fn bytes_in(here: &Bitfield, geometry: &Geometry) -> u64 {
    geometry.pieces().filter(|piece| here.has(*piece)).map(|piece| u64::from(geometry.length_of(piece))).sum()
}
