use std::io;
use std::path::Path;

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::infohash::Infohash;
use protocol::metainfo::Metainfo;
use serde::{Deserialize, Serialize};

use crate::storage::{load_record, pieces_from_digits, pieces_to_digits, save_record};

/// The content of `<name>.part.json`, the record of an unfinished torrent. It is only a claim: pieces are verified
/// before they count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TorrentRecord {
    version: u32,
    /// Infohash of the torrent, hexadecimal.
    infohash: String,
    /// Size of the content in bytes.
    size: u64,
    /// The verified pieces as a hexadecimal bitfield, high bit first.
    pieces: String,
}

/// Owner of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordOwner {
    /// This torrent, with the claimed pieces if the record is readable.
    This(Option<Bitfield>),
    /// A download by SHA-256 whose content may be that of this torrent.
    Digest(Digest),
    /// Another torrent.
    Other,
    /// The record is unreadable.
    Unknown,
    /// There is no record.
    Missing,
}

/// The fields of any record that identify its owner.
#[derive(Debug, Deserialize, Serialize)]
struct RecordHeader {
    infohash: Option<String>,
    digest: Option<String>,
}

impl TorrentRecord {
    const VERSION: u32 = 1;

    pub(super) fn new(metainfo: &Metainfo, pieces: &Bitfield) -> Self {
        Self {
            version: Self::VERSION,
            infohash: metainfo.infohash().to_string(),
            size: metainfo.geometry().size(),
            pieces: pieces_to_digits(pieces),
        }
    }

    /// Creates the record of a part whose valid pieces are unknown.
    pub(super) fn with_unknown_pieces(metainfo: &Metainfo) -> Self {
        Self { pieces: String::new(), ..Self::new(metainfo, &Bitfield::empty(metainfo.geometry())) }
    }

    /// Saves the record atomically.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        save_record(path, self, |old: &Self| {
            (&self.infohash, self.size, self.pieces.len()) == (&old.infohash, old.size, old.pieces.len())
        })
    }
}

impl RecordOwner {
    /// Returns the owner of the record at a path.
    pub(super) fn of(path: &Path, metainfo: &Metainfo) -> Self {
        if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Self::Missing;
        }
        let Some(header) = load_record::<RecordHeader>(path) else { return Self::Unknown };
        match (header.infohash.map(|text| text.parse::<Infohash>()), header.digest.map(|text| text.parse())) {
            (Some(Ok(infohash)), _) if infohash == metainfo.infohash() => {
                let record = load_record(path).filter(|record: &TorrentRecord| {
                    record.version == TorrentRecord::VERSION && record.size == metainfo.geometry().size()
                });
                Self::This(record.and_then(|it| pieces_from_digits(metainfo.geometry(), &it.pieces)))
            }
            (Some(Ok(_)), _) => Self::Other,
            (_, Some(Ok(digest))) => Self::Digest(digest),
            _ => Self::Unknown,
        }
    }
}
