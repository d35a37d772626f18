use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::configured::ConfiguredPeerId;
use protocol::geometry::{Geometry, PieceIndex};
use tokio::task::JoinSet;

use crate::configured::group_file::{GroupFile, GroupFileError};
use crate::transfer::driver::TransferStore;
use crate::transfer::verification::PieceStore;
use crate::transfer::verification_queue::AssembledPiece;
use swarm::RateMeter;

/// The result of giving the file its final name.
pub(super) type FinalizeResult = Result<(), GroupFileError>;

/// The pieces that we have, and those on their way to the disk.
#[derive(Debug)]
pub(super) struct GroupStore {
    file: Arc<GroupFile>,
    have: Bitfield,
    bytes_stored: u64,
    /// Sources of the pieces that are not yet stored.
    piece_sources: BTreeMap<PieceIndex, ConfiguredPeerId>,
    upload_meter: RateMeter,
    pub(super) finalizing: JoinSet<FinalizeResult>,
}

impl GroupStore {
    pub(super) fn new(file: Arc<GroupFile>, have: Bitfield, now: Instant) -> Self {
        let bytes_stored = byte_count(&have, file.geometry());
        Self {
            file,
            have,
            bytes_stored,
            piece_sources: BTreeMap::new(),
            upload_meter: RateMeter::new(now),
            finalizing: JoinSet::new(),
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

    /// Records which peer has sent a wanted piece.
    pub(super) fn set_piece_source(&mut self, piece: PieceIndex, from: ConfiguredPeerId) {
        self.piece_sources.insert(piece, from);
    }

    /// Marks a piece as stored. Returns its source, if known.
    pub(super) fn mark_stored(&mut self, piece: PieceIndex) -> Option<ConfiguredPeerId> {
        let length = u64::from(self.file.geometry().length_of(piece));
        let is_new = self.have.insert(piece);
        debug_assert!(is_new, "a piece was stored twice");
        if is_new {
            self.bytes_stored += length;
        }
        self.piece_sources.remove(&piece)
    }

    /// Starts to give the file its final name.
    pub(super) fn finalize(&mut self) {
        let files = Arc::clone(&self.file);
        self.finalizing.spawn_blocking(move || files.finalize());
    }
}

impl PieceStore for GroupFile {
    /// Accepts all pieces: the dialect has no hashes.
    fn verify_pieces(&self, pieces: &[AssembledPiece]) -> Vec<bool> {
        vec![true; pieces.len()]
    }

    fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        Self::write_piece(self, piece, parts)
    }
}

impl TransferStore for GroupFile {
    fn write_record(&self, have: &Bitfield) -> io::Result<()> {
        self.record_pieces(have)
    }
}

fn byte_count(have: &Bitfield, geometry: &Geometry) -> u64 {
    geometry.pieces().filter(|piece| have.has(*piece)).map(|piece| u64::from(geometry.length_of(piece))).sum()
}
