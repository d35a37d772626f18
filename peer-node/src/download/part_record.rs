use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::room::is_full;

/// The longest record that is read back, in bytes.
const MAX_RECORD: u64 = 1 << 20;

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
        let digits = pieces.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        Self { version: Self::VERSION, digest: digest.to_string(), size, pieces: digits }
    }

    /// Reads a record; nothing if there is none that can be understood.
    pub(super) fn load(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        if !metadata.is_file() || metadata.len() > MAX_RECORD {
            return None;
        }
        let record: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (record.version == Self::VERSION).then_some(record)
    }

    /// Says whether the part file is one of this content.
    pub(super) fn is_of(&self, digest: &Digest) -> bool {
        self.digest.parse() == Ok(*digest)
    }

    /// Returns the pieces that the record claims, if it is one of this geometry.
    pub(super) fn pieces(&self, geometry: &Geometry) -> Option<Bitfield> {
        if self.size != geometry.size() {
            return None;
        }
        let digits: Vec<u8> =
            self.pieces.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        if rest.is_empty() { Bitfield::from_bytes(geometry, bytes).ok() } else { None }
    }

    /// Writes the record, whole or not at all. It is a hint, so nothing waits for the disk.
    ///
    /// On a full disk it is written over the one that is there. That has the same length and differs in nothing but hexadecimal
    /// digits, so that a mixture of both is a record too, and makes claims that are looked into like any others.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self).map_err(io::Error::other)?;
        match replace(path, &json) {
            Err(error) if is_full(&error) => {
                let old = Self::load(path).filter(|old| self.differs_in_pieces_alone(old));
                old.ok_or(error)?;
                let flags = OFlags::NOFOLLOW.bits().cast_signed();
                OpenOptions::new().write(true).custom_flags(flags).open(path)?.write_all_at(&json, 0)
            }
            replaced => replaced,
        }
    }

    fn differs_in_pieces_alone(&self, other: &Self) -> bool {
        (&self.digest, self.size, self.pieces.len()) == (&other.digest, other.size, other.pieces.len())
    }
}

/// Puts a new file in the place of an old one.
fn replace(path: &Path, json: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    // Hidden, so that it is never shared; made anew, so that nothing is written through a link.
    let fresh = path.with_file_name(name);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&fresh)?;
    let written = file.write_all(json).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // What matters is why it failed.
        let _ = fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part.json");
        let geometry = Geometry::native(5 << 18).unwrap();
        let mut pieces = Bitfield::empty(&geometry);
        pieces.insert(geometry.piece(3).unwrap());
        let digest = Digest::from_bytes([7; 32]);
        PartRecord::new(digest, geometry.size(), &pieces).save(&path).unwrap();
        let record = PartRecord::load(&path).unwrap();
        assert!(record.is_of(&digest) && !record.is_of(&Digest::OF_NOTHING));
        assert_eq!(record.pieces(&geometry), Some(pieces));
        assert_eq!(record.pieces(&Geometry::native(5).unwrap()), None);
    }

    #[test]
    fn damaged_records_are_no_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part.json");
        let geometry = Geometry::native(5 << 18).unwrap();
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
