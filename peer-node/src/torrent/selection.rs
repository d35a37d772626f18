//! Which files of a torrent a person wants.

use std::collections::BTreeSet;

use protocol::escape::excerpt;
use protocol::metainfo::{FileSpan, Metainfo};

/// Which files of a torrent are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSelection {
    /// Their places in the torrent's list; nothing means all.
    files: Option<BTreeSet<usize>>,
}

/// A choice of files that cannot be understood, or that chooses nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileSelectionError {
    /// Nothing stands where a number or a pattern should.
    #[error(
        "the selection {text:?} has an empty entry; write numbers, ranges and patterns with commas between, as in 1,3-5,*.iso"
    )]
    EmptyEntry {
        /// The whole selection.
        text: String,
    },
    /// There is no file of that number.
    #[error("there is no file {number}: the torrent has files 1 to {files}")]
    NoSuchFile {
        /// What was asked for.
        number: u64,
        /// How many there are.
        files: usize,
    },
    /// The range ends before it begins.
    #[error("the range {first}-{last} ends before it begins")]
    ReversedRange {
        /// Its first number.
        first: u64,
        /// Its last number.
        last: u64,
    },
    /// No file has such a name.
    #[error("no file of the torrent is named like {pattern:?}")]
    NoMatch {
        /// What was asked for.
        pattern: String,
    },
}

impl FileSelection {
    /// Chooses all files.
    pub const fn all() -> Self {
        Self { files: None }
    }

    /// Reads a choice: numbers as `torrent show` lists them, ranges of them, and patterns, with commas between.
    ///
    /// In a pattern `*` stands for anything and `?` for any one character; upper and lower case are the same. One without a
    /// slash is held against file names, one with a slash against paths below the torrent's folder; one that ends in a
    /// slash chooses all that lies in that folder.
    pub fn parse(text: &str, metainfo: &Metainfo) -> Result<Self, FileSelectionError> {
        let mut chosen = BTreeSet::new();
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() {
                return Err(FileSelectionError::EmptyEntry { text: excerpt(text) });
            }
            match parse_range(entry) {
                Some((first, last)) => chosen.extend(resolve_range(first, last, metainfo.files().len())?),
                None => chosen.extend(matching_files(entry, metainfo)?),
            }
        }
        Ok(Self { files: Some(chosen) })
    }

    /// Says whether the file at that place in the torrent's list, from 0, is wanted.
    pub fn has(&self, file: usize) -> bool {
        self.files.as_ref().is_none_or(|files| files.contains(&file))
    }
}

/// Reads `7` or `3-5`.
fn parse_range(entry: &str) -> Option<(u64, u64)> {
    let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
    let number = |text: &str| -> Option<u64> {
        let text = text.trim();
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    Some((number(first)?, number(last)?))
}

fn resolve_range(first: u64, last: u64, files: usize) -> Result<std::ops::Range<usize>, FileSelectionError> {
    if last < first {
        return Err(FileSelectionError::ReversedRange { first, last });
    }
    let missing = |number| FileSelectionError::NoSuchFile { number, files };
    let place =
        |number: u64| usize::try_from(number).ok().filter(|number| *number <= files).ok_or(missing(number));
    let (start, end) = (place(first)?, place(last)?);
    Ok(start.checked_sub(1).ok_or(missing(first))?..end)
}

fn matching_files(pattern: &str, metainfo: &Metainfo) -> Result<Vec<usize>, FileSelectionError> {
    let lower = pattern.to_lowercase();
    let wanted: Vec<char> = if lower.ends_with('/') { format!("{lower}*") } else { lower }.chars().collect();
    let is_path = wanted.contains(&'/');
    let fits = |file: &FileSpan| {
        let name = if is_path && !metainfo.is_single_file() {
            file.path.as_str().split_once('/').map_or("", |(_, below)| below)
        } else {
            file.path.file_name()
        };
        matches(&wanted, &name.to_lowercase().chars().collect::<Vec<_>>())
    };
    let all = metainfo.files().iter().enumerate();
    let found: Vec<usize> =
        all.filter(|(_, file)| !file.is_padding && fits(file)).map(|(number, _)| number).collect();
    if found.is_empty() { Err(FileSelectionError::NoMatch { pattern: excerpt(pattern) }) } else { Ok(found) }
}

/// Says whether a name fits a pattern of characters, `?` and `*`; takes at most as many steps as the product of both lengths.
fn matches(mut pattern: &[char], mut name: &[char]) -> bool {
    // What follows the last star, and the name from where that star may take one character more.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        match (pattern, name) {
            (['*', rest @ ..], _) => {
                retry = Some((rest, name));
                pattern = rest;
            }
            ([wanted, rest @ ..], [found, others @ ..]) if *wanted == '?' || wanted == found => {
                (pattern, name) = (rest, others);
            }
            ([], []) => return true,
            _ => match retry {
                Some((after, [_, others @ ..])) => {
                    retry = Some((after, others));
                    (pattern, name) = (after, others);
                }
                _ => return false,
            },
        }
    }
}
