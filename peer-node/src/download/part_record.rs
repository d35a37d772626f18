use std::io;
use std::path::Path;

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use serde::{Deserialize, Serialize};

use crate::storage::{load_record, pieces_from_digits, pieces_to_digits, save_record};

/// What `<name>.part.json` says of the part file beside it. It is a claim: pieces are hashed before they count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartRecord {
    version: u32,
    /// The content's SHA-256, hexadecimal.
    digest: String,
    /// Its size in bytes.
    size: u64,
    /// The pieces that were verified, as a hexadecimal bitfield, high bit first.
    pieces: String,
}

impl PartRecord {
    const VERSION: u32 = 1;

    pub(super) fn new(digest: Digest, size: u64, pieces: &Bitfield) -> Self {
        Self { version: Self::VERSION, digest: digest.to_string(), size, pieces: pieces_to_digits(pieces) }
    }

    /// Reads a record; nothing if there is none that can be understood.
    pub(super) fn load(path: &Path) -> Option<Self> {
        load_record(path).filter(|record: &Self| record.version == Self::VERSION)
    }

    /// Says whether the part file is one of this content.
    pub(super) fn matches(&self, digest: &Digest) -> bool {
        self.digest.parse() == Ok(*digest)
    }

    /// Returns the pieces that the record claims, if it is one of this geometry.
    pub(super) fn pieces(&self, geometry: &Geometry) -> Option<Bitfield> {
        (self.size == geometry.size()).then(|| pieces_from_digits(geometry, &self.pieces)).flatten()
    }

    /// Writes the record, whole or not at all.
    ///
    /// On a full disk it goes over the one that is there. That differs in nothing but hexadecimal digits, and what a mixture of
    /// both claims is looked into like any other claim.
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
