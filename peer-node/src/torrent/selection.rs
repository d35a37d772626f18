//! Selects files of a torrent.

use std::collections::BTreeSet;

use protocol::escape::excerpt;
use protocol::metainfo::{FileSpan, Metainfo};

/// The selected files of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSelection {
    /// Indices in the torrent's list; none means all.
    files: Option<BTreeSet<usize>>,
}

/// Why a selection is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileSelectionError {
    /// An entry is empty.
    #[error(
        "the selection {text:?} has an empty entry; separate numbers, ranges and patterns with commas, e.g. 1,3-5,*.iso"
    )]
    EmptyEntry {
        /// The whole selection.
        text: String,
    },
    /// There is no file with this number.
    #[error("there is no file {number}: the torrent has files 1 to {files}")]
    NoSuchFile {
        /// The requested number.
        number: u64,
        /// Number of files.
        files: usize,
    },
    /// The range ends before it begins.
    #[error("the range {first}-{last} ends before it begins")]
    ReversedRange {
        /// The first number.
        first: u64,
        /// The last number.
        last: u64,
    },
    /// No file matches the pattern.
    #[error("no file of the torrent matches {pattern:?}")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
}

impl FileSelection {
    /// Selects all files.
    pub(crate) const fn all() -> Self {
        Self { files: None }
    }

    /// Parses a selection: numbers as listed by `torrent show`, ranges and patterns, separated by commas.
    ///
    /// In a pattern `*` matches any characters and `?` any one character; case is ignored. A pattern without a slash is
    /// compared with file names, one with a slash with paths below the torrent's folder; a trailing slash selects
    /// everything in that folder.
    pub(crate) fn parse(text: &str, metainfo: &Metainfo) -> Result<Self, FileSelectionError> {
        let mut selected = BTreeSet::new();
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() {
                return Err(FileSelectionError::EmptyEntry { text: excerpt(text) });
            }
            match parse_range(entry) {
                Some((first, last)) => selected.extend(resolve_range(first, last, metainfo.files().len())?),
                None => selected.extend(matching_files(entry, metainfo)?),
            }
        }
        Ok(Self { files: Some(selected) })
    }

    /// Returns true if the file with this index, from 0, is selected.
    pub(crate) fn has(&self, file: usize) -> bool {
        self.files.as_ref().is_none_or(|files| files.contains(&file))
    }
}

/// Parses `7` or `3-5`.
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
    let index =
        |number: u64| usize::try_from(number).ok().filter(|number| *number <= files).ok_or(missing(number));
    let (start, end) = (index(first)?, index(last)?);
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

/// Returns true if a name matches a pattern of characters, `?` and `*`. Takes at most the product of both lengths in
/// steps.
fn matches(mut pattern: &[char], mut name: &[char]) -> bool {
    // To backtrack: the pattern after the last star, and the name where that star may match one character more.
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
