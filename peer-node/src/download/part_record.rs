use std::io;
use std::path::Path;

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use serde::{Deserialize, Serialize};

use crate::storage::{load_record, pieces_from_digits, pieces_to_digits, save_record};

/// The record in `<name>.part.json` about the part file beside it. It is unverified: pieces are hashed before use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartRecord {
    version: u32,
    /// SHA-256 of the content, hexadecimal.
    digest: String,
    /// Size of the content in bytes.
    size: u64,
    /// The verified pieces, as a hexadecimal bitfield, high bit first.
    pieces: String,
}

impl PartRecord {
    const VERSION: u32 = 1;

    pub(super) fn new(digest: Digest, size: u64, pieces: &Bitfield) -> Self {
        Self { version: Self::VERSION, digest: digest.to_string(), size, pieces: pieces_to_digits(pieces) }
    }

    /// Reads a record. Returns `None` if it is missing or invalid.
    pub(super) fn load(path: &Path) -> Option<Self> {
        load_record(path).filter(|record: &Self| record.version == Self::VERSION)
    }

    /// Returns true if the record belongs to this content.
    pub(super) fn matches(&self, digest: &Digest) -> bool {
        self.digest.parse() == Ok(*digest)
    }

    /// Returns the claimed pieces, if the record has this geometry.
    pub(super) fn pieces(&self, geometry: &Geometry) -> Option<Bitfield> {
        (self.size == geometry.size()).then(|| pieces_from_digits(geometry, &self.pieces)).flatten()
    }

    /// Writes the record atomically.
    ///
    /// On a full disk the existing record is overwritten in place. Both differ only in hexadecimal digits, and the pieces that
    /// a mixture of them claims are verified like any others.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        save_record(path, self, |old| self.differs_only_in_pieces(old))
    }

    fn differs_only_in_pieces(&self, other: &Self) -> bool {
        (&self.digest, self.size, self.pieces.len()) == (&other.digest, other.size, other.pieces.len())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn record_round_trips_through_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part.json");
        let geometry = Geometry::for_native(5 << 18).unwrap();
        let mut pieces = Bitfield::empty(&geometry);
        pieces.insert(geometry.piece(3).unwrap());
        let digest = Digest::from_bytes([7; 32]);
        PartRecord::new(digest, geometry.size(), &pieces).save(&path).unwrap();
        let record = PartRecord::load(&path).unwrap();
        assert!(record.matches(&digest) && !record.matches(&Digest::EMPTY));
        assert_eq!(record.pieces(&geometry), Some(pieces));
        assert_eq!(record.pieces(&Geometry::for_native(5).unwrap()), None);
    }

    #[test]
    fn damaged_records_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part.json");
        let geometry = Geometry::for_native(5 << 18).unwrap();
        let record =
            PartRecord::new(Digest::from_bytes([7; 32]), geometry.size(), &Bitfield::full(&geometry));
        let whole = serde_json::to_vec(&record).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(PartRecord::load(&path), None, "{end}");
        }
        for pieces in ["", "f", "zz", "ffff", "ff"] {
            let bad = PartRecord { pieces: pieces.into(), ..record.clone() };
            assert_eq!(bad.pieces(&geometry), None, "{pieces:?}");
        }
    }
}
