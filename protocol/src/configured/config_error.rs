use std::fmt;

use super::ConfiguredPeerId;
use crate::escape::excerpt;
use crate::limits::{MAX_CONFIG, MAX_CONFIGURED_PEERS, MAX_CONFIGURED_PIECES};

/// The maximum number of faults shown; of the rest only the number is shown.
const MAX_REPORTED: usize = 20;

/// The faults of a configuration file, ordered by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The faults; at least one.
    pub faults: Vec<ConfigFault>,
}

/// One fault of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The line, from 1; 0 for a fault of the whole file.
    pub line: usize,
    /// What is wrong.
    pub reason: FaultReason,
}

/// What is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    /// The file is over the size limit.
    #[error("the file is larger than {MAX_CONFIG} bytes")]
    TooLarge,
    /// The file is not UTF-8 text.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// The file has no content.
    #[error("the file is empty")]
    Empty,
    /// An unknown key that is probably a missing key, misspelled.
    #[error("unknown key \"{}\"; did you mean {key}?", excerpt(.found))]
    MisspelledKey {
        /// The unknown key.
        found: String,
        /// The missing key.
        key: &'static str,
    },
    /// A required key is missing.
    #[error("{0} is missing")]
    MissingKey(&'static str),
    /// A key occurs twice.
    #[error("duplicate {key}; first defined on line {first}")]
    DuplicateKey {
        /// The key.
        key: &'static str,
        /// The line of its first occurrence.
        first: usize,
    },
    /// A key has no value.
    #[error("{0} has no value")]
    MissingValue(&'static str),
    /// A value is not a number.
    #[error("{key} is not a number: \"{}\"", excerpt(.value))]
    NotANumber {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// A number is 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A number is too large.
    #[error("{key} is over the limit of {limit}")]
    OverLimit {
        /// The key.
        key: &'static str,
        /// The largest allowed value.
        limit: u64,
    },
    /// The file would have too many pieces.
    #[error(
        "PieceSize is too small: the file would have {pieces} pieces; the limit is {MAX_CONFIGURED_PIECES}"
    )]
    TooManyPieces {
        /// The number of pieces.
        pieces: u64,
    },
    /// The file's name is not a single path component.
    #[error("FileName is not a plain file name: \"{}\"", excerpt(.0))]
    BadFileName(String),
    /// A line has too few or too many fields.
    #[error("expected `id host port has_file`, found {words} fields")]
    WrongFieldCount {
        /// The number of fields.
        words: usize,
    },
    /// A peer is listed twice.
    #[error("duplicate peer {id}; first listed on line {first}")]
    DuplicateId {
        /// The peer.
        id: ConfiguredPeerId,
        /// The line of its first occurrence.
        first: usize,
    },
    /// Two peers have the same address.
    #[error("duplicate address {} port {port}; first listed on line {first}", excerpt(.host))]
    DuplicateAddress {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The line of its first occurrence.
        first: usize,
    },
    /// The host is not a valid name or address.
    #[error("the host is neither a name nor an address that can be reached: \"{}\"", excerpt(.0))]
    BadHost(String),
    /// The flag is neither 0 nor 1.
    #[error("has_file must be 0 or 1, not \"{}\"", excerpt(.0))]
    BadFlag(String),
    /// No peer is listed.
    #[error("no peer is listed")]
    NoPeers,
    /// Too many peers are listed.
    #[error("more than {MAX_CONFIGURED_PEERS} peers are listed")]
    TooManyPeers,
    /// No peer has the file at the start.
    #[error("no peer has the file: at least one line must end in 1")]
    NoSeed,
}

/// A suspicious entry of a configuration file, which is no reason to refuse the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The line, from 1.
    pub line: usize,
    /// What is suspicious.
    pub reason: WarningReason,
}

/// What is suspicious about a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarningReason {
    /// An unsupported key, as added by other programs.
    #[error("unknown key \"{}\" ignored", excerpt(.0))]
    UnknownKey(String),
    /// The file name is cut at a `#` after whitespace, which begins a comment.
    #[error("FileName ends before the comment: \"{}\"", excerpt(.0))]
    CommentAfterFileName(String),
}

impl ConfigError {
    /// Returns a text with one line per fault, each prefixed with the name of the file.
    pub fn display_for<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        FaultLines { lines: self.faults.iter().map(|fault| (fault.line, &fault.reason)).collect(), file }
    }
}

impl ConfigWarning {
    /// Returns a text with one line per warning, each prefixed with the name of the file.
    pub fn display_all<'a>(warnings: &'a [Self], file: &'a str) -> impl fmt::Display + 'a {
        FaultLines { lines: warnings.iter().map(|warning| (warning.line, &warning.reason)).collect(), file }
    }
}

/// Faults or warnings, each with its line.
struct FaultLines<'a, T> {
    lines: Vec<(usize, T)>,
    file: &'a str,
}

impl<T: fmt::Display> fmt::Display for FaultLines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, file } = self;
        for (number, (line, reason)) in lines.iter().take(MAX_REPORTED).enumerate() {
            let separator = if number > 0 { "\n" } else { "" };
            match line {
                0 => write!(f, "{separator}{file}: {reason}")?,
                line => write!(f, "{separator}{file}:{line}: {reason}")?,
            }
        }
        let more = lines.len().saturating_sub(MAX_REPORTED);
        if more > 0 { write!(f, "\n{file}: and {more} more") } else { Ok(()) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.display_for("line").fmt(f)
    }
}

impl std::error::Error for ConfigError {}

/// Returns the trimmed lines of a file that are neither blank nor comments, with their numbers from 1.
pub(super) fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = (usize, &str)>, ConfigError> {
    let fault = |reason| ConfigError { faults: vec![ConfigFault { line: 0, reason }] };
    if bytes.len() > MAX_CONFIG {
        return Err(fault(FaultReason::TooLarge));
    }
    let text = str::from_utf8(bytes).map_err(|_| fault(FaultReason::NotText))?;
    // Some editors write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    Ok(lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')))
}

/// Returns a line without its trailing comment: a `#` after whitespace and everything behind it.
pub(super) fn without_comment(line: &str) -> &str {
    let is_comment = |at: &usize| line.get(..*at).is_some_and(|head| head.ends_with(char::is_whitespace));
    let comment = line.match_indices('#').map(|(at, _)| at).find(is_comment);
    comment.and_then(|at| line.get(..at)).map_or(line, str::trim_end)
}

/// Parses a number from 1 to `limit`.
pub(super) fn number(key: &'static str, value: &str, limit: u64) -> Result<u64, FaultReason> {
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        return Err(FaultReason::NotANumber { key, value: value.to_owned() });
    }
    // Digits that overflow `u64` are a number over the limit.
    match value.parse().unwrap_or(u64::MAX) {
        0 => Err(FaultReason::Zero(key)),
        number if number > limit => Err(FaultReason::OverLimit { key, limit }),
        number => Ok(number),
    }
}
