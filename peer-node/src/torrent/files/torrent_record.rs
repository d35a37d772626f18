use std::io;
use std::path::Path;

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::infohash::Infohash;
use protocol::metainfo::Metainfo;
use serde::{Deserialize, Serialize};

use crate::storage::{load_record, pieces_from_digits, pieces_to_digits, save_record};

/// What `<name>.part.json` says of an unfinished torrent. It is a claim: pieces are hashed before they count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TorrentRecord {
    version: u32,
    /// The torrent, hexadecimal.
    infohash: String,
    /// The size of its content in bytes.
    size: u64,
    /// The pieces that were verified, as a hexadecimal bitfield, high bit first.
    pieces: String,
}

/// Whose a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordOwner {
    /// This torrent's, with the pieces that it claims if they can be understood.
    This(Option<Bitfield>),
    /// A download by a SHA-256 that may be the content of this torrent.
    Digest(Digest),
    /// Another torrent's.
    Other,
    /// It says nothing that can be understood.
    Unknown,
    /// There is none.
    Missing,
}

/// As much of any record as says whose it is.
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

    /// Makes the record of a part of which nobody knows what is in it.
    pub(super) fn with_unknown_pieces(metainfo: &Metainfo) -> Self {
        Self { pieces: String::new(), ..Self::new(metainfo, &Bitfield::empty(metainfo.geometry())) }
    }

    /// Writes the record, whole or not at all.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        save_record(path, self, |old: &Self| {
            (&self.infohash, self.size, self.pieces.len()) == (&old.infohash, old.size, old.pieces.len())
        })
    }
}

impl RecordOwner {
    /// Says whose the record at a path is.
    pub(super) fn of(path: &Path, metainfo: &Metainfo) -> Self {
        if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Self::Missing;
        }
        let Some(heading) = load_record::<RecordHeader>(path) else { return Self::Unknown };
        match (heading.infohash.map(|text| text.parse::<Infohash>()), heading.digest.map(|text| text.parse()))
        {
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
