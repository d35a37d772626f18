use std::path::PathBuf;

use protocol::bitfield::Bitfield;

use super::handles::FileState;
use super::{TorrentFiles, layout};

/// Result of verifying one file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TorrentFileReport {
    /// Index in the torrent's list, from 0.
    pub number: usize,
    /// Actual or expected path.
    pub path: PathBuf,
    /// Expected length in bytes.
    pub length: u64,
    /// Number of pieces that overlap the file.
    pub pieces: u32,
    /// Number of valid pieces. A piece spoilt by another file counts as invalid for both.
    pub valid_pieces: u32,
    /// Condition of the file.
    pub condition: TorrentFileCondition,
}

/// Condition of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TorrentFileCondition {
    /// All its pieces are valid.
    Complete,
    /// Some pieces are invalid.
    Damaged,
    /// The length is wrong.
    WrongLength {
        /// Actual length in bytes.
        found: u64,
    },
    /// Only a part exists.
    Unfinished,
    /// The file does not exist or is not a regular file.
    Missing,
}

impl TorrentFiles {
    /// Reports the condition of every file except padding, given the valid pieces.
    pub(crate) fn file_reports(&self, valid: &Bitfield) -> Vec<TorrentFileReport> {
        let geometry = self.metainfo.geometry();
        let files = self.metainfo.files().iter().enumerate().filter(|(_, file)| !file.is_padding);
        let report = |(number, file)| {
            let numbers = layout::pieces_of(&self.metainfo, file);
            let pieces = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let is_valid = |piece: &u32| geometry.piece(*piece).is_some_and(|piece| valid.has(piece));
            let valid_pieces = u32::try_from(numbers.filter(is_valid).count()).unwrap_or(u32::MAX);
            let condition = match self.handles.state(number) {
                FileState::Absent => TorrentFileCondition::Missing,
                FileState::Part { .. } => TorrentFileCondition::Unfinished,
                FileState::Named(found) if found.size != file.length => {
                    TorrentFileCondition::WrongLength { found: found.size }
                }
                FileState::Named(_) if valid_pieces == pieces => TorrentFileCondition::Complete,
                FileState::Named(_) => TorrentFileCondition::Damaged,
            };
            let path = self.external_path(&self.final_path(number, file));
            TorrentFileReport { number, path, length: file.length, pieces, valid_pieces, condition }
        };
        files.map(report).collect()
    }
}
