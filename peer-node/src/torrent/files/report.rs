use std::path::PathBuf;

use protocol::bitfield::Bitfield;

use super::handles::FileState;
use super::{TorrentFiles, layout};

/// What was found of one file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentFileReport {
    /// Its place in the torrent's list, from 0.
    pub number: usize,
    /// Where it lies, or should lie.
    pub path: PathBuf,
    /// The length in bytes that it has to have.
    pub length: u64,
    /// How many pieces have bytes of it.
    pub pieces: u32,
    /// How many of them are right; one that another file spoils counts as wrong for both.
    pub valid_pieces: u32,
    /// How it is.
    pub condition: TorrentFileCondition,
}

/// How a file of a torrent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TorrentFileCondition {
    /// All its pieces are right.
    Complete,
    /// Some are not.
    Damaged,
    /// It is longer or shorter than it has to be.
    WrongLength {
        /// How long it is, in bytes.
        found: u64,
    },
    /// It is there as a part.
    Unfinished,
    /// It is not there, or is no regular file.
    Missing,
}

impl TorrentFiles {
    /// Tells of each file how it is, given the pieces that were found right. Padding is left out.
    pub fn file_reports(&self, right: &Bitfield) -> Vec<TorrentFileReport> {
        let geometry = self.metainfo.geometry();
        let files = self.metainfo.files().iter().enumerate().filter(|(_, file)| !file.is_padding);
        let report = |(number, file)| {
            let numbers = layout::pieces_of(&self.metainfo, file);
            let pieces = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let is_right = |piece: &u32| geometry.piece(*piece).is_some_and(|piece| right.has(piece));
            let right = u32::try_from(numbers.filter(is_right).count()).unwrap_or(u32::MAX);
            let condition = match self.handles.state(number) {
                FileState::Absent => TorrentFileCondition::Missing,
                FileState::Part { .. } => TorrentFileCondition::Unfinished,
                FileState::Named(found) if found.size != file.length => {
                    TorrentFileCondition::WrongLength { found: found.size }
                }
                FileState::Named(_) if right == pieces => TorrentFileCondition::Complete,
                FileState::Named(_) => TorrentFileCondition::Damaged,
            };
            let path = self.external_path(&self.named_path(number, file));
            TorrentFileReport { number, path, length: file.length, pieces, valid_pieces: right, condition }
        };
        files.map(report).collect()
    }
}
