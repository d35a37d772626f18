use std::path::PathBuf;

use protocol::bitfield::Bitfield;

use super::handles::Lying;
use super::{TorrentFiles, layout};

/// What was found of one file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its place in the torrent's list, from 0.
    pub number: usize,
    /// Where it lies, or should lie.
    pub path: PathBuf,
    /// The length in bytes that it has to have.
    pub length: u64,
    /// How many pieces have bytes of it.
    pub pieces: u32,
    /// How many of them are right; one that another file spoils counts as wrong for both.
    pub right: u32,
    /// How it is.
    pub condition: FileCondition,
}

/// How a file of a torrent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileCondition {
    /// All its pieces are right.
    Whole,
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
    pub fn reports(&self, right: &Bitfield) -> Vec<FileReport> {
        let geometry = self.metainfo.geometry();
        let files = self.metainfo.files().iter().enumerate().filter(|(_, file)| !file.is_padding);
        let report = |(number, file)| {
            let numbers = layout::pieces_of(&self.metainfo, file);
            let pieces = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let is_right = |piece: &u32| geometry.piece(*piece).is_some_and(|piece| right.has(piece));
            let right = u32::try_from(numbers.filter(is_right).count()).unwrap_or(u32::MAX);
            let condition = match self.handles.lying(number) {
                Lying::Absent => FileCondition::Missing,
                Lying::Part { .. } => FileCondition::Unfinished,
                Lying::Named(found) if found.size != file.length => {
                    FileCondition::WrongLength { found: found.size }
                }
                Lying::Named(_) if right == pieces => FileCondition::Whole,
                Lying::Named(_) => FileCondition::Damaged,
            };
            let path = self.outside(&self.path_of(number, file));
            FileReport { number, path, length: file.length, pieces, right, condition }
        };
        files.map(report).collect()
    }
}
