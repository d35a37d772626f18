use std::time::Duration;

use super::config_error::{self, ConfigError, ConfigFault, ConfigWarning, FaultReason, WarningReason};
use super::typo::is_typo_of;
use crate::geometry::Geometry;
use crate::limits::MAX_FILE_SIZE;
use crate::limits::{
    MAX_CONFIGURED_INTERVAL, MAX_CONFIGURED_PEERS, MAX_CONFIGURED_PIECE, MAX_CONFIGURED_PIECES,
};
use crate::share_path::SharePath;

#[cfg(test)]
mod tests;

/// The common configuration of a configured swarm: `Common.cfg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonConfig {
    /// The number of neighbours unchoked for their upload rate.
    pub preferred_neighbors: usize,
    /// The interval between two choices of preferred neighbours.
    pub unchoking_interval: Duration,
    /// The interval between two choices of the optimistically unchoked neighbour.
    pub optimistic_unchoking_interval: Duration,
    /// The plain name of the file.
    pub file_name: SharePath,
    /// The division of the file into pieces.
    pub geometry: Geometry,
}

/// The keys, in their usual order.
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

/// The keys found in the file.
#[derive(Debug, Default)]
struct FoundKeys<'a> {
    /// The line and the value of each key.
    keys: [Option<(usize, &'a str)>; KEYS.len()],
    /// True for each missing key that was probably misspelled.
    misspelled: [bool; KEYS.len()],
}

impl CommonConfig {
    /// Parses and validates the whole file; also returns warnings about it.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<ConfigWarning>), ConfigError> {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let found = find(bytes, &mut faults, &mut warnings)?;
        let mut reader = CommonConfigReader { found: &found, faults: &mut faults };
        let preferred = reader.number(PREFERRED, MAX_CONFIGURED_PEERS as u64);
        let unchoking = reader.number(UNCHOKING, MAX_CONFIGURED_INTERVAL.into());
        let optimistic = reader.number(OPTIMISTIC, MAX_CONFIGURED_INTERVAL.into());
        let file_name = reader.file_name(&mut warnings);
        let size = reader.number(FILE_SIZE, MAX_FILE_SIZE);
        let piece_size = reader.number(PIECE_SIZE, MAX_CONFIGURED_PIECE.into());
        let geometry = size.zip(piece_size).and_then(|(size, piece)| reader.geometry(size, piece));
        let config = (|| {
            Some(Self {
                preferred_neighbors: usize::try_from(preferred?).ok()?,
                unchoking_interval: Duration::from_secs(unchoking?),
                optimistic_unchoking_interval: Duration::from_secs(optimistic?),
                file_name: file_name?,
                geometry: geometry?,
            })
        })();
        faults.sort_by_key(|fault| (fault.line == 0, fault.line));
        warnings.sort_by_key(|warning| warning.line);
        let config = config.filter(|_| faults.is_empty()).ok_or(ConfigError { faults })?;
        Ok((config, warnings))
    }

    /// Returns the plain name of the file.
    pub fn file_name(&self) -> &str {
        self.file_name.as_str()
    }
}

/// Finds the keys. A duplicate key is a fault, and so is an unknown key that resembles a missing one; other unknown
/// keys are ignored.
fn find<'a>(
    bytes: &'a [u8],
    faults: &mut Vec<ConfigFault>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<FoundKeys<'a>, ConfigError> {
    let (mut found, mut unknown, mut is_empty) = (FoundKeys::default(), Vec::new(), true);
    for (line, text) in config_error::lines(bytes)? {
        is_empty = false;
        let (key, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match KEYS.iter().zip(&mut found.keys).find(|(known, _)| **known == key) {
            None => unknown.push((line, key)),
            Some((key, Some((first, _)))) => {
                faults.push(ConfigFault { line, reason: FaultReason::DuplicateKey { key, first: *first } });
            }
            Some((_, slot)) => *slot = Some((line, value.trim_start())),
        }
    }
    if is_empty {
        return Err(ConfigError { faults: vec![ConfigFault { line: 0, reason: FaultReason::Empty }] });
    }
    let missing = KEYS.iter().zip(&found.keys).zip(&mut found.misspelled);
    for ((key, _), is_misspelled) in missing.filter(|((_, slot), _)| slot.is_none()) {
        if let Some(index) = unknown.iter().position(|(_, found)| is_typo_of(found, key)) {
            let (line, found) = unknown.remove(index);
            *is_misspelled = true;
            faults.push(ConfigFault {
                line,
                reason: FaultReason::MisspelledKey { found: found.to_owned(), key },
            });
        }
    }
    let ignored = |(line, key): (usize, &str)| {
        let reason = WarningReason::UnknownKey(key.to_owned());
        ConfigWarning { line, reason }
    };
    warnings.extend(unknown.into_iter().map(ignored));
    Ok(found)
}

/// Validates the values of the keys that were found.
struct CommonConfigReader<'a, 'b> {
    found: &'b FoundKeys<'a>,
    faults: &'b mut Vec<ConfigFault>,
}

impl<'a> CommonConfigReader<'a, '_> {
    /// Returns the value of a key; a missing key or value is a fault, reported once.
    fn value(&mut self, which: usize) -> Option<(usize, &'static str, &'a str)> {
        let key = *KEYS.get(which)?;
        let (line, reason) = match self.found.keys.get(which).copied().flatten() {
            Some((line, "")) => (line, FaultReason::MissingValue(key)),
            Some((line, value)) => return Some((line, key, value)),
            None if self.found.misspelled.get(which) == Some(&true) => return None,
            None => (0, FaultReason::MissingKey(key)),
        };
        self.faults.push(ConfigFault { line, reason });
        None
    }

    fn number(&mut self, which: usize, limit: u64) -> Option<u64> {
        let (line, key, value) = self.value(which)?;
        config_error::number(key, config_error::without_comment(value), limit)
            .map_err(|reason| self.faults.push(ConfigFault { line, reason }))
            .ok()
    }

    fn file_name(&mut self, warnings: &mut Vec<ConfigWarning>) -> Option<SharePath> {
        let (line, _, value) = self.value(FILE_NAME)?;
        let name = config_error::without_comment(value);
        if name != value {
            let reason = WarningReason::CommentAfterFileName(name.to_owned());
            warnings.push(ConfigWarning { line, reason });
        }
        let path =
            SharePath::parse(name).ok().filter(|path| path.is_basic() && path.components().count() == 1);
        if path.is_none() {
            self.faults.push(ConfigFault { line, reason: FaultReason::BadFileName(name.to_owned()) });
        }
        path
    }

    fn geometry(&mut self, size: u64, piece: u64) -> Option<Geometry> {
        let pieces = size.div_ceil(piece);
        if pieces > u64::from(MAX_CONFIGURED_PIECES) {
            let line = self.found.keys.get(PIECE_SIZE).copied().flatten().map_or(0, |(line, _)| line);
            self.faults.push(ConfigFault { line, reason: FaultReason::TooManyPieces { pieces } });
            return None;
        }
        Geometry::new(size, u32::try_from(piece).ok()?).ok()
    }
}
