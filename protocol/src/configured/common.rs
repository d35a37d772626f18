use std::time::Duration;

use super::config_error::{self, ConfigError, Fault, FaultReason};
use crate::geometry::Geometry;
use crate::limits::MAX_FILE_SIZE;
use crate::limits::{
    MAX_CONFIGURED_INTERVAL, MAX_CONFIGURED_PEERS, MAX_CONFIGURED_PIECE, MAX_CONFIGURED_PIECES,
};
use crate::share_path::SharePath;

#[cfg(test)]
mod tests;

/// What the peers of a configured swarm have agreed on: `Common.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// How many neighbours are served for what they give.
    pub preferred_neighbors: usize,
    /// How often those are chosen anew.
    pub unchoking_interval: Duration,
    /// How often the neighbour that is served by lot is chosen anew.
    pub optimistic_unchoking_interval: Duration,
    /// The plain name of the file.
    pub file_name: SharePath,
    /// How the file is cut into pieces.
    pub geometry: Geometry,
}

/// The keys, in the order in which they are usually written.
const KEYS: [&str; 6] = [
    "NumberOfPreferredNeighbors",
    "UnchokingInterval",
    "OptimisticUnchokingInterval",
    "FileName",
    "FileSize",
    "PieceSize",
];

const PREFERRED: usize = 0;
const UNCHOKING: usize = 1;
const OPTIMISTIC: usize = 2;
const FILE_NAME: usize = 3;
const FILE_SIZE: usize = 4;
const PIECE_SIZE: usize = 5;

/// The lines in which the keys were found, and their values.
type Found<'a> = [Option<(usize, &'a str)>; KEYS.len()];

impl Common {
    /// Reads the file and judges all of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let found = find(bytes, &mut faults)?;
        let mut judge = Judge { found: &found, faults: &mut faults };
        let preferred = judge.number(PREFERRED, MAX_CONFIGURED_PEERS as u64);
        let unchoking = judge.number(UNCHOKING, MAX_CONFIGURED_INTERVAL.into());
        let optimistic = judge.number(OPTIMISTIC, MAX_CONFIGURED_INTERVAL.into());
        let file_name = judge.file_name();
        let size = judge.number(FILE_SIZE, MAX_FILE_SIZE);
        let piece_size = judge.number(PIECE_SIZE, MAX_CONFIGURED_PIECE.into());
        let geometry = size.zip(piece_size).and_then(|(size, piece)| judge.geometry(size, piece));
        let whole = (|| {
            Some(Self {
                preferred_neighbors: usize::try_from(preferred?).ok()?,
                unchoking_interval: Duration::from_secs(unchoking?),
                optimistic_unchoking_interval: Duration::from_secs(optimistic?),
                file_name: file_name?,
                geometry: geometry?,
            })
        })();
        faults.sort_by_key(|fault| (fault.line == 0, fault.line));
        whole.filter(|_| faults.is_empty()).ok_or(ConfigError { faults })
    }

    /// Returns the plain name of the file.
    pub fn file_name(&self) -> &str {
        self.file_name.as_str()
    }
}

/// Finds the keys; notes those that are unknown or doubled.
fn find<'a>(bytes: &'a [u8], faults: &mut Vec<Fault>) -> Result<Found<'a>, ConfigError> {
    let mut found: Found<'a> = [None; KEYS.len()];
    for (line, text) in config_error::lines(bytes)? {
        let (key, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let known = KEYS.iter().zip(&mut found).find(|(known, _)| **known == key);
        let reason = match known {
            None => FaultReason::UnknownKey(key.to_owned()),
            Some((key, Some((first, _)))) => FaultReason::DoubledKey { key, first: *first },
            Some((_, place)) => {
                *place = Some((line, value.trim_start()));
                continue;
            }
        };
        faults.push(Fault { line, reason });
    }
    Ok(found)
}

/// Judges what was found.
struct Judge<'a, 'b> {
    found: &'b Found<'a>,
    faults: &'b mut Vec<Fault>,
}

impl<'a> Judge<'a, '_> {
    /// Returns the value of a key; notes that it is missing or empty.
    fn value(&mut self, which: usize) -> Option<(usize, &'static str, &'a str)> {
        let key = *KEYS.get(which)?;
        let (line, reason) = match self.found.get(which).copied().flatten() {
            Some((line, "")) => (line, FaultReason::NoValue(key)),
            Some((line, value)) => return Some((line, key, value)),
            None => (0, FaultReason::MissingKey(key)),
        };
        self.faults.push(Fault { line, reason });
        None
    }

    fn number(&mut self, which: usize, limit: u64) -> Option<u64> {
        let (line, key, value) = self.value(which)?;
        config_error::number(key, value, limit)
            .map_err(|reason| self.faults.push(Fault { line, reason }))
            .ok()
    }

    fn file_name(&mut self) -> Option<SharePath> {
        let (line, _, value) = self.value(FILE_NAME)?;
        let path =
            SharePath::parse(value).ok().filter(|path| path.is_basic() && path.components().count() == 1);
        if path.is_none() {
            self.faults.push(Fault { line, reason: FaultReason::BadFileName(value.to_owned()) });
        }
        path
    }

    fn geometry(&mut self, size: u64, piece: u64) -> Option<Geometry> {
        let pieces = size.div_ceil(piece);
        if pieces > u64::from(MAX_CONFIGURED_PIECES) {
            let line = self.found.get(PIECE_SIZE).copied().flatten().map_or(0, |(line, _)| line);
            self.faults.push(Fault { line, reason: FaultReason::TooManyPieces { pieces } });
            return None;
        }
        Geometry::new(size, u32::try_from(piece).ok()?).ok()
    }
}
